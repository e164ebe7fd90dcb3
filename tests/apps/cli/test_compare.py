"""`unmask compare`: tables or JSON on stdout; a missed gate is exit code 1 and a line on stderr."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import Command


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, (0.3 * np.sin(np.arange(24000) ** 1.3 / 40)).astype(np.float32), 16000)
    return path


def test_tables(command: Command, fp32_bundle: Path, int8_bundle: Path, recording: Path) -> None:
    result = command("compare", fp32_bundle, int8_bundle, "--audio", recording, "--runs", "1")
    assert result.code == 0
    for word in (
        "size, MiB",
        "peak memory, MiB",
        "load, ms",
        "a pass, 1 thread, ms",
        "against A's texts",
        "| slots of the draft |",
        "| its own text |",
    ):
        assert word in result.out
    assert "tiny-fp32 (fp32)" in result.out
    assert "measuring: drift" in result.err


def test_json_with_transcripts(command: Command, fp32_bundle: Path, int8_bundle: Path, recording: Path) -> None:
    recording.with_suffix(".txt").write_text("something was said", encoding="utf-8")
    result = command("compare", fp32_bundle, int8_bundle, "--audio", recording, "--runs", "0", "--json", "--quiet")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert found["missed"] == []
    assert (found["load"], found["memory"], found["passes"]) == (None, None, [])
    assert found["texts"]["wer_a"] > 0
    assert [part["ratio"] for part in found["drift"]] == [None, None]


def test_a_gate_that_holds_and_one_that_is_missed(
    command: Command, fp32_bundle: Path, int8_bundle: Path, recording: Path
) -> None:
    own = ("compare", fp32_bundle, int8_bundle, "--audio", recording, "--runs", "0", "--quiet")
    assert command(*own, "--gate-size", "0.99", "--gate-kl", "1").code == 0
    result = command(*own, "--gate-size", "0.01", "--gate-kl", "1")
    assert result.code == 1
    assert result.err.startswith("gate missed: size is 0.")
    assert result.err.count("\n") == 1
    assert "size, MiB" in result.out  # what was measured is still told


def test_a_bundle_against_itself_passes_the_strictest_gates(command: Command, backbones: dict[str, Path]) -> None:
    strict = ("--gate-argmax", "1", "--gate-first", "1", "--gate-early", "1", "--gate-kl", "0", "--gate-words", "0")
    own = ("--runs", "0", "--quiet", "--prompt", "What?", "--length", "8")
    assert command("compare", backbones["dream"], backbones["dream"], *own, *strict).code == 0


def test_streams_are_compared_code_by_code(command: Command, voice: Path) -> None:
    own = ("compare", voice, voice, "--runs", "1", "--threads", "1", "--prompt", "Hi.", "--length", "6", "--quiet")
    result = command(*own, "--gate-argmax", "1", "--gate-early", "1", "--gate-kl", "0", "--gate-words", "0", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert [(part["ratio"], part["rows"]) for part in found["drift"]] == [(0.25, 48), (0.5, 96), (0.75, 144), (1.0, 48)]
    assert len(found["texts"]["a"][0].split()) == 48
    assert found["passes"][0]["timed"]["a"]["median"] > 0


def test_bad_input_is_told_in_one_line(command: Command, fp32_bundle: Path, backbones: dict[str, Path], recording: Path) -> None:
    for arguments, said in (
        ((fp32_bundle, backbones["dream"], "--audio", recording), "do not predict the same ids"),
        ((fp32_bundle, fp32_bundle, "--audio", recording, "--runs", "-1"), "at least 0"),
        ((fp32_bundle, fp32_bundle, "--audio", recording, "--runs", "0", "--gate-wer", "0.1"), "transcripts"),
        ((fp32_bundle, recording.parent), "not a bundle"),
        ((fp32_bundle, fp32_bundle, "--audio", recording, "--runs", "0", "--gate-kl", "nan"), "a number from 0"),
        ((fp32_bundle, fp32_bundle, "--audio", recording, "--any-threads"), "--any-threads: only for reports"),
    ):
        result = command("compare", *arguments, "--quiet")
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), arguments
        assert said in result.err
