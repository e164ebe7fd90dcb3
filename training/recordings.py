"""Decoded audio on disk: one flat file of 16-bit samples, read through a memory map, and a line for each recording."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.replaced_files import replace_files
from unmask.training.corpus import read_lines

FULL_SCALE = 32768.0


def write_recordings(path: Path, recordings: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
    """Write `path.i16` and then `path.jsonl`: when the list exists, the recordings are complete."""
    rows, offset = [], 0
    with open(path.with_suffix(".i16"), "wb") as out:
        for name, samples in recordings:
            (np.clip(samples, -1, 1 - 1 / FULL_SCALE) * FULL_SCALE).astype(np.int16).tofile(out)
            rows.append({"id": name, "offset": offset, "samples": len(samples)})
            offset += len(samples)
    write_lines(path.with_suffix(".jsonl"), rows)


class Recordings:
    """The recordings that `write_recordings` wrote, by id."""

    def __init__(self, path: Path) -> None:
        self.rows = {row["id"]: row for row in read_lines(path.with_suffix(".jsonl"))}
        file = path.with_suffix(".i16")
        self.data = np.memmap(file, np.int16, "r") if file.stat().st_size else np.zeros(0, np.int16)

    def __getitem__(self, name: str) -> NDArray[np.float32]:  # (N,) at 16 kHz
        row = self.rows[name]
        return self.data[row["offset"] : row["offset"] + row["samples"]].astype(np.float32) / np.float32(FULL_SCALE)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def samples(self, name: str) -> int:
        return int(self.rows[name]["samples"])


def write_lines(path: Path, rows: Iterable[object]) -> None:
    """A file that exists is complete."""
    replace_files({path: "".join(json.dumps(row) + "\n" for row in rows).encode()})
