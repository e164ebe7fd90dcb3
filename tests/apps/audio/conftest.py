"""Sound that is not the same anywhere, saved in any format."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

RATE = 16000


@pytest.fixture(scope="session")
def babble() -> NDArray[np.float32]:
    """(N,) 24 s at 16 kHz: low noise in syllables."""
    noise = np.random.default_rng(3).standard_normal(24 * RATE)
    low = np.convolve(noise, np.hanning(12), "same")
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(len(low)) / RATE)
    return (0.08 * low * syllables).astype(np.float32)


@pytest.fixture(scope="session")
def files() -> dict[tuple[str, str | None], bytes]:
    """The babble's files that were made once: encoders take seconds."""
    return {}


@pytest.fixture
def saved(tmp_path: Path, babble: NDArray[np.float32], files: dict[tuple[str, str | None], bytes]) -> Callable[..., bytearray]:
    """The bytes of a file of a format, by default of the babble; the file is there too, as `made`."""

    def save(form: str, subtype: str | None = None, samples: NDArray[np.float32] | None = None, rate_hz: int = RATE) -> bytearray:
        path = tmp_path / "made"
        if samples is None and (form, subtype) in files:
            path.write_bytes(files[form, subtype])
        else:
            encode(path, babble if samples is None else samples, rate_hz, form, subtype)
        if samples is None:
            files[form, subtype] = path.read_bytes()
        return bytearray(path.read_bytes())

    return save


def encode(path: Path, samples: NDArray[np.float32], rate_hz: int, form: str, subtype: str | None) -> None:
    """Write a file."""
    with soundfile.SoundFile(path, "w", rate_hz, samples.ndim, subtype, format=form) as file:
        for start in range(0, len(samples), RATE):  # much at once crashes libsndfile's encoder of Vorbis
            file.write(samples[start : start + RATE])
