"""No word begins in the silence before it, and none lasts through the silence after it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.speech.heard_times import SILENCE_S, frame_levels, heard_times
from unmask.speech.words import Word

RATE = 16_000


def sound(*parts: tuple[float, float], floor_db: float = -70.0) -> NDArray[np.float32]:
    """Noise of (seconds, dB of full scale) one after the other, over a floor."""
    rng = np.random.default_rng(3)
    loud = np.concatenate([np.full(round(seconds * RATE), 10 ** (db / 20)) for seconds, db in parts])
    return (np.maximum(loud, 10 ** (floor_db / 20)) * rng.standard_normal(len(loud))).astype(np.float32)


def said(*words: tuple[str, float, float]) -> list[Word]:
    return [Word(text, start_s, end_s, 0.9) for text, start_s, end_s in words]


def times(words: list[Word]) -> list[tuple[float, float]]:
    return [(word.start_s, word.end_s) for word in words]


SILENT, LOUD = -np.inf, -20.0


@pytest.mark.parametrize("floor_db", [-np.inf, -60.0])
@pytest.mark.parametrize("silent_s", [1.0, 2.0, 3.0, 5.0, 8.0, 11.0])
def test_a_word_that_was_put_before_its_sound_begins_with_it(silent_s: float, floor_db: float) -> None:
    words = said(
        ("The", 0.0, silent_s - 0.16), ("inadequacy", silent_s - 0.16, silent_s + 0.8), ("of", silent_s + 0.8, silent_s + 1)
    )
    found = heard_times(words, sound((silent_s, SILENT), (2.0, LOUD), floor_db=floor_db))
    assert times(found) == [
        (pytest.approx(silent_s, abs=0.021), pytest.approx(silent_s + 0.8 * 3 / 13, abs=0.021)),
        (pytest.approx(silent_s + 0.8 * 3 / 13, abs=0.021), pytest.approx(silent_s + 0.8, abs=0.001)),
        (silent_s + 0.8, silent_s + 1),
    ]


def test_a_word_ends_where_silence_begins() -> None:
    words = said(("Then,", 0.2, 9.3), ("he", 9.3, 9.6))
    found = heard_times(words, sound((1.0, LOUD), (8.3, SILENT), (1.0, LOUD)))
    assert times(found) == [(0.2, pytest.approx(1.0, abs=0.021)), (9.3, 9.6)]


@pytest.mark.parametrize(
    ("before_s", "after_s", "place_s", "expected_s"),
    [
        (0.9, 0.2, 4.0, 0.45),  # time enough for two words before the silence, and none after it
        (0.3, 1.0, 4.0, 6.0),  # and the other way round
        (0.9, 0.2, 5.7, 6.0),  # near the end of the silence: a draft's places are true to a few tenths of a second
    ],
)
def test_a_word_inside_a_silence_goes_where_there_is_time_for_it(
    before_s: float, after_s: float, place_s: float, expected_s: float
) -> None:
    words = said(("first", 0.0, place_s), ("other", place_s, 6.0 + after_s), ("then", 6.0 + after_s, 6.5 + after_s))
    found = heard_times(words, sound((before_s, LOUD), (6.0 - before_s, SILENT), (2.0, LOUD)))
    assert found[1].start_s == pytest.approx(expected_s, abs=0.021)
    assert found[0].end_s <= before_s + 0.021


def test_the_last_word_comes_before_the_last_silence() -> None:
    words = said(("of", 0.8, 1.0), ("London.", 3.0, 4.0))
    found = heard_times(words, sound((1.5, LOUD), (3.0, SILENT)))
    assert 0.8 < found[1].start_s < 1.2
    assert found[1].end_s == pytest.approx(1.5, abs=0.021)


@pytest.mark.parametrize("seconds", [1 / RATE, 0.01, 0.04])
def test_a_click_is_no_sound(seconds: float) -> None:
    samples = sound((5.0, SILENT), (2.0, LOUD))
    samples[2 * RATE : 2 * RATE + max(1, round(seconds * RATE))] = 1.0
    assert heard_times(said(("The", 0.0, 5.1), ("end", 5.1, 6.0)), samples)[0].start_s == pytest.approx(5.0, abs=0.021)


def test_a_short_silence_within_a_word_is_no_pause() -> None:
    words = said(("hit", 0.0, 0.6), ("parade", 0.6, 1.8))
    assert heard_times(words, sound((1.0, LOUD), (SILENCE_S - 0.06, SILENT), (1.0, LOUD))) == words


@pytest.mark.parametrize("samples", [sound((3.0, LOUD)), sound((3.0, SILENT)), np.zeros(3 * RATE, np.float32)])
def test_where_silence_cannot_be_told_from_speech_nothing_moves(samples: NDArray[np.float32]) -> None:
    words = said(("one", 0.0, 1.0), ("two", 1.0, 2.9))
    assert heard_times(words, samples) == words
    assert heard_times([], samples) == []


def test_levels_are_in_decibels_of_full_scale() -> None:
    sine = np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE).astype(np.float32)
    assert frame_levels(sine) == pytest.approx(np.full(50, -3.01), abs=0.01)
    assert (frame_levels(np.zeros(RATE, np.float32)) == -90).all()


@st.composite
def captioned(draw: st.DrawFn) -> tuple[list[Word], NDArray[np.float32], float]:
    parts = draw(st.lists(st.tuples(st.floats(0.05, 2.0), st.sampled_from([SILENT, -50.0, LOUD])), min_size=1, max_size=6))
    samples, start_s = sound(*parts), draw(st.sampled_from([0.0, 7.5]))
    edges = sorted(draw(st.lists(st.floats(0, len(samples) / RATE), max_size=16)))
    words = [
        Word("x" * (1 + i % 9), round(start_s + a, 3), round(start_s + b, 3), 1.0) for i, (a, b) in enumerate(pairwise(edges))
    ]
    return words, samples, start_s


@given(captioned())
def test_words_stay_in_order_and_in_the_recording(given: tuple[list[Word], NDArray[np.float32], float]) -> None:
    words, samples, start_s = given
    found = heard_times(words, samples, start_s)
    assert [(word.text, word.confidence) for word in found] == [(word.text, word.confidence) for word in words]
    for one, two in pairwise(found):
        assert one.start_s <= one.end_s <= two.start_s + 0.021
        assert one.start_s <= two.start_s
    for word in found:
        assert start_s - 0.001 <= word.start_s <= word.end_s <= start_s + len(samples) / RATE + 0.001
