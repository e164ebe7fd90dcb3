"""Read recordings from files in any format that libsndfile knows, as one channel at 16 kHz, and their transcripts.

Knows files. soundfile and soxr are imported on use: commands without audio do not need them.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.errors import AudioError
from unmask.speech.log_mel import SAMPLE_RATE_HZ

CLIPS = Path(__file__).resolve().parents[1] / "clips"  # resolved: an editable installation links every file


def read_recording(path: Path) -> NDArray[np.float32]:
    """(N,) float32 in [-1, 1] at 16 kHz; channels are averaged.

    Raises AudioError if the file is missing, damaged, empty, or not a recording (WAV, FLAC, Ogg, MP3, ...).
    """
    import soundfile
    import soxr

    if path.is_dir():
        raise AudioError(f"{path}: this is a folder; name the recordings in it, for example {path / '*.wav'}")
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty")
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = getattr(error, "error_string", None) or str(error)
        raise AudioError(
            f"{path}: not a recording that can be read ({reason.rstrip('. ')}); WAV, FLAC, Ogg and MP3 are supported"
        ) from error
    if not len(samples):
        raise AudioError(f"{path}: a recording of zero length")
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    return np.ascontiguousarray(mono, dtype=np.float32)


def read_transcript(recording: Path) -> str | None:
    """What the .txt file beside a recording says; None if there is no such file."""
    path = recording.with_suffix(".txt")
    return path.read_text(encoding="utf-8") if path.is_file() else None


def demo_clips() -> tuple[Path, ...]:
    """The recordings that come with the package, each with a transcript; empty if they are not installed."""
    return tuple(sorted(CLIPS.glob("*.flac")))
