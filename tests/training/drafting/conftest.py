"""A Moonshine of a few thousand parameters whose random weights end most texts, and recordings to train it on."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.random_moonshine import random_moonshine
from tests.tiny import write_pieces
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

RECORDINGS = 24


@pytest.fixture(scope="session")
def moonshine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a checkpoint in transformers' form."""
    sizes = {"vocab_size": 14, "hidden_size": 16, "intermediate_size": 24, "partial_rotary_factor": 0.5}
    model = random_moonshine(20, 0.8, (1, 2), 2, **sizes)
    model.model.decoder.embed_tokens.weight.data[2] *= 2  # most random texts would never end
    folder = tmp_path_factory.mktemp("moonshine")
    model.save_pretrained(folder)
    write_pieces(folder / "tokenizer.bin")
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus `train/tones` and one noise of each split, in the layout that the recipes read."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    names = [f"t{i}" for i in range(RECORDINGS)]
    write_corpus(folder / "train/tones", {name: tones(rng) for name in names}, dict.fromkeys(names, "train"))
    noises = {name: rng.standard_normal(8000).astype(np.float32) * 0.1 for name in ("rain", "kitchen")}
    write_corpus(folder / "noise/noise", noises, {"rain": "train", "kitchen": "test"})
    return folder


def tones(rng: np.random.Generator) -> np.ndarray:
    """2 to 4 s in which the pitch changes every quarter of a second."""
    pitches = rng.uniform(100, 2000, rng.integers(8, 16)).repeat(SAMPLE_RATE_HZ // 4)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitches) / SAMPLE_RATE_HZ)).astype(np.float32)


def write_corpus(path: Path, recordings: dict[str, np.ndarray], splits: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(f"{path}.tar", "w") as tar, open(f"{path}.jsonl", "w") as lines:
        for name, samples in recordings.items():
            file = io.BytesIO()
            soundfile.write(file, samples, SAMPLE_RATE_HZ, format="FLAC")
            info = tarfile.TarInfo(f"{name}.flac")
            info.size = len(file.getvalue())
            tar.addfile(info, io.BytesIO(file.getvalue()))
            lines.write(json.dumps({"id": name, "file": f"{name}.flac", "text": "", "split": splits[name]}) + "\n")
