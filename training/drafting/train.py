"""Teach a drafter to write a Moonshine decoder's text in one pass over the encoder's states.

    python -m unmask.training.drafting.train --moonshine MOONSHINE --cache CACHE --out RUN --minutes 360

The encoder and the decoder stay as they are. Resumes from RUN/last.pt and appends a JSON line for each report to RUN/log.jsonl.
RUN/draft.safetensors holds the averaged parameters of the last report.
"""

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
import torch.nn.functional as F
from rapidfuzz.distance import Levenshtein
from safetensors.torch import save_file
from torch import Tensor

from unmask.export.checkpoint.pieces import moonshine_tokenizer
from unmask.export.modules.drafter import GIVEN, Drafter
from unmask.export.moonshine_weights import load_drafter, load_moonshine
from unmask.training.drafting.batches import Batch, Stacker, batches, draftable, read_shards
from unmask.training.drafting.prepare import Heard

LONGEST_STRETCH = 21  # states


@dataclass(frozen=True)
class Train:
    moonshine: Path
    """A Moonshine checkpoint."""
    cache: Path
    """What `prepare` wrote."""
    out: Path
    minutes: float = 360.0
    """Total training time, with earlier runs. The learning rate falls over it."""
    until: float = math.inf
    """Stop after this many minutes, to resume later; the learning rate still falls over `minutes`."""
    start: Path | None = None
    """Begin with the parameters of this `draft.safetensors`, and also draft tokens that only these texts have."""
    least: int = 3
    """Tokens that occur more seldom in the texts are never drafted."""
    batch: int = 16
    peak: float = 2e-3
    warmup_steps: int = 100
    average: float = 0.998
    """Decay of the moving average of the parameters, which is released."""
    letters_weight: float = 0.3
    """Weight of the letters in the loss, relative to the tokens in slots."""
    aligned_weight: float = 0.15
    """The same of the slots in which tokens are heard, as the decoder's attention tells them."""
    none_weight: float = 0.15
    """The same of an empty slot, relative to one with a token, in the aligned loss."""
    aligned_steps: int = 200
    """At first the aligned loss alone places the tokens, with a weight of 1."""
    hidden_share: float = 0.12
    """Share of the states that are hidden in training, in stretches of half a second at most."""
    dropped_share: float = 0.15
    """Share of the channels that are, state by state."""
    held_out: int = 1
    """Shards held out to measure."""
    report_steps: int = 100
    threads: int = 2
    seed: int = 0


def main(options: Annotated[Train, cyclopts.Parameter(name="*")]) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    run = Run(options)
    run.resume()
    stop_s = 60 * min(options.minutes, options.until)
    while run.elapsed < stop_s:
        rng = np.random.default_rng([options.seed, run.step])
        for group in batches(run.recordings, options.batch, rng):
            run.update(run.stack(group))
            if run.step % options.report_steps == 0:
                run.report()
            if run.elapsed >= stop_s:
                break
        else:
            run.read()
    run.report()


