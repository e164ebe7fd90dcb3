"""Cut a long recording into segments that fit the encoder, at its quietest points.

Knows samples. Knows no model, no words and no voice activity detection.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from unmask.errors import AudioError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

LOUDNESS_WINDOW_S = 0.2


def quiet_parts(blocks: Iterable[NDArray[np.float32]], longest_s: float) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Successive parts of a recording, each at most `longest_s` seconds, with the number of samples before it.

    blocks: (N,) float32 at 16 kHz each, the recording in order. No more of it is held than one part and one block. Each cut is in
    the second half of the longest possible part, in the middle of the quietest 0.2 s there.
    """
    longest, start, held, waiting = int(longest_s * SAMPLE_RATE_HZ), 0, [np.zeros(0, np.float32)], 0
    for block in blocks:
        held.append(block)
        waiting += len(block)
        if waiting > longest:
            joined = np.concatenate(held)
            while len(joined) > longest:
                cut = longest // 2 + quietest(joined[longest // 2 : longest])
                yield start, joined[:cut]
                start, joined = start + cut, joined[cut:]
            held, waiting = [joined], len(joined)
    yield start, np.concatenate(held)


def quietest(samples: NDArray[np.float32]) -> int:
    """Index of the middle of the quietest 0.2 s. samples: (N,) at 16 kHz, longer than that."""
    width = int(LOUDNESS_WINDOW_S * SAMPLE_RATE_HZ)
    power = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    return int(np.argmin(power[width:] - power[:-width])) + width // 2


def blocks_of(samples: NDArray[np.float32] | Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """A recording's blocks. Raises AudioError if there is no sample in them."""
    empty = True
    for block in [samples] if isinstance(samples, np.ndarray | np.generic) else samples:
        if block.ndim != 1:
            raise AudioError(f"a recording is one row of samples; this one has the shape {block.shape}")
        empty = empty and not block.size
        yield block
    if empty:
        raise AudioError("a recording is one row of samples; this one has the shape (0,)")


def checked(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The block as float32. Raises AudioError for integers and for values that are not finite."""
    if block.dtype.kind != "f":
        raise AudioError(f"samples are {block.dtype}; divide them by their full scale to get float32 in [-1, 1]")
    if not np.isfinite(block).all():
        raise AudioError("the recording contains values that are not finite numbers; convert it to PCM first")
    return block.astype(np.float32, copy=False)
