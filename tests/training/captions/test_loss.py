"""The losses of a batch against the same computed by hand: slot by slot, path by path, token by token."""

import math
from dataclasses import replace
from itertools import groupby, product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.export.modules.captioner import BARRED, BLANK, CaptionerModel
from unmask.training.captions.loss import Losses, LossWeights, losses, stack
from unmask.training.captions.timeline import Sample

VOCABULARY, PER, MASK = 5, 2, 5
MARKS = (5, 6)  # never predicted, after the vocabulary
SMOOTHING = 0.05


class Fixed:
    """A model whose logits are given, which keeps what it was asked."""

    def __init__(self, slots: Tensor, expected: Tensor) -> None:
        self.positions, self.config, self.training = torch.zeros(1), SimpleNamespace(frames_per_slot=PER, marks=MARKS), False
        self.slots, self.expected = slots, expected  # (B, S, V), (B, N + 1, V)

    def encoder(self, mel: Tensor, exists: Tensor) -> Tensor:
        self.mel, self.exists = mel, exists
        return mel.mean(1)[:, ::2, None]

    def __call__(self, shown: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        self.shown, self.lengths = shown, lengths
        return self.slots

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden

    def next_logits(self, texts: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        self.texts, self.mask = texts, mask
        return F.pad(self.expected, (0, len(MARKS)), value=BARRED)


def sample(target: list[int], masked: list[int], timed: bool = True, tokens: list[int] | None = None) -> Sample:
    """Soft targets of the first three ids, their sum 0.9, where a token is."""
    slots, rng = len(target), np.random.default_rng(len(target))
    here, at = np.array(target), np.isin(np.arange(slots), masked)
    soft_ids = np.where(here[:, None] != BLANK, [[1, 2, 3]], 0)
    soft = np.where(here[:, None] != BLANK, [[0.6, 0.2, 0.1]], 0).astype(np.float32)
    text = np.array([token for token in target if token != BLANK] if tokens is None else tokens, dtype=np.int64)
    before = text[: len(text) // 2]
    after = np.array([*text[: len(before)], BLANK], dtype=np.int64)
    mel = rng.standard_normal((3, 2 * PER * slots)).astype(np.float32)
    return Sample(mel, here, soft_ids, soft, np.where(at, MASK, here), at, timed, text, before, after)


PART = sample([0, 3, 0, 2], [1, 2])
REST = sample([4, 0, 1], [0])
FULL = sample([1, 0, 4, 0], [0, 1, 2, 3])
TWICE = sample([2, 0, 2], [0, 1, 2])  # equal tokens: every path has a blank between them
UNTIMED = sample([0, 0, 0, 0], [0, 1, 2, 3], timed=False, tokens=[3, 1])
NOISE = sample([0, 0], [0, 1])
BATCHES = [[PART], [PART, REST], [FULL], [TWICE], [UNTIMED], [NOISE], [NOISE, NOISE], [FULL, TWICE, REST, UNTIMED, NOISE, PART]]


def fixed(samples: list[Sample]) -> Fixed:
    rng = torch.Generator().manual_seed(3)
    slots, texts = max(len(s.target) for s in samples), max(len(s.before) for s in samples)
    shapes = (len(samples), slots, VOCABULARY), (len(samples), texts + 1, VOCABULARY)
    return Fixed(*(2 * torch.randn(shape, generator=rng) for shape in shapes))


def log_softmax(row: Tensor) -> list[float]:
    values = row.tolist()
    total = math.log(sum(math.exp(v) for v in values))
    return [v - total for v in values]


def paths(log_p: list[list[float]], tokens: list[int]) -> float:
    """-log of the probability that a slot's ids, equal neighbors merged and blanks left out, are the text."""
    right = 0.0
    for path in product(range(VOCABULARY), repeat=len(log_p)):
        if [token for token, _ in groupby(path) if token != BLANK] == tokens:
            right += math.exp(sum(row[token] for row, token in zip(log_p, path, strict=True)))
    return -math.log(right)


def timeline_by_hand(samples: list[Sample], logits: Tensor, weights: LossWeights) -> float:
    total = 0.0
    for s, rows in zip(samples, logits, strict=True):
        log_p, full = [log_softmax(row) for row in rows[: len(s.target)]], s.masked.all()
        for slot in np.flatnonzero(s.masked):
            target = s.target[slot]
            loss = -log_p[slot][target]
            if target != BLANK:  # a share of the target is the teacher's
                teacher = -sum(p * log_p[slot][i] for i, p in zip(s.soft_ids[slot], s.soft[slot], strict=True))
                loss = (1 - weights.soft * 0.9) * loss + weights.soft * teacher
            total += loss * ((weights.anchor if s.timed else 0.0) if full else 1.0)
        total += paths(log_p, s.tokens.tolist()) if full else 0.0
    return total / sum(int(s.masked.sum()) for s in samples)


def verifier_by_hand(samples: list[Sample], logits: Tensor) -> float:
    each = []
    for s, rows in zip(samples, logits, strict=True):
        for token, row in zip(s.after, rows, strict=False):
            log_p = log_softmax(row)
            each.append(-(1 - SMOOTHING) * log_p[token] - SMOOTHING * sum(log_p) / VOCABULARY)
    return float(np.mean(each))


# ---- against the hand


@pytest.mark.parametrize("samples", BATCHES)
@pytest.mark.parametrize("weights", [LossWeights(), LossWeights(soft=0.0, anchor=0.0), LossWeights(soft=0.9, anchor=2.0)])
def test_timeline_loss_is_that_of_slots_and_paths(samples: list[Sample], weights: LossWeights) -> None:
    model = fixed(samples)
    found = losses(model, samples, weights).timeline
    assert float(found) == pytest.approx(timeline_by_hand(samples, model.slots, weights), rel=1e-4)


@pytest.mark.parametrize("samples", BATCHES)
def test_verifier_loss_is_that_of_the_known_next_tokens(samples: list[Sample]) -> None:
    model = fixed(samples)
    assert float(losses(model, samples, LossWeights()).verifier) == pytest.approx(
        verifier_by_hand(samples, model.expected), rel=1e-4
    )


def test_total_weighs_the_verifier() -> None:
    both = Losses(torch.tensor(2.0), torch.tensor(3.0))
    assert [float(both.total(LossWeights(verifier=share))) for share in (0.0, 0.5, 1.0)] == [2.0, 3.5, 5.0]


# ---- what counts


def test_padding_and_what_is_visible_do_not_count() -> None:
    samples = [PART, REST, FULL]
    model = fixed(samples)
    before = losses(model, samples, LossWeights())
    for logits, counted in ((model.slots, [s.masked for s in samples]), (model.expected, [s.after >= 0 for s in samples])):
        for rows, keep in zip(logits, counted, strict=True):
            rows[: len(keep)][~torch.from_numpy(keep)] = 50.0
            rows[len(keep) :] = -50.0
    after = losses(model, samples, LossWeights())
    assert float(after.timeline) == float(before.timeline)
    assert float(after.verifier) == float(before.verifier)


def test_times_do_not_matter_where_none_are_known() -> None:
    model = fixed([UNTIMED])
    moved = replace(UNTIMED, target=np.array([3, 1, 0, 0]))
    assert float(losses(model, [moved], LossWeights()).timeline) == float(losses(model, [UNTIMED], LossWeights()).timeline)


def test_text_that_cannot_stand_in_its_slots_does_no_harm() -> None:
    crowded = replace(UNTIMED, tokens=np.array([3, 3, 3, 3]))
    assert float(losses(fixed([crowded]), [crowded], LossWeights()).timeline) == 0


def test_model_is_shown_each_sample_and_where_it_ends() -> None:
    samples = [REST, PART]
    model = fixed(samples)
    losses(model, samples, LossWeights())
    assert model.lengths.tolist() == [3, 4]
    assert model.exists.shape == (2, 1, 1, PER * 4)
    assert model.exists[:, 0, 0].sum(1).tolist() == [PER * 3, PER * 4]
    assert torch.equal(model.mask, model.exists)
    for s, mel, shown, text in zip(samples, model.mel, model.shown, model.texts, strict=True):
        width = s.mel.shape[1]
        np.testing.assert_array_equal(mel[:, :width].numpy(), s.mel)
        assert not mel[:, width:].any()
        assert shown.tolist()[: len(s.shown)] == s.shown.tolist()
        assert text.tolist()[: len(s.before)] == s.before.tolist()


def test_stack_pads_at_the_end() -> None:
    stacked = stack([np.array([[1, 2]]), np.array([[3, 4], [5, 6]])], 3, torch.device("cpu"), fill=-1)
    assert stacked.tolist() == [[[1, 2], [-1, -1], [-1, -1]], [[3, 4], [5, 6], [-1, -1]]]


# ---- through a real model


def real(slots: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    target = np.where(np.arange(slots) % 3 == 1, rng.integers(1, 200, slots), BLANK)
    tokens = target[target != BLANK]
    soft_ids, soft = np.zeros((slots, 3), np.int64), np.zeros((slots, 3), np.float32)
    mel = rng.standard_normal((80, 16 * slots)).astype(np.float32)
    after = np.append(tokens, BLANK)
    return Sample(mel, target, soft_ids, soft, np.full(slots, 257), np.ones(slots, bool), True, tokens, tokens, after)


@torch.no_grad()
def test_the_verifier_does_not_read_ahead(captioner: CaptionerModel) -> None:
    """A change of the last token that is read changes only what is expected after it."""
    whole, model = real(12, 0), captioner
    shorter = replace(whole, before=whole.before[:-1], after=whole.after[:-1])
    changed = replace(whole, before=np.append(whole.before[:-1], 7), after=np.append(whole.after[:-1], -100))
    one, two = (float(losses(model, [s], LossWeights()).verifier) for s in (shorter, changed))
    assert one == pytest.approx(two, rel=1e-3)
    assert one != pytest.approx(float(losses(model, [whole], LossWeights()).verifier), rel=1e-3)
