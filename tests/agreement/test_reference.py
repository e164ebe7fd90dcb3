"""Dream's and Omni-Diffusion's decoding against a slow, literal transcription over the whole vocabulary, token for token.

The transcription follows the published `generation_utils.py` line by line in PyTorch, float32, with one change on both sides:
among equal confidences the lowest position is committed (torch.topk leaves that to the hardware).
"""

import zlib
from itertools import groupby
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding import logit_filters as filters
from unmask.decoding.canvas import Canvas, Span
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.reference import reference_fill
from unmask.decoding.reference.dream import dream_quota, timesteps
from unmask.decoding.schedule import Reference
from unmask.errors import InputError

VOCABULARY, MASK, K = 220, 219, 64


class Table:
    """Random logits over the whole vocabulary, made of the ids; the head is the identity, so hidden rows are logits."""

    def __init__(self, seed: int, spread: float = 4.0, mask_bonus: float = -50.0) -> None:
        self.seed, self.spread, self.bonus, self.calls = seed, spread, mask_bonus, 0

    def hidden(self, ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.float32]:
        self.calls += 1
        rng = np.random.default_rng([self.seed, zlib.crc32(ids.tobytes())])
        table = rng.normal(scale=self.spread, size=(len(ids), VOCABULARY)).astype(np.float32)
        table *= rng.uniform(0.1, 1.5, (len(ids), 1)).astype(np.float32)  # flat rows and peaked ones
        table[:, MASK] += self.bonus
        return table[wanted]

    def numbers(self, hidden: NDArray[np.float32], scale: float) -> TopKScores:
        logits = torch.from_numpy(hidden) * np.float32(scale)
        best = logits.topk(K)
        entropy = torch.distributions.Categorical(logits=logits).entropy()
        return TopKScores(best.indices.numpy(), best.values.numpy(), logits.logsumexp(-1).numpy(), entropy.numpy())


def canvas_of(prompt: int, length: int, given: dict[int, int] | None = None) -> Canvas:
    ids = np.concatenate([np.arange(prompt) % 50 + 3, np.full(length, MASK)]).astype(np.int64)
    for at, token in (given or {}).items():
        ids[prompt + at] = token
    return Canvas(ids, (Span(prompt, prompt + length, "any", ((0, MASK),)),), MASK)


# ---- the published code, literally


def top_p_logits(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    sorted_logits, sorted_indices = torch.sort(logits, descending=True)
    cumulative = torch.cumsum(torch.softmax(sorted_logits, dim=-1), dim=-1)
    remove = cumulative > top_p
    remove[..., 1:] = remove[..., :-1].clone()
    remove[..., 0] = False
    mask = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, sorted_indices, remove)
    return logits.masked_fill(mask, torch.finfo(logits.dtype).min)


def top_k_logits(logits: torch.Tensor, top_k: int) -> torch.Tensor:
    remove = logits < torch.topk(logits, min(top_k, logits.size(-1)))[0][..., -1, None]
    return logits.masked_fill(remove, torch.finfo(logits.dtype).min)


def penalize(logits: torch.Tensor, penalty: torch.Tensor | float) -> torch.Tensor:
    return torch.where(logits < 0, logits * penalty, logits / penalty)


