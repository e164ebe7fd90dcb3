"""From recordings to labels: corpora are read, audio is rendered as asked, and transcripts take the teacher's writing."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.export.captioner import Captioner
from unmask.export.whisper import Whisper
from unmask.mel import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from unmask.training.corpus import Utterance, read_corpus
from unmask.training.prepare import (
    NORMAL,
    TAIL_SAMPLES,
    VARIANTS,
    Prepare,
    States,
    Variant,
    encode,
    looped,
    read_corpus_split,
    render,
    text_lines,
    written,
)

Samples = NDArray[np.float32]


def tone(hz: float, seconds: float, level: float = 0.1) -> Samples:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)).astype(np.float32)


# ---- corpora


def write_corpus(path: Path, rows: list[dict[str, object]], files: dict[str, tuple[Samples, int]]) -> None:
    with tarfile.open(f"{path}.tar", "w") as tar:
        for name, (samples, rate) in files.items():
            data = io.BytesIO()
            soundfile.write(data, samples, rate, format=Path(name).suffix[1:].upper())
            info = tarfile.TarInfo(name)
            info.size = len(data.getvalue())
            tar.addfile(info, io.BytesIO(data.getvalue()))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    Path(f"{path}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_corpus_comes_in_the_order_of_its_manifest(tmp_path: Path) -> None:
    first, second = tone(300, 0.2), tone(700, 0.3)
    rows = [{"id": "b", "file": "x/b.wav", "text": "zwei wörter", "seconds": 0.3}, {"id": "a", "file": "a.flac", "seconds": 0.2}]
    write_corpus(tmp_path / "some.corpus", rows, {"a.flac": (first, SAMPLE_RATE_HZ), "x/b.wav": (second, SAMPLE_RATE_HZ)})
    b, a = read_corpus(tmp_path / "some.corpus")
    assert (b.id, b.text, a.id, a.text) == ("b", "zwei wörter", "a", "")
    assert a.samples.dtype == b.samples.dtype == np.float32
    np.testing.assert_allclose(a.samples, first, atol=1 / 32768)
    np.testing.assert_allclose(b.samples, second, atol=1 / 32768)


def test_recordings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_corpus(tmp_path / "rate", [{"id": "a", "file": "a.wav"}], {"a.wav": (tone(300, 0.2), 8000)})
    with pytest.raises(ValueError, match=r"rate\.tar: a\.wav is at 8000 Hz, not 16000"):
        list(read_corpus(tmp_path / "rate"))
    write_corpus(tmp_path / "kind", [{"id": "a", "file": "folder"}], {})
    with pytest.raises(ValueError, match=r"kind\.tar: folder is not a file"):
        list(read_corpus(tmp_path / "kind"))


def test_only_noise_of_the_split_is_read(tmp_path: Path) -> None:
    rows = [{"id": i, "file": f"{i}.wav", "split": split} for i, split in (("a", "train"), ("b", "test"), ("c", "train"))]
    write_corpus(tmp_path / "noise", rows, {f"{i}.wav": (tone(300, 0.1), SAMPLE_RATE_HZ) for i in "abc"})
    assert [u.id for u in read_corpus_split(tmp_path / "noise", "train")] == ["a", "c"]


def test_text_lines_lower_what_is_all_capitals(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("AND MISTER BROWN\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("Turn it off.\nOK Bob\n", encoding="utf-8")
    assert list(text_lines(tmp_path)) == ["Turn it off.", "OK Bob", "and mister brown"]


# ---- audio


class Chosen:
    """A generator whose draws are given: noise is mixed in, at these decibels, with this gain."""

    def __init__(self, decibels: float, gain: float) -> None:
        self.values = [decibels, gain]

    def random(self) -> float:
        return 0.0

    def integers(self, high: int) -> int:
        return high // 3

    def uniform(self, low: float, high: float) -> float:
        value = self.values.pop(0)
        assert low <= value <= high
        return value


def decibels(power: float) -> float:
    return float(10 * np.log10(power))


@pytest.mark.parametrize("asked", [5.0, 12.0, 25.0])
@pytest.mark.parametrize("noise_s", [0.7, 5.0])
def test_noise_is_mixed_in_at_the_asked_power(asked: float, noise_s: float) -> None:
    audio, noise = tone(300, 2.0), np.random.default_rng(0).standard_normal(int(noise_s * SAMPLE_RATE_HZ)).astype(np.float32)
    heard = render(audio, Variant("noisy", noisy=1.0), [noise], Chosen(asked, 0.0))
    assert heard.shape == audio.shape
    assert heard.dtype == np.float32
    assert decibels(np.mean(audio**2) / np.mean((heard - audio) ** 2)) == pytest.approx(asked, abs=0.05)


def test_gain_is_applied_to_speech_and_noise_alike() -> None:
    audio, noises = tone(300, 1.0), [tone(1000, 1.0)]
    plain, quiet = (render(audio, Variant("noisy", noisy=1.0), noises, Chosen(10.0, gain)) for gain in (0.0, -6.0))
    np.testing.assert_allclose(quiet, plain * 10 ** (-6 / 20), rtol=1e-4, atol=1e-6)


def test_a_share_of_the_utterances_is_noisy() -> None:
    audio, rng = tone(300, 0.5), np.random.default_rng(0)
    variant, noise = Variant("some", noisy=0.5), tone(1000, 0.5)
    share = np.mean([abs(float(render(audio, variant, [noise], rng) @ noise)) > 1e-3 for _ in range(200)])
    assert 0.35 < share < 0.65


def test_clean_is_unchanged() -> None:
    audio = tone(300, 0.5)
    assert VARIANTS[0].name == "clean"
    np.testing.assert_array_equal(render(audio, VARIANTS[0], [tone(1000, 1.0)], np.random.default_rng(0)), audio)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_changes_length_and_pitch(speed: float) -> None:
    audio = tone(440, 2.0)
    heard = render(audio, Variant("v", speed), [], np.random.default_rng(0))
    assert len(heard) == pytest.approx(len(audio) / speed, abs=2)
    peak_hz = np.abs(np.fft.rfft(heard)).argmax() * SAMPLE_RATE_HZ / len(heard)
    assert peak_hz == pytest.approx(440 * speed, abs=1)


# ---- encoder states


def test_states_on_disk_are_those_of_the_encoder(captioner: Captioner, tmp_path: Path) -> None:
    whisper = Whisper(captioner.config.whisper).eval()
    whisper.encoder.load_state_dict(captioner.encoder.state_dict())
    utterances = [Utterance(f"u{hz}", "", tone(hz, 0.5)) for hz in (300, 500, 900)]
    encode(whisper, utterances, VARIANTS[0], [], Prepare(tmp_path, tmp_path, tmp_path))
    states = States(tmp_path, "clean", captioner.config.whisper.width)
    count = (len(utterances[0].samples) + TAIL_SAMPLES) // (2 * HOP_SAMPLES)
    for u in utterances:
        mel = torch.from_numpy(log_mel(np.pad(u.samples, (0, TAIL_SAMPLES))))
        expected = captioner.encoder(mel[None])[0].numpy()
        assert states[u.id].shape == (count, captioner.config.whisper.width)
        np.testing.assert_allclose(states[u.id].astype(np.float32), expected, atol=5e-3)
    assert states.data.shape[0] == 3 * count
    with pytest.raises(KeyError):
        states["u301"]


# ---- writing


@pytest.mark.parametrize(
    ("transcript", "teacher", "expected"),
    [
        ("hello world", "Hello, world!", "Hello, world!"),
        ("mister smith paid twenty dollars", "Mr. Smith paid $20.", "Mr. Smith paid $20."),
        # marks and case move to the words that both have; the transcript's words stand where the teacher erred
        ("well i saw john at the cat show", "Well, I saw John at the hat show!", "Well, I saw John at the cat show!"),
        ("mister smith paid twenty dollars for the cat", "Mr. Smith paid $20 for the hat.", "Mr. Smith paid $20 for the cat"),
        ("the cat is here", "Cat is here.", "The Cat is here."),
        ("the cat", "The cat. Thank you.", "The cat."),
        ("their house", "There house", "Their house"),
        ("hello there", "", "Hello there"),
        ("", "Whatever it heard.", "Whatever it heard."),
        ("", "", ""),
    ],
)
def test_transcript_takes_the_teachers_writing(transcript: str, teacher: str, expected: str) -> None:
    assert written(transcript, teacher) == expected


LOOP = " ".join(["and then he said"] * 8)


def test_looped_teacher_text_is_not_believed() -> None:
    assert looped(LOOP)
    assert not looped("and then he said " * 2 + "that it was late and so he went back home to sleep")
    assert written("", LOOP) == ""
    assert NORMAL(written("and then he said good night", LOOP)) == "and then he said good night"


WORDS = ["the", "cat", "sat", "on", "a", "mat", "john", "went", "home"]
TEACHER_WORD = st.builds(
    lambda word, mark, capital: (word.capitalize() if capital else word) + mark,
    st.sampled_from(WORDS),
    st.sampled_from(["", "", ",", ".", "!"]),
    st.booleans(),
)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=10), st.lists(TEACHER_WORD, max_size=10))
def test_words_are_always_those_of_the_transcript(words: list[str], teacher: list[str]) -> None:
    assert NORMAL(written(" ".join(words), " ".join(teacher))).split() == words
