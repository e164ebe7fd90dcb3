"""Corpora: a manifest and a tar of recordings."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.corpus import read_corpus, read_corpus_split

Samples = NDArray[np.float32]


def tone(hz: float, seconds: float) -> Samples:
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def write_corpus(path: Path, rows: list[dict[str, object]], files: dict[str, tuple[Samples, int]]) -> None:
    with tarfile.open(f"{path}.tar", "w") as tar:
        for name, (samples, rate) in files.items():
            data = io.BytesIO()
            soundfile.write(data, samples, rate, format=Path(name).suffix[1:].upper())
            info = tarfile.TarInfo(name)
            info.size = len(data.getvalue())
            tar.addfile(info, io.BytesIO(data.getvalue()))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    Path(f"{path}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_corpus_comes_in_the_order_of_its_manifest(tmp_path: Path) -> None:
    first, second = tone(300, 0.2), tone(700, 0.3)
    rows = [{"id": "b", "file": "x/b.wav", "text": "zwei wörter", "seconds": 0.3}, {"id": "a", "file": "a.flac", "seconds": 0.2}]
    write_corpus(tmp_path / "some.corpus", rows, {"a.flac": (first, SAMPLE_RATE_HZ), "x/b.wav": (second, SAMPLE_RATE_HZ)})
    b, a = read_corpus(tmp_path / "some.corpus")
    assert (b.id, b.text, a.id, a.text) == ("b", "zwei wörter", "a", "")
    assert a.samples.dtype == b.samples.dtype == np.float32
    np.testing.assert_allclose(a.samples, first, atol=1 / 32768)
    np.testing.assert_allclose(b.samples, second, atol=1 / 32768)


def test_recordings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_corpus(tmp_path / "rate", [{"id": "a", "file": "a.wav"}], {"a.wav": (tone(300, 0.2), 8000)})
    with pytest.raises(ValueError, match=r"rate\.tar: a\.wav is at 8000 Hz, not 16000"):
        list(read_corpus(tmp_path / "rate"))
    write_corpus(tmp_path / "kind", [{"id": "a", "file": "folder"}], {})
    with pytest.raises(ValueError, match=r"kind\.tar: folder is not a file"):
        list(read_corpus(tmp_path / "kind"))


def test_only_noise_of_the_split_is_read(tmp_path: Path) -> None:
    rows = [{"id": i, "file": f"{i}.wav", "split": split} for i, split in (("a", "train"), ("b", "test"), ("c", "train"))]
    write_corpus(tmp_path / "noise", rows, {f"{i}.wav": (tone(300, 0.1), SAMPLE_RATE_HZ) for i in "abc"})
    assert [u.id for u in read_corpus_split(tmp_path / "noise", "train")] == ["a", "c"]