def literal_dream(canvas: Canvas, model: Table, r: Reference, away: Table | None = None) -> list[list[int]]:
    """Ids after each step."""
    x, answer = torch.from_numpy(canvas.ids.copy()), np.arange(canvas.spans[0].start, canvas.spans[0].stop)
    total = len(answer)
    steps = min(r.steps, total)
    length = r.block or total
    trace = []
    for block_start in range(0, total, length):
        block = answer[block_start : block_start + length]
        own = max(1, int(len(block) / total * steps))
        times = torch.linspace(1, r.eps, own + 1)
        for i in range(own):
            mask_index = x == MASK
            in_block = torch.zeros_like(mask_index)
            in_block[block] = True
            masked = (mask_index & in_block).sum()
            if masked == 0:
                continue
            at = torch.nonzero(mask_index)[:, 0]
            logits = torch.from_numpy(model.hidden(x.numpy(), at.numpy()))
            if r.guidance:
                assert away is not None
                u = torch.from_numpy(away.hidden(x.numpy(), at.numpy()))
                logits = u + (r.guidance + 1) * (logits - u)
            if r.top_p < 1:
                logits = top_p_logits(logits, r.top_p)
            logits = top_k_logits(logits, r.top_k)
            if r.algorithm == "entropy-penalty" and not (i == 0 and block_start == 0):
                for token in torch.unique(x[answer]).tolist():
                    if token not in (0, MASK):
                        logits[:, token] = penalize(logits[:, token], r.repetition_penalty)
            if len(logits) > 100:
                ramp = 1 + torch.arange(len(logits) - 100) / (len(logits) - 100) * (r.position_penalty - 1)
                logits = penalize(logits, torch.cat([torch.ones(100), ramp])[:, None])
            probs = torch.softmax(logits, -1)
            confidence, x0 = probs.max(-1)
            if r.algorithm == "topk_margin":
                ordered = torch.sort(probs, -1, descending=True).values
                confidence = ordered[:, 0] - ordered[:, 1]
            if r.algorithm.startswith("entropy"):
                confidence = (probs * torch.log(probs + 1e-10)).sum(-1)
            t, s = times[i], times[i + 1]
            k = int(masked * (1 - s / t)) if i < own - 1 else int(masked)
            k = min(max(k, 1) if r.at_least_one else k, int(masked))
            confidence = torch.where(in_block[at], confidence, -torch.inf)
            order = sorted(range(len(at)), key=lambda row, c=confidence: (-float(c[row]), row))  # type: ignore[misc]
            for row in order[:k]:
                x[at[row]] = x0[row]
            trace.append(x.tolist())
    return trace


# ---- ours


def ours(canvas: Canvas, model: Table, r: Reference, away: Table | None = None) -> list[list[int]]:
    return [step.ids.tolist() for step in reference_fill(canvas, model, r, away)]


CASES: list[dict[str, Any]] = [
    {"algorithm": "maskgit_plus"},
    {"algorithm": "topk_margin"},
    {"algorithm": "entropy"},
    {"algorithm": "entropy", "top_p": 1.0},
    {"algorithm": "entropy", "top_p": 0.5, "top_k": 5},
    {"algorithm": "entropy-penalty", "repetition_penalty": 1.2},
    {"algorithm": "entropy-penalty", "repetition_penalty": 1.5, "position_penalty": 2.0},
    {"algorithm": "maskgit_plus", "top_p": 1.0, "position_penalty": 8.0},
    {"algorithm": "entropy", "repetition_penalty": 1.5},
    {"algorithm": "entropy", "block": 32},
    {"algorithm": "topk_margin", "block": 50, "at_least_one": False},
]


