"""What a live captioner says, as one frozen record that is also a JSON object.

Knows text and times. Knows no audio, no model and no screen.

What a reader of the stream may rely on (tests hold each):

1. A segment starts once and ends once, in order, and only one is open at a time; nothing is said of it after its end.
2. `stable` of a segment's event begins with `stable` of the one before it: stable text is never retracted.
3. `stable + tentative` is the whole text of the segment, and `segment_ended` has no tentative text.
4. `time_s` never falls, and words lie between `start_s` and `end_s` of their segment.
5. Every second of audio is heard, or counted by a `dropped` event.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

from unmask.speech.words import Word

Kind = Literal["segment_started", "updated", "segment_ended", "dropped"]


@dataclass(frozen=True)
class Event:
    """Times are seconds of audio since the stream began, what was dropped included."""

    event: Kind
    segment: int  # from 1; of `dropped` the segment that it ended, or the last one
    time_s: float  # how much of the stream had come when this was known
    start_s: float = 0.0  # where the segment's audio begins
    end_s: float = 0.0  # how far it reaches by now
    stable: str = ""
    tentative: str = ""  # to be shown right behind `stable`; its spaces are its own
    words: tuple[Word, ...] = ()  # all of the segment's, in order, stable ones first
    stable_words: int = 0
    passes: int = 0  # of the timeline's decoder and the verifier, for this event
    rows: int = 0  # computed in these passes
    compute_s: float = 0.0  # taken by encoder, passes and policy
    dropped_s: float = 0.0  # audio that was not listened to

    @property
    def text(self) -> str:
        return self.stable + self.tentative

    def json(self) -> str:
        """One line of JSON; fractions have three decimals."""
        return json.dumps(_rounded(dataclasses.asdict(self)), ensure_ascii=False)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value
