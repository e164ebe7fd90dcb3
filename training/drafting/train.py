"""Teach a Moonshine decoder to draft: mask rows after a text learn the tokens that the decoder itself would write next.

    python -m unmask.training.drafting.train --moonshine MOONSHINE --cache CACHE --out RUN --minutes 360

Only the mask rows' own parameters are trained, so causal rows write what the published decoder writes. Resumes from RUN/last.pt
and appends a JSON line for each report to RUN/log.jsonl. RUN/draft.safetensors holds the averaged parameters of the last report.
"""

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.export.modules.moonshine import KeysValues, Linear, Moonshine, Rows
from unmask.export.moonshine_weights import load_moonshine
from unmask.training.drafting.batches import Anchoring, Batch, batches, expected_places, read_shards, stack
from unmask.training.drafting.prepare import Heard


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
    """Begin with the parameters of this `draft.safetensors`."""
    rank: int = 64
    batch: int = 16
    peak: float = 1e-3
    warmup_steps: int = 100
    average: float = 0.998
    """Decay of the moving average of the parameters, which is released."""
    offset_decay: float = 0.95
    """Weight of a mask row in the loss, relative to the one before it."""
    anchoring: Anchoring = field(default_factory=Anchoring)
    held_out: int = 1
    """Shards held out to measure."""
    report_steps: int = 100
    exact: bool = False
    """Compute the frozen matrices in fp32 and not in bf16, which is three times as fast where the CPU has it."""
    threads: int = 2
    device: str = "cpu"
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
            run.update(stack(group, options.anchoring, rng), rng)
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
        self.model = load_moonshine(options.moonshine, options.rank).to(options.device)
        del self.model.encoder
        for p in self.model.parameters():
            p.requires_grad_(False)
        if not options.exact:
            for module in self.model.modules():
                if isinstance(module, Linear):
                    module.weight.data = module.weight.data.bfloat16()
                    module.bias = None if module.bias is None else torch.nn.Parameter(module.bias.bfloat16(), False)
        self.draft = {name: p.requires_grad_(True) for name, p in self.model.named_parameters() if ".draft_" in f".{name}"}
        if options.start:
            self._set(load_file(options.start))
        self.averaged = {name: p.detach().clone() for name, p in self.draft.items()}
        small = [p for name, p in self.draft.items() if name.endswith(("closeness", "shift"))]
        large = [p for name, p in self.draft.items() if not name.endswith(("closeness", "shift"))]
        groups = [{"params": large, "peak": options.peak}, {"params": small, "peak": 20 * options.peak}]
        self.optimizer = torch.optim.AdamW(groups, lr=options.peak, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        self.step, self.elapsed, self.losses = 0, 0.0, list[float]()
        self.read()

    def read(self) -> None:
        """The recordings that `prepare` has finished by now."""
        self.recordings, self.held = read_shards(self.options.cache, self.options.held_out)
        if not self.recordings:
            raise ValueError(
                f"{self.options.cache}: no shard to train on; run `python -m unmask.training.drafting.prepare` first"
            )
        seen = np.unique(np.concatenate([h.ids for h in self.recordings + self.held]))
        self.tokens = torch.from_numpy(seen).long()  # the softmax of the loss runs over these

    def _set(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, p in self.draft.items():
                p.copy_(values[name])

    def update(self, batch: Batch, rng: np.random.Generator) -> None:
        began = time.monotonic()
        done = min(1.0, self.elapsed / (60 * self.options.minutes))
        share = min(1.0, (self.step + 1) / self.options.warmup_steps) * max(0.03, 0.5 + 0.5 * math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        loss = draft_loss(self.model, batch, self.tokens, self.options, rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.draft.values()), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            decay = min(self.options.average, (1 + self.step) / (10 + self.step))
            for name, p in self.draft.items():
                self.averaged[name].lerp_(p, 1 - decay)
        self.losses.append(float(loss.detach()))
        self.step += 1
        self.elapsed += time.monotonic() - began

    def report(self) -> None:
        current = {name: p.detach().clone() for name, p in self.draft.items()}
        self._set(self.averaged)
        measured = measure(self.model, self.held, self.options)
        save_file({name: p.detach().contiguous() for name, p in self.draft.items()}, self.options.out / "draft.safetensors")
        self._set(current)
        loss = sum(self.losses) / max(1, len(self.losses))
        line = {
            "step": self.step,
            "minutes": round(self.elapsed / 60, 1),
            "loss": round(loss, 4),
            "recordings": len(self.recordings),
        }
        line_text = json.dumps({**line, **measured})
        print(line_text, flush=True)
        with open(self.options.out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(line_text + "\n")
        self.losses.clear()
        self.save()

    def save(self) -> None:
        part = self.options.out / "last.pt.part"
        state = {"draft": {name: p.detach() for name, p in self.draft.items()}, "averaged": self.averaged}
        torch.save({**state, "optimizer": self.optimizer.state_dict(), "step": self.step, "elapsed": self.elapsed}, part)
        part.replace(self.options.out / "last.pt")

    def resume(self) -> None:
        if not (self.options.out / "last.pt").exists():
            return
        saved = torch.load(self.options.out / "last.pt", weights_only=True, map_location=self.options.device)
        self._set(saved["draft"])
        self.averaged = saved["averaged"]
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.elapsed = saved["step"], saved["elapsed"]


@torch.no_grad()
def causal(model: Moonshine, batch: Batch, ids: Tensor, cross: list[KeysValues]) -> tuple[Tensor, list[KeysValues]]:
    """The causal rows of whole texts: hidden rows (B, N, d), and their keys and values. cross: those of the states."""
    count = ids.shape[1] - 1
    allowed = torch.ones(count, count, dtype=torch.bool).tril()[None, None]
    rows = Rows(model.decoder.embed_tokens(ids[:, :-1]), torch.arange(count)[None].expand(len(ids), -1), allowed)
    hidden, past, _ = model.decoder(rows, cross, batch.heard)
    return hidden, past


def mask_rows(model: Moonshine, batch: Batch, places: Tensor) -> Rows:
    """The mask rows of all anchors, (B, A x M): each sees the causal rows up to its anchor, and the other mask rows after it."""
    size, anchors, rows = batch.wanted.shape
    offset = torch.arange(rows).expand(size, anchors, rows).flatten(1)
    of = torch.arange(anchors)[:, None].expand(anchors, rows).flatten()
    anchor = batch.anchors[:, :, None].expand(-1, -1, rows).flatten(1)
    causal = torch.arange(batch.ids.shape[1] - 1) <= anchor[:, :, None]
    allowed = torch.cat((causal, (of[:, None] == of).expand(size, -1, -1)), 2)[:, None]
    return Rows(
        model.decoder.draft_rows[offset], anchor + 1 + offset, allowed, torch.ones(size, anchors * rows, 1), places.flatten(1)
    )


def with_errors(ids: Tensor, second: Tensor, options: Anchoring, rng: np.random.Generator) -> Tensor:
    """The texts with some tokens replaced by the decoder's second choice, or by another token of the batch."""
    size, count = ids.shape
    spoiled = torch.from_numpy(rng.random((size, 1)) < options.error_share)
    wrong = torch.from_numpy(rng.random((size, count)) < options.error_rate) & spoiled
    wrong[:, 0] = False
    other = ids.flatten()[torch.from_numpy(rng.integers(0, ids.numel(), (size, count)))]
    near = torch.cat((ids[:, :1], second), 1)
    return torch.where(wrong, torch.where(torch.from_numpy(rng.random((size, count)) < 0.6), near, other), ids)


def draft_loss(model: Moonshine, batch: Batch, tokens: Tensor, options: Train, rng: np.random.Generator) -> Tensor:
    """Cross-entropy of the mask rows against what the causal row of the same place gives after a right text."""
    head, exact = model.decoder.embed_tokens.weight[tokens], model.decoder.layers[0].mlp.fc1.weight.dtype
    with torch.no_grad():
        cross = model.decoder.cross(batch.states)
        hidden, past = causal(model, batch, batch.ids, cross)
        teacher = hidden @ head.T
        ids = with_errors(batch.ids, tokens[teacher.topk(2).indices[..., 1]], options.anchoring, rng)
        if not torch.equal(ids, batch.ids):
            _, past = causal(model, batch, ids, cross)
    valid = batch.wanted >= 0
    of = torch.arange(len(batch.ids))[:, None, None].expand_as(batch.wanted)[valid]
    goal = teacher.softmax(-1)[of, batch.wanted[valid] - 1]
    counts = model.decoder.draft_counter(batch.states)
    drafted, _, _ = model.decoder(mask_rows(model, batch, expected_places(batch, counts.detach())), cross, batch.heard, past)
    scores = F.linear(drafted.unflatten(1, batch.wanted.shape[1:])[valid].to(exact), head.to(exact)).float()
    weight = options.offset_decay ** torch.arange(options.anchoring.rows, dtype=torch.float32)
    weight = weight.expand(batch.wanted.shape)[valid]
    drafts = (F.cross_entropy(scores, goal, reduction="none") * weight).sum() / weight.sum()
    return drafts + count_loss(counts, batch)


def count_loss(counts: Tensor, batch: Batch) -> Tensor:
    """Negative log likelihood of the tokens' places, per token: a Poisson process with these rates. counts: (B, S)."""
    heard = batch.heard[:, 0, 0]
    tokens = batch.spoken < counts.shape[1]
    near = batch.spoken.clamp(max=counts.shape[1] - 1).round().long()
    return ((counts * heard).sum() - (counts.log().gather(1, near) * tokens).sum()) / tokens.sum()


@torch.no_grad()
def measure(model: Moonshine, held: list[Heard], options: Train) -> dict[str, object]:
    """How good the drafts of held-out recordings are, from anchors whose places are known.

    right: share of mask rows, by their offset, whose best token is the one that the decoder writes there. run: tokens that a pass
    settles, from an anchor on, if all mask rows before the first wrong one are right. place: median of how far the first, fourth
    and last mask row's tokens are from where they were expected, in encoder states.
    """
    rng, rows = np.random.default_rng(0), options.anchoring.rows
    right, count, runs, far = torch.zeros(rows), torch.zeros(rows), [], []
    for group in batches(held, options.batch, rng):
        batch = stack(group, options.anchoring, rng, every=True)
        cross = model.decoder.cross(batch.states)
        _, past = causal(model, batch, batch.ids, cross)
        places = expected_places(batch, model.decoder.draft_counter(batch.states))
        drafted, _, _ = model.decoder(mask_rows(model, batch, places), cross, batch.heard, past)
        best = model.decoder.logits(drafted).argmax(-1).unflatten(1, batch.wanted.shape[1:])
        valid = batch.wanted >= 0
        wanted = batch.ids.gather(1, batch.wanted.clamp(min=0).flatten(1)).unflatten(1, batch.wanted.shape[1:])
        same = (best == wanted) & valid
        right += same.sum((0, 1))
        count += valid.sum((0, 1))
        runs.append(1 + same.cumprod(2).sum(2)[valid[..., 0]].float())
        spoken = batch.spoken.gather(1, (batch.wanted - 1).clamp(min=0).flatten(1)).unflatten(1, batch.wanted.shape[1:])
        far.append(torch.where(valid, (places - spoken).abs(), torch.nan).flatten(0, 1))
    distance = torch.cat(far).nanmedian(0).values[[0, min(3, rows - 1), rows - 1]]
    return {
        "run": round(float(torch.cat(runs).mean()), 3),
        "place": [round(d, 2) for d in distance.tolist()],
        "right": [round(r, 3) for r in (right / count).tolist()],
    }


if __name__ == "__main__":
    cyclopts.run(main)
