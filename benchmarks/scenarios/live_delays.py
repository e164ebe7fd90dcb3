"""Delays of live captions without a transcript: ends of words are taken from the finished caption itself (docs/live.md)."""

from collections.abc import Sequence
from typing import Protocol

from unmask.speech.events import Event


class Emitted(Protocol):
    """An event and when it was known on the run's clock, which began with the first sample."""

    @property
    def at_s(self) -> float: ...
    @property
    def event(self) -> Event: ...


def delays(emitted: Sequence[Emitted]) -> dict[str, list[float]]:
    """Seconds. tentative: a word, as it reads in the end, first shown - its end. stable: it became stable - its end.

    final: all text of a segment is stable - the end of its last word. A segment that never ended is an AssertionError: work that
    is not whole is no success.
    """
    segments: dict[int, list[Emitted]] = {}
    for e in emitted:
        if e.event.event != "dropped":
            segments.setdefault(e.event.segment, []).append(e)
    out: dict[str, list[float]] = {"tentative": [], "stable": [], "final": []}
    for number, of in segments.items():
        assert of[-1].event.event == "segment_ended", f"segment {number} never ended"
        words = of[-1].event.words
        stable_s = [next(e.at_s for e in of if i < e.event.stable_words) for i in range(len(words))]
        for i, word in enumerate(words):
            shown_s = next(e.at_s for e in of if i < len(e.event.words) and e.event.words[i].text == word.text)
            out["tentative"].append(shown_s - word.end_s)
            out["stable"].append(stable_s[i] - word.end_s)
        if words:
            out["final"].append(max(stable_s) - words[-1].end_s)
    return out
