"""Teach a drafter to write a Moonshine decoder's text in one pass over the encoder's states.

    python -m unmask.training.drafting.train --moonshine MOONSHINE --cache CACHE --out RUN --minutes 360

The encoder and the decoder stay as they are. Goes on from RUN/last.pt when it is there; RUN/log.jsonl has the curves, and
RUN/weights.safetensors the averaged parameters of the last report.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
import torch.nn.functional as F
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from unmask.export.checkpoint.pieces import moonshine_tokenizer
from unmask.export.modules.drafter import GIVEN, Drafter
from unmask.export.moonshine_weights import load_drafter, load_moonshine
from unmask.training.drafting.batches import Batch, Stacker, batches, draftable, read_shards
from unmask.training.drafting.prepare import Heard
from unmask.training.run import Run, RunOptions, mixed

LONGEST_STRETCH = 21  # states


@dataclass(frozen=True, kw_only=True)
class TrainDrafter(RunOptions):
    moonshine: Path
    """A Moonshine checkpoint."""
    cache: Path
    """What `prepare` wrote."""
    minutes: float = 360.0
    """Total training time, with earlier runs. The learning rate falls over it."""
    start: Path | None = None
    """Begin with the parameters of this drafter (safetensors), and also draft tokens that only these texts have."""
    least: int = 3
    """Tokens that occur more seldom in the texts are never drafted."""
    batch: int = 16
    peak: float = 2e-3
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
    threads: int = 2


def main(options: Annotated[TrainDrafter, cyclopts.Parameter(name="*")]) -> None:
    lessons = Lessons(options)
    run = Run(lessons.drafter, replace(options, start=None))  # the drafter has begun with it
    run.go(lessons.losses, lessons.scores)


class Lessons:
    """The drafter, what it learns in each step of a run, and how well it drafts what it was not taught."""

    def __init__(self, options: TrainDrafter) -> None:
        """Raises ValueError if `prepare` has written nothing yet."""
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
        self._groups: Iterator[list[Heard]] = iter(())

    def read(self) -> None:
        """The recordings that `prepare` has finished by now."""
        self.recordings, self.held = read_shards(self.options.cache, self.options.held_out)
        if not self.recordings:
            raise ValueError(
                f"{self.options.cache}: no shard to train on; run `python -m unmask.training.drafting.prepare` first"
            )

    def losses(self, step: int) -> dict[str, Tensor]:
        """The weighted parts of the loss of the next batch, parts of whose states are hidden."""
        options, batch = self.options, self.stack(self._group(step)).to(self.options.device)
        random = torch.Generator().manual_seed(int(np.random.default_rng([options.seed, step]).integers(1 << 62)))
        shown = replace(batch, states=hidden(batch.states, options.hidden_share, options.dropped_share, random))
        letters, slots, aligned = losses(self.drafter, shown, options.none_weight)
        parts = {"letters": options.letters_weight * letters}
        if options.start is None and step < options.aligned_steps:
            return parts | {"aligned": aligned}
        return parts | {"slots": slots, "aligned": options.aligned_weight * aligned}

    def _group(self, step: int) -> list[Heard]:
        """The next recordings. After all of them once, those follow that `prepare` has finished by then."""
        group = next(self._groups, None)
        if group is not None:
            return group
        self.read()
        self._groups = batches(self.recordings, self.options.batch, np.random.default_rng([self.options.seed, step]))
        return next(self._groups)

    def scores(self) -> dict[str, float]:
        return {"recordings": len(self.recordings), "wrong": round(wrong_share(self.drafter, self.held, self.stack), 4)}


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
    return F.dropout(states * kept.to(states.device), dropped)


def losses(drafter: Drafter, batch: Batch, none_weight: float) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of letters and of tokens in slots, both over all placements (CTC), and of tokens where they are heard."""
    with mixed(batch.states.device.type):
        letters, slots = drafter(batch.states)
    scores = slots.float().log_softmax(-1)
    real = torch.arange(scores.shape[1], device=scores.device) < batch.slots[:, None]
    weight = torch.where(batch.aligned > 0, 1.0, none_weight) * real
    aligned = F.nll_loss(scores.flatten(0, 1), batch.aligned.flatten(), reduction="none") @ weight.flatten() / weight.sum()
    spelled = _ctc(letters.float().log_softmax(-1), batch.letters, batch.lengths)
    return spelled, _ctc(scores, batch.tokens, batch.slots), aligned


def _ctc(scores: Tensor, texts: list[Tensor], lengths: Tensor) -> Tensor:
    counts = torch.tensor([len(text) for text in texts], device=scores.device)
    return F.ctc_loss(scores.transpose(0, 1), torch.cat(texts), lengths, counts, zero_infinity=True)


@torch.no_grad()
def wrong_share(drafter: Drafter, held: list[Heard], stack: Stacker) -> float:
    """Edits that drafts need to become the decoder's texts, per token of these."""
    wrong, count = 0, 0
    for heard in held:
        _, slots = drafter(torch.from_numpy(heard.states).float()[None].to(drafter.ids.device))
        best = torch.unique_consecutive(slots[0].argmax(-1))
        draft = drafter.ids[best[best > 0] - 1].cpu().numpy()
        wrong += Levenshtein.distance(draft.tolist(), heard.ids[1:-1].tolist())
        count += len(heard.ids) - 2
    return wrong / count


if __name__ == "__main__":
    cyclopts.run(main)
