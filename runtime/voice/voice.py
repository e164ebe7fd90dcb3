"""A voice to speak in: the codes of a few seconds of it, what is said there, and how loud. Knows numbers and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from unmask.bundle.dataclass_json import from_json, parse_json
from unmask.bundle.manifest import Streams
from unmask.errors import BundleError, InputError
from unmask.voice.duration import estimate
from unmask.voice.script import ended

FITTING = (0.3, 3.0)  # frames of a voice for each that the rule gives its transcript; others are of another recording
ANEW = "make it again with --save-voice"


@dataclass(frozen=True)
class Voice:
    """A reference voice. Checked on construction; raises InputError for one without a transcript or whole frames."""

    codes: tuple[int, ...]
    """Of all streams, frame by frame."""
    transcript: str
    loudness: float
    """Root mean square of the recording as it was; what is said is made as loud if that is below 0.1."""
    streams: int

    def __post_init__(self) -> None:
        if not self.transcript.strip():
            raise InputError("a voice needs a transcript: the words that are said in it, exactly")
        if self.streams < 1 or not self.codes or len(self.codes) % self.streams:
            raise InputError(f"{len(self.codes)} codes are no frames of {self.streams} streams; {ANEW}")

    @property
    def frames(self) -> int:
        return len(self.codes) // self.streams

    @staticmethod
    def of(codes: Sequence[int], transcript: str, loudness: float, streams: Streams) -> "Voice":
        """A recorded voice. Its transcript gets an end mark if it lacks one.

        Raises InputError for a transcript that cannot be what is said in it.
        """
        voice = Voice(tuple(codes), ended(transcript), loudness, streams.count)
        own_s, expected_s = voice.frames / streams.per_second, estimate(voice.transcript) / streams.per_second
        if not FITTING[0] <= own_s / expected_s <= FITTING[1]:
            raise InputError(
                f"the transcript of {len(transcript)} characters takes about {expected_s:.1f} s to say, and the voice has "
                f"{own_s:.1f} s of sound: give exactly what is said in it, and no music"
            )
        return voice

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"

    @staticmethod
    def read(path: Path) -> "Voice":
        """Raises InputError for a file that is no voice."""
        try:
            return from_json(Voice, parse_json(path.read_text(encoding="utf-8")), str(path))
        except (OSError, ValueError, BundleError) as error:
            raise InputError(f"{path}: no voice that was saved ({error}); {ANEW}") from error
