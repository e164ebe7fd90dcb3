"""Batches for the mask rows: texts as the decoder wrote them, and anchors in them that masks follow.

An anchor is the last token that a pass has read. The causal row of the anchor predicts the next token itself; the mask rows
after it, each one place further, predict those that follow. Knows no model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unmask.training.drafting.prepare import Heard

HALF = 0.5  # a token's place is where half of it has been counted
NOWHERE = 1e6  # of padding


@dataclass(frozen=True)
class Anchoring:
    """How anchors are drawn."""

    anchors: int = 6
    """Per recording and update."""
    rows: int = 16
    """Mask rows after an anchor."""
    stale_share: float = 0.7
    """Anchors whose own place is not known: that of one of up to `stale` tokens before is."""
    stale: int = 16
    error_share: float = 0.35
    """Recordings whose tokens before the masks have errors, as drafts have that no pass has checked yet."""
    error_rate: float = 0.12


@dataclass(frozen=True)
class Batch:
    """B recordings, padded."""

    states: Tensor  # (B, S, d) float32
    heard: Tensor  # (B, 1, 1, S) bool: False where states are padded
    ids: Tensor  # (B, N + 1) START, text, END, END where padded
    spoken: Tensor  # (B, N) place of each token after START; of padding: past the states
    anchors: Tensor  # (B, A)
    known: Tensor  # (B, A) the last token up to the anchor whose place is known; 0: none is
    wanted: Tensor  # (B, A, M) index into ids of the token that each mask row predicts; -1: none


def read_shards(cache: Path, held_out: int) -> tuple[list[Heard], list[Heard]]:
    """The recordings to train on, and those of the first `held_out` shards in the version as recorded.

    The held-out recordings are left out in every version.
    """
    train: list[Heard] = []
    held: list[Heard] = []
    for path in sorted(cache.glob("*-*.npz")):
        version, number = (int(part) for part in path.stem.split("-"))
        if number >= held_out:
            train += read_shard(path)
        elif version == 0:
            held += read_shard(path)
    return train, held


def read_shard(path: Path) -> list[Heard]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    if not len(arrays["id_counts"]):
        return []
    state_ends, id_ends = np.cumsum(arrays["state_counts"]), np.cumsum(arrays["id_counts"])
    place_ends = np.cumsum(arrays["id_counts"] - 1)
    parts = zip(
        np.split(arrays["states"], state_ends[:-1]),
        np.split(arrays["ids"], id_ends[:-1]),
        np.split(arrays["places"], place_ends[:-1]),
        strict=True,
    )
    return [Heard(*part) for part in parts]


def batches(recordings: list[Heard], size: int, rng: np.random.Generator) -> Iterator[list[Heard]]:
    """Every recording once, those of like length together, in random order."""
    order = sorted(range(len(recordings)), key=lambda i: len(recordings[i].ids) * (1 + 0.1 * rng.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    for group in rng.permutation(len(groups)):
        yield [recordings[i] for i in groups[group]]


def stack(group: list[Heard], options: Anchoring, rng: np.random.Generator, every: bool = False) -> Batch:
    """A batch with random anchors; `every`: with all anchors, their own places known, to measure."""
    longest = max(len(h.ids) for h in group)
    count = longest - 2 if every else options.anchors
    anchors, known = np.zeros((len(group), count), np.int64), np.zeros((len(group), count), np.int64)
    wanted = np.full((len(group), count, options.rows), -1, np.int64)
    ids = np.full((len(group), longest), group[0].ids[-1], np.int64)
    spoken = np.full((len(group), longest - 1), NOWHERE, np.float32)
    for b, heard in enumerate(group):
        ids[b, : len(heard.ids)] = heard.ids
        spoken[b, : len(heard.places)] = heard.places
        last = len(heard.ids) - 2  # the row after which only END is left, which that row predicts itself
        drawn = np.arange(last) if every else rng.choice(last, min(count, last), replace=False)
        rows = drawn[:, None] + 2 + np.arange(options.rows)
        back = 0 if every else rng.integers(1, options.stale + 1, len(drawn)) * (rng.random(len(drawn)) < options.stale_share)
        anchors[b, : len(drawn)], known[b, : len(drawn)] = drawn, np.maximum(drawn - back, 0)
        wanted[b, : len(drawn)] = np.where(rows < len(heard.ids), rows, -1)
    states = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(h.states).float() for h in group], batch_first=True)
    lengths = torch.tensor([len(h.states) for h in group])
    mask = (torch.arange(states.shape[1]) < lengths[:, None])[:, None, None]
    return Batch(states, mask, *map(torch.from_numpy, (ids, spoken, anchors, known, wanted)))


def expected_places(batch: Batch, counts: Tensor) -> Tensor:
    """Where the counter expects the tokens of the mask rows, (B, A, M) in encoder states. counts: (B, S) tokens in each state.

    The count runs on from the last token whose place is known; after the last token of a recording, it is the end.
    """
    running = (counts * batch.heard[:, 0, 0]).cumsum(1)
    before = running_at(running, batch.spoken.gather(1, (batch.known - 1).clamp(min=0)))
    before = torch.where(batch.known > 0, before, -HALF)
    ahead = batch.anchors - batch.known
    wanted = before[..., None] + ahead[..., None] + 2 + torch.arange(batch.wanted.shape[2])
    return place_of(running, wanted.flatten(1)).unflatten(1, wanted.shape[1:])


def running_at(running: Tensor, places: Tensor) -> Tensor:
    """The running counts (B, S) at fractional places (B, K)."""
    low = places.clamp(0, running.shape[1] - 1).floor().long()
    high = (low + 1).clamp(max=running.shape[1] - 1)
    return torch.lerp(running.gather(1, low), running.gather(1, high), (places - low).clamp(0, 1))


def place_of(running: Tensor, counts: Tensor) -> Tensor:
    """The places (B, K) at which the running counts (B, S) reach `counts` (B, K)."""
    after = torch.searchsorted(running.contiguous(), counts.contiguous()).clamp(1, running.shape[1] - 1)
    low, high = running.gather(1, after - 1), running.gather(1, after)
    return after - 1 + ((counts - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
