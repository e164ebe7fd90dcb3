"""The verify graph of `TimelineVerifier`: cached prefixes change no number, nothing is left of a text that was forgotten."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.runtime.conftest import Watched
from unmask.bundle.manifest import Verifier, load_bundle
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import verify
from unmask.engines.engine import Engine
from unmask.errors import BundleError
from unmask.export.modules.captioner import CaptionerModel
from unmask.speech.timeline.denoiser import TimelineVerifier

SLOTS, ATOL = 12, 1e-4
Ids = NDArray[np.int64]
Context = dict[str, NDArray[np.float32]]
IDS = st.lists(st.integers(1, 256), max_size=10)


@pytest.fixture(scope="module")
def mel() -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((1, 80, 16 * SLOTS), dtype=np.float32)


@pytest.fixture(scope="module")
def context(engine: Watched, mel: NDArray[np.float32]) -> Context:
    made = engine.run("context", {"mel": mel})
    return {name: made[name] for name in ("verify_k", "verify_v")}


def listed(engine: Engine) -> Verifier:
    assert engine.bundle.manifest.verifier is not None
    return engine.bundle.manifest.verifier


@pytest.fixture(scope="module")
def verifier(engine: Watched, context: Context) -> TimelineVerifier:
    return TimelineVerifier(engine, listed(engine), context)


def ids_of(*ids: int) -> Ids:
    return np.array(ids, dtype=np.int64)


def same(ours: TopKScores, theirs: TopKScores, rows: slice = slice(None), atol: float = ATOL) -> None:
    np.testing.assert_array_equal(ours.ids[:, 0], theirs.ids[rows, 0])
    np.testing.assert_allclose(ours.logits, theirs.logits[rows], rtol=0, atol=atol)
    np.testing.assert_allclose(ours.logsumexp, theirs.logsumexp[rows], rtol=0, atol=atol)


@given(IDS, st.lists(IDS, max_size=3), st.data())
def test_a_cached_prefix_is_a_full_pass(
    engine: Watched, context: Context, verifier: TimelineVerifier, first: list[int], later: list[list[int]], data: st.DataObject
) -> None:
    """A text is corrected as `verify` does it: what is known grows, its last token may have changed, the rest may be anything."""
    verifier.reset()
    text, known = first, 0
    verifier.next_token_scores(ids_of(*text), 0)
    for tail in later:
        if known >= len(text):
            break
        known = data.draw(st.integers(known + 1, len(text)))
        text = [*text[: known - 1], data.draw(st.integers(1, 256)), *tail]
        expected = TimelineVerifier(engine, listed(engine), context).next_token_scores(ids_of(*text), 0)
        same(verifier.next_token_scores(ids_of(*text), known), expected, slice(known, None))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_numbers_are_those_of_the_model(
    verifier: TimelineVerifier, captioner: CaptionerModel, mel: NDArray[np.float32], count: int
) -> None:
    ids = np.arange(count, dtype=np.int64) * 30 + 5
    verifier.reset()
    found = verifier.next_token_scores(ids, 0)
    logits = captioner.next_logits(torch.from_numpy(ids)[None], captioner.encoder(torch.from_numpy(mel)))[0]
    best = logits.topk(2)
    assert found.ids.tolist() == best.indices.tolist()
    np.testing.assert_allclose(found.logits, best.values.numpy(), rtol=0, atol=ATOL)
    np.testing.assert_allclose(found.logsumexp, logits.logsumexp(-1).numpy(), rtol=0, atol=ATOL)
    assert not found.entropy.any()


def test_reset_forgets(engine: Watched, context: Context, verifier: TimelineVerifier) -> None:
    verifier.next_token_scores(ids_of(9, 8, 7, 6, 5, 4), 0)
    verifier.reset()
    engine.fed.clear()
    found = verifier.next_token_scores(ids_of(1, 2), 0)
    assert engine.fed[0]["past_k"].shape[2] == engine.fed[0]["past_v"].shape[2] == 0
    same(found, TimelineVerifier(engine, listed(engine), context).next_token_scores(ids_of(1, 2), 0), atol=0)


def test_a_text_from_its_start_needs_no_reset(engine: Watched, context: Context, verifier: TimelineVerifier) -> None:
    verifier.next_token_scores(ids_of(9, 8, 7, 6, 5, 4), 0)
    found = verifier.next_token_scores(ids_of(1, 2, 3), 0)
    same(found, TimelineVerifier(engine, listed(engine), context).next_token_scores(ids_of(1, 2, 3), 0), atol=0)


def test_context_is_used_in_place_and_read_rows_are_not_sent_again(
    engine: Watched, context: Context, verifier: TimelineVerifier
) -> None:
    prompt = len(listed(engine).prompt)
    verifier.reset()
    engine.fed.clear()
    verifier.next_token_scores(ids_of(5, 6, 7, 8), 0)
    verifier.next_token_scores(ids_of(5, 6, 9, 8), 3)
    first, second = engine.fed
    assert [len(fed["rows"]) for fed in (first, second)] == [prompt + 4, 2]
    assert [fed["past_k"].shape[2] for fed in (first, second)] == [0, prompt + 2]
    for name, given_array in context.items():
        assert first[name] is given_array
        assert second[name] is given_array


def test_two_verifiers_do_not_mix(engine: Watched, context: Context) -> None:
    one, other = (TimelineVerifier(engine, listed(engine), context) for _ in range(2))
    whole = one.next_token_scores(ids_of(3, 4, 5), 0)
    other.next_token_scores(ids_of(200, 100, 50, 25), 0)
    same(one.next_token_scores(ids_of(3, 4, 5), 2), whole, slice(2, None))


def test_the_recording_matters(engine: Watched, context: Context, verifier: TimelineVerifier) -> None:
    louder = {name: 2 * array for name, array in context.items()}
    verifier.reset()
    found = verifier.next_token_scores(ids_of(3, 4), 0)
    assert (
        np.abs(TimelineVerifier(engine, listed(engine), louder).next_token_scores(ids_of(3, 4), 0).logits - found.logits).max()
        > 1e-2
    )


@pytest.mark.parametrize("draft", [[], [5, 9, 200], list(range(1, 20))])
def test_verify_ends_on_the_models_greedy_text(
    verifier: TimelineVerifier, captioner: CaptionerModel, mel: NDArray[np.float32], draft: list[int]
) -> None:
    """The whole loop on the real graph, against one token a pass in PyTorch."""
    states, greedy = captioner.encoder(torch.from_numpy(mel)), list[int]()
    end, longest = listed(verifier._engine).end_id, 2 * len(draft) + 16
    while len(greedy) < longest:
        best = int(captioner.next_logits(torch.tensor([greedy], dtype=torch.int64), states)[0, -1].argmax())
        if best == end:
            break
        greedy.append(best)
    start = Draft(ids_of(*draft), np.ones(len(draft), np.float32))
    *_, last = verify(start, verifier, end, 200)
    assert last.done
    assert last.text.ids[:longest].tolist() == greedy


def test_an_int8_verifier_agrees_with_fp32(
    engine: Watched, context: Context, int8_bundle: Path, mel: NDArray[np.float32]
) -> None:
    small = Engine(load_bundle(int8_bundle))
    made = small.run("context", {"mel": mel})
    ids = np.random.default_rng(0).integers(1, 257, 40)
    own = {name: made[name] for name in ("verify_k", "verify_v")}
    ours = TimelineVerifier(small, listed(small), own).next_token_scores(ids, 0)
    theirs = TimelineVerifier(engine, listed(engine), context).next_token_scores(ids, 0)
    assert np.mean(ours.ids[:, 0] == theirs.ids[:, 0]) >= 0.8
    assert 0 < np.abs(ours.logsumexp - theirs.logsumexp).max() < 0.2 * theirs.logsumexp.std() + 0.2


def test_the_longest_text_leaves_room_for_the_prompt(engine: Watched, context: Context) -> None:
    positions = 200  # of the tiny model
    verifier = TimelineVerifier(engine, listed(engine), context)
    assert verifier.longest == positions - len(listed(engine).prompt)
    verifier.next_token_scores(np.ones(verifier.longest, np.int64), 0)
    with pytest.raises(BundleError, match="ONNX Runtime cannot run it"):
        verifier.next_token_scores(np.ones(verifier.longest + 1, np.int64), 0)
    unsaid = TimelineVerifier(engine, replace(listed(engine), positions=None), context)
    assert unsaid.longest is None
