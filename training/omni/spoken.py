"""What a captioner hears of codes of speech. Knows the codec's graph and the captioner's bundle."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import soxr
from numpy.typing import NDArray

from unmask.benchmarks.measure.word_errors import word_error_rate
from unmask.export.codecs.hibari import graph
from unmask.session import open_model
from unmask.speech.sample_rate import SAMPLE_RATE_HZ as HEARD_HZ
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ
from unmask.speech.synthesis.voice import sound

Floats = NDArray[np.float32]


class Listener:
    """Makes sound of codes, and captions it."""

    def __init__(self, codec: Path, captioner: Path, form: str = "int8") -> None:
        """codec: folder, as `unmask.training.codecs.speech` writes it. form: of its graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self._voice = onnxruntime.InferenceSession(
            graph(codec, form).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._captioner = open_model(captioner)

    def samples(self, codes: NDArray[np.int64]) -> Floats:
        """(N,) at 22,050 Hz."""
        names = [output.name for output in self._voice.get_outputs()]
        return sound(dict(zip(names, self._voice.run(names, {"codes": codes}), strict=True)))

    def heard(self, samples: Floats, rate_hz: int = SAMPLE_RATE_HZ) -> str:
        made: Floats = soxr.resample(samples, rate_hz, HEARD_HZ)
        assert self._captioner.captioner is not None, "the captioner's bundle captions"
        return self._captioner.captioner.caption(made).text

    def word_errors(self, texts: Sequence[str], codes: Sequence[NDArray[np.int64]]) -> float:
        """Share of the words that the captioner hears wrong."""
        return round(word_error_rate(texts, [self.heard(self.samples(own)) for own in codes]), 4)