class Run:
    """A training run: the state that a checkpoint holds, and the two things done with it, update and report."""

    def __init__(self, options: Train) -> None:
        self.options = options
        torch.manual_seed(options.seed)
        self.read()
        model = load_moonshine(options.moonshine)
        ids = draftable(self.recordings, options.least)
        if options.start:
            self.drafter = extended(load_drafter(model, options.start), ids, model.decoder.embed_tokens.weight).train()
        else:
            self.drafter = Drafter(ids, model.decoder.embed_tokens.weight[ids])
        self.stack = Stacker(self.drafter.ids, moonshine_tokenizer(options.moonshine))
        self.learned = [p for p in self.drafter.parameters() if p.requires_grad]
        self.averaged = {name: value.clone() for name, value in self.state().items()}
        self.optimizer = torch.optim.AdamW(self.learned, lr=options.peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.step, self.elapsed, self.losses = 0, 0.0, list[list[float]]()
        self.random = torch.Generator().manual_seed(options.seed)

    def read(self) -> None:
        """The recordings that `prepare` has finished by now."""
        self.recordings, self.held = read_shards(self.options.cache, self.options.held_out)
        if not self.recordings:
            raise ValueError(
                f"{self.options.cache}: no shard to train on; run `python -m unmask.training.drafting.prepare` first"
            )

    def state(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.drafter.state_dict().items() if name != GIVEN}

    def update(self, batch: Batch) -> None:
        began, options = time.monotonic(), self.options
        done = min(1.0, self.elapsed / (60 * options.minutes))
        share = min(1.0, (self.step + 1) / options.warmup_steps) * max(0.03, 0.5 + 0.5 * math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = options.peak * share
        shown = replace(batch, states=hidden(batch.states, options.hidden_share, options.dropped_share, self.random))
        letters, slots, aligned = losses(self.drafter, shown, options.none_weight)
        placing = options.start is None and self.step < options.aligned_steps
        loss = options.letters_weight * letters + (aligned if placing else slots + options.aligned_weight * aligned)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learned, 1.0)
        self.optimizer.step()
        decay = min(options.average, (1 + self.step) / (10 + self.step))
        for name, value in self.state().items():
            if value.is_floating_point():
                self.averaged[name].lerp_(value, 1 - decay)
        self.losses.append([float(part.detach()) for part in (letters, slots, aligned)])
        self.step += 1
        self.elapsed += time.monotonic() - began

    def report(self) -> None:
        current = {name: value.clone() for name, value in self.state().items()}
        self.drafter.load_state_dict(self.averaged, strict=False)
        wrong = wrong_share(self.drafter, self.held, self.stack)
        self.drafter.load_state_dict(current, strict=False)
        save_file({name: value.contiguous() for name, value in self.averaged.items()}, self.options.out / "draft.safetensors")
        parts = np.mean(self.losses, 0).round(4).tolist() if self.losses else [0.0] * 3
        line = {
            "step": self.step,
            "minutes": round(self.elapsed / 60, 1),
            **dict(zip(("letters", "slots", "aligned"), parts, strict=True)),
            "recordings": len(self.recordings),
            "wrong": round(wrong, 4),
        }
        text = json.dumps(line)
        print(text, flush=True)
        with open(self.options.out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(text + "\n")
        self.losses.clear()
        self.save()

    def save(self) -> None:
        part = self.options.out / "last.pt.part"
        state = {"drafter": self.state(), "averaged": self.averaged, "optimizer": self.optimizer.state_dict()}
        torch.save({**state, "step": self.step, "elapsed": self.elapsed}, part)
        part.replace(self.options.out / "last.pt")

    def resume(self) -> None:
        if not (self.options.out / "last.pt").exists():
            return
        saved = torch.load(self.options.out / "last.pt", weights_only=True)
        self.drafter.load_state_dict(saved["drafter"], strict=False)
        self.averaged = saved["averaged"]
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.elapsed = saved["step"], saved["elapsed"]


def extended(drafter: Drafter, ids: Tensor, table: Tensor) -> Drafter:
    """The same drafter, which can also draft the tokens `ids`. table: the decoder's embeddings of all tokens."""
    more = ids[~torch.isin(ids, drafter.ids)]
    if not len(more):
        return drafter
    every = torch.cat((drafter.ids, more))
    made, seldom = Drafter(every, table[every]), drafter.head.bias.detach().quantile(0.1)
    learned = {name: value for name, value in drafter.state_dict().items() if name not in (GIVEN, "head.bias", "ids")}
    made.load_state_dict(learned, strict=False)
    with torch.no_grad():
        made.head.bias.copy_(torch.cat((drafter.head.bias, seldom.expand(len(more)))))
    return made


def hidden(states: Tensor, share: float, dropped: float, random: torch.Generator) -> Tensor:
    """(B, S, d) -> the same with stretches of zeros, and with channels dropped (Park et al. 2019, arXiv 1904.08779).

    There are few hours of speech; without this the drafter learns their texts by heart within three passes over them.
    """
    size, count, _ = states.shape
    stretches = torch.rand(size, count, generator=random) < 2 * share / LONGEST_STRETCH
    lengths = torch.randint(1, LONGEST_STRETCH, (size, count), generator=random) * stretches
    until = (torch.arange(count) + lengths).cummax(1).values  # a stretch goes on from where it begins
    kept = (until <= torch.arange(count)).float()[..., None]
    return F.dropout(states * kept, dropped)


def losses(drafter: Drafter, batch: Batch, none_weight: float) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of letters and of tokens in slots, both over all placements (CTC), and of tokens where they are heard.

    The passes run in bf16, which is three times as fast on CPUs that have it.
    """
    with torch.autocast("cpu", torch.bfloat16):
        letters, slots = drafter(batch.states)
    scores = slots.float().log_softmax(-1)
    real = torch.arange(scores.shape[1]) < batch.slots[:, None]
    weight = torch.where(batch.aligned > 0, 1.0, none_weight) * real
    aligned = F.nll_loss(scores.flatten(0, 1), batch.aligned.flatten(), reduction="none") @ weight.flatten() / weight.sum()
    spelled = _ctc(letters.float().log_softmax(-1), batch.letters, batch.lengths)
    return spelled, _ctc(scores, batch.tokens, batch.slots), aligned


def _ctc(scores: Tensor, texts: list[Tensor], lengths: Tensor) -> Tensor:
    counts = torch.tensor([len(text) for text in texts])
    return F.ctc_loss(scores.transpose(0, 1), torch.cat(texts), lengths, counts, zero_infinity=True)


@torch.no_grad()
def wrong_share(drafter: Drafter, held: list[Heard], stack: Stacker) -> float:
    """Edits that drafts need to become the decoder's texts, per token of these."""
    wrong, count = 0, 0
    for heard in held:
        _, slots = drafter(torch.from_numpy(heard.states).float()[None])
        best = torch.unique_consecutive(slots[0].argmax(-1))
        draft = drafter.ids[best[best > 0] - 1].numpy()
        wrong += Levenshtein.distance(draft.tolist(), heard.ids[1:-1].tolist())
        count += len(heard.ids) - 2
    return wrong / count


if __name__ == "__main__":
    cyclopts.run(main)
