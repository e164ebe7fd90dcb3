"""Cut a long recording into windows that fit the encoder, at its quietest points.

Knows samples. Knows no model and no words; voice activity detection is not done here.
"""

import numpy as np
from numpy.typing import NDArray

from unmask.speech.log_mel import SAMPLE_RATE_HZ

LOUDNESS_WINDOW_S = 0.2


def quiet_cuts(samples: NDArray[np.float32], longest_s: float) -> list[tuple[int, int]]:
    """Half-open sample ranges that cover the recording in order, each at most `longest_s`.

    Each cut lies in the second half of what a window may hold, in the middle of the quietest 0.2 s there.
    """
    longest, start, out = int(longest_s * SAMPLE_RATE_HZ), 0, []
    while len(samples) - start > longest:
        first = start + longest // 2
        cut = first + quietest(samples[first : start + longest])
        out.append((start, cut))
        start = cut
    out.append((start, len(samples)))
    return out


def quietest(samples: NDArray[np.float32]) -> int:
    """The middle of the quietest 0.2 s. samples: (N,), longer than that."""
    width = int(LOUDNESS_WINDOW_S * SAMPLE_RATE_HZ)
    power = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    return int(np.argmin(power[width:] - power[:-width])) + width // 2
