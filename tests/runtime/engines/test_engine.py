"""The engine on real graphs: allowed ids, embeddings, biases, exact caches, and arrays that are shared and not copied."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.runtime.conftest import Watched
from unmask.bundle.manifest import Bucket, Bundle, load_bundle
from unmask.decoding.canvas import Canvas, IdRange, Span, allowed_mask
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import FORBIDDEN, Engine, GraphRun
from unmask.engines.engine_options import EngineOptions
from unmask.errors import BundleError, InputError
from unmask.speech.captioner import Captioner
from unmask.speech.transcript import TranscriptDecoder
from unmask.text.denoiser import BackboneDenoiser

SLOTS = 12
Allowed = tuple[tuple[IdRange, ...], ...]
SIZE = 257  # ids of the vocabulary that may be allowed here
ALL: Allowed = (((0, SIZE),),)


@pytest.fixture(scope="module")
def backbone(backbones: dict[str, Path]) -> Watched:
    return Watched(backbones["llada"])


@pytest.fixture
def denoiser(backbone: Watched) -> BackboneDenoiser:
    return BackboneDenoiser(backbone, SLOTS)


@pytest.fixture
def ids(backbone: Watched) -> NDArray[np.int64]:
    """A canvas on which every third position is given."""
    ids = np.full(SLOTS, backbone.bundle.manifest.vocabulary.mask_id)
    ids[::3] = np.arange(len(ids[::3])) + 20
    return ids


def look(denoiser: BackboneDenoiser, ids: NDArray[np.int64], at: NDArray[np.int64], allowed: Allowed = ALL) -> TopKScores:
    """A pass over the positions `at`, which predicts all of them."""
    return denoiser.window(ids[at], at, np.arange(len(at)), allowed)


def same(a: TopKScores, b: TopKScores, rows: slice | NDArray[np.int64] = slice(None), atol: float = 0.0) -> None:
    np.testing.assert_array_equal(a.ids[rows, 0], b.ids[:, 0])
    for ours, theirs in ((a.logits, b.logits), (a.logsumexp, b.logsumexp), (a.entropy, b.entropy)):
        np.testing.assert_allclose(ours[rows], theirs, rtol=0, atol=atol)


def test_numbers_are_those_of_a_distribution(denoiser: BackboneDenoiser, ids: NDArray[np.int64]) -> None:
    found = look(denoiser, ids, np.arange(SLOTS))
    assert found.ids.shape == found.logits.shape == (SLOTS, 64)
    assert found.logsumexp.shape == found.entropy.shape == (SLOTS,)
    assert (found.logits[:, 0] >= found.logits[:, 1]).all()
    assert (np.exp(found.logits - found.logsumexp[:, None]).sum(1) <= 1 + 1e-5).all()
    assert ((found.entropy > 0) & (found.entropy <= np.log(SIZE))).all()
    assert len(np.unique(found.logits[:, 0])) == SLOTS


@pytest.mark.parametrize("ranges", [((3, 9),), ((0, 1), (250, 257)), ((100, 102),)])
def test_only_allowed_ids_come_back(denoiser: BackboneDenoiser, ids: NDArray[np.int64], ranges: tuple[IdRange, ...]) -> None:
    found = look(denoiser, ids, np.arange(SLOTS), (ranges,))
    assert allowed_mask(found.ids[:, :2], ranges).all()
    assert (found.entropy <= np.log(sum(high - low for low, high in ranges)) + 1e-4).all()


def test_one_allowed_id_is_certain(denoiser: BackboneDenoiser, ids: NDArray[np.int64]) -> None:
    found = look(denoiser, ids, np.arange(SLOTS), (((42, 43),),))
    assert (found.ids[:, 0] == 42).all()
    np.testing.assert_allclose(np.exp(found.logits[:, 0] - found.logsumexp), 1, atol=1e-5)
    np.testing.assert_allclose(found.entropy, 0, atol=1e-4)


def test_a_fill_commits_allowed_ids_only(denoiser: BackboneDenoiser, backbone: Watched) -> None:
    spans = (Span(0, 5, "low", ((1, 30),)), Span(5, SLOTS, "high", ((200, 257),)))
    mask = backbone.bundle.manifest.vocabulary.mask_id
    *_, last = fill(Canvas(np.full(SLOTS, mask), spans, mask), denoiser, Schedule(passes=4, rule="quota"))
    assert allowed_mask(last.ids[:5], ((1, 30),)).all()
    assert allowed_mask(last.ids[5:], ((200, 257),)).all()


def test_ids_outside_the_vocabulary_cannot_be_allowed(denoiser: BackboneDenoiser, ids: NDArray[np.int64]) -> None:
    with pytest.raises(InputError, match="300"):
        look(denoiser, ids, np.arange(SLOTS), (((300, 400),),))


@pytest.mark.parametrize("wrong", [-1, 260, 10**12])
def test_id_out_of_range(denoiser: BackboneDenoiser, ids: NDArray[np.int64], wrong: int) -> None:
    ids[4] = wrong
    with pytest.raises(InputError, match=f"id {wrong} is outside the vocabulary of 260 rows"):
        look(denoiser, ids, np.arange(SLOTS))


def test_embedding_rows(engine: Watched) -> None:
    rows = engine.embed(np.array([257, 0, 3, 3]))
    np.testing.assert_array_equal(rows, engine.bundle.table().stored[[257, 0, 3, 3]])
    assert engine.embed(np.array([], dtype=np.int64)).shape == (0, rows.shape[1])


def test_int8_rows_are_widened(int8_bundle: Path, engine: Watched) -> None:
    small = Engine(load_bundle(int8_bundle))
    ids = np.arange(small.bundle.manifest.embedding.total)
    rows, scales = small.embed(ids), small.bundle.table().scales
    assert scales is not None
    assert rows.dtype == np.float32
    assert (np.abs(rows - engine.embed(ids)) <= 0.51 * scales[:, None]).all()


def test_bias(backbone: Watched) -> None:
    low, high = ((0, 2),), ((255, 257), (5, 6))
    both = backbone.bias((low, high))
    assert both.shape == (2, backbone.bundle.manifest.vocabulary.size)
    assert both.dtype == np.float32
    assert [np.flatnonzero(row == 0).tolist() for row in both] == [[0, 1], [5, 255, 256]]
    assert (both[both != 0] == FORBIDDEN).all()
    np.testing.assert_array_equal(backbone.bias((high,)), both[1:])


def test_one_bias_row_serves_all(denoiser: BackboneDenoiser, ids: NDArray[np.int64]) -> None:
    low, high = ((0, 100),), ((100, 257),)
    everywhere = np.arange(SLOTS)
    one = look(denoiser, ids, everywhere, (low,))
    denoiser.reset()
    same(look(denoiser, ids, everywhere, (low,) * SLOTS), one)
    denoiser.reset()
    mixed = look(denoiser, ids, everywhere, (low,) * 5 + (high,) * (SLOTS - 5))
    same(mixed, TopKScores(one.ids[:5], one.logits[:5], one.logsumexp[:5], one.entropy[:5]), np.arange(5))
    assert (mixed.ids[5:] >= 100).all()


@pytest.mark.parametrize("subset", [[0], [SLOTS - 1], [2, 3, 4], [1, 5, 6, 11], list(range(SLOTS))])
def test_a_window_over_exact_caches_is_the_full_pass(
    denoiser: BackboneDenoiser, ids: NDArray[np.int64], subset: list[int]
) -> None:
    full = look(denoiser, ids, np.arange(SLOTS))
    at = np.array(subset)
    same(full, look(denoiser, ids, at), at, atol=1e-4)


def test_wanted_selects_rows_of_the_window(denoiser: BackboneDenoiser, ids: NDArray[np.int64]) -> None:
    full = look(denoiser, ids, np.arange(SLOTS))
    denoiser.reset()
    wanted = np.array([1, 4, 10])
    same(full, denoiser.window(ids, np.arange(SLOTS), wanted, ALL), wanted, atol=1e-5)


def test_reset_forgets(denoiser: BackboneDenoiser, ids: NDArray[np.int64]) -> None:
    at = np.array([2, 3, 4])
    fresh = look(denoiser, ids, at)
    look(denoiser, ids, np.arange(SLOTS))
    remembering = look(denoiser, ids, at)
    assert np.abs(remembering.logits - fresh.logits).max() > 1e-3
    denoiser.reset()
    same(look(denoiser, ids, at), fresh)


def test_two_canvases_do_not_mix(backbone: Watched, denoiser: BackboneDenoiser, ids: NDArray[np.int64]) -> None:
    other = BackboneDenoiser(backbone, SLOTS)
    at = np.array([1, 2])
    alone = look(other, ids, at)
    look(denoiser, ids, np.arange(SLOTS))
    other.reset()
    same(look(other, ids, at), alone)


def test_constructing_opens_no_graph(fp32_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    really_open = onnxruntime.InferenceSession

    def watched(path: Path, *arguments: object, **options: object) -> onnxruntime.InferenceSession:
        opened.append(path.name)
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    captioner = Captioner(load_bundle(fp32_bundle))
    assert opened == []
    captioner.load()
    assert sorted(opened) == ["context.onnx", "window.onnx"]


# ---- a decoder of transcripts


SAMPLES = (0.1 * np.random.default_rng(3).standard_normal((1, 32_000))).astype(np.float32)


@pytest.fixture(scope="module")
def context(engine: Watched) -> dict[str, NDArray[np.float32]]:
    return engine.run("context", {"samples": SAMPLES})


@pytest.fixture
def decoder(engine: Watched, context: dict[str, NDArray[np.float32]]) -> TranscriptDecoder:
    return TranscriptDecoder(engine, 1, context)


def test_context_is_used_in_place(decoder: TranscriptDecoder, engine: Watched, context: dict[str, NDArray[np.float32]]) -> None:
    engine.fed.clear()
    for known in (0, 1):
        decoder.next_token_scores(np.array([5, 9]), known)
    assert all(fed[name] is context[name] for fed in engine.fed for name in ("cross_k", "cross_v"))


def test_what_was_read_is_not_computed_again(decoder: TranscriptDecoder, engine: Watched) -> None:
    ids = np.array([5, 9, 200, 31, 77, 8])
    whole = decoder.next_token_scores(ids, 0)
    assert whole.ids.shape == (len(ids) + 1, 2)
    for known in range(1, len(ids) + 1):
        engine.fed.clear()
        part = decoder.next_token_scores(ids, known)
        assert engine.fed[0]["rows"].shape[0] == len(ids) - known + 1
        same(part, TopKScores(whole.ids[known:], whole.logits[known:], whole.logsumexp[known:], whole.entropy[known:]), atol=1e-4)


def test_a_changed_token_is_read_anew(decoder: TranscriptDecoder) -> None:
    old, new = np.array([5, 9, 200, 31]), np.array([5, 9, 14, 31])
    decoder.next_token_scores(old, 0)
    after = decoder.next_token_scores(new, 3)  # the third is settled, but not yet read in this form
    decoder.reset()
    fresh = decoder.next_token_scores(new, 0)
    same(after, TopKScores(fresh.ids[3:], fresh.logits[3:], fresh.logsumexp[3:], fresh.entropy[3:]), atol=1e-4)


def test_an_empty_text_is_expected_to_begin(decoder: TranscriptDecoder) -> None:
    assert decoder.next_token_scores(np.zeros(0, dtype=np.int64), 0).ids.shape == (1, 2)


def test_what_cannot_be_run_is_told(fp32_bundle: Path) -> None:
    bundle = load_bundle(fp32_bundle)
    with pytest.raises(
        BundleError, match=r"no window graph of fixed sizes for the engine onnx; `unmask inspect .*` lists its graphs"
    ):
        Engine(bundle, EngineOptions(static=True)).inputs("window")
    held = Bucket("litert", "window", "window.onnx", {"rows": 4}, "fp32", "f")
    asked = Bundle(bundle.folder, replace(bundle.manifest, buckets=(held,)))
    with pytest.raises(BundleError, match="for the engine onnx; it has one for --engine litert; `unmask inspect"):
        Engine(asked, EngineOptions(static=True)).inputs("window")
    with pytest.raises(InputError, match="delegate 'gpu' belongs to the engine litert; leave it out with onnx"):
        EngineOptions(delegate="gpu")
    with pytest.raises(InputError, match="delegate 'npu' is not one of cpu, gpu, gpu-fp16"):
        EngineOptions(engine="litert", delegate="npu")
    with pytest.raises(InputError, match="engine 'abacus' is not one of onnx, litert, coreml"):
        EngineOptions(engine="abacus")


def test_graphs_for_an_engine_that_came_later_do_no_harm(fp32_bundle: Path) -> None:
    bundle = load_bundle(fp32_bundle)
    held = Bucket("abacus", "window", "window.onnx", {"rows": 4}, "fp32")
    later = Bundle(bundle.folder, replace(bundle.manifest, buckets=(held,)))
    assert Engine(later).load().inputs("window")
    with pytest.raises(InputError, match="engine 'abacus' is not one of onnx, litert, coreml"):
        EngineOptions(engine="abacus")


def test_an_observer_sees_each_run(engine: Watched) -> None:
    runs: list[GraphRun] = []
    outputs = Engine(engine.bundle, observe=runs.append).run("context", {"samples": SAMPLES})
    (seen,) = runs
    assert (seen.role, seen.feeds["samples"] is SAMPLES, seen.outputs is outputs) == ("context", True, True)
    assert seen.seconds > 0
