"""What a pass returns of its logits: the best ids and the numbers that confidences are made of. Knows tensors alone."""

import math

import torch
from torch import Tensor

BEST_PART = 128  # numbers of a part whose maximum is taken
PARTS = range(32, 513)  # sizes that are about as good
FEWEST_PARTS = 4  # in multiples of the number of best ones; with fewer, searching the parts takes as long as all


def log_sum_exp(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Computed from the softmax: ONNX Runtime's ReduceLogSumExp is several times slower (docs/log.md)."""
    return logits.amax(-1) - probabilities.amax(-1).log()


def part_size(count: int, top: int) -> int | None:
    """Size of the equal parts in which the best of `count` numbers are looked for; None where all at once is as good."""
    sizes = [size for size in PARTS if count % size == 0 and count >= FEWEST_PARTS * top * size]
    return min(sizes, key=lambda size: abs(math.log(size / BEST_PART)), default=None)


def best_of(logits: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """`logits.topk(top)` of (R, V): values and indices, each (R, top), and of equal values those with the lowest indices.

    Each of the best is in one of the `top` parts with the largest maxima, so only these are searched. A maximum of each part is
    all that is computed of the whole row, and ONNX Runtime takes less than half the time of its TopK for it (docs/log.md).
    """
    size = part_size(logits.shape[1], top)
    if size is None:
        best, ids = logits.topk(top)
        return best, ids
    parts = logits.unflatten(-1, (-1, size))  # (R, V / size, size)
    chosen = parts.amax(-1).topk(top, sorted=False).indices.sort().values  # in order, for equal values
    found = parts[torch.arange(logits.shape[0], device=logits.device)[:, None], chosen]  # (R, top, size)
    best, at = found.flatten(1).topk(top)
    return best, chosen.gather(1, at // size) * size + at % size


def reduced(logits: Tensor, top: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(R, V) -> ids (R, top) int32, their logits, logsumexp (R,), entropy (R,) in nats."""
    probabilities = torch.softmax(logits, -1)
    logsumexp = log_sum_exp(logits, probabilities)
    best, ids = logits.topk(top)
    return ids.int(), best, logsumexp, logsumexp - (probabilities * logits).sum(-1)
