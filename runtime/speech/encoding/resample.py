"""Another sample rate, with the windowed sinc that Higgs Audio's codec is published with. NumPy alone.

Source: torchaudio.functional.resample's kernel (Smith, Digital Audio Resampling), whose numbers these are within 1e-5.
"""

import math

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError

Floats = NDArray[np.float32]
ZEROS = 6  # zero crossings of the kernel on each side
ROLLOFF = 0.99  # of the lower rate's Nyquist frequency
MOST_PHASES = 1000


def resampled(samples: Floats, from_hz: int, to_hz: int) -> Floats:
    """(N,) at one rate -> (ceil(N * to_hz / from_hz),) at another. Raises InputError for rates without a small common ratio."""
    if from_hz == to_hz:
        return samples
    shared = math.gcd(from_hz, to_hz)
    before, after = from_hz // shared, to_hz // shared
    if max(before, after) > MOST_PHASES:
        raise InputError(f"{from_hz} Hz and {to_hz} Hz have no small common ratio; resample the recording first")
    kernels, width = _kernels(before, after)
    padded = np.pad(samples, (width, width + before))
    taken = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[1])[::before]
    made: Floats = (taken @ kernels.T).reshape(-1)[: -(-after * len(samples) // before)].astype(np.float32)
    return made


def _kernels(before: int, after: int) -> tuple[Floats, int]:
    """(after, 2 * width + before): the weights of the samples around each of `after` new ones; and width."""
    base = min(before, after) * ROLLOFF
    width = math.ceil(ZEROS * before / base)
    places = np.arange(-width, width + before)[None] / before - np.arange(after)[:, None] / after
    at = np.clip(places * base, -ZEROS, ZEROS)
    return (np.sinc(at) * np.cos(at * math.pi / ZEROS / 2) ** 2 * base / before).astype(np.float32), width
