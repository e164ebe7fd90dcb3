"""The teacher: its settings, how it writes a text greedily, and where it looks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unmask.export.modules.whisper import Decoder, Whisper, WhisperConfig
from unmask.training.captions import teacher
from unmask.training.captions.teacher import DecoderPrompt, greedy, read, read_settings

SIZES = WhisperConfig(width=16, heads=2, encoder_layers=1, decoder_layers=2, vocabulary=24, decoder_positions=64)
END = 0
VOICE = DecoderPrompt(prompt=(22, 23), end=END, barred=(5, 22, 23))


def test_settings_of_both_folders(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"suppress_ids": [1, 2], "alignment_heads": [[1, 0], [3, 4]]}))
    assert read_settings(tmp_path) == ([1, 2], [(1, 0), (3, 4)])
    (tmp_path / "generation_config.json").write_text(json.dumps({"suppress_tokens": [7], "alignment_heads": [[2, 5]]}))
    assert read_settings(tmp_path) == ([7], [(2, 5)])


def test_whispers_voice_bars_what_is_not_text_but_may_end() -> None:
    voice = DecoderPrompt.whisper([4, 9], 51864)
    assert voice.prompt == (50257, 50362)
    assert voice.end == 50256
    assert set(voice.barred) == {4, 9, *range(50257, 51864)}


# ---- greedy


class Scripted(nn.Module):
    """A decoder with given preferences: for each utterance and step the tokens, best first."""

    def __init__(self, wanted: list[list[list[int]]]) -> None:
        super().__init__()
        self.embedding, self.wanted, self.read = nn.Embedding(SIZES.vocabulary, 1), wanted, list[list[list[int]]]()

    def cross(self, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        return []

    def forward(self, ids: Tensor, cross: object, mask: Tensor, past: int | None) -> tuple[Tensor, int]:
        self.read.append(ids.tolist())
        step = past or 0
        logits = torch.full((*ids.shape, SIZES.vocabulary), -9.0)
        for row, script in zip(logits, self.wanted, strict=True):
            for rank, token in enumerate(script[min(step, len(script) - 1)]):
                row[-1, token] = 9.0 - rank
        return logits, step + 1


def written(wanted: list[list[list[int]]], lengths: list[int], most: int = 224) -> list[list[int]]:
    return greedy(Scripted(wanted), torch.zeros(len(lengths), max(lengths), 1), lengths, VOICE, most)


def test_each_text_stops_at_its_end() -> None:
    first, second = [[7], [8], [END], [9]], [[3], [3], [4], [2], [END], [6]]
    assert written([first, second], [100, 100]) == [[7, 8], [3, 3, 4, 2]]


def test_text_does_not_end_before_it_begins() -> None:
    assert written([[[END, 7], [END]]], [100]) == [[7]]


def test_barred_tokens_are_never_taken() -> None:
    assert written([[[5, 22, 8], [23, 5, 9], [END]]], [100]) == [[8, 9]]


@pytest.mark.parametrize(("frames", "most", "expected"), [(50, 224, 16), (500, 224, 88), (500, 30, 30)])
def test_loops_are_cut(frames: int, most: int, expected: int) -> None:
    """At 8 tokens a second and 8 more: nobody speaks as fast."""
    assert written([[[7]], [[8]]], [frames, 25], most) == [[7] * expected, [8] * 12]


def test_prompt_is_read_first_and_then_what_was_taken() -> None:
    decoder = Scripted([[[7], [8], [END]], [[3], [END], [4]]])
    greedy(decoder, torch.zeros(2, 100, 1), [100, 100], VOICE)
    assert decoder.read[0] == [[22, 23]] * 2
    assert decoder.read[1:] == [[[7], [3]], [[8], [0]]]


def random_whisper(seed: int) -> Whisper:
    torch.manual_seed(seed)
    model = Whisper(SIZES)
    for p in model.decoder.parameters():
        nn.init.normal_(p, std=0.4)
    return model.eval().requires_grad_(False)


def one_by_one(decoder: Decoder, states: Tensor) -> list[int]:
    """The same text without batch, cache or mask."""
    ids = list(VOICE.prompt)
    out: list[int] = []
    while len(out) < 8 + 8 * len(states) // 50:
        logits, _ = decoder(torch.tensor([ids]), decoder.cross(states[None]))
        scores = logits[0, -1].tolist()
        allowed = [i for i in range(SIZES.vocabulary) if i not in VOICE.barred and (out or i != VOICE.end)]
        best = max(allowed, key=scores.__getitem__)
        if best == VOICE.end:
            break
        ids.append(best)
        out.append(best)
    return out


def test_batched_texts_are_those_of_each_alone() -> None:
    """Of different lengths, with noise after the shorter ones, where only silence should be."""
    lengths, ended, texts = [60, 33, 50, 12], 0, set[tuple[int, ...]]()
    for seed in range(8):
        decoder = random_whisper(seed).decoder
        states = 3 * torch.randn(4, 60, SIZES.width)
        said = greedy(decoder, states, lengths, VOICE)
        assert said == [one_by_one(decoder, state[:length]) for state, length in zip(states, lengths, strict=True)]
        ended += sum(len(ids) < 8 + 8 * length // 50 for ids, length in zip(said, lengths, strict=True))
        texts |= {tuple(ids) for ids in said}
    assert ended > 0
    assert len(texts) > 10


# ---- reading


@torch.no_grad()
def test_reading_is_what_the_decoder_expects_and_where_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "START", 22)
    monkeypatch.setattr(teacher, "NO_TIMESTAMPS", 23)
    model, states, ids = random_whisper(0), torch.randn(40, SIZES.width), [3, 9, 4]
    reading = read(model, states, ids, [(0, 1), (1, 0), (1, 1)])
    logits, _ = model.decoder(torch.tensor([[22, 23, *ids]]), model.decoder.cross(states[None]))
    np.testing.assert_allclose(reading.logits, logits[0, 1:-1].numpy(), atol=1e-4)  # each by the row before it
    assert reading.attention.shape == (3, 3, 40)
    np.testing.assert_allclose(reading.attention.sum(-1), 1, atol=1e-5)
    moved = read(model, states.roll(5, 0), ids, [(0, 1), (1, 0), (1, 1)])
    np.testing.assert_allclose(np.roll(reading.attention, 5, -1), moved.attention, atol=1e-4)
    (first,) = read(model, states, ids, [(1, 0)]).attention
    np.testing.assert_array_equal(first, reading.attention[1])
