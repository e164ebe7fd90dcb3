"""The exported graphs, the modules that they came from and the training path are one model: they give the same rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.export.modules.captioner import BLANK, CaptionerConfig, CaptionerModel, CaptionWindow, Context
from unmask.export.modules.whisper import Whisper

TOP = 2
SLOTS = (2, 7, 40, 187)  # the shortest and the longest that the graphs take, and two between
FORBIDDEN = -1e9
ATOL = 1e-4


@pytest.fixture(scope="module")
def sessions(fp32_bundle: Path) -> dict[str, onnxruntime.InferenceSession]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return {
        role: onnxruntime.InferenceSession(fp32_bundle / f"{role}.onnx", options, providers=["CPUExecutionProvider"])
        for role in ("context", "window")
    }


def run(session: onnxruntime.InferenceSession, *inputs: Tensor) -> list[Tensor]:
    names = [value.name for value in session.get_inputs()]
    outputs: list[NDArray[np.float32]] = session.run(None, dict(zip(names, (t.numpy() for t in inputs), strict=True)))
    return [torch.from_numpy(output) for output in outputs]


def mel_of(model: CaptionerModel, slots: int) -> Tensor:
    torch.manual_seed(slots)
    return torch.randn(1, model.config.whisper.mels, 2 * slots * model.config.frames_per_slot)


def canvas_of(model: CaptionerModel, slots: int) -> Tensor:
    """Ids with every third slot masked."""
    torch.manual_seed(1000 + slots)
    ids = torch.randint(model.config.vocabulary, (slots,))
    ids[::3] = model.config.mask
    return ids


def empty_caches(model: CaptionerModel, slots: int) -> tuple[Tensor, Tensor]:
    sizes = model.config.whisper
    return (torch.zeros(sizes.decoder_layers, sizes.heads, slots, sizes.width // sizes.heads),) * 2


def no_bias(model: CaptionerModel) -> Tensor:
    return torch.zeros(1, model.config.vocabulary)


def full_pass(
    model: CaptionerModel, session: onnxruntime.InferenceSession, slots: int, bias: Tensor | None = None
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """The window graph over a whole canvas, and the context that it read."""
    context = Context(model)(mel_of(model, slots))[:3]
    rows = model.embedding(canvas_of(model, slots))
    every = torch.arange(slots)
    bias = no_bias(model) if bias is None else bias
    return run(session, rows, every, every, bias, *context, *empty_caches(model, slots)), context


def expected_logits(model: CaptionerModel, slots: int) -> Tensor:  # (S, V), by the training path
    states = model.encoder(mel_of(model, slots))
    return model.logits(model(canvas_of(model, slots)[None], states, torch.tensor([slots])))[0]


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=ATOL, rtol=0)


# ---- graphs against modules


@pytest.mark.parametrize("slots", SLOTS)
def test_context_graph(captioner: CaptionerModel, sessions: dict[str, onnxruntime.InferenceSession], slots: int) -> None:
    mel = mel_of(captioner, slots)
    actual, expected = run(sessions["context"], mel), Context(captioner)(mel)
    assert actual[0].shape[2] == slots * captioner.config.frames_per_slot
    assert actual[2].shape == (slots, captioner.config.whisper.width)
    for ours, theirs in zip(actual, expected, strict=True):
        close(ours, theirs)


@pytest.mark.parametrize(
    ("slots", "rows", "wanted"),
    [(2, [1], [0]), (7, [0, 1, 2, 3, 4, 5, 6], [6]), (40, [39], [0]), (40, [3, 4, 17, 30], [0, 2, 3]), (187, [0, 99, 186], [1])],
)
def test_window_graph_on_some_rows(
    captioner: CaptionerModel, sessions: dict[str, onnxruntime.InferenceSession], slots: int, rows: list[int], wanted: list[int]
) -> None:
    context, positions = Context(captioner)(mel_of(captioner, slots))[:3], torch.tensor(rows)
    caches = tuple(torch.randn_like(cache) for cache in empty_caches(captioner, slots))
    embedded = captioner.embedding(canvas_of(captioner, slots)[positions])
    feeds = (embedded, positions, torch.tensor(wanted), no_bias(captioner), *context, *caches)
    ids, *numbers = run(sessions["window"], *feeds)
    expected_ids, *expected = CaptionWindow(captioner, TOP)(*feeds)
    assert ids.shape == (len(wanted), TOP)
    assert torch.equal(ids, expected_ids)
    for ours, theirs in zip(numbers, expected, strict=True):
        close(ours, theirs)


# ---- graphs against the training path


@pytest.mark.parametrize("slots", SLOTS)
def test_numbers_are_those_of_the_training_logits(
    captioner: CaptionerModel, sessions: dict[str, onnxruntime.InferenceSession], slots: int
) -> None:
    (ids, top, logsumexp, entropy, _, _), _ = full_pass(captioner, sessions["window"], slots)
    logits = expected_logits(captioner, slots)
    best = logits.topk(TOP)
    assert torch.equal(ids, best.indices)
    close(top, best.values)
    close(logsumexp, logits.logsumexp(-1))
    close(entropy, torch.distributions.Categorical(logits=logits).entropy())
    assert len({tuple(row) for row in top.tolist()}) == slots  # else equal rows would hide an error


def test_bias_restricts_all_rows_or_each_row(
    captioner: CaptionerModel, sessions: dict[str, onnxruntime.InferenceSession]
) -> None:
    slots, size = 7, captioner.config.vocabulary
    lows = [0, 10, 20, 30, 40, 50, 60]
    each = torch.full((slots, size), FORBIDDEN)
    for row, low in zip(each, lows, strict=True):
        row[low : low + 5] = 0
    logits = expected_logits(captioner, slots)
    for bias, starts in ((each, lows), (each[2:3], [lows[2]] * slots)):
        (ids, top, logsumexp, entropy, _, _), _ = full_pass(captioner, sessions["window"], slots, bias)
        allowed = torch.stack([row[low : low + 5] for row, low in zip(logits, starts, strict=True)])
        best = allowed.topk(TOP)
        assert torch.equal(ids, best.indices + torch.tensor(starts)[:, None])
        close(top, best.values)
        close(logsumexp, allowed.logsumexp(-1))
        close(entropy, torch.distributions.Categorical(logits=allowed).entropy())


@pytest.mark.parametrize("window", [[0], [39], [5, 6, 7, 30], list(range(0, 40, 2))])
def test_rows_from_the_cache_stand_for_computed_rows(
    captioner: CaptionerModel, sessions: dict[str, onnxruntime.InferenceSession], window: list[int]
) -> None:
    whole, context = full_pass(captioner, sessions["window"], 40)
    positions = torch.tensor(window)
    k, v = (cache.clone() for cache in whole[4:])
    for cache in (k, v):
        cache[:, :, positions] = torch.nan  # the window's own rows must not be read from the cache
    rows = captioner.embedding(canvas_of(captioner, 40)[positions])
    feeds = (rows, positions, torch.arange(len(window)), no_bias(captioner), *context, k, v)
    ids, *numbers = run(sessions["window"], *feeds)
    assert torch.equal(ids, whole[0][positions])
    for ours, theirs in zip(numbers[:3], whole[1:4], strict=True):
        close(ours, theirs[positions])
    for ours, theirs in zip(numbers[3:], whole[4:], strict=True):
        close(ours, theirs[:, :, positions])


def test_padded_batch_rows_equal_single_runs(captioner: CaptionerModel) -> None:
    lengths, width, per = [3, 11, 24], captioner.config.whisper.width, captioner.config.frames_per_slot
    torch.manual_seed(0)
    states = torch.randn(len(lengths), max(lengths) * per, width)
    ids = torch.randint(captioner.config.vocabulary + 1, (len(lengths), max(lengths)))
    hidden = captioner(ids, states, torch.tensor(lengths))
    for b, slots in enumerate(lengths):
        alone = captioner(ids[b : b + 1, :slots], states[b : b + 1, : slots * per], torch.tensor([slots]))
        close(hidden[b, :slots], alone[0])


def test_blank_penalty_lowers_blank_and_nothing_else(captioner: CaptionerModel) -> None:
    slots, size, penalty = 7, captioner.config.vocabulary, 3.0
    every, rows = torch.arange(slots), captioner.embedding(canvas_of(captioner, slots))
    context, caches = Context(captioner)(mel_of(captioner, slots))[:3], empty_caches(captioner, slots)
    ids, sorted_logits, logsumexp, *_ = CaptionWindow(captioner, size, penalty)(
        rows, every, every, no_bias(captioner), *context, *caches
    )
    expected = expected_logits(captioner, slots)
    expected[:, BLANK] -= penalty
    close(torch.zeros(slots, size).scatter(1, ids, sorted_logits), expected)
    close(logsumexp, expected.logsumexp(-1))


# ---- the parts


def test_slots_average_the_two_halves(captioner: CaptionerModel) -> None:
    per, width = captioner.config.frames_per_slot, captioner.config.whisper.width
    states = torch.randn(1, 3 * per, width)
    slot = states[0, per : 2 * per]
    halves = torch.cat([slot[: per // 2].mean(0), slot[per // 2 :].mean(0)])
    close(captioner.slots(states)[0, 1], captioner.slot_map.weight @ halves + captioner.slot_map.bias)


def test_nearness_falls_by_the_head_slope_for_each_slot_of_distance(captioner: CaptionerModel) -> None:
    per, heads = captioner.config.frames_per_slot, captioner.config.whisper.heads
    slopes = [10 ** (0.3 - 2.8 * h / (heads - 1)) for h in range(heads)]
    positions, frames = [0, 4, 9], 10 * per
    near = captioner.near(torch.tensor(positions), frames)
    for h, slope in enumerate(slopes):
        for w, position in enumerate(positions):
            for t in (0, 1, 4 * per, 5 * per - 1, frames - 1):
                distance = abs((position + 0.5) - (t + 0.5) / per)  # center of the slot to center of the frame
                assert near[h, w, t].item() == pytest.approx(-slope * distance, abs=ATOL)


def test_from_whisper_keeps_weights_and_chosen_rows(captioner: CaptionerModel) -> None:
    torch.manual_seed(5)
    whisper = Whisper(replace(captioner.config.whisper, vocabulary=50)).requires_grad_(False)
    for parameter in whisper.parameters():
        parameter.normal_()
    rows = [49, 3, 0, 17, 3]
    model = CaptionerModel.from_whisper(whisper, CaptionerConfig(whisper.config, 3, rarer=2), rows, prompt := [7, 8])
    state = model.state_dict()
    kept = {f"encoder.{name}": value for name, value in whisper.encoder.state_dict().items()}
    kept |= {name: value for name, value in whisper.decoder.state_dict().items() if name != "embedding.weight"}
    kept["positions"] = kept["positions"][: model.config.slots]
    for name, value in kept.items():
        assert torch.equal(state[name], value), name
    for name, value in whisper.decoder.state_dict().items():
        if name != "embedding.weight":
            assert torch.equal(state[f"verifier.{name}"], value), name
    kept |= {name: value for name, value in state.items() if name.startswith("verifier.")}
    assert state.keys() - kept.keys() == {"slot_map.weight", "slot_map.bias", "nearness"}
    embedding = whisper.decoder.embedding.weight
    assert torch.equal(state["verifier.embedding.weight"][[*range(3), *range(6, 8)]], embedding[rows])
    assert torch.equal(state["verifier.embedding.weight"][list(model.config.prompt_ids)], embedding[prompt])
    close(model.embedding.weight[model.config.mask], embedding[rows[:3]].mean(0))
    model.embedding.weight.data.zero_()
    assert embedding[rows].abs().min() > 0  # Whisper's own table is not shared
