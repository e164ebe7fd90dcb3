"""Cues hold every word once, in order, and independent parsers read back what was written."""

import io
from itertools import pairwise

import pytest
import srt as srt_parser
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from unmask.apps.captions.subtitles import LINE_CHARACTERS, LINES, LONGEST_S, cues, srt, vtt
from unmask.speech.words import Word

GAP_MS, LENGTH_MS = st.integers(0, 3000), st.integers(1, 1500)
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Sm")), min_size=1, max_size=15).filter(
    lambda text: "-->" not in text
)


@st.composite
def spoken(draw: st.DrawFn) -> list[Word]:
    """Words as a captioner gives them: times to a millisecond that never fall."""
    out, now = [], 0
    for gap, length, text in draw(st.lists(st.tuples(GAP_MS, LENGTH_MS, TEXT), max_size=40)):
        start = now + gap
        now = start + length
        out.append(Word(text, start / 1000, now / 1000, 1.0))
    return out


def say(text: str, start_s: float = 0.0, each_s: float = 0.3) -> list[Word]:
    return [Word(word, start_s + i * each_s, start_s + (i + 1) * each_s, 1.0) for i, word in enumerate(text.split())]


@given(spoken())
def test_every_word_stands_in_one_cue_and_cues_never_overlap(words: list[Word]) -> None:
    found = cues(words)
    assert " ".join(line for cue in found for line in cue.lines).split() == [word.text for word in words]
    for cue in found:
        assert cue.start_s < cue.end_s
        assert len(cue.lines) <= LINES
        assert all(len(line) <= LINE_CHARACTERS for line in cue.lines)
    for one, two in pairwise(found):
        assert one.end_s <= two.start_s
    assert {cue.start_s for cue in found} <= {word.start_s for word in words}


@given(spoken())
def test_a_cue_is_short_unless_one_word_is_long(words: list[Word]) -> None:
    assert all(cue.end_s - cue.start_s <= LONGEST_S + 0.001 for cue in cues(words))


def test_sentences_and_pauses_end_a_cue() -> None:
    found = cues([*say("Come here. Now go"), *say("away", start_s=5.0)])
    assert [cue.lines for cue in found] == [("Come here.",), ("Now go",), ("away",)]
    assert found[0].end_s == found[1].start_s == 0.6
    assert found[1].end_s == pytest.approx(1.6)  # a second, as nothing follows at once


@given(spoken())
def test_an_independent_parser_reads_srt(words: list[Word]) -> None:
    found = cues(words)
    parsed = list(srt_parser.parse(srt(found), ignore_errors=False))
    assert [tuple(item.content.split("\n")) for item in parsed] == [cue.lines for cue in found]
    assert [item.index for item in parsed] == list(range(1, len(found) + 1))
    for item, cue in zip(parsed, found, strict=True):
        assert item.start.total_seconds() == pytest.approx(cue.start_s, abs=0.0006)
        assert item.end.total_seconds() == pytest.approx(cue.end_s, abs=0.0006)


@given(spoken())
def test_an_independent_parser_reads_vtt(words: list[Word]) -> None:
    found = cues(words)
    parsed = webvtt.from_buffer(io.StringIO(vtt(found)))
    assert len(parsed) == len(found)
    for item, cue in zip(parsed, found, strict=True):
        assert item.start_in_seconds == pytest.approx(int(cue.start_s), abs=1)
        text = item.raw_text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert tuple(text.split("\n")) == cue.lines


def test_clock_over_an_hour() -> None:
    written = srt(cues(say("late", start_s=3725.004)))
    assert "01:02:05,004 --> 01:02:06,004" in written
    assert "01:02:05.004 --> 01:02:06.004" in vtt(cues(say("late", start_s=3725.004)))


def test_markup_is_escaped_in_vtt() -> None:
    assert "a &lt;b&gt; &amp; c" in vtt(cues(say("a <b> & c")))
