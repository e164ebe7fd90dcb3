"""The denoiser over backbone graphs: attention kinds, kept rows, sliced heads and guidance, held against PyTorch."""

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.export.test_backbone import CLOSE, Ours, block_mask
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.runner import Arrays
from unmask.errors import BundleError
from unmask.text.denoiser import BackboneDenoiser
from unmask.text.guidance import Unconditional

EVERY = (((0, 259),),)  # all but the mask


def best(ours: Ours, hidden: torch.Tensor) -> torch.Tensor:
    logits = hidden @ ours.head.T
    logits[:, 259:] = -torch.inf
    return logits


def changed(bundle: Bundle, **changes: object) -> Bundle:
    return Bundle(bundle.folder, dataclasses.replace(bundle.manifest, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["dream", "llada"])
def test_a_whole_window_is_a_full_pass_with_the_shift_of_the_family(
    family: str, checkpoints: dict[str, Path], backbones: dict[str, Path]
) -> None:
    ours, denoiser = Ours(checkpoints[family]), BackboneDenoiser(Engine(load_bundle(backbones[family])), 15, 5)
    ids, wanted = np.random.default_rng(0).integers(0, 259, 15), np.array([0, 6, 14])
    numbers = denoiser.window(ids, np.arange(15), wanted, EVERY)
    sources = np.maximum(wanted - 1, 0) if family == "dream" else wanted
    logits = best(ours, ours.hidden(ids)[sources])
    assert (numbers.ids[:, 0] == logits.argmax(-1).numpy()).all()
    assert np.allclose(numbers.logits[:, 0], logits.amax(-1), **CLOSE)
    assert np.allclose(numbers.logsumexp, logits.logsumexp(-1), **CLOSE)


def test_prefix_attention_is_exact_after_the_first_pass(checkpoints: dict[str, Path], masked: dict[str, Path]) -> None:
    """The prompt's rows never look at the answer, so they are computed once, whatever the answer becomes."""
    ours = Ours(checkpoints["llada"])
    bundle = changed(load_bundle(masked["llada"]), attention="prefix")
    denoiser = BackboneDenoiser(Engine(bundle), 16, 6)
    rng = np.random.default_rng(1)
    ids, answer = rng.integers(0, 259, 16), np.arange(6, 16)
    denoiser.window(ids, np.arange(16), np.array([7]), EVERY)
    ids[answer] = rng.integers(0, 259, 10)
    numbers = denoiser.window(ids[answer], answer, np.arange(10), EVERY)
    mask = torch.zeros(16, 16)
    mask[:6, 6:] = -1e9
    assert np.allclose(numbers.logits[:, 0], best(ours, ours.hidden(ids, mask)[6:]).amax(-1), **CLOSE)
    assert not np.allclose(numbers.logits[:, 0], best(ours, ours.hidden(ids)[6:]).amax(-1), **CLOSE)


def test_attention_that_hides_something_needs_a_graph_with_a_mask(backbones: dict[str, Path]) -> None:
    bundle = changed(load_bundle(backbones["llada"]), attention="prefix")
    with pytest.raises(BundleError, match=r"window graph takes \[[^]]*\] instead of \[.*'mask'.*\]; export it again"):
        BackboneDenoiser(Engine(bundle), 16, 6)


@pytest.mark.parametrize("family", ["dream", "llada"])
def test_a_mask_of_zeros_changes_nothing_and_need_not_be_there(
    family: str, backbones: dict[str, Path], masked: dict[str, Path]
) -> None:
    """Bundles from before full attention went without a mask still load; both give the same numbers for all rows and for some."""
    fed: list[Arrays] = []
    without = BackboneDenoiser(Engine(load_bundle(backbones[family]), observe=lambda run: fed.append(run.feeds)), 30, 10)
    older = BackboneDenoiser(Engine(load_bundle(masked[family]), observe=lambda run: fed.append(run.feeds)), 30, 10)
    ids = np.random.default_rng(4).integers(0, 259, 30)
    for at in (np.arange(30), np.array([3, 11, 12, 29]), np.array([20])):
        fed.clear()
        ours, theirs = (denoiser.window(ids[at], at, np.arange(len(at)), EVERY) for denoiser in (without, older))
        assert [feeds["mask"].any() for feeds in fed if "mask" in feeds] == [False], "the older one was fed zeros"
        assert np.array_equal(ours.ids[:, 0], theirs.ids[:, 0])
        assert np.allclose(ours.logits, theirs.logits, **CLOSE)
        ids[at] = (ids[at] + 1) % 259


def test_a_long_prompt_with_full_attention_makes_no_matrix_of_rows_and_positions(
    backbones: dict[str, Path], masked: dict[str, Path]
) -> None:
    """All arrays of NumPy together, at their peak, are smaller than a mask; the engine's own memory is not counted."""
    count = 1500

    def peak(folder: Path) -> int:
        denoiser = BackboneDenoiser(Engine(load_bundle(folder)).load(), count, count - 10)
        ids = np.random.default_rng(5).integers(0, 259, count)
        tracemalloc.start()
        try:
            denoiser.hidden(ids, np.arange(count - 10, count))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    mask = 4 * count * count
    assert peak(backbones["dream"]) < mask / 2
    assert peak(masked["dream"]) > mask, "a mask would have been seen"


@pytest.mark.parametrize("cut", [8, 12])
def test_block_attention_is_exact_in_one_pass_and_in_pieces(
    cut: int, checkpoints: dict[str, Path], backbones: dict[str, Path]
) -> None:
    """A prompt of several blocks is read at once; later blocks are computed alone over what was kept."""
    ours, denoiser = Ours(checkpoints["block"]), BackboneDenoiser(Engine(load_bundle(backbones["block"])), 18, cut)
    ids = np.random.default_rng(2).integers(0, 259, 18)
    expected = best(ours, ours.hidden(ids, block_mask(18, 4)))
    for at in (np.arange(cut), *np.split(np.arange(cut, 18), range(4, 18 - cut, 4))):
        numbers = denoiser.window(ids[at], at, np.arange(len(at)), EVERY)
        assert np.allclose(numbers.logits[:, 0], expected[at].amax(-1), **CLOSE)


def test_a_pass_that_only_settles_asks_no_head(backbones: dict[str, Path]) -> None:
    denoiser = BackboneDenoiser(Engine(load_bundle(backbones["block"])), 8)
    nothing = denoiser.window(np.arange(4), np.arange(4), np.zeros(0, np.int64), ())
    assert nothing.ids.shape[0] == nothing.logsumexp.shape[0] == 0


def test_reset_forgets_what_was_computed(backbones: dict[str, Path]) -> None:
    denoiser = BackboneDenoiser(Engine(load_bundle(backbones["llada"])), 10)
    ids, at = np.arange(10), np.array([4, 5])
    alone = denoiser.window(ids[at], at, np.arange(2), EVERY)
    denoiser.window(ids, np.arange(10), np.arange(2), EVERY)
    beside = denoiser.window(ids[at], at, np.arange(2), EVERY)
    denoiser.reset()
    again = denoiser.window(ids[at], at, np.arange(2), EVERY)
    assert np.array_equal(alone.logits, again.logits)
    assert not np.allclose(alone.logits, beside.logits)


def test_a_sliced_head_says_what_the_whole_one_says(omni: Path) -> None:
    ran: list[str] = []
    engine = Engine(load_bundle(omni), observe=lambda run: ran.append(run.role))
    ids, at = np.arange(12), np.arange(12)
    image = ((168072, 176264),)
    sliced = BackboneDenoiser(engine, 12).window(ids, at, np.array([3, 9]), (image,))
    assert "head" not in ran, "the whole vocabulary was not touched"
    graphs = {role: file for role, file in engine.bundle.manifest.graphs.items() if role in ("window", "head")}
    whole = BackboneDenoiser(Engine(changed(engine.bundle, graphs=graphs)), 12).window(ids, at, np.array([3, 9]), (image,))
    assert np.array_equal(sliced.ids[:, :10], whole.ids[:, :10])
    for name in ("logits", "logsumexp", "entropy"):
        assert np.allclose(getattr(sliced, name), getattr(whole, name), atol=1e-4)


def test_rows_of_several_modalities_come_back_in_their_order(omni: Path) -> None:
    engine = Engine(load_bundle(omni))
    text, speech, image = ((0, 151666),), ((151688, 168072),), ((168072, 176264),)
    ids, at, wanted = np.arange(12), np.arange(12), np.array([2, 3, 5, 8])
    mixed = BackboneDenoiser(engine, 12).window(ids, at, wanted, (image, text, image, speech))
    for row, ranges in enumerate((image, text, image, speech)):
        one = BackboneDenoiser(engine, 12).window(ids, at, wanted[row : row + 1], (ranges,))
        assert mixed.ids[row, 0] == one.ids[0, 0]
        assert ranges[0][0] <= mixed.ids[row, 0] < ranges[0][1]
        assert np.isclose(mixed.logsumexp[row], one.logsumexp[0], atol=1e-4)


def test_unconditional_rows_as_the_released_code_pads_them(checkpoints: dict[str, Path], backbones: dict[str, Path]) -> None:
    """[unconditional prompt | canvas | zeros], read at the conditional rows' indices."""
    ours, engine = Ours(checkpoints["dream"]), Engine(load_bundle(backbones["dream"]))
    ids, prompt, wanted = np.random.default_rng(3).integers(0, 259, 14), np.array([7, 8]), np.array([6, 9, 13])
    away = Unconditional(engine, BackboneDenoiser(engine, 14, 6), prompt, 6)
    rows = torch.cat([ours.embedding[[7, 8]], ours.embedding[ids[6:]], torch.zeros(4, 64)])
    with torch.no_grad():
        expected = ours.backbone(rows)[wanted - 1]
    assert np.allclose(away.hidden(ids, wanted), expected, **CLOSE)
    with pytest.raises(BundleError, match="3 tokens, more than the prompt's 2"):
        Unconditional(engine, BackboneDenoiser(engine, 14, 6), np.arange(3), 2)


def test_numbers_of_the_whole_vocabulary_at_a_scale(checkpoints: dict[str, Path], backbones: dict[str, Path]) -> None:
    ours, denoiser = Ours(checkpoints["dream"]), BackboneDenoiser(Engine(load_bundle(backbones["dream"])), 9)
    ids = np.arange(9)
    hidden = denoiser.hidden(ids, np.array([0, 4]))
    numbers = denoiser.numbers(hidden, 5.0)
    logits = ours.logits(ids)[[0, 3]] * 5
    assert np.allclose(numbers.logits[:, :50], logits.topk(50).values, atol=5e-4)
    assert np.allclose(numbers.logsumexp, logits.logsumexp(-1), atol=5e-4)


def test_another_familys_window_is_told(fp32_bundle: Path) -> None:
    with pytest.raises(BundleError, match="has the graphs of a transcript"):
        BackboneDenoiser(Engine(load_bundle(fp32_bundle)), 4)
