"""Rows of an embedding are read back from every format, and from two formats one after the other."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.bundle.embedding import Embedding, open_table


def written(folder: Path, parts: list[np.ndarray]) -> list[int]:
    """Byte offsets of arrays in `w.bin`."""
    offsets, data = [], b""
    for part in parts:
        offsets.append(len(data))
        data += part.tobytes()
    (folder / "w.bin").write_bytes(data)
    return offsets


@given(st.integers(1, 9), st.integers(1, 21), st.sampled_from([2, 4, 16]), st.integers(0, 2**32 - 1))
def test_int4_by_hand(tmp_path_factory: pytest.TempPathFactory, rows: int, width: int, block: int, seed: int) -> None:
    rng, blocks = np.random.default_rng(seed), -(-width // block)
    codes = rng.integers(0, 16, (rows, blocks * block))
    scales = rng.standard_normal((rows, blocks)).astype("<f4")
    packed = np.array([[row[i] + 16 * row[i + 1] for i in range(0, len(row), 2)] for row in codes], np.uint8)
    folder = tmp_path_factory.mktemp("table")
    at = written(folder, [packed, scales])
    table = open_table(folder, Embedding("w.bin", at[0], rows, width, "int4", at[1], block))
    expected = [[(codes[r, c] - 8) * scales[r, c // block] for c in range(width)] for r in range(rows)]
    ids = rng.integers(0, rows, 5)
    np.testing.assert_array_equal(table.gather(ids), np.array(expected, np.float32)[ids])
    assert table.gather(ids[:0]).shape == (0, width)


def test_parts_follow_each_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, last = rng.standard_normal((3, 6)).astype("<f4"), rng.standard_normal((4, 6)).astype("<f2")
    codes, scales = rng.integers(-64, 65, (6, 2)).astype(np.int8), rng.random(2).astype("<f4")
    at = written(tmp_path, [first, codes, scales, last])
    rest = Embedding("w.bin", at[1], 2, 6, "int8", at[2], rest=Embedding("w.bin", at[3], 4, 6, "float16"))
    embedding = Embedding("w.bin", at[0], 3, 6, "float32", rest=rest)
    assert (embedding.total, [part.rows for part in embedding.parts]) == (9, [3, 2, 4])
    expected = np.concatenate([first, (codes * scales).T, last.astype(np.float32)])
    for ids in (np.arange(9), np.array([8, 0, 3, 3, 4]), np.array([5]), np.zeros(0, np.int64)):
        np.testing.assert_array_equal(open_table(tmp_path, embedding).gather(ids), expected[ids])
