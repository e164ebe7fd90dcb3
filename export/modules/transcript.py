"""The two graphs of a captioner that writes a transcript: what it hears of a recording, and a pass over rows of the text."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.modules.captioner import log_sum_exp
from unmask.export.modules.moonshine import Moonshine, MoonshineConfig, Rows


class Context(nn.Module):
    """What is heard of a recording. Samples (1, n) at 16 kHz -> keys and values of the encoder's states for each layer, each
    (L, H, T, d / H), and (T,) the number of tokens that are said up to and within each state."""

    def __init__(self, model: Moonshine) -> None:
        super().__init__()
        self.model = model

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states = self.model.encoder(samples)
        cross = self.model.decoder.cross(states)
        counted = self.model.decoder.draft_counter(states)[0].cumsum(0)
        return torch.cat([k for k, _ in cross]), torch.cat([v for _, v in cross]), counted


class Window(nn.Module):
    """One pass over N rows of a text after P rows that were read before: causal rows first, then mask rows.

    A causal row sees all before it; a mask row sees all causal rows and all mask rows.
    """

    def __init__(self, model: Moonshine, top: int) -> None:
        super().__init__()
        self.decoder, self.top = model.decoder, top
        self.head = nn.Linear(model.config.width, model.config.vocabulary, bias=False)
        self.head.weight = nn.Parameter(model.decoder.embed_tokens.weight.detach().clone())

    def forward(
        self,
        rows: Tensor,  # (N, d) embeddings of tokens and masks
        positions: Tensor,  # (N,) in the text
        masked: Tensor,  # (N,) 1.0 for mask rows, 0.0 for causal ones
        places: Tensor,  # (N,) where a mask row's token is expected, in encoder states
        listed: Tensor,  # (K,) ids whose logits are wanted of every row
        cross_k: Tensor,  # (L, H, T, d / H)
        cross_v: Tensor,
        past_k: Tensor,  # (L, H, P, d / H), P may be 0
        past_v: Tensor,
    ) -> tuple[Tensor, ...]:
        cross = [(k[None], v[None]) for k, v in zip(cross_k, cross_v, strict=True)]
        past = [(k[None], v[None]) for k, v in zip(past_k, past_v, strict=True)]
        new, read = rows.shape[0], past_k.shape[2]
        seen = torch.arange(read + new) <= torch.arange(new)[:, None] + read
        together = masked[:, None] * F.pad(masked, (read, 0)) > 0  # mask rows see one another
        seen = seen | together
        given = Rows(rows[None], positions[None], seen[None, None], masked[None, :, None], places[None])
        hidden, kept, asked = self.decoder(given, cross, past=past)
        logits = self.head(hidden[0])
        top, ids = logits.topk(self.top)
        k, v = (torch.cat([pair[i][:, :, read:] for pair in kept]) for i in (0, 1))
        total, place = log_sum_exp(logits, torch.softmax(logits, -1)), heard_at(self.decoder.config, asked, cross)[0]
        return ids, top, total, place, logits.index_select(1, listed), k, v


def heard_at(
    config: MoonshineConfig, asked: list[Tensor], cross: list[tuple[Tensor, Tensor]], heard: Tensor | None = None
) -> Tensor:
    """Where each row's next token is heard, in encoder states, (B, N): the mean place of the alignment heads' attention.

    asked: cross-attention queries of each layer, as the decoder gives them. heard: (B, 1, 1, T) bool, False where padded.
    """
    q = torch.stack([asked[layer][:, head] for layer, head in config.alignment], 1)
    k = torch.stack([cross[layer][0][:, head] for layer, head in config.alignment], 1)
    scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    share = (scores if heard is None else scores.masked_fill(~heard, float("-inf"))).softmax(-1).mean(1)
    return share @ torch.arange(share.shape[-1], dtype=share.dtype, device=share.device)
