"""The verifier in PyTorch: it starts as Whisper's own decoder over fewer tokens, is causal and ignores padding."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from unmask.export.modules.captioner import BLANK, CaptionerConfig, CaptionerModel, Verify
from unmask.export.modules.whisper import Whisper

ROWS = [49, 3, 0, 17, 4, 31]  # of Whisper's vocabulary; the first, blank's, is its end of text
RARER = 2  # of them
PROMPT = [7, 8, 9]
FRAMES = 24


@pytest.fixture(scope="module")
def whisper(captioner: CaptionerModel) -> Whisper:
    torch.manual_seed(5)
    model = Whisper(replace(captioner.config.whisper, vocabulary=50)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def model(whisper: Whisper) -> CaptionerModel:
    config = CaptionerConfig(whisper.config, len(ROWS) - RARER, prompt=len(PROMPT), rarer=RARER)
    return CaptionerModel.from_whisper(whisper, config, ROWS, PROMPT).eval().requires_grad_(False)


def states_of(model: CaptionerModel, batch: int = 1, frames: int = FRAMES) -> Tensor:
    torch.manual_seed(frames)
    return torch.randn(batch, frames, model.config.whisper.width)


def texts_of(model: CaptionerModel, count: int, batch: int = 1) -> Tensor:
    torch.manual_seed(100 + count)
    return torch.randint(1, model.config.vocabulary, (batch, count))


def written(model: CaptionerModel) -> list[int]:
    """Ids of tokens: the canvas's and the rarer ones."""
    return [i for i in range(model.config.rows) if i not in model.config.marks]


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_it_starts_as_whispers_decoder(whisper: Whisper, model: CaptionerModel, count: int) -> None:
    """Token for token: our ids are rows of Whisper's vocabulary, and the prompt is its prompt."""
    texts, states = texts_of(model, count), states_of(model)
    theirs = torch.cat([torch.tensor([PROMPT]), torch.tensor(ROWS)[texts]], 1)
    logits, _ = whisper.decoder(theirs, whisper.decoder.cross(states))
    found = model.next_logits(texts, states)
    close(found[..., written(model)], logits[:, len(PROMPT) - 1 :, ROWS])
    assert (found[..., list(model.config.marks)] < -1e3).all(), "marks are read, never written"


def test_a_text_ends_where_whisper_ends(whisper: Whisper, model: CaptionerModel) -> None:
    assert torch.equal(model.verifier.embedding.weight[BLANK], whisper.decoder.embedding.weight[ROWS[BLANK]])


def test_prompted(model: CaptionerModel) -> None:
    assert model.prompted(torch.tensor([[3, 1], [2, 2]])).tolist() == [[5, 6, 7, 3, 1], [5, 6, 7, 2, 2]]
    assert model.prompted(torch.zeros(2, 0, dtype=torch.int64)).tolist() == [[5, 6, 7]] * 2


def test_a_row_for_each_token_and_one_for_the_start(model: CaptionerModel) -> None:
    for count in (0, 4):
        found = model.next_logits(texts_of(model, count, batch=3), states_of(model, batch=3))
        assert found.shape == (3, count + 1, model.config.rows)


@pytest.mark.parametrize("at", [0, 3, 7])
def test_no_row_sees_what_comes_later(model: CaptionerModel, at: int) -> None:
    texts, states = texts_of(model, 8), states_of(model)
    changed = texts.clone()
    changed[0, at] = texts[0, at] % (model.config.vocabulary - 1) + 1
    before, after = model.next_logits(texts, states)[0], model.next_logits(changed, states)[0]
    close(after[: at + 1], before[: at + 1])
    assert (after[at + 1 :] - before[at + 1 :]).abs().amax(1).min() > 1e-3
    close(model.next_logits(texts[:, :at], states)[0], before[: at + 1])


def test_padded_states_are_not_heard(model: CaptionerModel) -> None:
    lengths = torch.tensor([8, FRAMES])
    texts, states = texts_of(model, 5, batch=2), states_of(model, batch=2)
    mask = (torch.arange(FRAMES) < lengths[:, None])[:, None, None]
    found = model.next_logits(texts, states, mask)
    for b, length in enumerate(lengths.tolist()):
        close(found[b], model.next_logits(texts[b : b + 1], states[b : b + 1, :length])[0])
    assert (found[0] - model.next_logits(texts, states)[0]).abs().max() > 1e-3


@pytest.mark.parametrize("pieces", [[12], [1] * 12, [3, 4, 5], [11, 1]])
def test_pieces_after_each_other_are_the_whole(model: CaptionerModel, pieces: list[int]) -> None:
    """The module for export, before any exporter: each piece over the keys and values that the former left."""
    sizes, states, texts = model.config.whisper, states_of(model), texts_of(model, 12 - len(PROMPT))
    rows = model.verifier.embedding(model.prompted(texts))[0]
    k, v = (torch.cat([pair[i] for pair in model.verifier.cross(states)]) for i in (0, 1))
    past_k = past_v = torch.zeros(sizes.decoder_layers, sizes.heads, 0, sizes.width // sizes.heads)
    found = []
    for piece in rows.split(pieces):
        ids, logits, logsumexp, new_k, new_v = Verify(model, 2)(piece, k, v, past_k, past_v)
        assert new_k.shape[2] == new_v.shape[2] == len(piece)
        past_k, past_v = torch.cat([past_k, new_k], 2), torch.cat([past_v, new_v], 2)
        found.append((ids, logits, logsumexp))
    ids, logits, logsumexp = (torch.cat(part)[len(PROMPT) - 1 :] for part in zip(*found, strict=True))
    expected = model.next_logits(texts, states)[0]
    assert torch.equal(ids, expected.topk(2).indices)
    close(logits, expected.topk(2).values)
    close(logsumexp, expected.logsumexp(-1))


def test_the_prompt_is_never_expected(model: CaptionerModel) -> None:
    """The head covers the marks' rows too, so that a bundle holds one matrix; what it says of them counts for nothing."""
    sizes, states = model.config.whisper, states_of(model)
    rows = model.verifier.embedding(model.prompted(texts_of(model, 6)))[0]
    k, v = (torch.cat([pair[i] for pair in model.verifier.cross(states)]) for i in (0, 1))
    past = torch.zeros(sizes.decoder_layers, sizes.heads, 0, sizes.width // sizes.heads)
    ids, *_ = Verify(model, len(ROWS))(rows, k, v, past, past)
    assert ids.sort(1).values.tolist() == [written(model)] * len(rows)
