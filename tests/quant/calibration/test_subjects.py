"""Canvases for calibration: every share of masks, real fills below them, feeds for every graph; and what a search spares."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from unmask.benchmarks.compare.bundles import measure_drift
from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError
from unmask.export.onnx.backbone import write_backbone
from unmask.quant.calibration.calibrate import Widest, measure_ranges
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine, whole_logits
from unmask.quant.calibration.search import search_keep
from unmask.quant.calibration.states import State
from unmask.quant.calibration.subjects import subject_of
from unmask.quant.weights.quantize import Recipe, quantize_bundle

TONE = (0.3 * np.sin(np.arange(24000) ** 1.3 / 40)).astype(np.float32)
MATERIAL = Material((TONE,), ("What?", "Who?"), length=12, draws=3)


@pytest.fixture(params=["dream", "block"])
def source(request: pytest.FixtureRequest, backbones: dict[str, Path]) -> Path:
    return backbones[request.param]


# ---- states


def canvases(source: Path, material: Material = MATERIAL) -> list[State]:
    return [state for state in subject_of(load_bundle(source), material).states() if state.ratio is not None]


def test_every_share_of_masks_is_there(source: Path) -> None:
    mask_id = load_bundle(source).manifest.vocabulary.mask_id
    states = canvases(source)
    for ratio in MATERIAL.ratios:
        own = [state for state in states if state.ratio == ratio]
        assert len({state.source for state in own}) == len({state.source for state in states})
        assert len(own) == len({state.source for state in own}) * (1 if ratio == 1 else MATERIAL.draws)
        for state in own:
            whole = next(s for s in states if s.ratio == 1 and s.source == state.source)
            np.testing.assert_array_equal(np.flatnonzero(state.ids == mask_id), state.rows)
            assert len(state.rows) == max(1, round(ratio * len(whole.rows)))


def test_what_is_not_masked_is_one_and_the_same_fill(source: Path) -> None:
    """Two canvases of a source agree wherever both are filled; the prompt is never masked."""
    states = canvases(source)
    mask_id = load_bundle(source).manifest.vocabulary.mask_id
    for one in states:
        for other in states:
            if one.source == other.source:
                both = (one.ids != mask_id) & (other.ids != mask_id)
                np.testing.assert_array_equal(one.ids[both], other.ids[both])


def test_a_seed_gives_the_same_states_and_another_others(source: Path) -> None:
    other = replace(MATERIAL, seed=1)
    rows = [np.concatenate([state.rows for state in canvases(source, m)]) for m in (MATERIAL, MATERIAL, other)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_a_captioner_without_recordings_is_refused(fp32_bundle: Path) -> None:
    with pytest.raises(InputError, match="give recordings"):
        subject_of(load_bundle(fp32_bundle), Material())
    with pytest.raises(InputError, match="silent"):
        subject_of(load_bundle(fp32_bundle), Material((np.zeros(16000, np.float32),)))


# ---- taps


class Watched(InstrumentedEngine):
    """Remembers what went in and what came out."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rows: list[np.ndarray] = []
        self.answers: list[Mapping[str, np.ndarray]] = []

    def run(self, role: str, feeds: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        self.answers.append(super().run(role, feeds))
        if "hidden" in feeds:
            self.rows.append(feeds["hidden"])
        return self.answers[-1]


def test_whole_logits_hold_the_best_ones(source: Path) -> None:
    bundle = load_bundle(source)
    engine = Watched(bundle, whole_logits)
    subject = subject_of(bundle, MATERIAL, engine)
    state = next(s for s in subject.states() if s.ratio == 0.5)
    logits = subject.logits(state)
    assert logits.shape == (len(state.rows), bundle.manifest.vocabulary.size)
    ids, best, logsumexp = (engine.answers[-1][name] for name in ("ids", "logits", "logsumexp"))
    np.testing.assert_array_equal(logits.argmax(-1), ids[:, 0])
    np.testing.assert_allclose(logits.max(-1), best[:, 0], rtol=1e-6)
    np.testing.assert_allclose(np.logaddexp.reduce(logits, -1), logsumexp, rtol=1e-5)


def test_every_graph_is_calibrated(source: Path) -> None:
    bundle = load_bundle(source)
    ranges = measure_ranges(bundle, MATERIAL)
    assert set(ranges) == set(bundle.manifest.graphs)
    for own in ranges.values():
        assert own
        assert all(low <= high and np.isfinite([low, high]).all() for low, high in own.values())


def test_ranges_are_those_of_the_rows_that_went_in(backbones: dict[str, Path]) -> None:
    """Of the head: the hidden rows that the plain engine makes of the same canvases."""
    bundle = load_bundle(backbones["dream"])
    ranges = measure_ranges(bundle, MATERIAL)
    engine = Watched(bundle, whole_logits)
    subject = subject_of(bundle, MATERIAL, engine)
    for state in subject.states():
        subject.ask(state)
    ((low, high),) = ranges["head"].values()  # of its one product
    assert low == pytest.approx(min(rows.min() for rows in engine.rows), rel=1e-6)
    assert high == pytest.approx(max(rows.max() for rows in engine.rows), rel=1e-6)


def test_sliced_heads_share_the_range_of_the_whole(omni: Path) -> None:
    ranges = measure_ranges(load_bundle(omni), Material(prompts=("a",), length=4, ratios=(1.0,)))
    assert ranges["head_speech"] == ranges["head"]


def test_ranges_grow_with_what_is_asked(backbones: dict[str, Path]) -> None:
    bundle = load_bundle(backbones["dream"])
    engine = Widest(bundle)
    subject = subject_of(bundle, MATERIAL, engine)
    states = subject.states()
    before = dict(engine.found["window"])
    for state in states:
        subject.ask(state)
    after = engine.found["window"]
    assert all(after[name][0] <= low and high <= after[name][1] for name, (low, high) in before.items())
    assert any(after[name] != span for name, span in before.items())


# ---- the search


@pytest.fixture(scope="module")
def planted(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle in which one matrix has a few weights so large that 4 bits leave nothing for the others of their blocks, although
    they do nothing: what they are multiplied with is zero."""
    root = tmp_path_factory.mktemp("planted")
    shutil.copytree(checkpoints["dream"], root / "checkpoint")
    path = root / "checkpoint" / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.1.mlp.down_proj.weight"][:, ::16] *= 30
    tensors["model.layers.1.mlp.gate_proj.weight"][::16] = 0
    save_file(tensors, path)
    return write_backbone(root / "checkpoint", root / "bundle")


def test_the_search_finds_the_matrix_that_suffers(planted: Path, tmp_path: Path) -> None:
    bundle, recipe = load_bundle(planted), Recipe("int4", head="int8-weights")
    size = 64 * 96  # of the planted one
    found = search_keep(bundle, recipe, MATERIAL, 2 * size)
    assert found.candidates[0].label == found.keep[0] == "window:backbone.layers.1.down.weight"
    assert found.bytes <= 2 * size
    assert found.after < 0.7 * found.before
    assert {c.label.split(":")[0] for c in found.candidates} == {"window", "head"}
    # The measured drift is that of the bundles themselves.
    for keep, said in (((), found.before), (found.keep, found.after)):
        quantize_bundle(planted, tmp_path / str(len(keep)), Recipe("int4", head="int8-weights", keep=keep))
        parts, _ = measure_drift(bundle, load_bundle(tmp_path / str(len(keep))), MATERIAL)
        rows = sum(part.rows for part in parts)
        embedded = sum(part.kl * part.rows for part in parts) / rows  # with the embedding in int8 too
        assert embedded == pytest.approx(said, rel=0.5)


def test_a_budget_too_small_keeps_nothing(planted: Path) -> None:
    found = search_keep(load_bundle(planted), Recipe("int4"), Material(prompts=("a",), length=4, ratios=(1.0,)), 100)
    assert (found.keep, found.bytes) == ((), 0)
    assert found.after == found.before
    with pytest.raises(InputError, match="budget"):
        search_keep(load_bundle(planted), Recipe("int4"), MATERIAL, 0)


@pytest.mark.slow
def test_the_search_covers_both_graphs(fp32_bundle: Path) -> None:
    found = search_keep(load_bundle(fp32_bundle), Recipe("int4"), Material((TONE,), draws=1, ratios=(0.5, 1.0)), 20_000)
    assert {c.label.split(":")[0] for c in found.candidates} == {"context", "window"}
    assert found.after <= found.before
    assert found.bytes <= 20_000
