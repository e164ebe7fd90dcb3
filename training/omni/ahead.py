"""Batches that other processes make ahead of time: a GPU learns faster than one process draws and says. Knows no model."""

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from unmask.training.codecs.speech import load_speech
from unmask.training.codecs.stickers import load_codec
from unmask.training.omni.batches import Batch, task_batches
from unmask.training.omni.examples import Examples
from unmask.training.omni.vocabulary import make_tokenizer

AHEAD = 3  # steps of each worker


@dataclass(frozen=True)
class Recipe:
    """What the batches of a step are made of; the same in every process."""

    codec: Path
    speech: Path | None
    sizes: tuple[tuple[str, int], ...]
    """(task, examples) of a step."""
    seed: int

    def batches(self, step: int) -> list[Batch]:
        return task_batches(examples_of(self.codec, self.speech), dict(self.sizes), np.random.default_rng([self.seed, 3, step]))


@cache
def examples_of(codec: Path, speech: Path | None) -> Examples:
    """Once for each process."""
    return Examples(load_codec(codec), make_tokenizer(), None if speech is None else load_speech(speech))


class Ahead:
    """The batches of each step, in the order of steps."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        """workers: processes that make them; 0 makes each when it is asked for."""
        self._recipe, self._workers = recipe, workers
        self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _alone) if workers else None
        self._made: dict[int, Future[list[Batch]]] = {}

    def batches(self, step: int) -> list[Batch]:
        if self._pool is None:
            return self._recipe.batches(step)
        for number in range(step, step + AHEAD * self._workers):
            if number not in self._made:
                self._made[number] = self._pool.submit(self._recipe.batches, number)
        return self._made.pop(step).result()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _alone() -> None:
    torch.set_num_threads(1)
