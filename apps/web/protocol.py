"""The protocol of the WebSocket `/captions`: what the frames of a client and of the server mean.

Knows frames and events. Knows no web framework and no model.

The address is `/captions?rate=48000&token=...`; rate is the client's sample rate in Hz, 8000 to 384000, 16000 if left out:

- The client sends binary frames of mono samples at that rate, little-endian float32 in [-1, 1], of any length up to 1 MiB, about
  as fast as they are spoken. If they come too fast, the oldest are dropped, and a `dropped` event counts them.
- The server sends one text frame for each event, `Event.json`. `segment_ended` has one more field: `cues`, the segment's
  subtitles, [{"start_s": ..., "end_s": ..., "lines": ["...", ...]}, ...]. A client that reads slowly gets only the newest
  `updated` of a segment; no other event is left out.
- The client may send the text frame {"type": "expect", "words": ["fader", "bedroom lamp", ...]}: at most 500 words and phrases
  that may be said. They count instead of those of the frame before it, besides those of `unmask serve --words`.
- The client sends the text frame {"type": "stop"} when it is done. The server captions the rest, sends
  {"event": "closed", "code": ..., "reason": ...} and closes with that code:
  1000 stopped by the client; 1001 the server stops; 1003 a rate or a frame that is not in this protocol; 1008 wrong token;
  1009 a frame too long (there is no `closed` before this one); 1013 too many clients, or a client that does not read.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.apps.captions.cues import cues
from unmask.bundle.dataclass_json import parse_json
from unmask.errors import InputError
from unmask.speech.events import Event
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.words import Phrase

TEXT_CHARACTERS = 20_000  # longer messages are not parsed
MOST_WORDS = 500  # that a client may expect
RATES_HZ = (8000, 384_000)  # lowest and highest sample rate that a client may send


@dataclass(frozen=True)
class Closing:
    """Why a session ended: a WebSocket close code and a reason of at most 123 bytes."""

    code: int
    reason: str

    def json(self) -> str:
        return json.dumps({"event": "closed", "code": self.code, "reason": self.reason})


STOPPED = Closing(1000, "stopped")
SERVER_STOPS = Closing(1001, "the server is stopping")
TOO_SLOW = Closing(1013, "events were not read fast enough")


class RefusedError(Exception):
    """The client sent something that is not in the protocol."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.closing = Closing(1003, reason)


def read_rate(text: str | None) -> int:
    """The client's sample rate in Hz; 16000 if it names none. Raises RefusedError for anything but a rate within RATES_HZ."""
    if text is None:
        return SAMPLE_RATE_HZ
    low, high = RATES_HZ
    rate_hz = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(high)) else 0
    if not low <= rate_hz <= high:
        raise RefusedError(f"the rate must be a whole number of Hz from {low} to {high}")
    return rate_hz


def read_samples(frame: bytes) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1] from little-endian float32; louder samples are clipped. Raises RefusedError."""
    if len(frame) % 4:
        raise RefusedError(f"a frame of {len(frame)} bytes is not a row of 32-bit floats")
    samples: NDArray[np.float32] = np.frombuffer(frame, "<f4")
    if not np.isfinite(samples).all():
        raise RefusedError("a frame contains samples that are not finite numbers")
    return samples.clip(-1, 1)


def read_text(text: str) -> Closing | tuple[Phrase, ...]:
    """Read a text frame: why the session ends, or the words that the client expects. Raises RefusedError for anything else."""
    try:
        message = parse_json(text) if len(text) <= TEXT_CHARACTERS else None
    except ValueError:
        message = None
    match message:
        case {"type": "stop"}:
            return STOPPED
        case {"type": "expect", "words": [*words]} if len(words) <= MOST_WORDS and all(isinstance(word, str) for word in words):
            try:
                return tuple(map(Phrase, words))
            except InputError:
                raise RefusedError("a word that is expected has no letters, or is too long") from None
    raise RefusedError('text frames are {"type": "stop"} or {"type": "expect", "words": [...]}; audio comes in binary frames')


def write_event(event: Event) -> str:
    """The event's own JSON; `segment_ended` also has `cues`, the segment's subtitles with times in seconds."""
    if event.event != "segment_ended":
        return event.json()
    found = cues(event.words, event.end_s)
    subtitles = [{"start_s": round(cue.start_s, 3), "end_s": round(cue.end_s, 3), "lines": cue.lines} for cue in found]
    return json.dumps({**json.loads(event.json()), "cues": subtitles}, ensure_ascii=False)
