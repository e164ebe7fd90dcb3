"""Checkpoint folders of every family with random weights, from tiny ones for tests to the shapes of real models.

    python -m unmask.benchmarks.scenarios.checkpoints .cache/tiny-dream --family dream
    python -m unmask.benchmarks.scenarios.checkpoints .cache/dream-0.5b --shape dream-0.5b

The tokenizer knows bytes, an end of text, two chat marks and a mask; the other ids are fillers that spell their number.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from unmask.export.families import DEFAULT, FAMILIES
from unmask.export.onnx.backbone import expected

CHAT = ("<|im_start|>", "<|im_end|>")
OMNI = (
    *("<|begin_of_image|>", "<|end_of_image|>", "<|context_of_image|>"),
    *(f"<|omni_{i}|>" for i in range(12)),  # video, patches, quads, references, boxes
    *("<|image|>", "<|video|>", "<|begin_of_audio|>", "<|end_of_audio|>", "<|context_of_audio|>", "<|audio|>"),
)
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    shape: (family, sizes) for family, adapter in FAMILIES.items() for shape, sizes in adapter.SHAPES.items()
}
"""Name -> family and keys of config.json."""
SHARD_BYTES = 1 << 29


@dataclass(frozen=True)
class CheckpointOptions:
    family: str = DEFAULT
    """Make a tiny model of this family (the table is `unmask.export.families`)."""
    shape: str | None = None
    """Make a model of this shape instead, for example dream-0.5b."""
    half: bool = False
    """bfloat16 instead of float32."""


def main(folder: Path, /, *, options: Annotated[CheckpointOptions, cyclopts.Parameter(name="*")] = CheckpointOptions()) -> None:
    family, changes = SHAPES[options.shape] if options.shape else (options.family, {})
    dtype = torch.bfloat16 if options.half else torch.float32
    print(write_checkpoint(folder, family, shard_bytes=SHARD_BYTES, dtype=dtype, **changes))


def letters() -> Tokenizer:
    """Byte-level BPE of the 256 bytes and nothing else."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def small_tokenizer(size: int = 0, mask: str = "<|MASK|>") -> Tokenizer:
    """Bytes, an end of text (256), chat marks (257, 258), a mask (259), and fillers up to `size` ids."""
    tokenizer, special = letters(), ["<|endoftext|>", *CHAT, mask]
    if size > len(tokenizer.get_vocab()) + len(special):
        known = [*sorted(tokenizer.get_vocab()), *special]
        tokens = [*known, *(f"<w{i}>" for i in range(len(known), size))]
        tokenizer.model = BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[])
    tokenizer.add_special_tokens(special)
    return tokenizer


def omni_tokenizer() -> Tokenizer:
    """Omni-Diffusion's vocabulary: its special ids and codes at their true places, fillers for the words between."""
    tokenizer = letters()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(alphabet)} | {f"<w{i}>": i for i in range(len(alphabet), 151643)}
    tokenizer.model = BPE(vocab=vocabulary, merges=[])
    names = ["<|endoftext|>", *CHAT, *(f"<|qwen_{i}|>" for i in range(19)), "<|beginoftext|>", "<|mask|>", *OMNI]
    tokenizer.add_special_tokens(names)
    codes = [*(f"<|audio_{i}|>" for i in range(16384)), *(f"<|image_{i}|>" for i in range(8192))]
    tokenizer.add_tokens([AddedToken(code, normalized=False) for code in codes])
    assert tokenizer.token_to_id("<|mask|>") == 151666
    assert tokenizer.token_to_id("<|begin_of_audio|>") == 151684
    assert tokenizer.token_to_id("<|audio_0|>") == 151688
    assert tokenizer.get_vocab_size() == 176264
    return tokenizer


def write_checkpoint(
    folder: Path,
    family: str,
    tokenizer: Tokenizer | None = None,
    shard_bytes: int = 1 << 62,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """Write a Hugging Face folder with random weights, shard by shard, and return it. changes: keys of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    adapter = FAMILIES[family]
    tokenizer = tokenizer or small_tokenizer(changes.get(adapter.VOCABULARY_KEY, 0), adapter.MASK_TOKEN)
    size = {adapter.VOCABULARY_KEY: tokenizer.get_vocab_size()}
    own = {"architectures": ["Tiny"], "eos_token_id": tokenizer.token_to_id("<|endoftext|>")}
    config = {**adapter.TINY, **size, **own, "mask_token_id": tokenizer.token_to_id(adapter.MASK_TOKEN), **changes}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer.save(str(folder / "tokenizer.json"))
    shapes = expected(adapter, adapter.config(config))
    groups = list(_groups(shapes, shard_bytes, dtype.itemsize))
    torch.manual_seed(seed)
    weight_map = {}
    for i, names in enumerate(groups):
        name = "model.safetensors" if len(groups) == 1 else f"model-{i + 1:05d}-of-{len(groups):05d}.safetensors"
        save_file({key: _random(key, shapes[key], dtype) for key in names}, folder / name)
        weight_map |= dict.fromkeys(names, name)
    if len(groups) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def _groups(shapes: dict[str, tuple[int, ...]], shard_bytes: int, item: int) -> Iterator[list[str]]:
    group, size = list[str](), 0
    for name, shape in shapes.items():
        own = item * int(torch.Size(shape).numel())
        if group and size + own > shard_bytes:
            yield group
            group, size = [], 0
        group.append(name)
        size += own
    yield group


def _random(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    if "norm" in name or "ln_f" in name:
        return (1 + 0.1 * torch.randn(shape)).to(dtype)
    spread = shape[-1] ** -0.5 if len(shape) > 1 else 0.1
    return torch.empty(shape, dtype=dtype).normal_(std=spread if "embed" not in name and "wte" not in name else 1.0)


if __name__ == "__main__":
    cyclopts.run(main)
