"""The published decoding of Fast-dLLM v2 (modeling.py of Fast_dLLM_v2)."""

from collections.abc import Iterator

import numpy as np

from unmask.decoding import logit_filters as filters
from unmask.decoding.reference.state import Ids, State
from unmask.errors import InputError


def fast_dllm(state: State) -> Iterator[Ids]:
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


def _parts(state: State, block: Ids) -> Iterator[Ids]:
    """Fill a block from its first answered position on; ends early when nothing is masked before the stop id."""
    size = state.reference.sub_block or len(state.ids)
    for part in np.split(block, np.flatnonzero(block % size == 0)):
        while (state.ids[part] == state.mask_id).any() and not _stopped(state, block):
            committed = _step(state, part[state.ids[part] == state.mask_id])
            yield committed
            if not len(committed):
                return


def _stopped(state: State, block: Ids) -> bool:
    stops = np.flatnonzero(state.ids[block] == state.reference.stop_id)
    return bool(stops.size) and not (state.ids[block[: stops[0]]] == state.mask_id).any()


def _best(state: State, position: Ids) -> Ids:
    """Commit the best id at one position, (1,)."""
    scores = state.numbers(position, 1.0)
    column = filters.argmax(scores.logits, scores.ids)
    state.guess(position, scores.ids[0, column], np.exp(scores.logits[0, column] - scores.logsumexp))
    return state.commit(position)


def _step(state: State, wanted: Ids) -> Ids:
    """One step over the masks of a part: commits the best ids above the threshold, and the most probable one in any case."""
    scores, rows = state.numbers(wanted, 1.0), np.arange(len(wanted))
    column = filters.argmax(scores.logits, scores.ids)
    probability = np.exp(scores.logits[rows, column] - scores.logsumexp)
    state.guess(wanted, scores.ids[rows, column], probability)
    taken = probability > state.reference.threshold
    taken[probability.argmax()] = True
    return state.commit(wanted[taken])
