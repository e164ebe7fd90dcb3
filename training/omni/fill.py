"""Fill batches of canvases in PyTorch, as a schedule with an even quota by confidence does. For measuring in training."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.training.denoiser import Sequences
from unmask.training.omni.batches import laid_out
from unmask.training.omni.examples import Example, Ids
from unmask.training.omni.model import Omni
from unmask.training.omni.vocabulary import MASK_ID, TOKENS, WORDS


@torch.no_grad()
def fill(model: Omni, made: list[Example], passes: int, block: int | None = None) -> list[Ids]:
    """The answers that the model gives to the prompts, each pass committing as many of the surest as every other.

    block: fill so many positions before the next ones, each in so many passes.
    """
    device = model.words.device
    canvas = laid_out(made).to(str(device))
    at = torch.arange(canvas.ids.shape[1], device=device) - canvas.prompt[:, None]
    answer = (at >= 0) & (at < (canvas.length - canvas.prompt)[:, None])
    kinds = torch.where(answer, canvas.ids, -1)
    ids = canvas.ids.masked_fill(answer, MASK_ID)
    longest = max(len(example.answer) for example in made)
    for start in range(0, longest, block or longest):
        inside = answer & (at >= start) & (at < start + (block or longest))
        for left in range(passes, 0, -1):
            best, sure = best_ids(model, replace(canvas, ids=ids), kinds)
            open_ = inside & (ids == MASK_ID)
            rank = sure.masked_fill(~open_, -torch.inf).argsort(1, descending=True).argsort(1)
            kept = (inside.sum(1) * (left - 1)).div(passes, rounding_mode="floor")
            ids = torch.where(open_ & (rank < (open_.sum(1) - kept)[:, None]), best, ids)
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
