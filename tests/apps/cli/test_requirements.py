"""What the measuring commands need is checked before they measure: a missing package is one line that names the extra."""

import importlib.util
from pathlib import Path

import pytest

from tests.apps.conftest import CLIPS, Command

SHIPPED = Path(__file__).parents[3] / "models" / "moonshine-tiny-en"
CLIP = CLIPS / "lj-jail.flac"


@pytest.mark.parametrize(
    "line", [("bench",), ("compare", SHIPPED, SHIPPED), ("tune", SHIPPED, "--audio", CLIP)], ids=lambda line: line[0]
)
def test_word_error_rates_need_an_extra(line: tuple[str | Path, ...], command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name == "jiwer" else known(name, *of))
    result = command(*line)
    message = "unmask: jiwer is not installed; this needs an extra: pip install 'unmask[bench]'\n"
    assert (result.code, result.out, result.err) == (2, "", message)


def test_smaller_bundles_need_no_pytorch(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name == "onnx" else known(name, *of))
    result = command("quantize", SHIPPED, "--out", tmp_path / "small")
    message = "unmask: onnx is not installed; this needs an extra: pip install 'unmask[quant]'\n"
    assert (result.code, result.out, result.err) == (2, "", message)
    assert not list(tmp_path.iterdir())
