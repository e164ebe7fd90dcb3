"""Kokoro-82M's voices, for training and for tests with many speakers: phonemes of espeak-ng, and the published ONNX graph.

A folder is as `onnx-community/Kokoro-82M-v1.0-ONNX` has it: `onnx/model_quantized.onnx`, `tokenizer.json` and `voices/NAME.bin`.
"""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unmask.errors import InputError

RATE_HZ = 24_000
LONGEST = 510  # phonemes of a call
STYLE = 256
OURS = str.maketrans({"ʲ": "j", "r": "ɹ", "x": "k", "ɬ": "l"})
"""Signs of espeak-ng that the vocabulary writes otherwise."""


class Kokoro:
    """One voice of a folder."""

    def __init__(self, folder: Path, voice: str) -> None:
        """Raises InputError where a file is not there."""
        files = [folder / "onnx" / "model_quantized.onnx", folder / "tokenizer.json", folder / "voices" / f"{voice}.bin"]
        for file in files:
            if not file.is_file():
                raise InputError(f"{file} is not there; fetch onnx-community/Kokoro-82M-v1.0-ONNX, and name one of its voices")
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._graph = ort.InferenceSession(str(files[0]), options, providers=["CPUExecutionProvider"])
        self._vocabulary: dict[str, int] = json.loads(files[1].read_text(encoding="utf-8"))["model"]["vocab"]
        self._styles = np.fromfile(files[2], np.float32).reshape(-1, 1, STYLE)
        self._language = "en-us" if voice.startswith("a") else "en-gb"

    def __call__(self, text: str, speed: float) -> tuple[NDArray[np.float32], int]:
        """The samples in [-1, 1] and their rate in Hz. Speed 1 is the voice's own."""
        signs = phonemes(text, self._language)
        ids = [self._vocabulary[sign] for sign in signs if sign in self._vocabulary][:LONGEST]
        inputs = {"style": self._styles[len(ids)], "speed": np.array([speed], np.float32)}
        tokens = self._graph.get_inputs()[0].name
        samples = self._graph.run(None, {tokens: np.array([[0, *ids, 0]], np.int64), **inputs})[0]
        return np.asarray(samples, np.float32).ravel(), RATE_HZ


def phonemes(text: str, language: str) -> str:
    """Phonemes of a text with its punctuation, which espeak-ng leaves out."""
    parts = re.split(r"([,.;:?!]+)", text)
    said = [_phonemes(part, language) + mark[:1] for part, mark in zip(parts[::2], [*parts[1::2], ""], strict=True)]
    return " ".join(part for part in said if part)


def _phonemes(part: str, language: str) -> str:
    if not part.strip():
        return ""
    command = ["espeak-ng", "-q", "--ipa", "-v", language, "--", part.strip()]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return " ".join(said.split()).translate(OURS)
