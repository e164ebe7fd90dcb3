"""The two graphs of a captioner that writes a transcript: what it hears of a recording, and a pass over rows of the text."""

import torch
from torch import Tensor, nn

from unmask.export.modules.drafter import STATES_PER_SLOT, Drafter
from unmask.export.modules.moonshine import Moonshine, MoonshineConfig, Rows
from unmask.export.modules.scores import log_sum_exp


class Context(nn.Module):
    """What is heard of a recording: samples (1, n) at 16 kHz -> keys and values of the encoder's states for each layer, each
    (L, H, T, d / H), and for each slot of `STATES_PER_SLOT` states the token that it most likely holds, with its probability.

    A slot without a token has the id after the vocabulary's last, and so have all slots without a drafter.
    """

    def __init__(self, model: Moonshine, drafter: Drafter | None = None) -> None:
        super().__init__()
        self.model, self.drafter = model, drafter

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        states = self.model.encoder(samples)
        cross = self.model.decoder.cross(states)
        none = self.model.config.vocabulary
        if self.drafter is None:
            slots = (states.shape[1] + STATES_PER_SLOT - 1) // STATES_PER_SLOT
            draft, sure = torch.full((slots,), none), torch.zeros(slots)
        else:
            _, scores = self.drafter(states)
            best, place = scores[0].max(-1)
            draft = torch.cat((torch.tensor([none]), self.drafter.ids))[place]
            sure = (best - log_sum_exp(scores[0], torch.softmax(scores[0], -1))).exp()
        return torch.cat([k for k, _ in cross]), torch.cat([v for _, v in cross]), draft, sure


class Window(nn.Module):
    """One pass over N rows of a text after P rows that were read before. Each row sees all rows before it."""

    def __init__(self, model: Moonshine, top: int) -> None:
        super().__init__()
        self.decoder, self.top = model.decoder, top
        self.head = nn.Linear(model.config.width, model.config.vocabulary, bias=False)
        self.head.weight = nn.Parameter(model.decoder.embed_tokens.weight.detach().clone())

    def forward(
        self,
        rows: Tensor,  # (N, d) embeddings of tokens
        positions: Tensor,  # (N,) in the text
        listed: Tensor,  # (K,) ids whose logits are wanted of every row
        cross_k: Tensor,  # (L, H, T, d / H)
        cross_v: Tensor,
        past_k: Tensor,  # (L, P, d), P may be 0
        past_v: Tensor,
    ) -> tuple[Tensor, ...]:
        cross = list(zip(cross_k.split(1), cross_v.split(1), strict=True))
        past = list(zip(past_k.split(1), past_v.split(1), strict=True))
        new, read = rows.shape[0], past_k.shape[1]
        seen = torch.arange(read + new) <= torch.arange(new)[:, None] + read
        seen = torch.where(seen, 0.0, float("-inf"))
        hidden, kept, asked = self.decoder(Rows(rows[None], positions[None], seen[None, None]), cross, past=past)
        logits = self.head(hidden[0])
        top, ids = logits.topk(self.top)
        k, v = (torch.cat([pair[i][:, read:] for pair in kept]) for i in (0, 1))
        total, place = log_sum_exp(logits, torch.softmax(logits, -1)), heard_at(self.decoder.config, asked, cross)[0]
        return ids, top, total, place, logits.index_select(1, listed), k, v


def heard_at(
    config: MoonshineConfig, asked: list[Tensor], cross: list[tuple[Tensor, Tensor]], heard: Tensor | None = None
) -> Tensor:
    """Where each row's next token is heard, in encoder states, (B, N): the mean place of the alignment heads' attention.

    asked: cross-attention queries of each layer, as the decoder gives them. heard: (B, 1, 1, T) bool, False where padded.
    """
    width = config.width // config.heads
    q = torch.stack([asked[layer][..., head * width : (head + 1) * width] for layer, head in config.alignment], 1)
    k = torch.stack([cross[layer][0][:, head] for layer, head in config.alignment], 1)
    scores = q @ k.transpose(2, 3) / width**0.5
    share = (scores if heard is None else scores.masked_fill(~heard, float("-inf"))).softmax(-1).mean(1)
    return share @ torch.arange(share.shape[-1], dtype=share.dtype, device=share.device)
