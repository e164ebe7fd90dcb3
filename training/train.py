"""Train the captioner: Whisper's decoder learns to fill masked slots while the encoder stays as it is.

    python -m unmask.training.train --whisper WHISPER --cache CACHE --out RUN --minutes 90

Resumes from RUN/last.pt when it is there; appends one JSON line per report to RUN/log.jsonl. `--device cuda` runs the same.
"""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import jiwer
import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor
from whisper_normalizer.english import EnglishTextNormalizer

from unmask.export.captioner import BLANK, Captioner, CaptionerConfig
from unmask.export.whisper import load_whisper
from unmask.training.timeline import Label, Masking, Sample, Timeline, batches, read_labels
from unmask.training.vocabulary import source_ids

NORMAL = EnglishTextNormalizer()


@dataclass(frozen=True)
class Train:
    whisper: Path
    cache: Path
    out: Path
    minutes: float = 90.0
    """Training time in all, earlier runs included; the learning rate falls to zero over it."""
    until: float = math.inf
    """Stop at so many minutes although the learning rate falls over `minutes`: for what comes in between."""
    frames_per_slot: int = 8
    frames_per_batch: int = 16_000
    peak: float = 6e-4
    """Learning rate after warming up."""
    warmup_steps: int = 200
    average: float = 0.998
    """Decay of the weights' moving average, which is what ships."""
    soft: float = 0.4
    """Share of the target that is the teacher's distribution."""
    anchor: float = 0.25
    """Weight of the given alignment on fully masked canvases, where the CTC loss may find its own. With the alignment alone a
    token that may stand in either of two slots gets half of each, blank wins both, and the word is lost."""
    held_out: int = 96
    report_steps: int = 200
    device: str = "cpu"
    seed: int = 0


def main(options: Annotated[Train, cyclopts.Parameter(name="*")]) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_float32_matmul_precision("medium")  # bf16 inside the backward pass too, where the CPU has it
    run = Run(options)
    run.resume()
    epoch = np.random.default_rng([options.seed, run.step])
    stop_s = 60 * min(options.minutes, options.until)
    while run.elapsed < stop_s:
        for group in batches(run.labels, options.frames_per_batch, epoch):
            samples = [s for s in (run.timeline.sample(label, epoch) for label in group) if s is not None]
            if not samples:
                continue
            run.update(samples)
            if run.step % options.report_steps == 0:
                run.report()
            if run.elapsed >= stop_s:
                break
    if run.losses:
        run.report()


