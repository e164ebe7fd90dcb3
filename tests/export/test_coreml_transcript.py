"""A transcript on CoreML's graphs, evaluated in NumPy: the same audio gives the same tokens as with ONNX Runtime."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny import make_captioner, make_drafter
from unmask.bundle.manifest import load_bundle
from unmask.decoding.denoiser import TopKScores
from unmask.engines.known_engines import ENGINES
from unmask.export.modules.static_transcript import transcript_graph
from unmask.speech.captioner import Captioner

pytest.importorskip("coremltools")
from tests.export.mil_engine import COREML, evaluated
from unmask.export.coreml import CoremlForm, write_coreml

pytestmark = pytest.mark.convert

SIZES = [("context", {"samples": 20_000}), ("window", {"tokens": 17, "past": 18, "frames": 50, "listed": 4})]


@pytest.fixture(autouse=True)
def _numpy_instead_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "coreml", evaluated())


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def bundle(request: pytest.FixtureRequest, fp32_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = make_captioner()
    graphs = [transcript_graph(model, make_drafter(model), role, sizes, 2) for role, sizes in SIZES]
    folder = tmp_path_factory.mktemp("coreml") / "tiny"
    return write_coreml(load_bundle(fp32_bundle), folder, graphs, CoremlForm(request.param))


def noise(samples: int) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(3).standard_normal(samples)).astype(np.float32)


def reading(captioner: Captioner, samples: NDArray[np.float32], ids: NDArray[np.int64]) -> tuple[TopKScores, NDArray[np.float32]]:
    """What a text that is read at once says of each next token, and where that is heard."""
    segment = captioner.encode(samples)
    return segment.decoder.next_token_scores(ids, 0), segment.decoder.places


@pytest.mark.parametrize("samples", [8000, 14_000])
def test_the_same_audio_gives_the_same_tokens(fp32_bundle: Path, bundle: Path, samples: int) -> None:
    """float16 may choose otherwise only where float32's choice leads by less than float16's error; texts agree up to there."""
    ours, theirs = Captioner(load_bundle(bundle), COREML).load(), Captioner(load_bundle(fp32_bundle)).load()
    exact = ours.bundle.manifest.precision == "fp32"
    error = 1e-4 if exact else 0.01
    found, expected = (captioner.decode(captioner.encode(noise(samples))) for captioner in (ours, theirs))
    (near, places), (true, heard) = (reading(captioner, noise(samples), expected.text.ids) for captioner in (ours, theirs))
    np.testing.assert_allclose(near.logits, true.logits, atol=error)
    np.testing.assert_allclose(places, heard, atol=1e-3 if exact else 0.02)
    sure = true.logits[:, 0] - true.logits[:, 1] > 2 * error
    assert sure.sum() > 3
    np.testing.assert_array_equal(near.ids[sure, 0], true.ids[sure, 0])
    assert sure.all() or (samples, exact) == (14_000, False)
    same = slice(len(sure) if sure.all() else int(sure.argmin()))
    np.testing.assert_array_equal(found.text.ids[same], expected.text.ids[same])
    np.testing.assert_allclose(found.text.confidence[same], expected.text.confidence[same], atol=1e-4 if exact else 0.005)
    assert not sure.all() or found.passes == expected.passes