@pytest.mark.parametrize("options", CASES, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize(("length", "steps"), [(24, 12), (130, 20), (9, 40)])
def test_token_for_token(options: dict[str, Any], length: int, steps: int) -> None:
    reference = Reference("dream", **{"steps": steps, "top_p": 0.9, "at_least_one": True, **options})
    canvas = canvas_of(7, length, {length // 5: 40} if options["algorithm"] == "entropy-penalty" else None)
    expected = literal_dream(canvas, Table(length), reference)
    assert ours(canvas, Table(length), reference) == expected
    assert len(expected) > 1


def test_the_settings_matter() -> None:
    """Else the comparisons above would compare nothing."""
    plain = Reference("dream", steps=20, algorithm="entropy", at_least_one=True)
    traces = {str(ours(canvas_of(7, 130), Table(1), plain))}
    for change in (
        {"top_p": 0.9},
        {"top_k": 3},
        {"algorithm": "maskgit_plus"},
        {"algorithm": "entropy-penalty", "repetition_penalty": 1.5},
        {"position_penalty": 8.0},
        {"block": 32},
        {"steps": 40},
    ):
        options = {"steps": 20, "algorithm": "entropy", "at_least_one": True, **change}
        traces.add(str(ours(canvas_of(7, 130), Table(1), Reference("dream", **options))))  # type: ignore[arg-type]
    assert len(traces) == 8


def test_guidance_mixes_logits_as_published() -> None:
    reference = Reference("dream", steps=10, algorithm="entropy", top_p=0.9, guidance=2.0, at_least_one=True)
    expected = literal_dream(canvas_of(5, 30), Table(1), reference, Table(2))
    assert ours(canvas_of(5, 30), Table(1), reference, Table(2)) == expected
    assert expected != literal_dream(canvas_of(5, 30), Table(1), Reference("dream", 10, "entropy", top_p=0.9, at_least_one=True))
    with pytest.raises(InputError, match="unconditional prompt, and this task has none"):
        ours(canvas_of(5, 30), Table(1), reference)


@pytest.mark.parametrize(
    ("length", "steps", "expected"),
    [
        (50, 25, [(1, 1), (2, 23), (3, 1)]),
        (20, 10, [(1, 1), (2, 8), (3, 1)]),
        (100, 50, [(1, 1), (2, 48), (3, 1)]),
        (41, 20, [(2, 19), (3, 1)]),
        (128, 64, [(1, 1), (2, 62), (3, 1)]),
        (260, 10, [(25, 1), (26, 8), (27, 1)]),
        (260, 20, [(12, 1), (13, 18), (14, 1)]),
        (256, 50, [(5, 45), (6, 4), (7, 1)]),
        (8, 8, [(1, 8)]),
        (64, 64, [(1, 64)]),
        (128, 128, [(1, 128)]),
        (260, 260, [(1, 260)]),
    ],
)
def test_commits_of_each_step_as_the_released_code_makes_them(length: int, steps: int, expected: list[tuple[int, int]]) -> None:
    reference = Reference("dream", steps=steps, algorithm="maskgit_plus", at_least_one=True)
    counts = [len(step.committed) for step in reference_fill(canvas_of(2, length), Table(0), reference)]
    assert [(k, len(list(group))) for k, group in groupby(counts)] == expected


def test_a_given_begin_of_audio_leaves_one_step_unused() -> None:
    """127 masks with 128 steps: 1 a step, and out one step early."""
    reference = Reference("dream", steps=128, algorithm="maskgit_plus", at_least_one=True)
    steps = list(reference_fill(canvas_of(2, 128, {25: 33}), Table(0), reference))
    assert [len(step.committed) for step in steps] == [1] * 127
    assert steps[-1].ids[2 + 25] == 33


@given(steps=st.integers(1, 400), eps=st.sampled_from([1e-3, 1e-2, 0.5]))
def test_timesteps_are_torchs_to_the_bit(steps: int, eps: float) -> None:
    assert np.array_equal(timesteps(steps, eps), torch.linspace(1, eps, steps + 1).numpy())


@given(masked=st.integers(1, 500), steps=st.integers(1, 300), data=st.data())
def test_the_quota_is_torchs(masked: int, steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    times = torch.linspace(1, 1e-3, steps + 1)
    expected = int(torch.tensor(float(masked)) * (1 - times[step + 1] / times[step])) if step < steps - 1 else masked
    assert dream_quota(masked, step, steps, 1e-3, False) == expected
    assert dream_quota(masked, step, steps, 1e-3, True) == max(1, expected)


REFERENCES = st.builds(
    Reference,
    sampler=st.just("dream"),
    steps=st.integers(1, 30),
    algorithm=st.sampled_from(["origin", "maskgit_plus", "topk_margin", "entropy", "entropy-penalty"]),
    temperature=st.sampled_from([0.0, 0.2, 1.0]),
    top_p=st.sampled_from([0.1, 0.9, 1.0]),
    top_k=st.sampled_from([1, 5, 50]),
    algorithm_temperature=st.sampled_from([0.0, 0.5]),
    repetition_penalty=st.sampled_from([1.0, 1.5]),
    position_penalty=st.sampled_from([1.0, 2.0]),
    block=st.none() | st.integers(1, 12),
    at_least_one=st.booleans(),
    seed=st.integers(0, 3),
)


@given(reference=REFERENCES, length=st.integers(0, 20), prompt=st.integers(0, 5))
def test_every_decoding_commits_what_it_should_and_changes_nothing_else(reference: Reference, length: int, prompt: int) -> None:
    canvas = canvas_of(prompt, length)
    known, steps = canvas.ids, list(reference_fill(canvas, Table(5), reference))
    assert len(steps) <= max(1, reference.steps) + (length if reference.block else 0)
    for step in steps:
        fixed = known != MASK
        assert (step.ids[fixed] == known[fixed]).all()
        assert step.committed.tolist() == np.flatnonzero((known == MASK) & (step.ids != MASK)).tolist()
        assert step.rows == len(canvas.ids)
        assert ((step.confidence >= 0) & (step.confidence <= 1 + 1e-5)).all()
        known = step.ids
    assert (known != MASK).all() or not steps
    again = list(reference_fill(canvas, Table(5), reference))
    assert [s.ids.tobytes() for s in again] == [s.ids.tobytes() for s in steps]


def test_a_mask_that_is_the_best_id_stays_a_mask() -> None:
    steps = list(reference_fill(canvas_of(2, 10), Table(0, mask_bonus=500), Reference("dream", 5, "maskgit_plus")))
    assert [step.masked for step in steps] == [10] * 5
    assert all(len(step.committed) == 0 for step in steps)


def test_ties_go_to_the_lowest_position_and_the_lowest_id() -> None:
    class Flat(Table):
        def hidden(self, ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.float32]:
            logits = np.full((len(wanted), VOCABULARY), -5, np.float32)
            logits[:, [17, 9, 80]] = 2
            return logits

    steps = list(reference_fill(canvas_of(3, 30), Flat(0), Reference("dream", 15, "maskgit_plus", at_least_one=True)))
    assert np.concatenate([step.committed for step in steps]).tolist() == list(range(3, 33))
    assert set(steps[-1].ids[3:].tolist()) == {9}


def test_origin_commits_each_position_for_itself() -> None:
    """With p = 1 - s / t: after the first of 4 steps about a quarter, whatever the confidences."""
    counts = [
        len(next(reference_fill(canvas_of(0, 40), Table(3), Reference("dream", 4, "origin", seed=seed))).committed)
        for seed in range(60)
    ]
    assert np.mean(counts) == pytest.approx(40 * (1 - timesteps(4, 1e-3)[1]), abs=1.2)
    assert np.std(counts) > 1


def test_drawn_tokens_follow_the_filtered_probabilities() -> None:
    class Two(Table):
        def hidden(self, ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.float32]:
            logits = np.full((len(wanted), VOCABULARY), -30, np.float32)
            logits[:, [4, 5, 6]] = np.log([0.6, 0.3, 0.1])
            return logits

    reference = Reference("dream", 1, "maskgit_plus", temperature=1.0, top_p=0.8)
    step = next(reference_fill(canvas_of(0, 3000), Two(0), reference))
    shares = np.bincount(step.ids, minlength=7)[4:7] / 3000
    assert shares == pytest.approx([2 / 3, 1 / 3, 0], abs=0.03)


def test_a_head_that_returns_too_few_ids_is_refused() -> None:
    class Short(Table):
        def numbers(self, hidden: NDArray[np.float32], scale: float) -> TopKScores:
            full = super().numbers(hidden, scale)
            return TopKScores(full.ids[:, :8], full.logits[:, :8], full.logsumexp, full.entropy)

    with pytest.raises(InputError, match="returns 8 ids and this decoding needs 50; export again with --top 50"):
        next(reference_fill(canvas_of(1, 4), Short(0), Reference("dream", 2, "entropy")))


def test_filters_keep_the_best_whatever_is_asked() -> None:
    logits = np.array([[3.0, 2.0, 2.0, 1.0]], np.float32)
    total = np.log(np.exp(logits).sum(1)).astype(np.float32)
    assert np.isfinite(filters.top_p(logits, total, 1e-6))[0].tolist() == [True, False, False, False]
    assert np.isfinite(filters.top_k(logits, 2))[0].tolist() == [True, True, True, False]  # equals of the second stay


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "drem"}, "sampler 'drem' is not one of dream, llada, fast_dllm"),
        ({"sampler": "fast_dllm", "algorithm": "threshold"}, "fills blocks of whole parts; block is None"),
        ({"sampler": "fast_dllm", "algorithm": "threshold", "block": 32, "sub_block": 5}, "block is 32, sub_block 5"),
        ({"sub_block": 0}, "sub_block is 0"),
        ({"threshold": 0.0}, r"threshold is 0\.0"),
        ({"algorithm": "low_confidence"}, "algorithm 'low_confidence' is not one of dream's"),
        ({"steps": 0}, "steps is 0"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, r"top_p is 0\.0"),
        ({"top_p": 1.1}, r"top_p is 1\.1"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"block": 0}, "block is 0"),
        ({"eps": 1.0}, r"eps is 1\.0"),
        ({"repetition_penalty": 0.0}, r"repetition_penalty is 0\.0"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Reference(**{"sampler": "dream", "steps": 4, "algorithm": "entropy", **options})
