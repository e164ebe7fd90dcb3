"""Train the captioner: Whisper's encoder and two copies of its decoder, one to fill masked slots and one to verify.

    python -m unmask.training.captions.train --whisper WHISPER --cache CACHE --out RUN --minutes 90

Resumes from RUN/last.pt if it exists, and appends one JSON line per report to RUN/log.jsonl. `--device cuda` uses a GPU.
"""

import copy
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from unmask.benchmarks.measure.word_errors import word_error_rate
from unmask.bundle.manifest import load_bundle
from unmask.export.modules.captioner import BLANK, CaptionerConfig, CaptionerModel
from unmask.export.modules.whisper import Whisper
from unmask.export.reload import reload_captioner
from unmask.training.captions.loss import LossWeights, losses, stack
from unmask.training.captions.teacher import DecoderPrompt, greedy
from unmask.training.captions.timeline import Label, Masking, Sample, SampleMaker, batches, read_labels, wordless
from unmask.training.captions.vocabulary import source_ids, spelling_tokenizer
from unmask.training.captions.whisper_weights import load_whisper

PROMPT = ("<|startoftranscript|>", "<|notimestamps|>")  # tokens that the verifier reads before a text
MARKS = ("<|mask|>", *PROMPT)


@dataclass(frozen=True)
class Train:
    whisper: Path
    cache: Path
    out: Path
    minutes: float = 90.0
    """Total training time, with earlier runs. The learning rate falls to zero over it. 0 keeps the initial weights."""
    until: float = math.inf
    """Stop after this many minutes, to resume later; the learning rate still falls over `minutes`."""
    frames_per_slot: int = 8
    frames_per_batch: int = 16_000
    peak: float = 3e-4
    """Learning rate of the timeline's decoder after warming up."""
    peak_encoder: float = 1e-4
    peak_verifier: float = 4e-5
    rarer: int | None = 24_000
    """Number of tokens that only the verifier predicts, the most frequent in Whisper's training text; None: all of Whisper's.
    With the default, and rows in 4 bits, a bundle stays below 40 MiB."""
    start: Path | None = None
    """Begin with the averaged weights of this earlier run, or with a bundle. Tokens that it lacks start from Whisper's."""
    start_encoder: float = 1.0
    """Share of the earlier run's encoder in a mean with Whisper's: the mean generalizes better than either (WiSE-FT, Wortsman et
    al. 2021, arXiv 2109.01903)."""
    start_verifier: float = 1.0
    """The same for its verifier."""
    weights: LossWeights = field(default_factory=LossWeights)
    masking: Masking = field(default_factory=Masking)
    repeat: int = 1
    """Times that an epoch reads each recording whose word times are known. Synthetic speech is read once."""
    warmup_steps: int = 200
    average: float = 0.998
    """Decay of the moving average of the weights, which is released."""
    held_out: int = 96
    """Recordings held out to measure word errors, drawn at random from the real ones."""
    held_out_written: int = 64
    """More recordings held out, of ljspeech: its `raw` text has the correct case and punctuation."""
    report_steps: int = 150
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
    elif run.step == 0:
        run.save()


