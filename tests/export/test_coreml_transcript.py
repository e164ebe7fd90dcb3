"""A transcript on CoreML's graphs, evaluated in NumPy: the same audio gives the same tokens as with ONNX Runtime."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny import make_captioner, make_drafter
from unmask.bundle.manifest import load_bundle
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


@pytest.mark.parametrize("samples", [8000, 14_000])
def test_the_same_audio_gives_the_same_tokens(fp32_bundle: Path, bundle: Path, samples: int) -> None:
    made, exact = load_bundle(bundle), load_bundle(bundle).manifest.precision == "fp32"
    readings = []
    for folder, options in ((load_bundle(fp32_bundle), None), (made, COREML)):
        captioner = Captioner(folder, options).load()
        (segment,) = captioner.segments(noise(samples))
        readings.append(captioner.decode(segment))
    expected, found = readings
    assert len(expected.text.ids) > 3
    np.testing.assert_array_equal(found.text.ids, expected.text.ids)
    np.testing.assert_allclose(found.text.places, expected.text.places, atol=1e-3 if exact else 0.2)
    np.testing.assert_allclose(found.text.confidence, expected.text.confidence, atol=1e-4 if exact else 0.05)
    assert found.passes == expected.passes
