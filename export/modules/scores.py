"""What a pass returns of its logits: the best ids and the numbers that confidences are made of. Knows tensors alone."""

import torch
from torch import Tensor


def log_sum_exp(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Computed from the softmax: ONNX Runtime's ReduceLogSumExp is several times slower (docs/log.md)."""
    return logits.amax(-1) - probabilities.amax(-1).log()


def reduced(logits: Tensor, top: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(R, V) -> ids (R, top) int32, their logits, logsumexp (R,), entropy (R,) in nats."""
    probabilities = torch.softmax(logits, -1)
    logsumexp = log_sum_exp(logits, probabilities)
    best, ids = logits.topk(top)
    return ids.int(), best, logsumexp, logsumexp - (probabilities * logits).sum(-1)
