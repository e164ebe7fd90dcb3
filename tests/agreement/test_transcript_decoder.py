"""The window graph of `TranscriptDecoder`: cached prefixes change no number, and all numbers are those of the PyTorch model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.bundle.manifest import load_bundle
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import verify
from unmask.engines.engine import Engine
from unmask.export.modules.moonshine import END, START, Moonshine, Rows
from unmask.speech.transcript import TranscriptDecoder

ATOL = 1e-4
TOKEN = st.integers(3, 270)
IDS = st.lists(TOKEN, max_size=10)
SAMPLES = (0.1 * np.random.default_rng(3).standard_normal((1, 32_000))).astype(np.float32)
Context = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def engine(fp32_bundle: Path) -> Engine:
    return Engine(load_bundle(fp32_bundle))


@pytest.fixture(scope="module")
def context(engine: Engine) -> Context:
    return engine.run("context", {"samples": SAMPLES})


@pytest.fixture(scope="module")
def decoder(engine: Engine, context: Context) -> TranscriptDecoder:
    return TranscriptDecoder(engine, START, context)


def ids_of(*ids: int) -> NDArray[np.int64]:
    return np.array(ids, dtype=np.int64)


def same(ours: TopKScores, theirs: TopKScores, rows: slice = slice(None), atol: float = ATOL) -> None:
    np.testing.assert_array_equal(ours.ids[:, 0], theirs.ids[rows, 0])
    np.testing.assert_allclose(ours.logits, theirs.logits[rows], rtol=0, atol=atol)
    np.testing.assert_allclose(ours.logsumexp, theirs.logsumexp[rows], rtol=0, atol=atol)


def logits_of(model: Moonshine, ids: NDArray[np.int64]) -> torch.Tensor:
    """(N + 1, V): the next token's after the start and after each id."""
    read = torch.from_numpy(np.concatenate(([START], ids)))[None]
    count = read.shape[1]
    rows = Rows(model.decoder.embed_tokens(read), torch.arange(count)[None], torch.ones(count, count).tril().bool()[None, None])
    hidden, _, _ = model.decoder(rows, model.decoder.cross(model.encoder(torch.from_numpy(SAMPLES))))
    return model.decoder.logits(hidden)[0]


@given(IDS, st.lists(IDS, max_size=3), st.data())
def test_a_cached_prefix_is_a_full_pass(
    engine: Engine, context: Context, decoder: TranscriptDecoder, first: list[int], later: list[list[int]], data: st.DataObject
) -> None:
    """A text is corrected as `verify` does it: what is known grows, its last token may have changed, the rest may be anything."""
    decoder.reset()
    text, known = first, 0
    decoder.next_token_scores(ids_of(*text), 0)
    for tail in later:
        if known >= len(text):
            break
        known = data.draw(st.integers(known + 1, len(text)))
        text = [*text[: known - 1], data.draw(TOKEN), *tail]
        expected = TranscriptDecoder(engine, START, context).next_token_scores(ids_of(*text), 0)
        same(decoder.next_token_scores(ids_of(*text), known), expected, slice(known, None))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_numbers_are_those_of_the_model(decoder: TranscriptDecoder, captioner: Moonshine, count: int) -> None:
    ids = np.arange(count, dtype=np.int64) * 30 + 5
    decoder.reset()
    found, logits = decoder.next_token_scores(ids, 0), logits_of(captioner, ids)
    best = logits.topk(2)
    assert found.ids.tolist() == best.indices.tolist()
    np.testing.assert_allclose(found.logits, best.values.numpy(), rtol=0, atol=ATOL)
    np.testing.assert_allclose(found.logsumexp, logits.logsumexp(-1).numpy(), rtol=0, atol=ATOL)


def test_two_decoders_do_not_mix(engine: Engine, context: Context) -> None:
    one, other = (TranscriptDecoder(engine, START, context) for _ in range(2))
    whole = one.next_token_scores(ids_of(3, 4, 5), 0)
    other.next_token_scores(ids_of(200, 100, 50, 25), 0)
    same(one.next_token_scores(ids_of(3, 4, 5), 2), whole, slice(2, None))


def test_the_recording_matters(engine: Engine, context: Context, decoder: TranscriptDecoder) -> None:
    decoder.reset()
    found = decoder.next_token_scores(ids_of(3, 4), 0)
    louder = {name: 2 * context[name] for name in ("cross_k", "cross_v")}
    other = TranscriptDecoder(engine, START, louder).next_token_scores(ids_of(3, 4), 0)
    assert np.abs(other.logits - found.logits).max() > 1e-2


@pytest.mark.parametrize("draft", [[], [5, 9, 200], list(range(3, 20))])
def test_verify_ends_on_the_models_greedy_text(decoder: TranscriptDecoder, captioner: Moonshine, draft: list[int]) -> None:
    """The whole loop on the real graph, against one token a pass in PyTorch."""
    greedy, longest = list[int](), 2 * len(draft) + 16
    while len(greedy) < longest:
        best = int(logits_of(captioner, ids_of(*greedy))[-1].argmax())
        if best == END:
            break
        greedy.append(best)
    *_, last = verify(Draft(ids_of(*draft), np.ones(len(draft), np.float32)), decoder, END, 200)
    assert last.done
    assert last.text.ids[:longest].tolist() == greedy


def test_int8_agrees_with_fp32(engine: Engine, context: Context, int8_bundle: Path) -> None:
    small = Engine(load_bundle(int8_bundle))
    ids = np.random.default_rng(0).integers(3, 270, 40)
    ours = TranscriptDecoder(small, START, small.run("context", {"samples": SAMPLES})).next_token_scores(ids, 0)
    theirs = TranscriptDecoder(engine, START, context).next_token_scores(ids, 0)
    assert np.mean(ours.ids[:, 0] == theirs.ids[:, 0]) >= 0.8
    assert 0 < np.abs(ours.logsumexp - theirs.logsumexp).max() < 0.2 * theirs.logsumexp.std() + 0.2
