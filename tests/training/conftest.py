"""A folder of tiny Whisper and a cache as `prepare` writes it, whose encoder states tell the token: training can succeed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from transformers import WhisperConfig, WhisperForConditionalGeneration

from unmask.training.prepare import SOFT
from unmask.training.vocabulary import byte_level

WIDTH = 32
LEAD, SPAN, TAIL = 20, 16, 61  # frames before the first token, of each token, and of the silence behind
Cache = Callable[..., Path]


def encoder_states(ids: list[int], speed: float = 1.0) -> NDArray[np.float16]:
    """(T, WIDTH): the first number of each frame is its token's id / 256, the others a vector of this id; silence is zero."""
    table = np.random.default_rng(0).standard_normal((300, WIDTH)).astype(np.float16)
    table[:, 0] = np.arange(300) / 256  # exact in float16
    at = (np.arange(int((LEAD + SPAN * len(ids) + TAIL) / speed)) * speed - LEAD) // SPAN
    frames = np.zeros((len(at), WIDTH), dtype=np.float16)
    spoken = (at >= 0) & (at < len(ids))
    frames[spoken] = table[np.array(ids)[at[spoken].astype(int)]]
    return frames


def label_row(name: str, text: str, ids: list[int]) -> dict[str, object]:
    others = [[(token + 7 * i) % 200 + 1 for i in range(SOFT)] for token in ids]
    soft_ids = [[token, *(other for other in row if other != token)][:SOFT] for token, row in zip(ids, others, strict=True)]
    first = [LEAD + SPAN * i for i in range(len(ids) + 1)]
    soft = [[0.9, *([0.01] * (SOFT - 1))] for _ in ids]
    return {"id": name, "text": text, "teacher": text, "ids": ids, "first": first, "soft_ids": soft_ids, "soft": soft}


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def write_cache(tmp_path: Path, tokenizer: Tokenizer) -> Cache:
    """A function of (texts, variants and their speeds) that writes a cache and returns its folder."""

    def write(texts: list[str], variants: dict[str, float]) -> Path:
        folder = tmp_path / "cache"
        folder.mkdir()
        tokenizer.save(str(folder / "tokenizer.json"))
        tokens = {f"u{i}": tokenizer.encode(" " + text).ids for i, text in enumerate(texts)}
        write_lines(folder / "labels.jsonl", [label_row(n, t, tokens[n]) for n, t in zip(tokens, texts, strict=True)])
        for variant, speed in variants.items():
            rows, offset = [], 0
            with open(folder / f"states-{variant}.f16", "wb") as out:
                for name, ids in tokens.items():
                    states = encoder_states(ids, speed)
                    states.tofile(out)
                    rows.append({"id": name, "offset": offset, "frames": len(states), "speed": speed})
                    offset += len(states)
            write_lines(folder / f"states-{variant}.jsonl", rows)
        return folder

    return write


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights behind the bytes that `tokenizer` has, in another order and without blank, and an end of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), reverse=True)
    source = byte_level({token: i for i, token in enumerate(alphabet)}, [])
    source.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    config = WhisperConfig(
        vocab_size=source.get_vocab_size(),
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        max_source_positions=400,
        max_target_positions=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("whisper")
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    source.save(str(folder / "tokenizer.json"))
    return folder
