"""Fill batches of canvases in PyTorch, as a schedule with an even quota by confidence does. For measuring in training."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.training.denoiser import Sequences
from unmask.training.omni.batches import Example, Ids, laid_out
from unmask.training.omni.model import Omni
from unmask.training.omni.vocabulary import MASK_ID, TOKENS, WORDS


@torch.no_grad()
def fill(model: Omni, made: list[Example], passes: int) -> list[Ids]:
    """The answers that the model gives to the prompts, each pass committing as many of the surest as every other."""
    device = model.words.device
    canvas = laid_out(made).to(str(device))
    ids = canvas.ids.clone()
    at = torch.arange(ids.shape[1], device=device)
    open_ = (at >= canvas.prompt[:, None]) & (at < canvas.length[:, None])
    kinds = torch.where(open_, ids, -1)
    ids[open_] = MASK_ID
    total = open_.sum(1)
    for number in range(1, passes + 1):
        best, sure = best_ids(model, replace(canvas, ids=ids), kinds)
        left = (total * (passes - number)).div(passes, rounding_mode="floor")
        order = sure.masked_fill(ids != MASK_ID, -torch.inf).argsort(1, descending=True)
        rank = torch.empty_like(order).scatter_(1, order, at.expand_as(order).contiguous())
        masks = ((ids == MASK_ID) & open_).sum(1)
        commit = (ids == MASK_ID) & open_ & (rank < (masks - left)[:, None])
        ids = torch.where(commit, best, ids)
    return [row[p:n].cpu().numpy() for row, p, n in zip(ids, canvas.prompt.tolist(), canvas.length.tolist(), strict=True)]


def best_ids(model: Omni, canvas: Sequences, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N) the best id at each position and its log-probability. kinds: (B, N) an id of the modality that is wanted, or -1."""
    hidden = model(canvas).float()
    best, sure = torch.zeros_like(kinds), torch.full(kinds.shape, -torch.inf, device=kinds.device)
    for first, head in model.heads():
        own = (kinds >= first) & (kinds < first + len(head))
        if bool(own.any()):
            logits = F.linear(hidden[own], head)
            if first == 0:
                logits[:, [MASK_ID, *range(len(TOKENS), WORDS)]] = -torch.inf
            sure[own], ids = logits.log_softmax(-1).max(-1)
            best[own] = first + ids
    return best, sure


def stacked(answers: list[Ids]) -> Ids:
    return np.stack(answers)
