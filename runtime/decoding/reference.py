"""Reference mode: the published decodings of Dream, Omni-Diffusion, LLaDA and Fast-dLLM v2, token for token.

Computes every row in every pass, with no reuse, and stops only where the published code does. It is slow on purpose: the trimmed
mode is measured against it. Sources: DreamLM/Dream and VITA-MLLM/Omni-Diffusion (generation_utils.py), ML-GSAI/LLaDA
(generate.py), the model cards of ZHZisZZ/dllm (LLaDA's decoding, in blocks that an end of text ends), and Fast_dLLM_v2
(modeling.py). Where their result for a tie depends on the hardware, the lowest position wins. Random numbers come from NumPy's
generator: a seed always gives the same bytes here, but not the bytes that PyTorch gives.
Knows canvases and the `Backbone` protocol. Knows no engine and no text.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding import logit_filters as filters
from unmask.decoding.canvas import Canvas
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.schedule import UNREAD, Reference
from unmask.errors import InputError

Ids = NDArray[np.int64]
Rows = NDArray[np.float32]


class Backbone(Protocol):
    """A model that computes whole canvases and keeps nothing between passes."""

    def hidden(self, ids: Ids, wanted: Ids) -> Rows:
        """Return (R, d) float32, the head's input for each wanted position, with the logits shift applied.

        ids: (N,) the canvas. wanted: (R,) positions to predict.
        """
        ...

    def numbers(self, hidden: Rows, scale: float) -> TopKScores:
        """Return the k best ids of the whole vocabulary, from logits * scale, with the logsumexp over all of it.

        hidden: (R, d) from `hidden`.
        """
        ...


def reference_fill(
    canvas: Canvas,
    denoiser: Backbone,
    reference: Reference,
    unconditional: Backbone | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Step]:
    """Yield a Step after each pass until all steps are done, nothing is masked, or a block holds the stop id.

    As in the published code, any id may be committed, whatever the spans allow, and a position whose best id is the mask itself
    stays masked, so masks may be left at the end. unconditional: the model with Dream's unconditional prompt, for guidance;
    LLaDA's guidance masks the prompt of the same canvas. clock: returns seconds. Raises InputError for a canvas with a draft, if
    the graph returns fewer than `top_k` ids, if Dream's guidance has no unconditional prompt, or if the answer is shorter than a
    block of Fast-dLLM's.
    """
    if reference.sampler == "dream" and reference.guidance and unconditional is None:
        raise InputError("guidance needs an unconditional prompt, and this task has none; set guidance to 0")
    if canvas.draft is not None:
        raise InputError("a published decoding starts from masks; leave the draft out")
    state = _State(canvas, denoiser, reference, unconditional)
    passes = SAMPLERS[reference.sampler](state)
    start = clock()
    for number, committed in enumerate(passes, start=1):
        now = clock()
        yield state.step(number, committed, now - start)
        start = clock()


def adapted(own: Reference, given: Reference, masks: int) -> Reference:
    """`given` for an answer of `masks` masked positions; it differs from the family's `own` in what a caller chose.

    Steps that the caller did not choose are reduced to the number of positions, which without whole blocks is that of whole ones.
    Raises InputError for steps and blocks that the published code refuses, or that would leave steps with nothing to commit, and
    for options that it does not read.
    """
    for name in UNREAD.get(own.sampler, ()):
        if getattr(given, name) != getattr(own, name):
            raise InputError(f"this model's published decoding does not read {name}; leave it out")
    if own.stop_id is not None and given.block != own.block:
        raise InputError(f"this model attends in blocks of {own.block}, and so decodes in them; leave block out")
    if given.block is not None and own.block is None:
        raise InputError("this model's published decoding has no blocks; leave block out")
    if given.steps != own.steps and given.steps > masks:
        raise InputError(f"steps is {given.steps}; the answer has {masks} masked positions, so at most {masks} steps do anything")
    blocks = -(-masks // given.block) if given.block else 1
    steps = max(1, min(given.steps, masks if given.block is None or blocks < 2 else blocks * given.block))
    if given.block != own.block and masks % (given.block or masks):
        raise InputError(f"block is {given.block}; the published decoding takes a divisor of the answer's {masks} positions")
    if (given.steps, given.block) != (own.steps, own.block) and steps % max(1, blocks):
        raise InputError(f"steps is {steps}; with {blocks} blocks the published decoding takes a multiple of {blocks}")
    return replace(given, steps=steps)


def dream_quota(masked: int, step: int, steps: int, eps: float, at_least_one: bool) -> int:
    """Number of positions to commit in step 0 <= step < steps: trunc(masked (1 - s / t)) in float32, and all in the last step.

    t and s are the step's own and the next value of linspace(1, eps, steps + 1).
    """
    if step == steps - 1:
        return masked
    times = timesteps(steps, eps)
    count = int(np.float32(masked) * (np.float32(1) - times[step + 1] / times[step]))
    return max(count, 1) if at_least_one else count


def timesteps(steps: int, eps: float) -> NDArray[np.float32]:
    """torch.linspace(1, eps, steps + 1), bit for bit: a float32 width, both halves from their ends, each point rounded once."""
    width = np.float64((np.float32(eps) - np.float32(1)) / np.float32(steps))
    at = np.arange(steps + 1)
    times = np.where(at < (steps + 1) // 2, 1 + width * at, np.float64(np.float32(eps)) - width * (steps - at))
    return times.astype(np.float32)


class _State:
    """The canvas during a fill, and one pass over it."""

    def __init__(self, canvas: Canvas, denoiser: Backbone, reference: Reference, unconditional: Backbone | None) -> None:
        self.reference, self.denoiser, self.unconditional = reference, denoiser, unconditional
        self.ids, self.mask_id = canvas.ids.copy(), canvas.mask_id
        inside = np.zeros(len(self.ids), bool)
        for span in canvas.spans:
            inside[span.start : span.stop] = True
        self.answer = np.flatnonzero(inside)
        self.tentative = self.ids.copy()
        self.confidence = np.where(self.ids == self.mask_id, 0.0, 1.0).astype(np.float32)
        self.rng = np.random.default_rng(reference.seed)
        self.passes_rows = len(self.ids) * (2 if reference.guidance else 1)

    @property
    def masked(self) -> Ids:
        """Masked positions of the answer."""
        masked: Ids = self.answer[self.ids[self.answer] == self.mask_id]
        return masked

    def numbers(self, wanted: Ids, scale: float) -> TopKScores:
        """Scores of one pass. Guidance combines hidden rows and not logits, which is the same since the head is linear."""
        hidden, reference = self.denoiser.hidden(self.ids, wanted), self.reference
        if reference.guidance:
            if reference.sampler == "llada":
                empty = self.ids.copy()
                empty[np.setdiff1d(np.arange(len(empty)), self.answer)] = self.mask_id
                away = self.denoiser.hidden(empty, wanted)
            else:
                assert self.unconditional is not None
                away = self.unconditional.hidden(self.ids, wanted)
            hidden = away + np.float32(reference.guidance + 1) * (hidden - away)
        found = self.denoiser.numbers(hidden, scale)
        if reference.sampler == "dream" and found.ids.shape[1] < min(reference.top_k, 50):
            raise InputError(
                f"the head returns {found.ids.shape[1]} ids and this decoding needs {reference.top_k}; "
                f"export again with --top {reference.top_k}"
            )
        return found

    def guess(self, wanted: Ids, tokens: Ids, probability: Rows) -> None:
        self.tentative[wanted], self.confidence[wanted] = tokens, probability

    def commit(self, positions: Ids) -> Ids:
        """Write the guesses at masked positions, and return the positions that are no longer masked, increasing."""
        positions = positions[self.ids[positions] == self.mask_id]
        self.ids[positions] = self.tentative[positions]
        return np.sort(positions[self.ids[positions] != self.mask_id])

    def step(self, number: int, committed: Ids, seconds: float) -> Step:
        arrays = (committed, self.ids.copy(), self.tentative.copy(), self.confidence.copy())
        for array in arrays:
            array.flags.writeable = False
        return Step(number, *arrays, masked=len(self.masked), rows=self.passes_rows, seconds=seconds)


def surest(confidence: Rows, count: int) -> Ids:
    """(R,) -> (count,): indices of the largest confidences; ties go to the lowest index."""
    order: Ids = np.argsort(-confidence, kind="stable")
    return order[:count]


# ---- Dream and Omni-Diffusion


def _dream(state: _State) -> Iterator[Ids]:
    """Fill blocks from left to right; a block gets steps in proportion to its length, rounded down, and at least one.

    A block that is full before its steps are done is left. (The published code goes on and would overwrite the prompt.)
    """
    total, began = len(state.answer), 0
    length = state.reference.block or total
    steps = min(state.reference.steps, total)
    while began < total:
        block = state.answer[began : began + length]
        began += length
        own = max(1, int(len(block) / total * steps))
        for step in range(own):
            masked = int((state.ids[block] == state.mask_id).sum())
            if masked:
                yield _dream_step(state, block, step, own, masked)


def _dream_step(state: _State, block: Ids, step: int, steps: int, masked: int) -> Ids:
    reference, wanted = state.reference, state.masked
    confidence = _dream_guess(state, wanted, first=step == 0 and int(block[0]) == int(state.answer[0]))
    inside = wanted[np.isin(wanted, block)]
    if reference.algorithm == "origin":  # each position is drawn on its own, whatever its confidence
        times = timesteps(steps, reference.eps)
        share = 1.0 if step == steps - 1 else float(np.float32(1) - times[step + 1] / times[step])
        return state.commit(inside[state.rng.random(len(inside)) < share])
    count = min(len(inside), dream_quota(masked, step, steps, reference.eps, reference.at_least_one))
    own = confidence[np.isin(wanted, block)]
    if reference.algorithm_temperature and count:
        shares = filters.softmax(own[None] / np.float32(reference.algorithm_temperature))[0].astype(np.float64)
        noisy = np.log(shares + np.finfo(np.float64).tiny) + state.rng.gumbel(size=len(shares))  # sampling without replacement
        return state.commit(inside[surest(noisy.astype(np.float32), count)])
    return state.commit(inside[surest(own, count)])


def _dream_guess(state: _State, wanted: Ids, first: bool) -> Rows:
    """Guess an id at every masked position, as `sample_tokens` does: filters, penalties, softmax, in that order.

    Returns the confidence of each, (R,), by the algorithm's metric.
    """
    reference = state.reference
    scores = state.numbers(wanted, 1 / reference.temperature if reference.temperature else 1.0)
    logits = filters.top_k(filters.top_p(scores.logits, scores.logsumexp, reference.top_p), reference.top_k)
    if reference.algorithm == "entropy-penalty" and not first:
        seen = np.unique(state.ids[state.answer])
        seen = seen[(seen != state.mask_id) & (seen != 0)]  # the published code writes id 0 in place of the prompt
        logits = filters.penalize_repetition(logits, scores.ids, seen, reference.repetition_penalty)
    probabilities = filters.softmax(filters.penalize_position(logits, reference.position_penalty))
    if reference.temperature:
        drawn = np.log(probabilities.astype(np.float64) + 1e-300) + state.rng.gumbel(size=probabilities.shape)
        column = np.where(probabilities > 0, drawn, -np.inf).argmax(1)
    else:
        column = filters.argmax(probabilities, scores.ids)
    rows = np.arange(len(wanted))
    probability = probabilities[rows, column]
    state.guess(wanted, scores.ids[rows, column], probability)
    if reference.algorithm == "topk_margin":
        return filters.margin(probabilities)
    return filters.negative_entropy(probabilities) if reference.algorithm.startswith("entropy") else probability


# ---- LLaDA


def _llada(state: _State) -> Iterator[Ids]:
    """Fill blocks from left to right with equal numbers of steps; the first steps of a block commit the remainder, one each.

    The number of steps of a block is rounded up, as in the cards of ZHZisZZ/dllm; LLaDA's own code refuses one that is not whole.
    """
    total = len(state.answer)
    length = state.reference.block or total
    blocks = -(-total // length) if total else 0
    for at in range(blocks):
        block = state.answer[at * length : (at + 1) * length]
        steps = -(-state.reference.steps // blocks)
        masks = int((state.ids[block] == state.mask_id).sum())
        for step in range(steps):
            count = masks // steps + (step < masks % steps)
            if len(state.masked) and count:
                yield _llada_step(state, block, count)
        if state.reference.stop_id in state.ids[block]:
            return


def _llada_step(state: _State, block: Ids, count: int) -> Ids:
    """One step. With a temperature, ids are drawn by Gumbel-max in float64 from the head's k best, not the whole vocabulary."""
    reference, wanted = state.reference, state.masked
    scores = state.numbers(wanted, 1.0)
    if reference.temperature:
        noisy = scores.logits.astype(np.float64) / reference.temperature + state.rng.gumbel(size=scores.logits.shape)
        column = noisy.argmax(1)
    else:
        column = filters.argmax(scores.logits, scores.ids)
    rows = np.arange(len(wanted))
    probability = np.exp(scores.logits[rows, column] - scores.logsumexp)
    state.guess(wanted, scores.ids[rows, column], probability)
    confidence = state.rng.random(len(wanted)).astype(np.float32) if reference.algorithm == "random" else probability
    inside = np.isin(wanted, block)
    return state.commit(wanted[inside][surest(confidence[inside], count)])


