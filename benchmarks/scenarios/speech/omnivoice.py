"""OmniVoice with random weights: exact names, kinds of files, special ids and streams, small or in the published sizes.

    python -m unmask.benchmarks.scenarios.speech.omnivoice .cache/omnivoice

What it says is noise. That every command runs, how long it takes and how much memory it needs can be seen on it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from torch import Tensor

from unmask.benchmarks.scenarios.checkpoints import SHARD_BYTES, letters, write_checkpoint
from unmask.benchmarks.scenarios.speech.higgs import FULL_CODEC, SMALL_CODEC, write_codec
from unmask.export.checkpoint.config import read_json
from unmask.export.checkpoint.folder import INDEX, SINGLE
from unmask.export.families import FAMILIES

FAMILY = "omnivoice"
ADAPTER = FAMILIES[FAMILY]
QWEN_SPECIALS, WORDS = 26, 151643
LEAST_IDS = 1056  # of a small tokenizer: the published code looks codes up among the words too
FULL = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
FULL |= {"num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960}
OFFSETS = "codebook_layer_offsets"
TEXT = "The birch canoe slid on the smooth planks. "
"""What is said to models of full size, whose tokenizer knows its words; of any other text each letter is a token."""


@dataclass(frozen=True)
class VoiceOptions:
    full: bool = False
    """The published sizes: 1.2 GB of the model in bfloat16 and 0.8 GB of its codec."""


def main(folder: Path, /, *, options: Annotated[VoiceOptions, cyclopts.Parameter(name="*")] = VoiceOptions()) -> None:
    print(write_omnivoice(folder, options.full))


def write_omnivoice(folder: Path, full: bool = False) -> Path:
    """Write the checkpoint with its codec in it, and return the folder."""
    tokenizer = voice_tokenizer(WORDS, TEXT) if full else voice_tokenizer(LEAST_IDS - QWEN_SPECIALS - len(ADAPTER.MARKS))
    inner = {**ADAPTER.TINY[ADAPTER.INNER], **(FULL if full else {}), "vocab_size": tokenizer.get_vocab_size()}
    dtype = torch.bfloat16 if full else torch.float32
    changes: dict[str, Any] = {ADAPTER.INNER: inner, "architectures": ["OmniVoice"], "mask_token_id": None}
    write_checkpoint(folder, FAMILY, tokenizer, SHARD_BYTES, dtype, **changes)
    _add(folder, OFFSETS, 1025 * torch.arange(8))
    write_codec(folder / ADAPTER.FOLDER, FULL_CODEC if full else SMALL_CODEC)
    return folder


def _add(folder: Path, name: str, tensor: Tensor) -> None:
    """Put one more tensor into a checkpoint: into its file, or into a file of its own beside several."""
    if not (folder / INDEX).is_file():
        save_file({**load_file(folder / SINGLE), name: tensor}, folder / SINGLE)
        return
    save_file({name: tensor}, folder / f"model-{name}.safetensors")
    index = read_json(folder / INDEX)
    index["weight_map"][name] = f"model-{name}.safetensors"
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def voice_tokenizer(words: int, known: str = "") -> Tokenizer:
    """Bytes, the words of a text, and fillers up to `words` ids; Qwen's special tokens, and OmniVoice's seven marks."""
    tokenizer = letters()
    pieces = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(known)]
    merges = list(dict.fromkeys((piece[:i], piece[i]) for piece in pieces for i in range(1, len(piece))))
    own = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(first + letter for first, letter in merges)]
    vocabulary = {token: i for i, token in enumerate([*own, *(f"<w{i}>" for i in range(len(own), words))])}
    tokenizer.model = BPE(vocab=vocabulary, merges=merges)
    specials = ["<|endoftext|>", *(f"<|qwen_{i}|>" for i in range(1, QWEN_SPECIALS))]
    tokenizer.add_special_tokens([*specials, *(f"<|{mark}|>" for mark in ADAPTER.MARKS)])
    return tokenizer


if __name__ == "__main__":
    cyclopts.run(main)
