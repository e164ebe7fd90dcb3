"""Sentences that voices read alike become a corpus that the recipe reads like a recorded one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training import synthesize
from unmask.training.corpus import read_corpus, read_lines
from unmask.training.synthesize import Synthesize, main, open_voice, readable_lines

Samples = NDArray[np.float32]
RATE = 22_050
SENTENCES = ["Turn it off, please.", "Is Ada's cat here?", "Well; that is it!", "A half-open door: shut.", "He said so."]


@pytest.fixture
def options(tmp_path: Path) -> Synthesize:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(SENTENCES), encoding="utf-8")
    return Synthesize((text,), tmp_path / "synthetic", voices=("low", "high"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, float]]:
    """What the fake voices were asked to read, and how fast: each reads a tenth of a second for each letter, as a tone."""
    seen: list[tuple[str, str, float]] = []

    def fake(name: str) -> Callable[[str, float], tuple[Samples, int]]:
        def read(sentence: str, speed: float) -> tuple[Samples, int]:
            seen.append((name, sentence, speed))
            time = np.arange(int(len(sentence) / 10 * RATE)) / RATE
            return (0.3 * np.sin(2 * np.pi * {"low": 300, "high": 3000}[name] * time)).astype(np.float32), RATE

        return read

    monkeypatch.setattr(synthesize, "open_voice", fake)
    return seen


# ---- sentences


@pytest.mark.parametrize(
    "line",
    [
        "In 1820 it was",
        "It cost $ much",
        "Zoë came home",
        "(Turn it off)",
        "'Tis so",
        "",
        "Alone",
        "a " * 40 + "a",
        'He said "so" now',
    ],
)
def test_lines_that_voices_may_read_in_several_ways_are_left_out(options: Synthesize, line: str) -> None:
    options.text[0].write_text(f"Turn it off.\n{line}\nHe said so.\n", encoding="utf-8")
    assert readable_lines(options) == ["Turn it off.", "He said so."]


def test_lines_are_distinct_and_in_order(options: Synthesize, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("Now and here.\nHe said so.\nHe said so.\n", encoding="utf-8")
    both = replace(options, text=(tmp_path / "more.txt", *options.text))
    assert readable_lines(both) == ["Now and here.", "He said so.", *SENTENCES[:-1]]


def test_length_is_counted_in_words(options: Synthesize) -> None:
    assert readable_lines(replace(options, words=(4, 4))) == [line for line in SENTENCES if len(line.split()) == 4]


def test_what_is_kept_for_testing_is_left_out(options: Synthesize, tmp_path: Path) -> None:
    kept = tmp_path / "test.jsonl"
    rows = [{"text": "he said so", "raw": "He said so."}, {"text": SENTENCES[0]}]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert readable_lines(replace(options, without=kept)) == SENTENCES[1:-1]


# ---- the corpus


def test_corpus_is_read_back(options: Synthesize, asked: list[tuple[str, str, float]]) -> None:
    main(options)
    utterances, rows = list(read_corpus(options.out)), read_lines(options.out.with_suffix(".jsonl"))
    assert sorted(u.written for u in utterances) == sorted(SENTENCES)
    assert len({u.id for u in utterances}) == len(SENTENCES)
    for u, row, (voice, sentence, speed) in zip(utterances, rows, asked, strict=True):
        assert (u.written, u.speaker) == (sentence, voice)
        assert row["text_source"] == "synthetic"
        assert options.speed[0] <= speed <= options.speed[1]
        assert len(u.samples) == pytest.approx(len(sentence) / 10 * SAMPLE_RATE_HZ, abs=5)  # 16 kHz, whatever the voice has
        hz = np.abs(np.fft.rfft(u.samples)).argmax() * SAMPLE_RATE_HZ / len(u.samples)
        assert hz == pytest.approx({"low": 300, "high": 3000}[voice], abs=2)
        assert np.abs(u.samples).max() == pytest.approx(0.3, abs=0.02)
    texts = {u.written: u.text for u in utterances}
    assert texts["Is Ada's cat here?"] == "is ada's cat here"
    assert texts["A half-open door: shut."] == "a half open door shut"
    assert len({speed for _, _, speed in asked}) == len(SENTENCES)


def test_a_seed_draws_lines_and_voices(options: Synthesize, asked: list[tuple[str, str, float]]) -> None:
    runs = []
    for seed in (1, 1, 2):
        asked.clear()
        main(replace(options, lines=3, seed=seed))
        runs.append(list(asked))
        assert len({sentence for _, sentence, _ in asked}) == 3
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_voices_are_heard_as_often_as_they_are_named(options: Synthesize, asked: list[tuple[str, str, float]]) -> None:
    words = [a + b + c for a in "abcde" for b in "aeiou" for c in "klmn"]
    options.text[0].write_text("\n".join(f"Oh {word}" for word in words), encoding="utf-8")
    main(replace(options, voices=("low", "low", "low", "high")))
    assert len(asked) == len(words)
    assert 0.6 < np.mean([voice == "low" for voice, _, _ in asked]) < 0.9


def test_samples_too_loud_are_clipped(options: Synthesize, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        synthesize, "open_voice", lambda name: lambda text, speed: (np.full(8000, 1.5, np.float32), SAMPLE_RATE_HZ)
    )
    main(options)
    for u in read_corpus(options.out):
        np.testing.assert_allclose(u.samples, 1.0, atol=1e-3)


def test_what_was_cut_short_is_no_corpus(options: Synthesize, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, speed: float) -> tuple[Samples, int]:
        raise OSError("no voice")

    monkeypatch.setattr(synthesize, "open_voice", lambda name: broken)
    with pytest.raises(OSError, match="no voice"):
        main(options)
    assert not list(options.out.parent.glob("synthetic.tar"))
    with pytest.raises(FileNotFoundError):
        list(read_corpus(options.out))


# ---- voices


@pytest.mark.parametrize("name", ["", "slt", "Flite:slt", "say:alex"])
def test_unknown_voices_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="hibari, flite:NAME, espeak:NAME and kokoro:FOLDER:NAME"):
        open_voice(name)


@pytest.mark.parametrize(("name", "program"), [("flite:slt", "flite"), ("espeak:en-us+f3", "espeak-ng")])
def test_installed_voices_are_heard_and_follow_the_speed(name: str, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    read = open_voice(name)
    (slow, rate), (fast, _) = read("Turn it off, please.", 0.85), read("Turn it off, please.", 1.3)
    assert 8000 <= rate <= 48_000
    for samples in (slow, fast):
        assert samples.dtype == np.float32
        assert 0.5 < len(samples) / rate < 5
        assert 0.1 < np.abs(samples).max() <= 1
    assert len(fast) / len(slow) == pytest.approx(0.85 / 1.3, rel=0.15)
