"""What is done to sound after its codes are decoded: pauses, loudness, fades and joints, as OmniVoice does. Knows samples."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.speech.encoding.residual import LOUD
from unmask.speech.encoding.silence import shortened

Floats = NDArray[np.float32]
PAUSE_MS, EDGE_MS = 500, 100
PEAK, LEAST_PEAK = 0.5, 1e-6
FADE_S, GAP_S = 0.1, 0.1


def without_pauses(samples: Floats, rate_hz: int) -> Floats:
    """(N,) with pauses of a second at most, and with a tenth of a second of silence at most around it."""
    return shortened(samples, rate_hz, PAUSE_MS, EDGE_MS, EDGE_MS)


def gain(samples: Floats, loudness: float | None) -> float:
    """What the samples are multiplied by. loudness: of the reference voice; None: none, so that the peak becomes a half."""
    if loudness is not None:
        return loudness / LOUD if loudness < LOUD else 1.0
    peak = float(np.abs(samples).max(initial=0))
    return PEAK / peak if peak > LEAST_PEAK else 1.0


def faded(samples: Floats, rate_hz: int, start: bool = True, stop: bool = True) -> Floats:
    """With a tenth of a second faded in and out, or half of a shorter sound."""
    count, made = min(int(FADE_S * rate_hz), len(samples) // 2), samples.copy()
    if count and start:
        made[:count] *= np.linspace(0, 1, count, dtype=np.float32)
    if count and stop:
        made[-count:] *= np.linspace(1, 0, count, dtype=np.float32)
    return made


def padded(samples: Floats, rate_hz: int, start: bool = True, stop: bool = True) -> Floats:
    """With a tenth of a second of silence before and after it."""
    silence = int(GAP_S * rate_hz)
    return np.pad(samples, (silence * start, silence * stop))


def joined(pieces: Sequence[Floats], rate_hz: int) -> Floats:
    """Pieces one after the other: each fades out, then comes a tenth of a second of silence, then the next one fades in."""
    last = len(pieces) - 1
    made = [faded(piece, rate_hz, start=i > 0, stop=i < last) if last else piece for i, piece in enumerate(pieces)]
    return np.concatenate([padded(piece, rate_hz, start=False, stop=i < last) for i, piece in enumerate(made)])
