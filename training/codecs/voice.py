"""The one voice of omni-tiny: hibari's graph, cut where durations come out and where its decoder begins.

Knows hibari (package hibari-tts), its phonemes and its durations. Knows no tokens and no codes.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx.utils import Extractor

UNIT_FRAMES = 2  # what is said, and durations, have half as many steps as frames, of which there are 80 a second
IDS, SPEED, DURATIONS, FRAMES, PITCH = "ids", "speed", "/Clip_output_0", "/Concat_43_output_0", "f0"
SPECTRA = ("lh", "theta", "ln", "lr", "phi")
Floats = NDArray[np.float32]


class Voice:
    """Says phonemes. Opens hibari's package when it is first needed."""

    def __init__(self, speed: float = 1.0) -> None:
        """speed: of the durations, 1 is the voice's own."""
        import hibari

        self._hibari = hibari.Hibari()
        self._speed = np.full(1, speed, np.float32)
        self._phonemes: dict[str, str] = {}

    @cached_property
    def _cut(self) -> Extractor:
        return Extractor(onnx.load(self._hibari.model_path))

    @cached_property
    def _durations(self) -> onnxruntime.InferenceSession:
        return _opened(self._cut.extract_model([IDS, SPEED], [DURATIONS]))

    @cached_property
    def _frames(self) -> onnxruntime.InferenceSession:
        return _opened(self._cut.extract_model([IDS, DURATIONS], [FRAMES]))

    def decoder(self) -> onnx.ModelProto:
        """The graph from frames (1, 130, F) to spectra."""
        model: onnx.ModelProto = self._cut.extract_model([FRAMES], list(SPECTRA))
        return model

    def words(self, text: str) -> list[str]:
        """The phonemes of each word. Raises ValueError when the voice reads two words as one, or one as two."""
        said = " ".join(self._hibari.phonemize(text)).split()
        words = [word.strip(".,?!;:") for word in said]
        if len(words) != len(text.split()):
            raise ValueError(f"{text!r} is said as {' '.join(words)!r}, which has other words")
        return words

    def letter(self, character: str) -> str:
        """The phonemes of a letter's name, or of a digit's."""
        if character not in self._phonemes:
            self._phonemes[character] = "ˈA" if character == "a" else self.words(character.upper())[0]
        return self._phonemes[character]

    def natural(self, phonemes: str) -> Floats:
        """The voice's own durations in units: silence, each phoneme, silence."""
        durations: Floats = self._durations.run(None, {IDS: self._ids(phonemes), SPEED: self._speed})[0]
        return durations

    def frames(self, phonemes: str, durations: Sequence[int]) -> Floats:
        """(F, 130) of phonemes, with the durations of silence, each phoneme, silence."""
        made = self._frames.run(None, {IDS: self._ids(phonemes), DURATIONS: np.array(durations, np.float32)})[0]
        return np.ascontiguousarray(made[0].T)

    def _ids(self, phonemes: str) -> NDArray[np.int64]:
        vocabulary = self._hibari.vocab
        return np.array([[0, *(vocabulary[phoneme] for phoneme in phonemes), 0]], np.int64)


def _opened(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
