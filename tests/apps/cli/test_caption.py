"""`unmask caption` on real speech: text, JSON, figures, formats, options."""

import itertools
import json
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
from whisper_normalizer.english import EnglishTextNormalizer

from tests.apps.conftest import CLIPS, TRANSCRIPTS, Command
from unmask.apps.audio.files import read_recording


def test_the_demo_clips_are_captioned(command: Command) -> None:
    result = command("caption", *(CLIPS / f"{name}.flac" for name in TRANSCRIPTS))
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(CLIPS / f"{name}.flac") for name in TRANSCRIPTS]
    normal = EnglishTextNormalizer()
    said = [normal(line.split(": ", 1)[1]) for line in lines]
    assert jiwer.wer([normal(text) for text in TRANSCRIPTS.values()], said) < 0.3
    assert result.err.count("rows per token") == 3


def test_json_has_words_in_order_and_the_cost(command: Command, clip: Path) -> None:
    result = command("caption", "--json", clip)
    record = json.loads(result.out)
    assert record["file"] == str(clip)
    assert record["text"] == " ".join(word["text"] for word in record["words"])
    starts = [word["start_s"] for word in record["words"]]
    assert starts == sorted(starts)
    assert all(word["start_s"] < word["end_s"] <= record["audio_s"] + 1.2 for word in record["words"])
    assert all(0 < word["confidence"] <= 1 for word in record["words"])
    assert record["rows_per_token"] == pytest.approx(record["rows"] / record["tokens"])
    assert record["seconds"] > 0


def passes(command: Command, clip: Path, *options: str) -> int:
    return int(json.loads(command("caption", "--json", *options, clip).out)["passes"])


@pytest.mark.parametrize("checks", [1, 2, 4])
def test_checks_are_a_limit(command: Command, clip: Path, checks: int) -> None:
    assert passes(command, clip, "--verify", str(checks)) == checks


@pytest.mark.slow
def test_more_permissive_checks_take_fewer_passes(command: Command, clip: Path) -> None:
    every = passes(command, clip)
    assert passes(command, clip, "--verify", "0") == 1
    assert passes(command, clip, "--budget-ms", "0.001") == 1 < every
    assert passes(command, clip, "--verify-accept-ratio", "0.01") <= every < passes(command, clip, "--verify-lookahead", "1")


def test_a_list_of_words_is_read_before_anything_is_captioned(
    command: Command, clip: Path, fp32_bundle: Path, tmp_path: Path
) -> None:
    (names := tmp_path / "names.txt").write_text("Dashwood\nBingley | 3\n", encoding="utf-8")
    assert command("caption", "--bundle", fp32_bundle, "--words", names, "--json", clip).code == 0
    names.write_text("Dashwood\nBingley | -3\n", encoding="utf-8")
    told = command("caption", "--bundle", fp32_bundle, "--words", names, clip)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert "names.txt, line 2: the weight of 'Bingley' is -3" in told.err


def test_quiet_says_nothing_on_stderr(command: Command, clip: Path) -> None:
    result = command("caption", "--quiet", clip)
    assert result.out.strip()
    assert result.err == ""


def test_the_live_view_shows_tokens_on_stderr_and_text_on_stdout(command: Command, clip: Path) -> None:
    result = command("caption", "--show", clip)
    assert "pass 1" in result.err
    assert result.out.strip().count("\n") == 0
    assert result.out.split()[0] in result.err


@pytest.mark.parametrize(("ending", "options"), [("wav", {}), ("ogg", {}), ("mp3", {}), ("flac", {"subtype": "PCM_24"})])
def test_formats_rates_and_channels_give_the_same_audio(tmp_path: Path, clip: Path, ending: str, options: dict[str, str]) -> None:
    """Stereo at 44.1 kHz through each format comes back as the 16 kHz recording that it was made from."""
    import soxr

    original = read_recording(clip)
    path = tmp_path / f"clip.{ending}"
    soundfile.write(path, np.stack([soxr.resample(original, 16000, 44100)] * 2, 1), 44100, **options)
    read = read_recording(path)
    assert abs(len(read) - len(original)) < 1600
    size = min(len(read), len(original))
    part = slice(2000, size - 2000)  # MP3 starts late by its padding
    best = max(float(np.corrcoef(original[part], np.roll(read, -shift)[part])[0, 1]) for shift in range(1300))
    assert best > 0.98


def test_long_recordings_are_captioned_in_windows(command: Command, tmp_path: Path, clip: Path) -> None:
    samples = read_recording(clip)
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([samples, np.zeros(8000, np.float32)] * 6), 16000)
    record = json.loads(command("caption", "--json", path).out)
    assert record["segments"] >= 3
    starts = [word["start_s"] for word in record["words"]]
    assert all(later >= earlier - 1.2 for earlier, later in itertools.pairwise(starts))
    assert record["words"][-1]["start_s"] > 35


def test_what_does_not_sound_like_english_is_told(command: Command, tmp_path: Path) -> None:
    """Speech played backwards has the sounds of a language that nobody speaks."""
    speech = read_recording(CLIPS / "lj-jail.flac")
    path = tmp_path / "backwards.wav"
    soundfile.write(path, speech[::-1], 16000)
    result = command("caption", "--quiet", path)
    assert (result.code, result.err) == (0, f"unmask: {path}: many words are unsure; this does not sound like English speech\n")
    soundfile.write(path, speech, 16000)
    assert command("caption", "--quiet", path).err == ""
