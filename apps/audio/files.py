"""Read recordings from files and pipes, as one channel at 16 kHz, and their transcripts.

Knows files. What their bytes mean is known in `formats`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.formats import reader, signatures
from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.sound import Missing, Sound
from unmask.apps.audio.resampler import resampled
from unmask.errors import AudioError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

LOUDEST = 100.0  # a float file is a little over full scale at times, but not by this
SLOWEST_HZ = 1000
CANCELED = 100.0  # -20 dB: no mix of real channels loses as much
CLIPS = Path(__file__).resolve().parents[1] / "clips"  # resolved: an editable installation links every file


@dataclass
class Recording:
    """A recording while it is read, block by block: memory does not depend on its length.

    Raises AudioError that names it, on opening or while it is read.
    """

    where: str
    """Its name in messages."""
    raw: BinaryIO
    command: str = ""
    """Its name in commands, by default the same."""
    strict: bool = True
    """Values that are no sound are an error; else those that are not finite are silence."""
    rate_hz: int = SAMPLE_RATE_HZ
    """Of the blocks."""
    heard_s: float = 0.0
    """Seconds read so far, with the silence where sound is missing."""
    holes: int = 0
    hole_s: float = 0.0
    """Seconds that are missing in the middle, and are silence."""
    cut_s: float | None = 0.0
    """Seconds that are missing without a place, mostly at the end; None: some are, and the file does not say how many."""
    stream: ByteStream = field(init=False)
    form: str | None = field(init=False)
    """What its first bytes say it is."""

    def __post_init__(self) -> None:
        self.stream = ByteStream(self.raw)
        try:
            self.size = _size(self.raw)
            self.form = signatures.identify(self.stream)
        except OSError as error:
            raise AudioError(f"{self.where}: cannot be read ({error.strerror or error})") from error

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """(N,) float32 in [-1, 1] at `rate_hz`, until the recording ends.

        Channels are averaged, unless they cancel each other: then the first is taken.
        """
        try:
            for block in resampled(self._mono(), self.rate_hz):
                self.heard_s += len(block) / self.rate_hz
                yield block
        except AudioError as error:
            raise AudioError(f"{self.where}: {error}") from error
        except OSError as error:
            raise AudioError(f"{self.where}: cannot be read ({error.strerror or error})") from error

    def _mono(self) -> Iterator[tuple[NDArray[np.float32], int]]:
        rate_hz, heard, hole = SAMPLE_RATE_HZ, False, False
        for part in reader.sounds(self.raw, self.stream, self.form, self.command or self.where):
            self.holes += hole and isinstance(part, Sound)
            hole = isinstance(part, Missing) and part.silent
            if isinstance(part, Sound) and part.rate_hz < SLOWEST_HZ:
                raise AudioError(f"its sample rate is {part.rate_hz} Hz; that is no sound, and its header is probably damaged")
            if isinstance(part, Sound):
                heard, rate_hz = heard or len(part.samples) > 0, part.rate_hz
                yield mixed(sane(part.samples, self.strict)), rate_hz
            elif not part.silent:
                self.cut_s = None if part.seconds is None or self.cut_s is None else self.cut_s + part.seconds
            else:
                yield from self._silence(part, rate_hz)
        self.holes += hole
        if not heard:
            what = "it holds no sound that is whole" if self.hole_s else "a recording of zero length"
            raise AudioError(f"{what}; record or download it again")

    def _silence(self, part: Missing, rate_hz: int) -> Iterator[tuple[NDArray[np.float32], int]]:
        assert part.seconds is not None
        self.hole_s += part.seconds
        left = round(part.seconds * rate_hz)
        while left > 0:
            yield np.zeros(min(left, rate_hz), np.float32), rate_hz
            left -= rate_hz

    @property
    def expected_s(self) -> float | None:
        """How long it seems to be, while it is read, by the share of its bytes that is; None for a pipe, and before any sound."""
        read = self.stream.position or os.lseek(self.raw.fileno(), 0, os.SEEK_CUR)  # libraries that go back read past the stream
        share = read / self.size if self.size else 0
        return self.heard_s / share if share and self.heard_s else None

    @property
    def lacking(self) -> str | None:
        """One line that says what is missing, with the recording's name; None if nothing is."""
        said = []
        if self.holes:
            places = f"{self.holes} places" if self.holes > 1 else "1 place"
            seconds = f"{self.hole_s:.1f} s" if self.hole_s >= 0.1 else "less than 0.1 s"
            said.append(f"{seconds} are missing in {places}, where silence keeps the times")
        if self.cut_s:
            said.append(f"it is {self.cut_s:.1f} s shorter than it says")
        elif self.cut_s is None:
            said.append("its end is missing, and it does not say how long that was")
        return f"{self.where}: damaged: {'; '.join(said)}" if said else None


def _size(raw: BinaryIO) -> int:
    """Bytes from here to the end; 0 for a pipe."""
    if not raw.seekable():
        return 0
    here = raw.tell()
    size = raw.seek(0, os.SEEK_END) - here
    raw.seek(here)
    return size


def open_recording(path: Path, rate_hz: int = SAMPLE_RATE_HZ) -> Recording:
    """A file, or a pipe by its name. Raises AudioError if there is none, or if it cannot be read. Close `raw` at the end."""
    if path.is_dir():
        raise AudioError(f"{path}: this is a folder; name the recordings in it, for example {path / '*.wav'}")
    try:
        raw = path.open("rb")
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise AudioError(f"{path}: cannot be read ({reason})") from error
    try:
        recording = Recording(str(path), raw, rate_hz=rate_hz)
        if not recording.stream.peek(1):
            raise AudioError(f"{path}: the file is empty; record or download it again")
    except AudioError:
        raw.close()
        raise
    return recording


def read_recording(path: Path) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1] at 16 kHz: all blocks of a recording.

    Raises AudioError if the file is missing, empty, no recording (WAV, FLAC, Ogg, MP3, ...), or holds numbers that are no sound.
    """
    recording = open_recording(path)
    with recording.raw:
        return np.concatenate(list(recording.blocks()))


def sane(block: NDArray[np.float32], strict: bool) -> NDArray[np.float32]:
    """(N, channels), all finite. Raises AudioError, if `strict`, for values that are no sound."""
    finite = np.isfinite(block)
    if not strict:
        return np.where(finite, block, np.float32(0))
    if not finite.all():
        raise AudioError("it holds values that are not finite numbers; convert it to PCM first")
    if (peak := float(np.abs(block).max(initial=0.0))) > LOUDEST:
        raise AudioError(f"its samples reach {peak:.0f}, and full scale is 1; divide them by their full scale first")
    return block


def mixed(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, channels) -> (N,): the mean, or the first channel where the channels cancel each other."""
    mean: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    first = block[:, 0]
    return first if float(first @ first) > CANCELED * float(mean @ mean) else mean


def read_transcript(recording: Path) -> str | None:
    """What the .txt file beside a recording says; None if there is no such file."""
    path = recording.with_suffix(".txt")
    return path.read_text(encoding="utf-8") if path.is_file() else None


def demo_clips() -> tuple[Path, ...]:
    """The recordings that come with the package, each with a transcript; empty if they are not installed."""
    return tuple(sorted(CLIPS.glob("*.flac")))
