"""Cut a long recording into segments that fit the encoder, at its quietest points.

Knows samples. Knows no model, no words and no voice activity detection.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from unmask.speech.log_mel import SAMPLE_RATE_HZ

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
