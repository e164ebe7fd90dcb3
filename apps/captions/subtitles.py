"""Words with times become subtitles: cues of at most two short lines, written as SRT or WebVTT.

Knows words and text. Knows no audio and no model.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unmask.speech.words import Word

LINE_CHARACTERS = 42  # per line, as is usual in broadcasting
LINES = 2
LONGEST_S = 7.0
SHORTEST_S = 1.0  # unless the next cue starts sooner
PAUSE_S = 0.8  # a longer pause ends a cue
ENDS = (".", "?", "!")


@dataclass(frozen=True)
class Cue:
    start_s: float
    end_s: float
    lines: tuple[str, ...]


def cues(words: Iterable[Word]) -> list[Cue]:
    """Cues in order, without overlap, that contain every word. Start times must not decrease from word to word."""
    groups = list(_groups(words))
    out = []
    for i, group in enumerate(groups):
        start_s = group[0].start_s
        end_s = max(group[-1].end_s, start_s + SHORTEST_S)
        if i + 1 < len(groups):
            end_s = min(end_s, groups[i + 1][0].start_s)
        out.append(Cue(start_s, max(end_s, start_s + 0.001), _lines([word.text for word in group])))
    return out


def _groups(words: Iterable[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and _ends(group, word) and word.start_s > group[0].start_s:  # two cues cannot start at once
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _ends(group: list[Word], following: Word) -> bool:
    return (
        group[-1].text.endswith(ENDS)
        or following.start_s - group[-1].end_s > PAUSE_S
        or following.end_s - group[0].start_s > LONGEST_S
        or len(_lines([*(word.text for word in group), following.text])) > LINES
    )


def _lines(words: list[str]) -> tuple[str, ...]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > LINE_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return tuple(lines)


class SubtitleWriter:
    """Writes subtitles in order: first `head`, then either a `segment` at a time, or all words with `add` and `rest`.

    form: srt or vtt.
    """

    def __init__(self, form: str) -> None:
        self._form, self._count = form, 0
        self._waiting: list[Word] = []  # those of the last cue, which more words may still change

    def head(self) -> str:
        return "WEBVTT\n\n" if self._form == "vtt" else ""

    def segment(self, words: Iterable[Word]) -> str:
        """All cues of a segment of live captions, after which nothing of it is held back."""
        return self._written(cues(words))

    def add(self, words: Iterable[Word]) -> str:
        """The cues that more words cannot change any more."""
        self._waiting += words
        groups = list(_groups(self._waiting))
        found = cues(self._waiting)[:-1]
        self._waiting = groups[-1] if groups else []
        return self._written(found)

    def rest(self) -> str:
        """The cues that waited for more words."""
        found, self._waiting = cues(self._waiting), []
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