# ---- Fast-dLLM v2


def _fast_dllm(state: _State) -> Iterator[Ids]:
    """Fill whole blocks of the model from left to right, and the parts of each from left to right.

    The first position of a block is the best id of the row before it, whatever its probability, as in a model that writes token
    by token. As in the published code, as many blocks are filled as whole ones fit into the answer's length, beginning with the
    one in which the prompt ends, and the rest of the answer stays masked. Two cases differ: a prompt of exactly one block is read
    here, and the fill ends when the best id of a part is the mask, where the published code repeats that pass forever.
    """
    size, answer, ids = state.reference.block, state.answer, state.ids
    assert size is not None
    if len(answer) < size:
        raise InputError(f"this decoding fills whole blocks of {size}, and an answer of {len(answer)} has none; ask for more")
    first = int(answer[0])
    if first % size == 0:
        yield _best(state, answer[:1])
    began = first
    for stop in range((first // size + 1) * size, first + len(answer) + 1, size)[: len(answer) // size]:
        if state.reference.stop_id in ids[first:stop]:
            return
        yield from _parts(state, np.arange(began, stop))
        if state.reference.stop_id in ids[began:stop] or (ids[began:stop] == state.mask_id).any():
            return
        if stop < len(ids):
            yield _best(state, np.array([stop]))
        began = stop


def _parts(state: _State, block: Ids) -> Iterator[Ids]:
    """Fill a block from its first answered position on; ends early when nothing is masked before the stop id."""
    size = state.reference.sub_block or len(state.ids)
    for part in np.split(block, np.flatnonzero(block % size == 0)):
        while (state.ids[part] == state.mask_id).any() and not _stopped(state, block):
            committed = _fast_dllm_step(state, part[state.ids[part] == state.mask_id])
            yield committed
            if not len(committed):
                return


def _stopped(state: _State, block: Ids) -> bool:
    stops = np.flatnonzero(state.ids[block] == state.reference.stop_id)
    return bool(stops.size) and not (state.ids[block[: stops[0]]] == state.mask_id).any()


def _best(state: _State, position: Ids) -> Ids:
    """Commit the best id at one position, (1,)."""
    scores = state.numbers(position, 1.0)
    column = filters.argmax(scores.logits, scores.ids)
    state.guess(position, scores.ids[0, column], np.exp(scores.logits[0, column] - scores.logsumexp))
    return state.commit(position)


def _fast_dllm_step(state: _State, wanted: Ids) -> Ids:
    """One step over the masks of a part: commits the best ids above the threshold, and the most probable one in any case."""
    scores, rows = state.numbers(wanted, 1.0), np.arange(len(wanted))
    column = filters.argmax(scores.logits, scores.ids)
    probability = np.exp(scores.logits[rows, column] - scores.logsumexp)
    state.guess(wanted, scores.ids[rows, column], probability)
    taken = probability > state.reference.threshold
    taken[probability.argmax()] = True
    return state.commit(wanted[taken])


SAMPLERS: dict[str, Callable[[_State], Iterator[Ids]]] = {"dream": _dream, "llada": _llada, "fast_dllm": _fast_dllm}
