"""LLaDA's decoding against a slow, literal transcription of its `generate.py` over the whole vocabulary."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.agreement.test_reference import MASK, VOCABULARY, Table, canvas_of
from unmask.decoding.canvas import Canvas
from unmask.decoding.reference import adapted, reference_fill
from unmask.decoding.schedule import Reference
from unmask.errors import InputError


def literal_llada(canvas: Canvas, model: Table, r: Reference) -> list[list[int]]:
    """Ids after each step; temperature 0, low confidence."""
    x, prompt = torch.from_numpy(canvas.ids.copy()), canvas.spans[0].start
    length = len(x) - prompt
    block_length = r.block or length
    blocks = length // block_length
    steps = r.steps // blocks
    trace = []
    for block in range(blocks):
        start, stop = prompt + block * block_length, prompt + (block + 1) * block_length
        masks = int((x[start:stop] == MASK).sum())
        transfer = torch.full((steps,), masks // steps)
        transfer[: masks % steps] += 1
        for i in range(steps):
            mask_index = x == MASK
            everything = np.arange(len(x))
            logits = torch.from_numpy(model.hidden(x.numpy(), everything))
            if r.guidance > 0:
                empty = x.clone()
                empty[:prompt] = MASK
                u = torch.from_numpy(model.hidden(empty.numpy(), everything))
                logits = u + (r.guidance + 1) * (logits - u)
            x0 = logits.argmax(-1)
            p = torch.softmax(logits.double(), -1)
            x0_p = p[torch.arange(len(x)), x0]
            x0_p[stop:] = -torch.inf
            x0 = torch.where(mask_index, x0, x)
            confidence = torch.where(mask_index, x0_p, -torch.inf)
            order = sorted(range(len(x)), key=lambda at, c=confidence: (-float(c[at]), at))  # type: ignore[misc]
            for at in order[: int(transfer[i])]:
                x[at] = x0[at]
            trace.append(x.tolist())
    return trace


@pytest.mark.parametrize(("length", "steps", "block"), [(16, 16, None), (32, 8, None), (32, 16, 8), (32, 12, 8), (24, 20, 24)])
@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_token_for_token(length: int, steps: int, block: int | None, guidance: float) -> None:
    """Logits are flat enough that no two confidences round to 1 in float32: the published code leaves those ties to hardware."""
    reference = Reference("llada", steps, "low_confidence", block=block, guidance=guidance)
    expected = literal_llada(canvas_of(6, length), Table(length, spread=1.5), reference)
    found = list(reference_fill(canvas_of(6, length), Table(length, spread=1.5), reference))
    assert [step.ids.tolist() for step in found] == expected
    assert {step.rows for step in found} == {(6 + length) * (2 if guidance else 1)}


OWN = Reference("llada", 128, "low_confidence", block=32)


@pytest.mark.parametrize(
    ("given", "masks", "steps"),
    [
        ({}, 128, 128),
        ({}, 64, 64),
        ({}, 10, 10),
        ({"steps": 8}, 128, 8),
        ({"steps": 16, "block": 16}, 64, 16),
        ({"block": 8}, 64, 64),
        ({}, 40, 64),  # as many as whole blocks have, so that the first of 32 is filled one by one
    ],
)
def test_chosen_steps_and_blocks(given: dict[str, int], masks: int, steps: int) -> None:
    assert adapted(OWN, replace(OWN, **given), masks) == replace(OWN, **{**given, "steps": steps})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "masks", "told"),
    [
        ({"steps": 129}, 128, "steps is 129; the answer has 128 masked positions"),
        ({"steps": 6}, 128, "steps is 6; with 4 blocks the published decoding takes a multiple of 4"),
        ({"block": 48}, 128, "block is 48; the published decoding takes a divisor of the answer's 128"),
    ],
)
def test_steps_and_blocks_that_the_published_code_refuses(given: dict[str, int], masks: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        adapted(OWN, replace(OWN, **given), masks)  # type: ignore[arg-type]
    own = Reference("llada", 128, "low_confidence", block=32, stop_id=5)
    with pytest.raises(InputError, match="attends in blocks of 32, and so decodes in them"):
        adapted(own, replace(own, block=16), masks)
    own = Reference("fast_dllm", 1, "threshold", block=32, sub_block=8)
    with pytest.raises(InputError, match="does not read temperature"):
        adapted(own, replace(own, temperature=1.0), masks)
    with pytest.raises(InputError, match="has no blocks"):
        adapted(Reference("dream", 128, "entropy"), Reference("dream", 128, "entropy", block=8), masks)


def test_guidance_matters() -> None:
    texts = {
        tuple(list(reference_fill(canvas_of(6, 16), Table(1), Reference("llada", 8, "low_confidence", guidance=g)))[-1].ids)
        for g in (0.0, 1.5)
    }
    assert len(texts) == 2


@given(
    length=st.integers(0, 24),
    steps=st.integers(1, 30),
    block=st.none() | st.integers(1, 30),
    algorithm=st.sampled_from(["low_confidence", "random"]),
    temperature=st.sampled_from([0.0, 0.8]),
    seed=st.integers(0, 3),
)
def test_blocks_are_filled_in_turn(
    length: int, steps: int, block: int | None, algorithm: str, temperature: float, seed: int
) -> None:
    reference = Reference("llada", steps, algorithm, temperature=temperature, block=block, seed=seed)
    canvas = canvas_of(3, length)
    found = list(reference_fill(canvas, Table(2), reference))
    at = [int(position - 3) // (block or max(1, length)) for step in found for position in step.committed]
    assert at == sorted(at)
    assert not found or found[-1].masked == 0
    assert all(len(step.committed) >= 1 for step in found)
    again = list(reference_fill(canvas, Table(2), reference))
    assert [s.ids.tobytes() for s in again] == [s.ids.tobytes() for s in found]


def test_random_remasking_commits_without_looking_at_confidence() -> None:
    firsts = [
        int(next(reference_fill(canvas_of(0, 8), Table(0), Reference("llada", 8, "random", seed=seed))).committed[0])
        for seed in range(40)
    ]
    assert len(set(firsts)) >= 6


def test_gumbel_draws_follow_the_probabilities() -> None:
    class Two(Table):
        def hidden(self, ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.float32]:
            logits = np.full((len(wanted), VOCABULARY), -30, np.float32)
            logits[:, [4, 5]] = np.log([0.8, 0.2])
            return logits

    def share(temperature: float) -> float:
        reference = Reference("llada", 1, "low_confidence", temperature=temperature)
        step = next(reference_fill(canvas_of(0, 3000), Two(0), reference))
        assert step.confidence == pytest.approx(
            np.where(step.ids == 4, 0.8, 0.2), rel=1e-4
        )  # at temperature 1, whatever is drawn
        return float((step.ids == 4).mean())

    assert share(1.0) == pytest.approx(0.8, abs=0.03)
    assert share(0.5) == pytest.approx(16 / 17, abs=0.02)  # 0.8^2 / (0.8^2 + 0.2^2)
