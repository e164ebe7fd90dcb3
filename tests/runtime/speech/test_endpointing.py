"""Endpointing from hand-made speech probabilities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import InputError
from unmask.speech.endpointing import Endpointer, SpeechOptions

FRAME_S = 0.032
OPTIONS = SpeechOptions(threshold=0.5, onset_s=0.09, pause_s=0.19, end_s=0.7)


def changes(probabilities: list[float], options: SpeechOptions = OPTIONS) -> list[tuple[int, str]]:
    gate = Endpointer(options, FRAME_S)
    said = [(i, gate.push(p)) for i, p in enumerate(probabilities)]
    return [(i, change) for i, change in said if change != "none"]


def test_three_frames_of_speech_open_and_a_click_does_not() -> None:
    assert changes([0.9, 0.9, 0, 0.9, 0.9, 0.9]) == [(5, "started")]
    assert changes([0.9, 0, 0.9, 0, 0.9, 0]) == []


def test_a_pause_is_told_once_and_then_the_end() -> None:
    speech, silence = [0.9] * 10, [0.0] * 30
    assert changes(speech + silence) == [(2, "started"), (15, "paused"), (31, "ended")]  # 6 and 22 frames of silence
    assert changes(speech + silence[:8] + speech + silence[:8]) == [(2, "started"), (15, "paused"), (33, "paused")]


def test_speech_goes_on_a_little_below_the_threshold() -> None:
    assert changes([0.9] * 3 + [0.4] * 40) == [(2, "started")]
    assert changes([0.4] * 40) == []
    assert ("ended" in [change for _, change in changes([0.9] * 3 + [0.34] * 40)]) is True


@given(st.lists(st.floats(0, 1), max_size=300))
def test_changes_follow_one_another_in_order(probabilities: list[float]) -> None:
    open_, paused = False, False
    for _, change in changes(probabilities):
        assert (change == "started") is not open_
        if change == "ended":
            assert paused  # an end is a pause that went on
        open_, paused = change != "ended", change == "paused"


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"threshold": 1.0},
        {"pause_s": 0},
        {"pause_s": 0.8},
        {"onset_s": -1},
        {"preroll_s": -0.1},
        {"longest_s": 40},
        {"long_s": 0},
        {"end_s": float("nan")},
    ],
)
def test_options_that_make_no_sense_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        SpeechOptions(**wrong)
