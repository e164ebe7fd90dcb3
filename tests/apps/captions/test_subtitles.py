"""Independent parsers read back what was written, at once or piece by piece."""

import io
from itertools import pairwise

import pytest
import srt as srt_parser
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from tests.apps.captions.spoken import say, spoken
from unmask.apps.captions.cues import cues
from unmask.apps.captions.subtitles import SubtitleWriter, srt, vtt
from unmask.speech.words import Word


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
    assert "01:02:05,004 --> 01:02:05,837" in written
    assert "01:02:05.004 --> 01:02:05.837" in vtt(cues(say("late", start_s=3725.004)))


def test_markup_is_escaped_in_vtt() -> None:
    assert "a &lt;b&gt; &amp; c" in vtt(cues(say("a <b> & c")))


@given(spoken(), st.integers(1, 30))
def test_cues_that_are_written_piece_by_piece_are_valid(words: list[Word], size: int) -> None:
    writer = SubtitleWriter("srt")
    pieces = [writer.add(words[first : first + size]) for first in range(0, len(words), size)]
    parsed = list(srt_parser.parse("".join(pieces) + writer.rest(), ignore_errors=False))
    assert [item.index for item in parsed] == list(range(1, len(parsed) + 1))
    written = [word for item in parsed for word in item.content.split()]
    assert [word for word in written if word.isalnum()] == [word.text for word in words if word.text.isalnum()]
    for one, two in pairwise(parsed):
        assert one.end <= two.start


def test_a_cue_waits_only_for_the_words_that_may_change_it() -> None:
    writer = SubtitleWriter("srt")
    assert writer.add(say("The first of many sentences ends here.")) == ""
    assert "first" in writer.add([*say("A second one follows.", 4.0), *say("Then there is a third.", 8.0)])
    assert "third" in writer.rest()