class Run:
    """Everything that a checkpoint holds, and the two things done with it: update and report."""

    def __init__(self, options: Train) -> None:
        self.options = options
        torch.manual_seed(options.seed)
        whisper = load_whisper(options.whisper)
        self.tokenizer = Tokenizer.from_file(str(options.cache / "tokenizer.json"))
        rows = source_ids(self.tokenizer, Tokenizer.from_file(str(options.whisper / "tokenizer.json")))
        self.config = CaptionerConfig(whisper.config, len(rows), options.frames_per_slot)
        self.model = Captioner.from_whisper(whisper, self.config, rows).to(options.device)
        self.model.encoder.requires_grad_(False)
        self.averaged = {name: p.detach().clone() for name, p in self.model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=options.peak,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        labels = read_labels(options.cache)
        held = np.random.default_rng(0).permutation(len(labels))[: options.held_out]
        self.held = [labels[i] for i in held]
        self.labels = [label for i, label in enumerate(labels) if i not in set(held.tolist())]
        self.timeline = Timeline(options.cache, whisper.config.width, options.frames_per_slot, self.config.mask, Masking())
        self.step, self.elapsed, self.losses = 0, 0.0, list[float]()

    def update(self, samples: list[Sample]) -> None:
        began = time.monotonic()
        done = min(1.0, self.elapsed / (60 * self.options.minutes))
        rate = (
            self.options.peak
            * min(1.0, (self.step + 1) / self.options.warmup_steps)
            * max(0.02, 0.5 + 0.5 * float(np.cos(np.pi * done)))
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(samples)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        decay = min(self.options.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                if p.requires_grad:
                    self.averaged[name].lerp_(p, 1 - decay)
        self.step += 1
        self.losses.append(float(loss.detach()))
        self.elapsed += time.monotonic() - began

    def loss(self, samples: list[Sample]) -> Tensor:
        device, longest = self.options.device, max(len(s.target) for s in samples)
        per = self.config.frames_per_slot

        def stack(arrays: list[np.ndarray], rows: int) -> Tensor:
            out = np.zeros((len(arrays), rows, *arrays[0].shape[1:]), dtype=arrays[0].dtype)
            for into, array in zip(out, arrays, strict=True):
                into[: len(array)] = array
            return torch.from_numpy(out).to(device)

        states = F.dropout(stack([s.states for s in samples], longest * per).bfloat16(), 0.1)
        target, masked = stack([s.target for s in samples], longest), stack([s.masked for s in samples], longest)
        lengths = torch.tensor([len(s.target) for s in samples], device=device)
        with torch.autocast(device, torch.bfloat16):
            hidden = self.model(stack([s.shown for s in samples], longest), states, lengths)
            logits = self.model.logits(hidden[masked])
        log_p = F.log_softmax(logits.float(), -1)  # (M, V), masked rows only
        hard = F.nll_loss(log_p, target[masked], reduction="none")
        soft_ids, soft = stack([s.soft_ids for s in samples], longest)[masked], stack([s.soft for s in samples], longest)[masked]
        teacher = -(log_p.gather(-1, soft_ids) * soft).sum(-1)
        share = self.options.soft * soft.sum(-1)  # zero at blanks
        full = torch.tensor([bool(s.masked.all() and (s.target != BLANK).any()) for s in samples], device=device)
        weight = torch.where(full, self.options.anchor, 1.0)[:, None].expand_as(masked)[masked]
        aligned = (weight * ((1 - share) * hard + self.options.soft * teacher)).sum()
        free = self._ctc(log_p.split(masked.sum(1).tolist()), target, lengths, torch.nonzero(full)[:, 0].tolist())
        return (aligned + free) / masked.sum()

    def _ctc(self, log_p: tuple[Tensor, ...], target: Tensor, lengths: Tensor, full: list[int]) -> Tensor:
        """Summed CTC loss of the fully masked canvases of a batch. log_p: for each canvas (masked, V)."""
        if not full:
            return target.new_zeros((), dtype=torch.float32)
        padded = torch.nn.utils.rnn.pad_sequence([log_p[i] for i in full])  # (S, B, V)
        tokens = [target[i][target[i] != BLANK] for i in full]
        sizes = torch.tensor([len(t) for t in tokens], device=target.device)
        return F.ctc_loss(padded, torch.cat(tokens), lengths[full], sizes, blank=BLANK, reduction="sum", zero_infinity=True)

    def report(self) -> None:
        """Save, then log loss and the word error rate of one pass over held-out utterances."""
        torch.save(
            {
                "model": self.model.state_dict(),
                "averaged": self.averaged,
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "elapsed": self.elapsed,
            },
            self.options.out / "last.part",
        )
        (self.options.out / "last.part").replace(self.options.out / "last.pt")
        row = {
            "step": self.step,
            "minutes": round(self.elapsed / 60, 2),
            "loss": round(float(np.mean(self.losses)), 4),
            "held_out_wer": round(self.held_out_wer(), 4),
        }
        self.losses.clear()
        with open(self.options.out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        print(row, self.caption(self.held[0]), flush=True)

    def held_out_wer(self, blank_penalty: float = 0.0) -> float:
        """Word error rate of one pass over the held-out utterances."""
        pairs = [(NORMAL(label.text), NORMAL(self.caption(label, blank_penalty))) for label in self.held]
        pairs = [(text, said) for text, said in pairs if text]
        return float(jiwer.wer([text for text, _ in pairs], [said for _, said in pairs]))

    @torch.inference_mode()
    def caption(self, label: Label, blank_penalty: float = 0.0) -> str:
        """One pass of the averaged weights."""
        states = torch.from_numpy(self.timeline.full(label).astype(np.float32))[None].to(self.options.device)
        slots = states.shape[1] // self.config.frames_per_slot
        ids = torch.full((1, slots), self.config.mask, device=self.options.device)
        weights = {**dict(self.model.named_parameters()), **self.averaged}
        with torch.autocast(self.options.device, torch.bfloat16):
            hidden = torch.func.functional_call(
                self.model, weights, (ids, states, torch.tensor([slots], device=self.options.device))
            )
            logits = hidden @ weights["embedding.weight"][: self.config.vocabulary].T
        logits[..., BLANK] -= blank_penalty
        best = logits.argmax(-1)[0].tolist()
        kept = [token for i, token in enumerate(best) if token != BLANK and (i == 0 or best[i - 1] != token)]
        return self.tokenizer.decode(kept).strip()

    def resume(self) -> None:
        path = self.options.out / "last.pt"
        if path.exists():
            saved = torch.load(path, map_location=self.options.device, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.averaged = saved["averaged"]
            self.step, self.elapsed = saved["step"], saved["elapsed"]


def load_averaged(options: Train) -> Captioner:
    """The averaged weights of a run, which are what ships."""
    whisper = load_whisper(options.whisper)
    tokenizer = Tokenizer.from_file(str(options.cache / "tokenizer.json"))
    model = Captioner(CaptionerConfig(whisper.config, tokenizer.get_vocab_size(), options.frames_per_slot))
    saved = torch.load(options.out / "last.pt", weights_only=True)
    model.load_state_dict({**saved["model"], **saved["averaged"]})
    return model.eval()


if __name__ == "__main__":
    cyclopts.run(main)
