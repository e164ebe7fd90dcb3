"""The processors of a Raspberry Pi 4 and 5, emulated: the shipped captioner, a text model and LiteRT give what they give here."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.devices.on_arm64 import answers

pytestmark = [pytest.mark.devices, pytest.mark.convert]
ROOT = Path(__file__).resolve().parents[2]
ARM64 = ROOT / ".cache/arm64"
CLIPS = sorted((ROOT / "apps/clips").glob("*.flac"))
FOLDERS = ("export", "quant", "apps", "benchmarks", "training", "models")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as it installs."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "unmask").mkdir()
    for path in [*(ROOT / "runtime").iterdir(), *(ROOT / name for name in FOLDERS)]:
        (folder / "unmask" / path.name).symlink_to(path)
    return folder


@pytest.mark.skipif(not (ARM64 / "qemu-aarch64").exists(), reason="no QEMU 10 with an arm64 system here: make arm64-env")
@pytest.mark.parametrize(
    ("cpu", "has"),
    [
        pytest.param("cortex-a72", "asimd", id="Raspberry Pi 4"),
        pytest.param("cortex-a76", "asimddp", id="Raspberry Pi 5"),
    ],
)
def test_a_board_gives_the_same_texts_in_the_same_passes(
    cpu: str, has: str, package: Path, backbones: dict[str, Path], litert_bundle: Path
) -> None:
    given = [ROOT / "models/moonshine-tiny-en", backbones["dream"], litert_bundle]
    python = [ARM64 / "qemu-aarch64", "-L", ARM64 / "root", ARM64 / "root/usr/bin/python3.11"]
    environment = {"QEMU_CPU": cpu, "PYTHONPATH": f"{package}:{ARM64 / 'site'}", "HOME": str(package), "OMP_NUM_THREADS": "1"}

    def run(*line: str | Path) -> str:
        done = subprocess.run([*python, *line], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert has in run("-c", "print(open('/proc/cpuinfo').read())").split()
    found = json.loads(run(Path(__file__).with_name("on_arm64.py"), *given, *CLIPS))
    assert found.pop("machine") == "aarch64"
    assert found == json.loads(json.dumps(answers(*given, CLIPS)))
    assert all(text for text, passes in found["captions"])
    assert found["text"]
    assert found["litert"]
