"""The heads of several streams of codes, in one module. Knows tensors alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.export.modules.scores import log_sum_exp


class StreamHeads(nn.Module):
    """Hidden rows -> the best codes of each stream. The last id of a stream is its mask: it is in the sums, and never chosen."""

    def __init__(self, width: int, streams: int, ids: int, top: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(streams * ids, width))
        self.streams, self.ids, self.top = streams, ids, min(top, ids - 1)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """hidden (R, d) -> ids and logits (R, streams, top), logsumexp and entropy (R, streams), in nats."""
        logits = F.linear(hidden, self.weight).unflatten(-1, (self.streams, self.ids))
        probabilities = torch.softmax(logits, -1)
        logsumexp = log_sum_exp(logits, probabilities)
        entropy = logsumexp - (probabilities * logits).sum(-1)
        best, ids = logits[..., :-1].topk(self.top)
        return ids, best, logsumexp, entropy
