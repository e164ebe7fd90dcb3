"""`unmask inspect`, and what the shipped bundle promises: size and no network."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.conftest import Command
from tests.conftest import Variants
from unmask.apps.cli.options import SHIPPED


def test_the_table_names_graphs_sizes_and_license(command: Command) -> None:
    result = command("inspect")
    assert result.code == 0
    for word in ("moonshine-tiny-en", "int8", "context.onnx", "window.onnx", "states of 24 ms", "MIT"):
        assert word in result.out
    assert "takes speech, gives text; verify 256, verify_lookahead 16" in result.out


def test_the_table_says_where_blocks_begin(command: Command, backbones: dict[str, Path], variants: Variants) -> None:
    assert "block, block attention in blocks of 4, fp32" in command("inspect", backbones["block"]).out
    told = " ".join(command("inspect", variants.bundle("a2d-bd3lm")).out.replace("│", " ").split())
    assert "a2d, block attention in blocks of 8 from the end of the prompt, fp32" in told


def test_a_transcript_says_how_it_lies_on_the_sound(command: Command, fp32_bundle: Path) -> None:
    told = " ".join(command("inspect", fp32_bundle).out.replace("\u2502", " ").split())
    assert "states of 24 ms, at most 30 s a segment; a draft of slots of 3 states" in told
    assert "task caption takes speech, gives text; verify 256" in told


def test_json_is_the_manifest(command: Command) -> None:
    """All that the file says, and the defaults of what it leaves out."""
    printed = json.loads(command("inspect", "--json", SHIPPED).out)
    assert stated(printed, json.loads((SHIPPED / "bundle.json").read_text()))


def stated(whole: object, part: object) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and stated(whole[key], value) for key, value in part.items())
    return whole == part


def test_a_damaged_bundle_is_named_in_one_line(command: Command, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(SHIPPED, bundle)
    weights = bundle / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    result = command("inspect", bundle)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "weights.bin" in result.err


def test_the_shipped_bundle_is_small_and_has_its_card() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 32 * 2**20
    card = (SHIPPED / "README.md").read_text()
    for word in ("Word error rate", "95 %", "LibriSpeech", "MIT", "Limits"):
        assert word in card


BLOCKED = """
import sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise PermissionError(f"the network was touched: {event} {arguments}")
sys.addaudithook(refuse)
from unmask.apps.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_captioning_touches_no_network(clip: Path) -> None:
    line = [sys.executable, "-c", BLOCKED, "caption", "--quiet", str(clip)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_captioning_works_in_a_machine_without_network(clip: Path) -> None:
    """In a network namespace of its own, native code has no way out either."""
    jail = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*jail, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs Linux with unprivileged network namespaces")
    line = [*jail, sys.executable, "-m", "unmask.apps.cli.main", "caption", "--quiet", str(clip)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
