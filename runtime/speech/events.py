"""The events of a live captioner, as one frozen record that is also a JSON object.

Knows text and times. Knows no audio, no model and no screen.

A consumer of the stream may rely on these promises; each has a test:

1. A segment starts once and ends once, in order, and only one is open at a time; no event of it follows its end.
2. `stable` of each event begins with `stable` of the segment's previous event: stable text is never retracted.
3. `stable + tentative` is the whole text of the segment, and `segment_ended` has no tentative text.
4. `time_s` never decreases, and words lie between `start_s` and `end_s` of their segment.
5. Every second of audio is processed, or counted by a `dropped` event.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

from unmask.speech.words import Word

Kind = Literal["segment_started", "updated", "segment_ended", "dropped"]


@dataclass(frozen=True)
class Event:
    """One event of the stream. Times are seconds of audio since the stream began, including dropped audio."""

    event: Kind
    segment: int  # from 1; for `dropped`, the segment that it ended, or the last one
    time_s: float  # amount of audio received when the event was made
    start_s: float = 0.0  # start of the segment's audio
    end_s: float = 0.0  # end of the segment's audio so far
    stable: str = ""  # text that will not change
    tentative: str = ""  # text after `stable` that may change; join both without a space
    words: tuple[Word, ...] = ()  # all words of the segment in order, stable ones first
    stable_words: int = 0  # number of stable words
    passes: int = 0  # number of passes of the canvas's decoder and the verifier for this event
    rows: int = 0  # number of rows computed in these passes
    compute_s: float = 0.0  # seconds of computation for this event: encoder, passes and policy
    dropped_s: float = 0.0  # seconds of audio that were not processed

    @property
    def text(self) -> str:
        """The whole text of the segment."""
        return self.stable + self.tentative

    def json(self) -> str:
        """One line of JSON; floats have at most three decimals."""
        return json.dumps(_rounded(dataclasses.asdict(self)), ensure_ascii=False)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value
