"""Whisper in PyTorch: the encoder, the autoregressive decoder, and reading its weights from a folder.

The captioner keeps these blocks and the training recipe asks this decoder as its teacher. Knows two folder layouts:
CTranslate2 (`model.bin`) and Hugging Face (`config.json`, `model.safetensors`). Knows no audio and no tokenizer.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAMES_PER_SECOND = 50  # encoder states; the mel spectrogram has twice as many


@dataclass(frozen=True)
class WhisperConfig:
    """Sizes of one Whisper model; every layer of it has the same width."""

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
    """One pre-norm transformer layer; `cross` adds attention to the encoder's states."""

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

        mask: (B, 1, 1, T) bool over the states behind `cross`.
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
        """The same from embedded rows x (B, N, d) to hidden rows, for heads and embeddings that are kept elsewhere."""
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


def load_whisper(folder: Path) -> Whisper:
    """Read a Whisper model in fp32 from a CTranslate2 or a Hugging Face folder.

    Raises FileNotFoundError when the folder holds neither, ValueError when a tensor is missing, left over or misshapen.
    """
    try:
        return _load(folder)
    except KeyError as error:
        raise ValueError(f"{folder}: the tensor {error} is missing") from error


def _load(folder: Path) -> Whisper:
    if (folder / "model.bin").is_file():
        tensors, heads = _from_ctranslate2(_read_ctranslate2(folder / "model.bin"))
    elif (folder / "model.safetensors").is_file():
        tensors, heads = _read_huggingface(folder)
    else:
        raise FileNotFoundError(f"{folder}: neither model.bin (CTranslate2) nor model.safetensors (Hugging Face) is here")
    config = WhisperConfig(
        width=tensors["decoder.embedding.weight"].shape[1],
        heads=heads,
        encoder_layers=_layers(tensors, "encoder"),
        decoder_layers=_layers(tensors, "decoder"),
        vocabulary=tensors["decoder.embedding.weight"].shape[0],
        mels=tensors["encoder.conv1.weight"].shape[1],
        encoder_positions=tensors["encoder.positions"].shape[0],
        decoder_positions=tensors["decoder.positions"].shape[0],
    )
    model = Whisper(config)
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except RuntimeError as error:
        raise ValueError(f"{folder}: {error}") from error
    return model.eval()


def _layers(tensors: dict[str, np.ndarray], side: str) -> int:
    return 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith(f"{side}.blocks."))


# ---- CTranslate2: format 6, little-endian; the layout is described in its `model_spec.py`

_KINDS = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def _read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    try:
        return _parse_ctranslate2(path)
    except struct.error as error:
        raise ValueError(f"{path}: cut short ({error}); fetch it again") from error


def _parse_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    data, at = path.read_bytes(), 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return value

    def text() -> str:
        nonlocal at
        size = number("H")
        at += size
        return data[at - size : at - 1].decode()

    version, spec = number("I"), text()
    if version != 6 or spec != "WhisperSpec":
        raise ValueError(f"{path}: format {version} of {spec!r} is not Whisper in CTranslate2 format 6")
    number("I")  # revision
    tensors = {}
    for _ in range(number("I")):
        name, rank = text(), number("B")
        shape = [number("I") for _ in range(rank)]
        kind, size = _KINDS[number("B")], number("I")
        if at + size > len(data):
            raise ValueError(f"{path}: cut short inside {name}; fetch it again")
        tensors[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
        at += size
    return tensors


def _from_ctranslate2(raw: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], int]:
    out: dict[str, np.ndarray] = {}

    def put(name: str, source: str) -> None:
        pairs = (("weight", "gamma"), ("bias", "beta")) if "norm" in name else (("weight", "weight"), ("bias", "bias"))
        for ours, theirs in pairs:
            out[f"{name}.{ours}"] = raw[f"{source}/{theirs}"].astype(np.float32)

    def attention(name: str, source: str, fused: bool) -> None:
        parts = ("query", "key", "value")
        put(f"{name}_norm", f"{source}/layer_norm")
        if fused:
            weights, biases = raw[f"{source}/linear_0/weight"], raw[f"{source}/linear_0/bias"]
        else:
            weights = np.concatenate([raw[f"{source}/linear_{i}/weight"] for i in (0, 1)])
            biases = np.concatenate([raw[f"{source}/linear_{i}/bias"] for i in (0, 1)])
        for part, weight, bias in zip(parts, np.split(weights, 3), np.split(biases, 3), strict=True):
            out[f"{name}.{part}.weight"] = weight.astype(np.float32)
            if part != "key":  # Whisper's keys have no bias; CTranslate2 stores zeros
                out[f"{name}.{part}.bias"] = bias.astype(np.float32)
        put(f"{name}.out", f"{source}/linear_{1 if fused else 2}")

    for side in ("encoder", "decoder"):
        out[f"{side}.positions"] = raw[f"{side}/position_encodings/encodings"].astype(np.float32)
        put(f"{side}.norm", f"{side}/layer_norm")
        layers = {name.split("/")[1] for name in raw if name.startswith(f"{side}/layer_") and "/layer_norm/" not in name[:20]}
        for i in range(len(layers)):
            block, source = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            attention(f"{block}.attention", f"{source}/self_attention", fused=True)
            if side == "decoder":
                attention(f"{block}.cross", f"{source}/attention", fused=False)
            put(f"{block}.ffn_norm", f"{source}/ffn/layer_norm")
            put(f"{block}.ffn_in", f"{source}/ffn/linear_0")
            put(f"{block}.ffn_out", f"{source}/ffn/linear_1")
    put("encoder.conv1", "encoder/conv1")
    put("encoder.conv2", "encoder/conv2")
    out["decoder.embedding.weight"] = raw["decoder/embeddings/weight"].astype(np.float32)
    return out, int(raw["decoder/num_heads"])


# ---- Hugging Face

_HUGGINGFACE = {
    "embed_positions.weight": "positions",
    "embed_tokens.weight": "embedding.weight",
    "layers.": "blocks.",
    "self_attn_layer_norm": "attention_norm",
    "encoder_attn_layer_norm": "cross_norm",
    "final_layer_norm": "ffn_norm",
    "layer_norm": "norm",
    "self_attn": "attention",
    "encoder_attn": "cross",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "fc1": "ffn_in",
    "fc2": "ffn_out",
}


def _read_huggingface(folder: Path) -> tuple[dict[str, np.ndarray], int]:
    from safetensors.numpy import load_file

    tensors = {}
    for name, value in load_file(folder / "model.safetensors").items():
        if name == "proj_out.weight":  # tied to the embedding
            continue
        ours = name.removeprefix("model.")
        for theirs, replacement in _HUGGINGFACE.items():
            ours = ours.replace(theirs, replacement)
        tensors[ours] = value.astype(np.float32)
    heads = json.loads((folder / "config.json").read_text(encoding="utf-8"))["decoder_attention_heads"]
    return tensors, int(heads)
