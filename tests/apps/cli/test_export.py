"""`unmask export`: a folder in, a bundle out that generates, and one line for what cannot be exported."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.apps.conftest import Command, start
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.bundle.manifest import load_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model", "dream")


def test_from_a_checkpoint_to_an_answer(command: Command, folder: Path) -> None:
    result = command("export", folder)
    bundle = folder.with_name("model.bundle")
    assert (result.code, result.out) == (0, f"{bundle}\n")
    assert "family dream: 2 layers of 64, 260 ids; full attention, logits of the row before, mask 259" in result.err
    assert "next: unmask generate" in result.err
    assert "dream, full attention, fp32" in command("inspect", bundle).out
    assert command("generate", bundle, "--prompt", "hello", "--length", "5").code == 0


@pytest.mark.slow
def test_folder_and_name_can_be_chosen_and_what_is_there_is_replaced_only_when_asked(
    command: Command, folder: Path, backbones: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / "b"
    shutil.copytree(backbones["llada"], target)
    before = (target / "weights.bin").stat().st_ino
    refused = command("export", folder, "--out", target)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "exists already; pass --replace" in refused.err
    assert (target / "weights.bin").stat().st_ino == before
    result = command("export", folder, "--out", target, "--name", "mine", "--top", "8", "--quiet", "--replace")
    assert (result.code, result.out, result.err) == (0, f"{target}\n", "")
    assert "mine" in command("inspect", target).out
    other = tmp_path / "other"
    other.mkdir()
    assert "not a bundle, so it is not replaced" in command("export", folder, "--out", other, "--replace").err


def test_a_truncated_download_is_one_line(command: Command, folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    result = command("export", folder)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "cut short or damaged" in result.err
    assert not folder.with_name("model.bundle").exists()


def test_an_unknown_family_lists_the_known(command: Command, folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"Dream"', '"bert"'))
    result = command("export", folder)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "'bert' is not one that can be exported; known: dream, llada, mmada, sdar, qwen3, a2d-qwen3" in result.err


def test_no_folder_is_one_line(command: Command, tmp_path: Path) -> None:
    result = command("export", tmp_path / "nothing")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "no such folder" in result.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [(("--top", "1"), "top is 1"), (("--block", "8"), "without blocks; leave out the option"), (("--top", "many"), "top")],
)
def test_options_that_cannot_be(command: Command, folder: Path, options: tuple[str, ...], reason: str) -> None:
    result = command("export", folder, *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert reason in result.err
    assert not folder.with_name("model.bundle").exists()


def test_a_key_that_nobody_knows_is_told(command: Command, folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace("{", '{"swirl": 3, ', 1))
    result = command("export", folder)
    assert result.code == 0
    assert "config.json has keys that nobody here knows: swirl;" in result.err


@pytest.mark.slow
def test_a_model_in_the_hubs_cache_is_exported_to_the_current_folder_and_quiet_is_silent(folder: Path, tmp_path: Path) -> None:
    """In a process of its own: PyTorch's exporter remarks on itself once a process."""
    model = tmp_path / "hub" / "models--org--Tiny"
    (model / "snapshots").mkdir(parents=True)
    folder.rename(model / "snapshots" / "5e1f2a")
    here = tmp_path / "here"
    here.mkdir()
    line = [sys.executable, "-m", "unmask.apps.cli.main", "export", str(model), "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Tiny.bundle\n", "")
    assert load_bundle(here / "Tiny.bundle").manifest.name == "Tiny"
    assert sorted(path.name for path in model.rglob("*")) == sorted(
        ["snapshots", "5e1f2a", "config.json", "model.safetensors", "tokenizer.json"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_however_it_is_ended_nothing_is_left(folder: Path, number: signal.Signals) -> None:
    process = start("export", folder)
    while process.poll() is None and len(list(folder.parent.iterdir())) < 2:  # until the bundle is begun
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert err.endswith("; nothing was written\n")
    assert list(folder.parent.iterdir()) == [folder]


def test_a_place_that_cannot_be_written_is_one_line(command: Command, folder: Path) -> None:
    result = command("export", folder, "--out", folder / "config.json" / "bundle")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "bundle: cannot be written" in result.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        line = [sys.executable, "-m", "unmask.apps.cli.main", "inspect", "--json"]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "unmask: standard output: No space left on device\n")


@pytest.mark.parametrize("package", ["torch", "safetensors", "onnx"])
def test_a_missing_package_names_the_extra(folder: Path, package: str) -> None:
    run = "from unmask.apps.cli.main import run; sys.argv = ['unmask', 'export', 'model']"
    code = f"import sys; sys.modules[{package!r}] = None; {run}"
    done = subprocess.run([sys.executable, "-c", f"{code}; run()"], capture_output=True, text=True, timeout=60, cwd=folder.parent)
    assert done.returncode == 2
    assert f"{package} is not installed" in done.stderr
    assert "pip install 'unmask[export]'" in done.stderr
