"""Batches for the mask rows: texts as the decoder wrote them, and anchors in them that masks follow.

An anchor is the last token that a pass has read. The causal row of the anchor predicts the next token itself; the mask rows
after it, each one place further, predict those that follow. Knows no model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.training.drafting.prepare import Heard

STATES_PER_TOKEN = 10.0
"""About the mean distance of two tokens' places, in encoder states: 10.6 in 1,500 training recordings."""
RATE_WEIGHT = 5.0
"""How many tokens of the mean distance count beside those that were heard."""


@dataclass(frozen=True)
class Anchoring:
    """How anchors are drawn, and how far the expected places are from the true ones."""

    anchors: int = 12
    """Per recording and update."""
    rows: int = 8
    """Mask rows after an anchor."""
    stale_share: float = 0.3
    """Anchors whose own place is not known: it is reckoned from one of up to `stale` tokens before."""
    stale: int = 6
    jitter: float = 3.0
    """Standard deviation of noise on every place, in encoder states."""
    onset_jitter: float = 12.0
    """The same before the first token, where only the onset of sound is known."""
    error_share: float = 0.35
    """Recordings whose tokens before the masks have errors, as drafts have that no pass has checked yet."""
    error_rate: float = 0.12


@dataclass(frozen=True)
class Batch:
    """B recordings, padded."""

    states: Tensor  # (B, S, d) float32
    heard: Tensor  # (B, 1, 1, S) bool: False where states are padded
    ids: Tensor  # (B, N + 1) START, text, END, END where padded
    anchors: Tensor  # (B, A)
    wanted: Tensor  # (B, A, M) index into ids of the token that each mask row predicts; -1: none
    places: Tensor  # (B, A, M) where it is expected


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


def expected_places(places: NDArray[np.float32], anchor: int, rows: int, back: int = 0) -> NDArray[np.float32]:
    """Where the tokens of the mask rows after `anchor` are expected, (rows,), from the places of the tokens before.

    places: (N,) of the tokens after START; the anchor's own is places[anchor - 1]. back: how many tokens before the anchor the
    last known place is. The distance between tokens is this text's own so far, drawn towards the mean one.
    """
    known = anchor - back
    if known < 1:
        start, rate = float(places[0]) - STATES_PER_TOKEN * (known + 1), STATES_PER_TOKEN
        known = 0
    else:
        start = float(places[known - 1])
        rate = (start - float(places[0]) + RATE_WEIGHT * STATES_PER_TOKEN) / (known - 1 + RATE_WEIGHT)
    return np.asarray(start + rate * (np.arange(rows) + 2 + anchor - known), np.float32)


def batches(recordings: list[Heard], size: int, rng: np.random.Generator) -> Iterator[list[Heard]]:
    """Every recording once, those of like length together, in random order."""
    order = sorted(range(len(recordings)), key=lambda i: len(recordings[i].ids) * (1 + 0.1 * rng.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    for group in rng.permutation(len(groups)):
        yield [recordings[i] for i in groups[group]]


def stack(group: list[Heard], options: Anchoring, rng: np.random.Generator, every: bool = False) -> Batch:
    """A batch with random anchors; `every`: with all anchors, at their true places' expectation, to measure."""
    longest = max(len(h.ids) for h in group)
    count = longest - 2 if every else options.anchors
    anchors = np.zeros((len(group), count), np.int64)
    wanted = np.full((len(group), count, options.rows), -1, np.int64)
    places = np.zeros((len(group), count, options.rows), np.float32)
    ids = np.full((len(group), longest), group[0].ids[-1], np.int64)
    for b, heard in enumerate(group):
        ids[b, : len(heard.ids)] = heard.ids
        last = len(heard.ids) - 2  # the row after which only END is left, which that row predicts itself
        drawn = np.arange(last) if every else rng.choice(last, min(count, last), replace=False)
        for a, anchor in enumerate(drawn):
            row_wanted = anchor + 2 + np.arange(options.rows)
            anchors[b, a] = anchor
            wanted[b, a] = np.where(row_wanted < len(heard.ids), row_wanted, -1)
            places[b, a] = (
                expected_places(heard.places, int(anchor), options.rows) if every else _drawn(heard, int(anchor), options, rng)
            )
    states = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(h.states).float() for h in group], batch_first=True)
    lengths = torch.tensor([len(h.states) for h in group])
    mask = (torch.arange(states.shape[1]) < lengths[:, None])[:, None, None]
    return Batch(states, mask, *map(torch.from_numpy, (ids, anchors, wanted, places)))


def _drawn(heard: Heard, anchor: int, options: Anchoring, rng: np.random.Generator) -> NDArray[np.float32]:
    back = int(rng.integers(1, options.stale + 1)) if rng.random() < options.stale_share else 0
    back = min(back, anchor)
    spread = options.onset_jitter if anchor - back == 0 else options.jitter
    return expected_places(heard.places, anchor, options.rows, back) + np.float32(spread * rng.standard_normal())
