"""Batches for the drafter: encoder states, and the texts heard in them, as tokens in slots and as letters. Knows no model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from unmask.export.modules.drafter import LETTERS, STATES_PER_SLOT
from unmask.training.drafting.prepare import Heard

_LETTERS = {letter: 1 + i for i, letter in enumerate(LETTERS)}


@dataclass(frozen=True)
class Batch:
    """B recordings, padded. Token 0 and letter 0 are "none"; token t is the drafter's token t - 1."""

    states: Tensor  # (B, S, d) float32
    lengths: Tensor  # (B,) states of each
    tokens: list[Tensor]  # of each text, (N,), without those that the drafter cannot draft
    aligned: Tensor  # (B, ceil(S / STATES_PER_SLOT)) the token that is heard in each slot
    letters: list[Tensor]  # of each text

    @property
    def slots(self) -> Tensor:
        """(B,) slots of each."""
        return (self.lengths + STATES_PER_SLOT - 1) // STATES_PER_SLOT

    def to(self, device: str) -> "Batch":
        tokens, letters = ([text.to(device) for text in texts] for texts in (self.tokens, self.letters))
        return Batch(self.states.to(device), self.lengths.to(device), tokens, self.aligned.to(device), letters)


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


def draftable(recordings: list[Heard], least: int) -> Tensor:
    """(V,) the tokens that occur at least `least` times in the texts, without START and END: rarer ones are not learned."""
    ids, counts = np.unique(np.concatenate([h.ids[1:-1] for h in recordings]), return_counts=True)
    return torch.from_numpy(ids[counts >= least]).long()


def batches(recordings: list[Heard], size: int, rng: np.random.Generator) -> Iterator[list[Heard]]:
    """Every recording once, those of like length together, in random order."""
    order = sorted(range(len(recordings)), key=lambda i: len(recordings[i].states) * (1 + 0.1 * rng.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    for group in rng.permutation(len(groups)):
        yield [recordings[i] for i in groups[group]]


class Stacker:
    """Makes batches. ids: (V,), as of `draftable`."""

    def __init__(self, ids: Tensor, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._token = torch.zeros(int(tokenizer.get_vocab_size()) + 1, dtype=torch.long)
        self._token[ids] = 1 + torch.arange(len(ids))

    def __call__(self, group: list[Heard]) -> Batch:
        states = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(h.states).float() for h in group], batch_first=True)
        aligned = torch.zeros(len(group), -(-states.shape[1] // STATES_PER_SLOT), dtype=torch.long)
        tokens, letters = [], []
        for row, heard in zip(aligned, group, strict=True):
            all_tokens = self.tokens(heard)
            row[torch.from_numpy(slots_of(heard))] = all_tokens
            tokens.append(all_tokens[all_tokens > 0])
            letters.append(self.letters(heard))
        return Batch(states, torch.tensor([len(h.states) for h in group]), tokens, aligned, letters)

    def tokens(self, heard: Heard) -> Tensor:
        """The text's tokens, 0 where the drafter cannot draft one."""
        return self._token[torch.from_numpy(heard.ids[1:-1]).long()]

    def letters(self, heard: Heard) -> Tensor:
        """The text's letters, without those that are not in LETTERS."""
        text = self._tokenizer.decode(heard.ids[1:-1].tolist()).strip()
        return torch.tensor([_LETTERS[letter] for letter in text if letter in _LETTERS], dtype=torch.long)


def slots_of(heard: Heard) -> NDArray[np.int64]:
    """(N,) the slot in which each token of a text is heard."""
    last = (len(heard.states) - 1) // STATES_PER_SLOT
    return np.clip(np.round(heard.places[:-1] / STATES_PER_SLOT), 0, last).astype(np.int64)
