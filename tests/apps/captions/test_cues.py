"""Cues hold every word once, in order, within the bounds that broadcasters set; words are parted where a reader would."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.apps.captions.spoken import say, spoken
from unmask.apps.captions.cues import FLICKER_S, LINGER_S, LONGEST_S, SHORTEST_S, cues
from unmask.apps.captions.lines import LINE_CHARACTERS, LINES
from unmask.speech.words import Word


def texts(words: list[Word]) -> list[str]:
    return [" ".join(cue.lines) for cue in cues(words)]


@given(spoken(), st.booleans())
def test_every_word_stands_in_one_cue_and_cues_never_overlap(words: list[Word], live: bool) -> None:
    """Marks may be left out where they stand far from all words."""
    until_s = words[-1].end_s + 0.7 if live and words else math.inf
    found = cues(words, until_s)
    shown = " ".join(line for cue in found for line in cue.lines).split()
    readable = [word.text for word in words if any(letter.isalnum() for letter in word.text)]
    assert [text for text in shown if any(letter.isalnum() for letter in text)] == readable
    for cue in found:
        assert cue.start_s < cue.end_s <= until_s
        assert len(cue.lines) <= LINES
        assert all(len(line) <= LINE_CHARACTERS for line in cue.lines)
        assert any(letter.isalnum() for line in cue.lines for letter in line)
    for one, two in pairwise(found):
        assert one.end_s <= two.start_s
    assert {cue.start_s for cue in found} <= {word.start_s for word in words}


@given(spoken())
def test_how_long_cues_stay(words: list[Word]) -> None:
    """From 5/6 s to 7 s, unless the next word comes sooner; a gap is closed or not too short to see."""
    found = cues(words)
    starts = sorted(word.start_s for word in words)
    for cue in found:
        assert cue.end_s - cue.start_s <= LONGEST_S + 0.001
        sooner = any(cue.start_s < start_s < cue.start_s + SHORTEST_S for start_s in starts)
        assert cue.end_s - cue.start_s >= SHORTEST_S - 0.001 or sooner
    said = [word for word in words if any(letter.isalnum() for letter in word.text)]
    if len(said) == len(words):
        for one, two in pairwise(found):
            gap_s = two.start_s - one.end_s
            assert gap_s < 0.001 or gap_s >= FLICKER_S - 0.001 or two.start_s - one.start_s > LONGEST_S


def test_a_pause_ends_a_cue() -> None:
    found = cues([*say("Come here. Now go"), *say("far away now", start_s=5.0)])
    assert [cue.lines for cue in found] == [("Come here. Now go",), ("far away now",)]
    assert found[0].end_s == pytest.approx(17 / 13)  # time to read it, as nothing follows
    assert found[1].start_s == 5.0


def test_a_cue_stays_while_nothing_follows_but_not_for_long() -> None:
    slow, fast = cues(say("Nobody came.", each_s=1.0)), cues(say("Nobody came to meet him at the old station.", each_s=0.1))
    assert slow[0].end_s == 2.0
    assert fast[0].end_s == pytest.approx(0.9 + LINGER_S)


def test_a_short_gap_is_closed() -> None:
    first, second = cues([*say("He came home very late."), *say("Nobody saw him on the way there, or so he said.", start_s=2.0)])
    assert first.end_s == second.start_s


def test_the_last_cue_of_a_live_segment_ends_before_the_next_can_begin() -> None:
    words = say("He came home very late in the night.", each_s=0.4)
    (cue,) = cues(words, until_s=words[-1].end_s + 0.7)
    assert words[-1].end_s <= cue.end_s <= words[-1].end_s + 0.7 - FLICKER_S + 0.001
    (fast,) = cues(say("Extraordinary circumstances notwithstanding.", each_s=0.5), until_s=2.2)
    assert fast.end_s == 2.2  # the time is needed


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("Mr. and Mrs. Jones met Prof. Lee at 5 p.m. in Washington D.C. today.", 1),
        ("Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.", 2),
    ],
)
def test_abbreviations_end_no_cue(text: str, parted: int) -> None:
    found = texts(say(text, each_s=0.35))
    assert len(found) == parted
    assert not any(cue.endswith(("Mr.", "Mrs.", "Prof.", "p.m.", "D.C.")) for cue in found)


def test_no_few_words_are_left_over() -> None:
    """Greedily filled, the second cue would be the last word alone."""
    found = texts(
        say(
            "He was a man who had never in all his life been known to speak to anyone about what had happened there.", each_s=0.28
        )
    )
    assert len(found) == 2
    assert min(len(cue.split()) for cue in found) > 5


def test_the_end_of_a_sentence_is_drawn_back_to_it() -> None:
    found = texts(
        say("They had come to the house by the river. It was the last of the old houses that still stood along the water there.")
    )
    assert found[0] == "They had come to the house by the river."


@pytest.mark.parametrize("mark", [".", "...", "-", '"', "--"])
def test_a_mark_is_no_cue(mark: str) -> None:
    assert cues([Word(mark, 1.0, 1.15, 1.0)]) == []
    assert texts([*say("It is over"), Word(mark, 0.9, 1.0, 1.0)]) == [f"It is over {mark}"]
    assert texts([*say("It is over"), Word(mark, 30.0, 30.2, 1.0)]) == ["It is over"]


def test_lines_are_of_like_length_and_end_with_a_phrase() -> None:
    (cue,) = cues(say("The old man sat in the garden, and his daughter read to him.", each_s=0.35))
    assert cue.lines == ("The old man sat in the garden,", "and his daughter read to him.")
    (cue,) = cues(say("Nobody in the village remembered the reason for it.", each_s=0.35))
    assert min(len(line.split()) for line in cue.lines) > 2


def test_words_of_one_time_stand_together() -> None:
    assert texts([Word("one", 1.0, 1.0, 1.0), Word("two", 1.0, 1.0, 1.0), Word("three", 1.0, 1.4, 1.0)]) == ["one two three"]
