"""The measured side: a system opened in a process of its own, asked to read one recording after another.

A target takes weights, threads and recordings as .npy files, and returns a function of a recording's number and of settings of
the reading. Packages are imported on use, so that a process holds no system but its own. Knows no other system and no report.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.benchmarks.machine import peak_rss_mib
from unmask.benchmarks.scenarios.case import Sample

Samples = NDArray[np.float32]
Read = Callable[..., tuple[str, int]]
Calls = Callable[..., dict[str, Any]]


def reader(read: Read, recordings: list[str]) -> Calls:
    """read: a function of samples at 16 kHz and settings to their text and its tokens, 0 where the system does not tell."""

    def call(recording: int, **settings: Any) -> dict[str, Any]:
        samples: Samples = np.load(recordings[recording])
        began = time.perf_counter()
        text, tokens = read(samples, **settings)
        taken = time.perf_counter() - began
        return Sample(taken, tokens=tokens, rss_mib=peak_rss_mib(), text=text.strip()).to_json()

    return call


def ours(weights: str, threads: int, recordings: list[str]) -> Calls:
    """A caption bundle; `way` is its own decoding, its canvas alone, or its verifier token by token."""
    from pathlib import Path

    from unmask import Captioner, EngineOptions, load_bundle

    return captioner_calls(Captioner(load_bundle(Path(weights)), EngineOptions(threads=threads)).load(), recordings)


def captioner_calls(captioner: Any, recordings: list[str]) -> Calls:
    """Everything is timed from the samples on; `decoding` is what follows the encoder, which is the same for every way."""
    from dataclasses import replace

    from unmask.benchmarks.greedy import token_by_token
    from unmask.captioner import TASK
    from unmask.mel import SAMPLE_RATE_HZ

    own = captioner.bundle.schedule(TASK)
    schedules = {"default": own, "canvas": replace(own, verify=0)}

    def call(recording: int, way: str) -> dict[str, Any]:
        samples: Samples = np.load(recordings[recording])
        began = time.perf_counter()
        windows = list(captioner.windows(samples))
        encoded = time.perf_counter()
        if way in schedules:
            done = captioner.read(windows, len(samples) / SAMPLE_RATE_HZ, schedules[way])
            text, passes, rows, tokens = done.text, done.passes, done.rows, done.tokens
        else:
            text, tokens = token_by_token(captioner, windows)
            passes = rows = tokens + len(windows)
        ended = time.perf_counter()
        more = {"decoding": [ended - encoded]}
        return Sample(ended - began, passes, rows, tokens, rss_mib=peak_rss_mib(), text=text, more=more).to_json()

    return call


def faster_whisper(weights: str, threads: int, recordings: list[str]) -> Calls:
    """Whisper in int8 through CTranslate2. weights: a folder in CTranslate2's form."""
    from faster_whisper import WhisperModel

    model = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=threads, num_workers=1)

    def read(samples: Samples, **settings: Any) -> tuple[str, int]:
        segments = list(model.transcribe(samples, language="en", **settings)[0])  # decoded as it is iterated
        return "".join(segment.text for segment in segments), sum(len(segment.tokens) for segment in segments)

    return reader(read, recordings)


def pytorch(weights: str, threads: int, recordings: list[str], compiled: bool = False) -> Calls:
    """The bundle's own weights through PyTorch in float32; ways as of `ours`."""
    from pathlib import Path

    from unmask import Captioner, load_bundle
    from unmask.benchmarks.peers.eager import TorchEngine

    captioner = Captioner(load_bundle(Path(weights)))
    captioner.engine = TorchEngine(captioner.bundle, threads, compiled)
    return captioner_calls(captioner, recordings)
