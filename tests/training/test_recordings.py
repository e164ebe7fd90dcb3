"""Recordings come back by id as they were written, and what was cut short has no list."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from unmask.training.corpus import read_lines
from unmask.training.recordings import FULL_SCALE, Recordings, write_lines, write_recordings

Samples = NDArray[np.float32]
AUDIO = st.integers(1, 50).flatmap(lambda size: arrays(np.float32, size, elements=st.floats(-1, 1, width=32)))


@given(st.lists(AUDIO, min_size=1, max_size=6))
def test_recordings_come_back(tmp_path_factory: pytest.TempPathFactory, audio: list[Samples]) -> None:
    path = tmp_path_factory.mktemp("recordings") / "audio"
    write_recordings(path, ((f"r{i}", samples) for i, samples in enumerate(audio)))
    recordings = Recordings(path)
    assert list(recordings) == [f"r{i}" for i in range(len(audio))]
    for i, samples in enumerate(audio):
        back = recordings[f"r{i}"]
        assert back.dtype == np.float32
        assert recordings.samples(f"r{i}") == len(back) == len(samples)
        np.testing.assert_allclose(back, samples, rtol=0, atol=1 / FULL_SCALE)


def test_what_is_too_loud_is_clipped_and_does_not_wrap(tmp_path: Path) -> None:
    write_recordings(tmp_path / "audio", [("a", np.array([-3, -1, 0, 1, 3], np.float32))])
    np.testing.assert_allclose(Recordings(tmp_path / "audio")["a"], [-1, -1, 0, 1, 1], atol=1 / FULL_SCALE)


def test_unknown_recording_is_an_error(tmp_path: Path) -> None:
    write_recordings(tmp_path / "audio", [("a", np.zeros(3, np.float32))])
    with pytest.raises(KeyError):
        Recordings(tmp_path / "audio")["b"]


def test_reading_does_not_change_what_is_on_disk(tmp_path: Path) -> None:
    write_recordings(tmp_path / "audio", [("a", np.full(3, 0.5, np.float32))])
    recordings = Recordings(tmp_path / "audio")
    recordings["a"][:] = 0
    assert recordings["a"].tolist() == [0.5, 0.5, 0.5]


def test_what_was_cut_short_has_no_list(tmp_path: Path) -> None:
    def stopped() -> Iterator[tuple[str, Samples]]:
        yield "a", np.zeros(3, np.float32)
        assert not (tmp_path / "audio.jsonl").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_recordings(tmp_path / "audio", stopped())
    assert not (tmp_path / "audio.jsonl").exists()


def test_lines_are_whole_or_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(descriptor: int, mode: str) -> None:
        os.write(descriptor, b'{"n": 0}\n{"n"')
        os.close(descriptor)
        raise OSError(28, "no space left")

    path = tmp_path / "labels.jsonl"
    write_lines(path, ({"n": i} for i in range(3)))
    monkeypatch.setattr("unmask.replaced_files.os.fdopen", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_lines(path, ({"n": i} for i in range(5)))
    assert read_lines(path) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert list(tmp_path.iterdir()) == [path]
