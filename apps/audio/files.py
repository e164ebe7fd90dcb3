"""Read recordings from files in any format that libsndfile knows, as one channel at 16 kHz, and their transcripts.

Knows files. soundfile and soxr are imported on use: commands without audio do not need them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.errors import AudioError
from unmask.speech.log_mel import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import soundfile

LONGEST = 1 << 40  # frames; libsndfile gives the largest integer for streams whose length nobody wrote down
BLOCK = 1 << 16  # frames that are read at once
LOUDEST = 100.0  # a float file is a little over full scale at times, but not by this
CANCELED = 100.0  # -20 dB: no mix of real channels loses as much
CLIPS = Path(__file__).resolve().parents[1] / "clips"  # resolved: an editable installation links every file


def read_recording(path: Path) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1] at 16 kHz; channels are averaged, unless they cancel each other: then the first is taken.

    Raises AudioError if the file is missing, damaged, empty, not a recording (WAV, FLAC, Ogg, MP3, ...), or holds numbers that
    are no sound.
    """
    import soundfile

    if path.is_dir():
        raise AudioError(f"{path}: this is a folder; name the recordings in it, for example {path / '*.wav'}")
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty")
    try:
        # By descriptor: libsndfile takes no name that is not text, and asks no more of a name than its ending.
        with path.open("rb") as raw, soundfile.SoundFile(raw.fileno(), closefd=False) as file:
            if file.frames > LONGEST:
                raise AudioError(
                    f"{path}: does not say how long it is; rewrite it with: ffmpeg -i {path} -ar 16000 -ac 1 OUT.wav"
                )
            samples, canceled = _read(file, average)
            if canceled:
                file.seek(0)
                samples, _ = _read(file, first)
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError) as error:  # headerless files are a TypeError
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        raise AudioError(
            f"{path}: not a recording that can be read ({reason.rstrip('. ')}); WAV, FLAC, Ogg and MP3 are supported"
        ) from error
    if not len(samples):
        raise AudioError(f"{path}: a recording of zero length")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: it holds values that are not finite numbers; convert it to PCM first")
    peak = float(np.abs(samples).max())
    if peak > LOUDEST:
        raise AudioError(f"{path}: its samples reach {peak:.0f}, and full scale is 1; divide them by their full scale first")
    return samples


def average(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, channels) -> (N,)."""
    mixed: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    return mixed


def first(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, channels) -> (N,)."""
    return block[:, 0]


def _read(
    file: "soundfile.SoundFile", mix: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> tuple[NDArray[np.float32], bool]:
    """One channel at 16 kHz, (N,) float32, and whether mixing lost nearly all of the first channel."""
    import soxr

    resampler = None if file.samplerate == SAMPLE_RATE_HZ else soxr.ResampleStream(file.samplerate, SAMPLE_RATE_HZ, 1)
    parts, mixed_power, first_power = [np.zeros(0, np.float32)], 0.0, 0.0
    for block in _blocks(file):
        mixed = mix(block)
        parts.append(mixed if resampler is None else resampler.resample_chunk(mixed))
        mixed_power, first_power = mixed_power + float(mixed @ mixed), first_power + float(first(block) @ first(block))
    if resampler is not None:
        parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts), first_power > CANCELED * mixed_power


def _blocks(file: "soundfile.SoundFile") -> Iterator[NDArray[np.float32]]:
    """(up to BLOCK, channels) until the file ends, so that memory does not depend on rate and channels.

    MP3 is read at once all the same: soundfile seeks after each read, and libsndfile's decoder then misses what the next frame
    needs of the one before, and says so on stderr.
    """
    if file.format == "MP3":
        whole = file.read(dtype="float32", always_2d=True)
        yield from (whole[start : start + BLOCK] for start in range(0, len(whole), BLOCK))
    else:
        while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
            yield block


def read_transcript(recording: Path) -> str | None:
    """What the .txt file beside a recording says; None if there is no such file."""
    path = recording.with_suffix(".txt")
    return path.read_text(encoding="utf-8") if path.is_file() else None


def demo_clips() -> tuple[Path, ...]:
    """The recordings that come with the package, each with a transcript; empty if they are not installed."""
    return tuple(sorted(CLIPS.glob("*.flac")))
