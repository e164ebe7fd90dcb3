"""A causal model's passes over a text, within a budget and as steps for whoever watches. Knows no graph and no recording."""

import math
import time
from collections.abc import Iterator

import numpy as np

from unmask.decoding.denoiser import Step
from unmask.decoding.speculative import VerifyStep


def in_budget(passes: Iterator[VerifyStep], budget_ms: float | None, began: float | None = None) -> Iterator[VerifyStep]:
    """Passes until the budget is spent. A pass that would end after it, judged by the duration of the last one, is not started.

    began: in seconds of `time.perf_counter`, when the time began to count; None: now, and there is one pass whatever the budget.
    """
    start, taken_s = time.perf_counter() if began is None else began, 0.0
    left_s, first = math.inf if budget_ms is None else budget_ms / 1000, began is None
    while first or time.perf_counter() - start + taken_s < left_s:
        check = next(passes, None)
        if check is None:
            return
        taken_s, first = check.seconds, False
        yield check


def as_step(check: VerifyStep, number: int, before: int, mask_id: int) -> Step:
    """A causal model's pass as a Step over the text. number: of the step. before: number of tokens settled before it."""
    settled = np.arange(len(check.text.ids)) < check.agreed
    return Step(
        number,
        np.arange(before, check.agreed),
        np.where(settled, check.text.ids, mask_id),
        check.text.ids,
        check.text.confidence,
        masked=int((~settled).sum()),
        rows=check.rows,
        seconds=check.seconds,
    )
