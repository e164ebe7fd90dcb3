"""Fill canvases in PyTorch, and score answers: whether a panel is as asked, and which of its facts are right."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from unmask.apps.ui.prompt import Encode, prompt_of
from unmask.apps.ui.slots import COUNT, FIELDS, MASK_ID, ROWS, WORDS, Filled, allowed
from unmask.apps.ui.surface import Outcome, Panel, read
from unmask.training.ui.batches import Laid, stacked
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.grammar.sketch import Example
from unmask.training.ui.model import UiModel

PASSES = 6
MEANT = ("date", "multipleSelection", "obscured", "seconds", "minutes", "hours")  # styles that are asked for; others are taste


@torch.no_grad()
def fill(
    model: UiModel, examples: Sequence[Example], encode: Encode, passes: int = PASSES, threshold: float = 0.9, rows: int = ROWS
) -> list[Filled]:
    """The answers of a model: each pass commits what is surer than the threshold, and at least its share of what is left."""
    made, size = [], 1 + rows * len(FIELDS)
    bias = torch.full((len(examples), size, COUNT), -torch.inf)
    for i, example in enumerate(examples):
        ids, places = prompt_of(example.words, example.panel, encode)
        for slot, spans in allowed(example.words, len(example.panel.rows) if example.panel else 0).items():
            at = slice(0, 1) if slot == "kind" else slice(1 + FIELDS.index(slot), size, len(FIELDS))
            for low, high in spans:
                bias[i, at, low:high] = 0
        places = places + [WORDS + ROWS + k for k in range(size)]
        made.append(Laid(ids + [MASK_ID] * size, places, len(ids), {0: 0}))
    batch = stacked(made).canvas
    at = batch.prompt[:, None] + torch.arange(size)
    ids = batch.ids.clone()
    answer = torch.full((len(examples), size), MASK_ID)
    for left in range(passes, 0, -1):
        _, hidden = model(type(batch)(ids, batch.places, batch.positions, batch.prompt, batch.length))
        scores = (model.logits(hidden.gather(1, at[..., None].expand(-1, -1, hidden.shape[2]))) + bias).log_softmax(-1)
        sure, best = scores.max(-1)
        open_ = answer == MASK_ID
        rank = sure.masked_fill(~open_, -torch.inf).argsort(1, descending=True).argsort(1)
        commit = open_ & ((sure > np.log(threshold)) | (rank < (open_.sum(1, keepdim=True) + left - 1) // left))
        answer = torch.where(commit, best, answer)
        ids.scatter_(1, at, answer)
    return [Filled.of(row.tolist()) for row in answer]


def outcome(example: Example, filled: Filled) -> Outcome:
    return read(filled, example.words, example.panel)


def facts(panel: Panel | None) -> Counter[tuple[object, ...]]:
    """What a panel says, each as (kind of fact, what). Two panels with the same facts look the same."""
    found: Counter[tuple[object, ...]] = Counter()
    for i, row in enumerate(panel.rows if panel else ()):
        found["component", row.type, row.depth] += 1
        found["label", row.type, row.label.lower()] += 1
        found["order", i, row.type, row.label.lower()] += 1
        if row.type == "Slider":
            found["range", row.label.lower(), row.low, row.high] += 1
        if row.value not in (None, False):
            found["value", row.label.lower(), row.value] += 1
        if row.icon:
            found["icon", row.label.lower(), row.icon] += 1
        if row.style in MEANT:
            found["style", row.label.lower(), row.style] += 1
    return found


def same(wanted: Outcome, found: Outcome) -> bool:
    return wanted.kind == found.kind and facts(wanted.panel) == facts(found.panel)


class Exam:
    """Examples that stay the same in every report: seen phrasings, and those held back."""

    def __init__(self, encode: Encode, count: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        self._encode = encode
        self._parts = {"seen": [draw(rng) for _ in range(count)], "held": [draw(rng, held=True) for _ in range(count)]}

    def scores(self, model: UiModel) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, examples in self._parts.items():
            right: dict[str, list[bool]] = defaultdict(list)
            for example, filled in zip(examples, fill(model, examples, self._encode), strict=True):
                right[example.task.split(" ")[0]].append(same(outcome(example, example.filled), outcome(example, filled)))
            found[name] = _share([each for own in right.values() for each in own])
            found |= {f"{name}_{task}": _share(own) for task, own in sorted(right.items())}
        return found


def _share(values: Sequence[bool]) -> float:
    return round(float(np.mean(values)), 3)