class Run:
    """A training run: the state that a checkpoint holds, and the two things done with it, update and report."""

    def __init__(self, options: Train) -> None:
        self.options = options
        torch.manual_seed(options.seed)
        whisper = load_whisper(options.whisper)
        self.config, self.tokenizer = settings(options, whisper)
        source = Tokenizer.from_file(str(options.whisper / "tokenizer.json"))
        rows, prompt = source_ids(self.tokenizer, source, MARKS), [source.token_to_id(token) for token in PROMPT]
        self.model = CaptionerModel.from_whisper(whisper, self.config, rows, prompt).to(options.device)
        if options.start:
            self._begin_from(options.start)
        self.averaged = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.optimizer = torch.optim.AdamW(self._rates(), betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.held, self.labels = split(read_labels(options.cache, self.tokenizer), options)
        if not self.labels:
            raise ValueError(f"{options.cache}: nothing is left to train on after {options.held_out} held-out recordings")
        self.labels += [label for label in self.labels if label.center is not None] * (options.repeat - 1)
        self.labels += wordless(options.cache)
        self.timeline = SampleMaker(options.cache, options.frames_per_slot, self.config.mask, options.masking)
        self.step, self.elapsed, self.losses = 0, 0.0, list[tuple[float, float]]()

    @torch.no_grad()
    def _begin_from(self, earlier: Path) -> None:
        saved = weights_of(earlier, self.options.device)
        shares = {"encoder": self.options.start_encoder, "verifier": self.options.start_verifier}
        for name, p in self.model.named_parameters():
            share, earlier_p = shares.get(name.split(".")[0], 1.0), saved[name]
            p[: len(earlier_p)].lerp_(earlier_p, share)  # an embedding may lack the rarest tokens

    def _rates(self) -> list[dict[str, object]]:
        parts: dict[float, list[Tensor]] = {}
        for name, p in self.model.named_parameters():
            part = name.split(".")[0]
            peak = {"encoder": self.options.peak_encoder, "verifier": self.options.peak_verifier}.get(part, self.options.peak)
            parts.setdefault(peak, []).append(p)
        return [{"params": group, "lr": peak, "peak": peak} for peak, group in parts.items()]

    def update(self, samples: list[Sample]) -> None:
        began = time.monotonic()
        done = min(1.0, self.elapsed / (60 * self.options.minutes))
        share = min(1.0, (self.step + 1) / self.options.warmup_steps) * max(0.02, 0.5 + 0.5 * math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        self.model.train()
        loss = losses(self.model, samples, self.options.weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total(self.options.weights).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        decay = min(self.options.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                self.averaged[name].lerp_(p, 1 - decay)
        self.step += 1
        self.losses.append((float(loss.timeline.detach()), float(loss.verifier.detach())))
        self.elapsed += time.monotonic() - began

    def save(self) -> None:
        """Replace the checkpoint atomically."""
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

    def report(self) -> None:
        """Save, then log loss and the word error rate of one pass over held-out utterances."""
        self.save()
        loss, verifier_loss = np.mean(self.losses, 0)
        row = {
            "step": self.step,
            "minutes": round(self.elapsed / 60, 2),
            "loss": round(loss, 4),
            "verifier_loss": round(verifier_loss, 4),
        }
        row |= {name: round(wer, 4) for name, wer in self.held_out_wer().items()}
        self.losses.clear()
        with open(self.options.out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        print(row, flush=True)

    @torch.inference_mode()
    def held_out_wer(self, blank_penalties: tuple[float, ...] = (0.0, 1.5)) -> dict[str, float]:
        """Word error rates of the averaged weights: of one pass with each blank penalty, and of the verifier's text."""
        model = copy.deepcopy(self.model)
        model.load_state_dict({**model.state_dict(), **self.averaged})
        model.eval()
        device, per = self.options.device, self.config.frames_per_slot
        said: dict[str, list[str]] = {}
        for start in range(0, len(self.held), 16):
            mels = [self.timeline.clean(label) for label in self.held[start : start + 16]]
            lengths = torch.tensor([m.shape[1] // (2 * per) for m in mels], device=device)
            mel = stack([m.T for m in mels], 2 * per * int(lengths.max()), torch.device(device)).transpose(1, 2)
            exists = (torch.arange(mel.shape[2] // 2, device=device) < per * lengths[:, None])[:, None, None]
            with torch.autocast(device, torch.bfloat16):
                states = model.encoder(mel, exists)
                masks = torch.full((len(mels), int(lengths.max())), self.config.mask, device=device)
                logits = model.logits(model(masks, states, lengths)).float()
            for penalty in blank_penalties:
                logits[..., BLANK] -= penalty
                best = logits.argmax(-1)
                said.setdefault(f"wer_{penalty:g}", []).extend(
                    self._text(row[:length].tolist()) for row, length in zip(best, lengths, strict=True)
                )
                logits[..., BLANK] += penalty
            voice = DecoderPrompt(self.config.prompt_ids, BLANK, self.config.marks)
            for ids in greedy(model.verifier, states.float(), (per * lengths).tolist(), voice):
                said.setdefault("wer_verifier", []).append(self.tokenizer.decode(ids).strip())
        return {name: word_error_rate([label.text for label in self.held], texts) for name, texts in said.items()}

    def _text(self, slots: list[int]) -> str:
        kept = [token for i, token in enumerate(slots) if token != BLANK and (i == 0 or slots[i - 1] != token)]
        return self.tokenizer.decode(kept).strip()

    def resume(self) -> None:
        path = self.options.out / "last.pt"
        if path.exists():
            saved = torch.load(path, map_location=self.options.device, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.averaged = saved["averaged"]
            self.step, self.elapsed = saved["step"], saved["elapsed"]


def settings(options: Train, whisper: Whisper) -> tuple[CaptionerConfig, Tokenizer]:
    """The captioner's sizes and its tokenizer, whose first ids are those of the canvas."""
    canvas = Tokenizer.from_file(str(options.cache / "tokenizer.json"))
    whole = spelling_tokenizer(canvas, options.whisper / "tokenizer.json", MARKS, options.rarer)
    own = canvas.get_vocab_size()
    rarer = whole.get_vocab_size() - own - len(MARKS)
    return CaptionerConfig(whisper.config, own, options.frames_per_slot, len(PROMPT), rarer), whole


def weights_of(earlier: Path, device: str) -> dict[str, Tensor]:
    """Averaged weights of a run, or those of a bundle."""
    if (earlier / "last.pt").exists():
        averaged: dict[str, Tensor] = torch.load(earlier / "last.pt", map_location=device, weights_only=True)["averaged"]
        return averaged
    model, _ = reload_captioner(load_bundle(earlier))
    return {name: p.detach().to(device) for name, p in model.named_parameters()}


def split(labels: list[Label], options: Train) -> tuple[list[Label], list[Label]]:
    """The recordings held out to measure word errors, and those to train on. Those held out for case are in neither."""
    real = [i for i, label in enumerate(labels) if label.center is not None]
    held = {real[i] for i in np.random.default_rng(0).permutation(len(real))[: options.held_out]}
    written = sorted(label.id for label in labels if label.id.startswith("lj-"))[: options.held_out_written]
    kept_back = held | {i for i, label in enumerate(labels) if label.id in set(written)}
    held = {i for i in held if labels[i].id not in set(written)}
    return [labels[i] for i in sorted(held)], [label for i, label in enumerate(labels) if i not in kept_back]


def load_averaged(options: Train) -> CaptionerModel:
    """The captioner with the averaged weights of a run, which are released."""
    model = CaptionerModel(settings(options, load_whisper(options.whisper))[0])
    saved = torch.load(options.out / "last.pt", map_location="cpu", weights_only=True)
    model.load_state_dict({**saved["model"], **saved["averaged"]})
    return model.eval()


if __name__ == "__main__":
    cyclopts.run(main)
