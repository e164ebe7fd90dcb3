"""Reference mode: published decodings, token for token, one file each, and the table that lists them.

Computes every row in every pass, with no reuse, and stops only where the published code does. It is slow on purpose: the trimmed
mode is measured against it. Where the result of the published code for a tie depends on the hardware, the lowest position wins.
Random numbers come from NumPy's generator: a seed always gives the same bytes here, but not the bytes that PyTorch gives.
Knows canvases and the `Backbone` protocol. Knows no engine and no text.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from unmask.decoding.canvas import Canvas
from unmask.decoding.denoiser import Step
from unmask.decoding.reference.dream import dream
from unmask.decoding.reference.fast_dllm import fast_dllm
from unmask.decoding.reference.llada import llada
from unmask.decoding.reference.state import Backbone, Ids, State
from unmask.decoding.schedule import UNREAD, Reference
from unmask.errors import InputError

SAMPLERS: dict[str, Callable[[State], Iterator[Ids]]] = {"dream": dream, "llada": llada, "fast_dllm": fast_dllm}


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
    the graph returns fewer than `top_k` ids, if Dream's guidance has no unconditional prompt, if the answer is shorter than a
    block of Fast-dLLM's, and for a sampler of several streams.
    """
    if canvas.draft is not None:
        raise InputError("a published decoding starts from masks; leave the draft out")
    if reference.sampler not in SAMPLERS:
        raise InputError(f"the sampler {reference.sampler!r} fills several streams of codes, and this canvas has one")
    state = State(canvas, denoiser, reference, unconditional)
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


__all__ = ["SAMPLERS", "Backbone", "adapted", "reference_fill"]
