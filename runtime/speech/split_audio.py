"""Cut a long recording into segments that fit the encoder, at its quietest points.

Knows samples. Knows no model, no words and no voice activity detection.
"""

import numpy as np
from numpy.typing import NDArray

from unmask.speech.log_mel import SAMPLE_RATE_HZ

LOUDNESS_WINDOW_S = 0.2


def quiet_cuts(samples: NDArray[np.float32], longest_s: float) -> list[tuple[int, int]]:
    """Half-open sample ranges that cover the recording in order, each at most `longest_s` seconds.

    samples: (N,) float32 at 16 kHz. Each cut is in the second half of the longest possible segment, in the middle of the quietest
    0.2 s there.
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
    """Index of the middle of the quietest 0.2 s. samples: (N,) at 16 kHz, longer than that."""
    width = int(LOUDNESS_WINDOW_S * SAMPLE_RATE_HZ)
    power = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    return int(np.argmin(power[width:] - power[:-width])) + width // 2
