"""Subtitle files: cues written as SRT or WebVTT, at once or as their words come.

Knows words, cues and text. Knows no audio and no model.
"""

import math
from collections.abc import Iterable, Sequence

from unmask.apps.captions.cues import Cue, cues, grouped, made, readable
from unmask.speech.words import Word

HELD = 2  # the last cues of a recording so far: the words that follow may still change them


class SubtitleWriter:
    """Writes subtitles in order: first `head`, then either a `segment` at a time, or all words with `add` and `rest`.

    form: srt or vtt.
    """

    def __init__(self, form: str) -> None:
        self._form, self._count = form, 0
        self._waiting: list[Word] = []

    def head(self) -> str:
        return "WEBVTT\n\n" if self._form == "vtt" else ""

    def segment(self, words: Sequence[Word], until_s: float = math.inf) -> str:
        """All cues of a segment of live captions, after which nothing of it is held back. until_s: where the segment ends."""
        return self._written(cues(words, until_s))

    def add(self, words: Iterable[Word]) -> str:
        """The cues that more words hardly change any more."""
        self._waiting += words
        groups = grouped(self._waiting)[:-HELD]
        self._waiting = self._waiting[sum(len(group.words) for group in groups) :]
        return self._written([made(group) for group in groups if readable(group)])

    def rest(self, until_s: float = math.inf) -> str:
        """The cues that waited for more words. until_s: where the recording ends."""
        found, self._waiting = cues(self._waiting, until_s), []
        return self._written(found)

    def _written(self, found: list[Cue]) -> str:
        self._count += len(found)
        return _srt(found, self._count - len(found) + 1) if self._form == "srt" else _vtt(found)


def srt(cues: Iterable[Cue]) -> str:
    """SubRip: numbered cues, a comma before the milliseconds."""
    return _srt(cues, 1)


def _srt(cues: Iterable[Cue], first: int) -> str:
    return "".join(
        f"{i}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{chr(10).join(cue.lines)}\n\n"
        for i, cue in enumerate(cues, first)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): `&`, `<` and `>` are escaped in cue text."""
    return "WEBVTT\n\n" + _vtt(cues)


def _vtt(cues: Iterable[Cue]) -> str:
    def escaped(cue: Cue) -> str:
        text = "\n".join(cue.lines)
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    times = (f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{escaped(cue)}\n\n" for cue in cues)
    return "".join(times)


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(1000 * seconds)
    hours, milliseconds = divmod(milliseconds, 3_600_000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
