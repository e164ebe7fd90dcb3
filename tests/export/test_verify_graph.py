"""The verify graph against the decoder in PyTorch: with and without rows that were read before."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from tests.tiny import TINY
from unmask.bundle.manifest import load_bundle
from unmask.export.modules.captioner import CaptionerConfig, CaptionerModel, Context
from unmask.export.onnx.captioner import TOP, write_captioner

SLOTS = 9


@pytest.fixture(scope="module")
def states(captioner: CaptionerModel) -> Tensor:
    torch.manual_seed(2)
    return captioner.encoder(torch.randn(1, captioner.config.whisper.mels, 2 * SLOTS * captioner.config.frames_per_slot))


@pytest.fixture(scope="module")
def session(fp32_bundle: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(fp32_bundle / "verify.onnx", providers=["CPUExecutionProvider"])


def text(count: int) -> Tensor:
    torch.manual_seed(count)
    return torch.randint(1, 200, (1, count))


def close(ours: np.ndarray, theirs: Tensor) -> None:
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=2e-4)


@pytest.mark.parametrize("count", [0, 1, 5, 40])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_graph_is_the_decoder(
    captioner: CaptionerModel, session: onnxruntime.InferenceSession, states: Tensor, count: int, share: float
) -> None:
    """Read in one go and in two: the second part over the keys and values that the first left."""
    ids = captioner.prompted(text(count))[0]
    rows = captioner.verifier.embedding.weight[ids].numpy()
    k, v = (torch.cat([pair[i] for pair in captioner.verifier.cross(states)]).numpy() for i in (0, 1))
    layers, heads, _, size = k.shape
    past = np.zeros((layers, heads, 0, size), dtype=np.float32)
    feeds = {"verify_k": k, "verify_v": v}
    cut = min(len(ids) - 1, round(share * len(ids)))
    if cut:
        *_, past_k, past_v = session.run(None, {"rows": rows[:cut], "past_k": past, "past_v": past, **feeds})
    else:
        past_k = past_v = past
    best, top, logsumexp, _, _ = session.run(None, {"rows": rows[cut:], "past_k": past_k, "past_v": past_v, **feeds})
    expected = captioner.next_logits(text(count), states)[0]
    own = slice(max(0, captioner.config.prompt - 1 - cut), None)  # the decoder says nothing of the prompt's earlier rows
    wanted = expected[max(0, cut - captioner.config.prompt + 1) :]
    assert best[own].shape == (len(wanted), TOP)
    close(top[own], wanted.topk(TOP).values)
    np.testing.assert_array_equal(best[own][:, 0], wanted.argmax(-1).numpy())
    close(logsumexp[own], wanted.logsumexp(-1))


def test_later_tokens_change_no_earlier_row(captioner: CaptionerModel, states: Tensor) -> None:
    whole = captioner.next_logits(text(8), states)
    changed = text(8).clone()
    changed[0, 5:] = 3
    part = captioner.next_logits(changed, states)
    assert torch.equal(whole[:, :6], part[:, :6])
    assert not torch.allclose(whole[:, 6:], part[:, 6:])


def test_context_prepares_the_recording_for_the_verifier(captioner: CaptionerModel) -> None:
    torch.manual_seed(0)
    mel = torch.randn(1, captioner.config.whisper.mels, 2 * SLOTS * captioner.config.frames_per_slot)
    *_, k, v = Context(captioner)(mel)
    pairs = captioner.verifier.cross(captioner.encoder(mel))
    assert torch.equal(k, torch.cat([pair[0] for pair in pairs]))
    assert torch.equal(v, torch.cat([pair[1] for pair in pairs]))


@pytest.mark.slow
def test_the_verifier_may_write_more_than_the_canvas(tmp_path: Path, tokenizer: Tokenizer) -> None:
    torch.manual_seed(3)
    canvas, more = tokenizer.get_vocab_size(), 40
    model = CaptionerModel(CaptionerConfig(TINY, canvas, rarer=more)).eval().requires_grad_(False)
    assert (model.config.mask, *model.config.prompt_ids) == model.config.marks == (canvas, canvas + 1, canvas + 2)
    manifest = load_bundle(write_captioner(model, tokenizer.to_str(), tmp_path / "b", "t", "MIT", {})).manifest
    assert manifest.verifier is not None
    assert (manifest.vocabulary.size, manifest.verifier.embedding.rows) == (canvas, canvas + more + 3)
    states, ids = torch.randn(1, 16, TINY.width), torch.randint(1, canvas + more, (1, 60))
    k, v = (torch.cat([pair[i] for pair in model.verifier.cross(states)]).numpy() for i in (0, 1))
    past = np.zeros((*k.shape[:2], 0, k.shape[3]), np.float32)
    rows = model.verifier.embedding.weight[model.prompted(ids)[0]].numpy()
    session = onnxruntime.InferenceSession(tmp_path / "b" / "verify.onnx", providers=["CPUExecutionProvider"])
    best, top, *_ = session.run(None, {"rows": rows, "past_k": past, "past_v": past, "verify_k": k, "verify_v": v})
    expected = model.next_logits(ids, states)[0]
    close(top[1:], expected.topk(TOP).values)
    assert (best >= canvas + 3).any()
    assert not np.isin(best, model.config.marks).any(), "marks are read, never written"
