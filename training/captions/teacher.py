"""What the autoregressive teacher gives for a recording: its text, its soft targets, and its attention.

Knows Whisper in PyTorch. Knows no corpus and no file.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unmask.export.modules.whisper import Decoder, Whisper

END, START, NO_TIMESTAMPS = 50256, 50257, 50362  # Whisper's English models


def read_settings(folder: Path) -> tuple[list[int], list[tuple[int, int]]]:
    """Ids that greedy decoding never chooses, and the (layer, head) pairs that align, from either kind of Whisper folder.

    Hugging Face keeps them in `generation_config.json`, CTranslate2 in `config.json`.
    """
    own = folder / "generation_config.json"
    settings = json.loads((own if own.exists() else folder / "config.json").read_text(encoding="utf-8"))
    suppress = settings["suppress_tokens"] if own.exists() else settings["suppress_ids"]
    return list(suppress), [(layer, head) for layer, head in settings["alignment_heads"]]


@dataclass(frozen=True)
class TeacherReading:
    """The teacher's reading of a given text, one row per token."""

    attention: NDArray[np.float32]  # (heads, N, T) over encoder frames, of the aligning heads only
    logits: NDArray[np.float32]  # (N, vocabulary)


@dataclass(frozen=True)
class DecoderPrompt:
    """How a decoder is prompted: ids that it reads first, the id that ends a text, ids that it may never choose."""

    prompt: tuple[int, ...]
    end: int
    barred: tuple[int, ...]

    @staticmethod
    def whisper(suppress: list[int], vocabulary: int) -> "DecoderPrompt":
        """English, without timestamps."""
        return DecoderPrompt((START, NO_TIMESTAMPS), END, (*suppress, *range(END + 1, vocabulary)))


@torch.inference_mode()
def greedy(decoder: Decoder, states: Tensor, lengths: list[int], voice: DecoderPrompt, most: int = 224) -> list[list[int]]:
    """Token ids of each utterance. states: (B, T, d), whose rows after the first `lengths[b]` are padding.

    A text of more than 8 tokens per second is a repetition loop and is cut off there.
    """
    device = states.device
    mask = (torch.arange(states.shape[1], device=device) < torch.tensor(lengths, device=device)[:, None])[:, None, None]
    cross = decoder.cross(states)
    barrier = torch.zeros(decoder.embedding.num_embeddings, device=device)
    barrier[list(voice.barred)] = -torch.inf
    ids = torch.tensor([voice.prompt], device=device).repeat(len(lengths), 1)
    limit = torch.tensor([min(most, 8 + 8 * n // 50) for n in lengths], device=device)
    out: list[list[int]] = [[] for _ in lengths]
    live = torch.ones(len(lengths), dtype=torch.bool, device=device)
    past = None
    for step in range(most):
        logits, past = decoder(ids, cross, mask, past)
        last = logits[:, -1] + barrier
        if step == 0:
            last[:, voice.end] = -torch.inf
        ids = last.argmax(-1, keepdim=True)
        live &= (ids[:, 0] != voice.end) & (step < limit)
        if not live.any():
            break
        for b in torch.nonzero(live)[:, 0].tolist():
            out[b].append(int(ids[b, 0]))
    return out


@torch.inference_mode()
def read(model: Whisper, states: Tensor, ids: list[int], heads: list[tuple[int, int]]) -> TeacherReading:
    """Run the teacher once over `ids` (its own vocabulary). states: (T, d); heads: (layer, head) pairs that align."""
    decoder = model.decoder
    inputs = torch.tensor([[START, NO_TIMESTAMPS, *ids]])
    kept = []
    x = decoder.embedding(inputs) + decoder.positions[: inputs.shape[1]]
    causal = torch.ones(inputs.shape[1], inputs.shape[1], dtype=torch.bool).tril()
    for layer, block in enumerate(decoder.blocks):
        rows = block.attention_norm(x)
        x = x + block.attention(rows, *block.attention.keys_values(rows), causal)
        rows = block.cross_norm(x)
        k, v = block.cross.keys_values(states[None])
        wanted = [head for at, head in heads if at == layer]
        if wanted:
            query = block.cross.split(block.cross.query(rows))[0, wanted]  # (h, N, d / H)
            kept.append(torch.softmax(query @ k[0, wanted].transpose(-1, -2) * query.shape[-1] ** -0.5, -1))
        x = block.ffn(x + block.cross(rows, k, v))
    hidden = decoder.norm(x)[0, 1 : 1 + len(ids)]  # each token is predicted by the row before it
    logits = F.linear(hidden, decoder.embedding.weight)
    return TeacherReading(torch.cat(kept)[:, 1 : 1 + len(ids)].numpy(), logits.numpy())
