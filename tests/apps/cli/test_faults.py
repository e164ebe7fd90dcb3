"""What people do wrong, and what they are told: one line on stderr, the exit code, and nothing lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import Command, start


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples.astype(np.float32), 16000)
    return path


def test_a_text_file_is_not_a_recording(command: Command, fp32_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are words, not sound. " * 50)
    result = command("caption", path, "--bundle", fp32_bundle)
    assert result.code == 2
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert str(path) in result.err
    assert "not a recording" in result.err
    assert "WAV, FLAC, Ogg, MP3" in result.err


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "absent.wav", "no such file"),
        (lambda folder: folder, "a folder"),
        (lambda folder: (folder / "empty.wav", (folder / "empty.wav").touch())[0], "the file is empty"),
        (lambda folder: write(folder / "zero.wav", np.zeros(0)), "zero length"),
    ],
)
def test_files_without_sound_are_named_with_the_reason(
    command: Command, fp32_bundle: Path, tmp_path: Path, make, reason: str
) -> None:
    path = make(tmp_path)
    result = command("caption", path, "--bundle", fp32_bundle)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert str(path) in result.err
    assert reason in result.err


@pytest.mark.parametrize(
    ("kept", "reason"), [(12, "it is FLAC whose first bytes are damaged"), (30, "a recording of zero length")]
)
def test_a_recording_cut_in_the_middle_of_its_header_is_refused(
    command: Command, fp32_bundle: Path, tmp_path: Path, clip: Path, kept: int, reason: str
) -> None:
    path = tmp_path / "cut.flac"
    path.write_bytes(clip.read_bytes()[:kept])
    result = command("caption", path, "--bundle", fp32_bundle)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"cut.flac: {reason}" in result.err


def test_silence_is_no_error_and_has_no_words(command: Command, tmp_path: Path) -> None:
    result = command("caption", write(tmp_path / "silence.wav", np.zeros(48000)))
    assert (result.code, result.out) == (0, "\n")
    assert "no speech in 3.0 s" in result.err


def test_a_recording_of_one_sample_is_no_crash(command: Command, tmp_path: Path) -> None:
    assert command("caption", write(tmp_path / "click.wav", np.ones(1))).code == 0


def test_several_files_with_a_bad_one_among_them(command: Command, tmp_path: Path, clip: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    result = command("caption", "--quiet", clip, bad, clip)
    assert result.code == 2
    first, last = result.out.splitlines()
    assert first == last
    assert len(first) > len(str(clip)) + 20
    assert str(bad) in result.err.splitlines()[0]
    assert "1 of 3 recordings could not be captioned (bad.wav); the others were" in result.err.splitlines()[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--verify-accept-ratio", "2"), "verify_accept_ratio is 2.0"),
        (("--verify", "-1"), "verify is -1"),
        (("--verify-lookahead", "0"), "verify_lookahead is 0"),
        (("--budget-ms", "-5"), "budget_ms is -5"),
        (("--threads", "0"), "threads is 0"),
        (("--verify", "many"), "many"),
        (("--verfy", "3"), "--verfy"),
        (("--stability", "0.2", "--save-audio", "x.wav"), "--save-audio, --stability: only for live captions"),
        (("--realtime", "--show"), "--show: only for recordings"),
    ],
)
def test_bad_options_are_named(command: Command, clip: Path, options: tuple[str, ...], reason: str) -> None:
    result = command("caption", clip, *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert reason in result.err


def test_a_folder_that_is_no_bundle(command: Command, tmp_path: Path, clip: Path) -> None:
    for line in (("caption", clip, "--bundle", tmp_path), ("inspect", tmp_path)):
        result = command(*line)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert "no bundle.json here" in result.err


def test_interrupting_keeps_what_was_printed(tmp_path: Path, clip: Path) -> None:
    minute = np.random.default_rng(0).normal(0, 3000, 16000 * 60).astype(np.int16)
    soundfile.write(hour := tmp_path / "hour.wav", np.tile(minute, 60), 16000)
    process = start("caption", "--quiet", clip, hour)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert first.startswith(f"{clip}: ")
    assert out == ""
    assert err == "unmask: interrupted; what was printed is complete\n"


# ---- pipes that close, output that is not UTF-8, names that are no text


def run(*arguments: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-m", "unmask.apps.cli.main", *map(str, arguments)]
    return subprocess.run(line, cwd=folder, env={**os.environ, **environment}, capture_output=True)


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path, clip: Path) -> None:
    line = f"{sys.executable} -m unmask.apps.cli.main caption --quiet {clip} {clip} {clip}"
    done = subprocess.run(["bash", "-c", f"{line} | head -n 1; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    first, code = done.stdout.splitlines()
    assert "inadequacy" in first
    assert code in ("0", "141")  # 0 where all was written before the reader left
    assert done.stderr == ""


def test_letters_that_the_output_cannot_show_are_marked(tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, tmp_path / "ünï 日本.flac")
    done = run("caption", "--quiet", "ünï 日本.flac", clip, folder=tmp_path, PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[0].startswith("ünï ??.flac: ".encode("cp1252"))


def test_a_name_that_is_no_text_is_captioned(tmp_path: Path, clip: Path) -> None:
    name = os.fsdecode(b"caf\xe9.flac")
    shutil.copy(clip, tmp_path / name)
    done = run("caption", "--quiet", name, clip, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 2
    assert run("caption", "--quiet", name, clip, "--json", "--output", "out.jsonl", folder=tmp_path).returncode == 0
    first, second = (tmp_path / "out.jsonl").read_text().splitlines()
    assert json.loads(first)["text"] == json.loads(second)["text"]
