"""What training minimizes: masked slots of the timeline (cross-entropy and CTC), and the verifier's next tokens."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unmask.export.modules.captioner import BLANK, CaptionerModel
from unmask.training.captions.timeline import Sample


@dataclass(frozen=True)
class LossWeights:
    soft: float = 0.4
    """Share of a slot's target that is the teacher's distribution."""
    anchor: float = 0.25
    """Weight of the teacher's times on fully masked canvases, where the CTC loss may find other times. With the teacher's times
    alone, a token that fits either of two slots gets half of each, blank wins both, and the word is lost."""
    verifier: float = 1.0


@dataclass(frozen=True)
class Losses:
    timeline: Tensor  # per masked slot
    verifier: Tensor  # per token

    def total(self, weights: LossWeights) -> Tensor:
        return self.timeline + weights.verifier * self.verifier


def losses(model: CaptionerModel, samples: list[Sample], weights: LossWeights) -> Losses:
    """Both losses of a batch, under bf16 autocast on the model's device."""
    device, per = model.positions.device, model.config.frames_per_slot
    lengths = torch.tensor([len(s.target) for s in samples], device=device)
    slots = int(lengths.max())
    mel = stack([s.mel.T for s in samples], 2 * per * slots, device).transpose(1, 2)
    exists = (torch.arange(slots * per, device=device) < per * lengths[:, None])[:, None, None]
    with torch.autocast(device.type, torch.bfloat16):
        states = F.dropout(model.encoder(mel, exists), 0.1, model.training)
        masked = stack([s.masked for s in samples], slots, device)
        hidden = model(stack([s.shown for s in samples], slots, device), states, lengths)
        logits = model.logits(hidden[masked])
        texts = max(len(s.before) for s in samples)
        after = stack([s.after for s in samples], texts + 1, device, fill=-100)
        known = after != -100
        expected = model.next_logits(stack([s.before for s in samples], texts, device), states, exists)[known]
    timeline = _timeline_loss(F.log_softmax(logits.float(), -1), samples, masked, lengths, weights)
    return Losses(timeline, _text_loss(F.log_softmax(expected.float(), -1), after[known], list(model.config.marks)))


def _text_loss(log_p: Tensor, after: Tensor, marks: list[int], smooth: float = 0.05) -> Tensor:
    """Cross-entropy with label smoothing (Szegedy et al. 2016, arXiv 1512.00567) over all tokens except the marks: their logits
    are so low that their share of the target would be lost whatever the model predicts."""
    everywhere = log_p.sum(-1) - log_p[:, marks].sum(-1)
    right = log_p.gather(-1, after[:, None])[:, 0]
    return -((1 - smooth) * right + smooth * everywhere / (log_p.shape[-1] - len(marks))).mean()


def stack(arrays: list[NDArray[np.generic]], rows: int, device: torch.device, fill: int = 0) -> Tensor:
    """Arrays of different lengths as one tensor, padded at the end to `rows`."""
    out = np.full((len(arrays), rows, *arrays[0].shape[1:]), fill, dtype=arrays[0].dtype)
    for into, array in zip(out, arrays, strict=True):
        into[: len(array)] = array
    return torch.from_numpy(out).to(device)


def _timeline_loss(log_p: Tensor, samples: list[Sample], masked: Tensor, lengths: Tensor, weights: LossWeights) -> Tensor:
    """log_p (M, V): masked rows only, sample by sample."""
    device, slots = log_p.device, masked.shape[1]
    target = stack([s.target for s in samples], slots, device)
    hard = F.nll_loss(log_p, target[masked], reduction="none")
    soft_ids, soft = (stack([getattr(s, name) for s in samples], slots, device)[masked] for name in ("soft_ids", "soft"))
    teacher = -(log_p.gather(-1, soft_ids) * soft).sum(-1)
    share = weights.soft * soft.sum(-1)  # zero at blanks
    full = [bool(s.masked.all()) for s in samples]
    weight = torch.tensor([weights.anchor * s.timed if all_masked else 1.0 for s, all_masked in zip(samples, full, strict=True)])
    weight = weight.to(device)[:, None].expand_as(masked)[masked]
    aligned = (weight * ((1 - share) * hard + weights.soft * teacher)).sum()
    free = _ctc(log_p.split(masked.sum(1).tolist()), samples, lengths, [i for i, all_masked in enumerate(full) if all_masked])
    return (aligned + free) / masked.sum()


def _ctc(log_p: tuple[Tensor, ...], samples: list[Sample], lengths: Tensor, full: list[int]) -> Tensor:
    """Summed CTC loss of the fully masked canvases of a batch. log_p: for each canvas (masked, V)."""
    if not full:
        return log_p[0].new_zeros(())
    padded = torch.nn.utils.rnn.pad_sequence([log_p[i] for i in full])  # (S, B, V)
    tokens = [samples[i].tokens for i in full]
    sizes = torch.tensor([len(t) for t in tokens], device=padded.device)
    flat = torch.from_numpy(np.concatenate(tokens)).to(padded.device)
    return F.ctc_loss(padded, flat, lengths[full], sizes, blank=BLANK, reduction="sum", zero_infinity=True)
