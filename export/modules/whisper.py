"""Whisper in PyTorch: the encoder and the autoregressive decoder.

The captioner is made of these blocks, and the training recipe asks this decoder as its teacher. Knows no file, no audio and no
tokenizer.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAMES_PER_SECOND = 50  # encoder states; the mel spectrogram has twice as many


@dataclass(frozen=True)
class WhisperConfig:
    """Sizes of one Whisper model. All its layers have the same width."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    mels: int = 80
    encoder_positions: int = 1500
    decoder_positions: int = 448


class Attention(nn.Module):
    """Multi-head attention whose keys and values may come from elsewhere (cross-attention, caches)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:  # (B, N, d) -> (B, H, N, d / H)
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, N, d) -> 2 x (B, H, N, d / H)
        return self.split(self.key(x)), self.split(self.value(x))

    def forward(self, x: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        """x (B, N, d), k and v (B, H, M, d / H), bias added to the scores, broadcast to (B, H, N, M) -> (B, N, d)."""
        mixed = F.scaled_dot_product_attention(self.split(self.query(x)), k, v, attn_mask=bias)
        return self.out(mixed.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """One pre-norm transformer layer. `cross` adds attention to the encoder's states."""

    def __init__(self, width: int, heads: int, cross: bool) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        if cross:
            self.cross_norm = nn.LayerNorm(width)
            self.cross = Attention(width, heads)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn_in = nn.Linear(width, 4 * width)
        self.ffn_out = nn.Linear(4 * width, width)

    def ffn(self, x: Tensor) -> Tensor:
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))


class Encoder(nn.Module):
    """Log-mel spectrogram (B, mels, 2 T) -> states (B, T, d), T at most `encoder_positions`."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        width = config.width
        self.conv1 = nn.Conv1d(config.mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(config.encoder_positions, width))
        self.blocks = nn.ModuleList(Block(width, config.heads, cross=False) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """mask: (B, 1, 1, T) bool, False where a batch is padded."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            rows = block.attention_norm(x)
            x = block.ffn(x + block.attention(rows, *block.attention.keys_values(rows), mask))
        return self.norm(x)


class Decoder(nn.Module):
    """The autoregressive decoder, as Whisper trained it."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Parameter(torch.zeros(config.decoder_positions, config.width))
        self.blocks = nn.ModuleList(Block(config.width, config.heads, cross=True) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.width)

    def cross(self, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Cross-attention keys and values of each layer, computed once per utterance."""
        return [block.cross.keys_values(states) for block in self.blocks]

    def forward(
        self,
        ids: Tensor,
        cross: list[tuple[Tensor, Tensor]],
        mask: Tensor | None = None,
        past: list[tuple[Tensor, Tensor]] | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Logits (B, N, vocabulary) of `ids` (B, N) that follow `past`, and the new past.

        mask: (B, 1, 1, T) bool over the encoder states that `cross` was computed from.
        """
        hidden, past = self.hidden(self.embedding(ids), cross, mask, past)
        return hidden @ self.embedding.weight.T, past

    def hidden(
        self,
        x: Tensor,
        cross: list[tuple[Tensor, Tensor]],
        mask: Tensor | None = None,
        past: list[tuple[Tensor, Tensor]] | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """As `forward`, but from embedded rows x (B, N, d) to hidden rows, for heads and embeddings that are kept elsewhere."""
        start = past[0][0].shape[2] if past else 0
        places = torch.arange(x.shape[1], device=x.device) + start
        x = x + self.positions[places]
        causal = torch.arange(start + x.shape[1], device=x.device) <= places[:, None]
        kept = []
        for i, block in enumerate(self.blocks):
            rows = block.attention_norm(x)
            k, v = block.attention.keys_values(rows)
            if past:
                k, v = torch.cat([past[i][0], k], 2), torch.cat([past[i][1], v], 2)
            kept.append((k, v))
            x = x + block.attention(rows, k, v, causal)
            x = block.ffn(x + block.cross(block.cross_norm(x), *cross[i], mask))
        return self.norm(x), kept


class Whisper(nn.Module):
    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
