"""A whole captioner on CoreML's graphs, evaluated in NumPy: the same audio gives the same tokens as with ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket, load_bundle
from unmask.engines.known_engines import ENGINES
from unmask.export.modules.captioner import CaptionerModel
from unmask.export.modules.static import captioner_graph
from unmask.speech.captioner import Captioner

pytest.importorskip("coremltools")
from benchmarks.lab.coreml_drift import measure, recorded
from tests.export.mil_engine import COREML, MilRunner, evaluated
from unmask.export.coreml import CoremlForm, write_coreml

pytestmark = pytest.mark.convert

SIZES = [
    ("context", {"slots": 24}),
    ("window", {"rows": 24, "wanted": 24, "slots": 25}),
    ("verify", {"tokens": 110, "past": 110, "slots": 24}),
]


@pytest.fixture(autouse=True)
def _numpy_instead_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "coreml", evaluated())


@pytest.fixture(scope="module")
def bundle(captioner: CaptionerModel, fp32_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    graphs = [captioner_graph(captioner, role, sizes, 2) for role, sizes in SIZES]
    return write_coreml(load_bundle(fp32_bundle), tmp_path_factory.mktemp("coreml") / "tiny", graphs, CoremlForm("fp32"))


def noise(seconds: float) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(3).standard_normal(round(seconds * 16_000))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.9, 2.6])
def test_the_same_audio_gives_the_same_tokens(fp32_bundle: Path, bundle: Path, seconds: float) -> None:
    readings = []
    for folder, options in ((fp32_bundle, None), (bundle, COREML)):
        captioner = Captioner(load_bundle(folder), options).load()
        (window,) = captioner.segments(noise(seconds))
        readings.append(captioner.decode(window))
    expected, found = readings
    assert len(expected.text.ids) > 10
    assert expected.passes > 1  # the verifier read it, too
    np.testing.assert_array_equal(found.text.ids, expected.text.ids)
    np.testing.assert_array_equal(found.text.places, expected.text.places)
    np.testing.assert_allclose(found.text.confidence, expected.text.confidence, atol=1e-4)
    assert (found.passes, found.rows) == (expected.passes, expected.rows)


def test_the_bundle_holds_tables_and_no_graphs_for_onnx(fp32_bundle: Path, bundle: Path) -> None:
    source, made = load_bundle(fp32_bundle), load_bundle(bundle)
    assert made.manifest.graphs == {}
    assert {name.split("/")[0] for name in made.manifest.files} == {"graphs.mlpackage", "weights.bin", "tokenizer.json"}
    np.testing.assert_array_equal(made.table().stored, source.table().stored)
    assert [(bucket.engine, bucket.role, bucket.sizes) for bucket in made.manifest.buckets] == [
        ("coreml", *size) for size in SIZES
    ]


class Mistaken(MilRunner):
    """Takes each id of a window for the one after it."""

    def run(self, bucket: Bucket, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        made = super().run(bucket, feeds)
        return {**made, "ids": made["ids"] + 1} if bucket.role == "window" else made


def test_what_a_form_keeps_is_counted(fp32_bundle: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, made = load_bundle(fp32_bundle), load_bundle(bundle)
    _, calls = recorded(source, noise(1))
    rows = {role: sum(len(made["ids"]) for other, _, made in calls if other == role) for role in ("window", "verify")}
    kept = measure(source, made, [noise(1)])
    assert (kept.rows, kept.same_ids, kept.captions, kept.same_captions) == (sum(rows.values()), sum(rows.values()), 1, 1)
    assert kept.bytes == sum(path.stat().st_size for path in (bundle / "graphs.mlpackage").rglob("*") if path.is_file())
    monkeypatch.setitem(ENGINES, "coreml", evaluated(Mistaken))
    wrong = measure(source, made, [noise(1)])
    assert (wrong.rows, wrong.same_ids) == (kept.rows, rows["verify"])
