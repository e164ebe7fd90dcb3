"""A folder of tiny Whisper and a cache as `prepare` writes it, in which every token has its own sound: training can succeed."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from transformers import WhisperConfig, WhisperForConditionalGeneration

from unmask.speech.log_mel import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from unmask.training.captions.prepare import SOFT
from unmask.training.captions.vocabulary import byte_level
from unmask.training.recordings import write_recordings

WIDTH = 32
LEAD, SPAN = 20, 10  # encoder frames before the first token and of each token
FRAME_SAMPLES = 2 * HOP_SAMPLES
Samples = NDArray[np.float32]
Cache = Callable[..., Path]
Listen = Callable[..., list[int]]


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    """Training lowers the precision of matrix products for the whole process; other tests compare exact ones."""
    precision = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(precision)


def sound(token: int, frames: int, speed: float = 1.0) -> Samples:
    """A low and a high tone that identify the token."""
    time = speed * np.arange(frames * FRAME_SAMPLES) / SAMPLE_RATE_HZ
    tones = 250 + 80 * (token % 16), 2000 * 1.07 ** (token // 16)
    return sum(0.1 * np.sin(2 * np.pi * hz * time) for hz in tones).astype(np.float32)


def speech(ids: list[int]) -> Samples:
    """Silence, the tokens one after the other, and a rest that fills no frame."""
    parts = [np.zeros(LEAD * FRAME_SAMPLES, np.float32), *(sound(token, SPAN) for token in ids), np.zeros(100, np.float32)]
    return np.concatenate(parts)


def label_row(name: str, text: str, ids: list[int]) -> dict[str, object]:
    others = [[(token + 7 * i) % 200 + 1 for i in range(SOFT)] for token in ids]
    soft_ids = [[token, *(other for other in row if other != token)][:SOFT] for token, row in zip(ids, others, strict=True)]
    first = [LEAD + SPAN * i for i in range(len(ids) + 1)]
    soft = [[0.9, *([0.01] * (SOFT - 1))] for _ in ids]
    return {"id": name, "text": text, "teacher": text, "ids": ids, "first": first, "soft_ids": soft_ids, "soft": soft}


@pytest.fixture
def write_cache(tmp_path: Path, tokenizer: Tokenizer) -> Cache:
    """A function that writes a cache and returns its folder. Recordings are `u0`, `u1`, ..., those without times `lj-0`, ..."""

    def write(texts: list[str], untimed: list[str] | None = None, noises: int = 1) -> Path:
        folder = tmp_path / "cache"
        folder.mkdir()
        tokenizer.save(str(folder / "tokenizer.json"))
        rows = [label_row(f"u{i}", text, tokenizer.encode(" " + text).ids) for i, text in enumerate(texts)]
        for i, text in enumerate(untimed or []):
            row = label_row(f"lj-{i}", text, tokenizer.encode(" " + text).ids)
            rows.append(row | dict.fromkeys(("first", "soft_ids", "soft")))
        write_recordings(folder / "audio", ((str(row["id"]), speech(row["ids"])) for row in rows))
        rng = np.random.default_rng(0)
        hiss = [0.03 * rng.standard_normal(SAMPLE_RATE_HZ * (2 + i)).astype(np.float32) for i in range(noises)]
        write_recordings(folder / "noise", ((f"hiss-{i}", samples) for i, samples in enumerate(hiss)))
        (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="session")
def listen() -> Listen:
    """A function of a spectrogram (and the speed) to what each encoder frame sounds like: the nearest token, 0 in silence."""

    @cache
    def table(speed: float) -> NDArray[np.float32]:
        pad = (0, 10 * FRAME_SAMPLES)
        mels = [log_mel(np.pad(sound(token, 10, speed), pad)) for token in range(1, 257)]
        return np.stack([mels[0][:, 24:36].mean(1), *(mel[:, 4:16].mean(1) for mel in mels)])  # the silence after one comes first

    def heard(mel: NDArray[np.float32], speed: float = 1.0) -> list[int]:
        frames, known = mel.reshape(len(mel), -1, 2).mean(2).T, table(speed)
        return ((known**2).sum(1) - 2 * frames @ known.T).argmin(1).tolist()

    return heard


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """So small a model is slower on two threads, far slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights for the bytes that `tokenizer` has, in another order and without blank, and for three special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), reverse=True)
    source = byte_level({token: i for i, token in enumerate(alphabet)}, [])
    special = ("<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>")
    source.add_special_tokens([AddedToken(token, special=True) for token in special])
    config = WhisperConfig(
        init_std=0.2,  # the usual 0.02 lets hardly anything through so few layers of so small a width
        vocab_size=source.get_vocab_size(),
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        max_source_positions=600,
        max_target_positions=128,
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
