"""A real Chromium for tests of pages; tests are skipped where there is none."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import CLIPS
from unmask.apps.audio.files import read_recording

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]


def in_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Mark one test with MARKS."""
    return reduce(lambda marked, mark: mark(marked), MARKS, test)


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]
ON_GPU = [flag for flag in FLAGS if flag != "--disable-gpu"] + [
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
]
"""WebGPU by software."""


@contextmanager
def launched(folder: Path, flags: Sequence[str] = FLAGS) -> Iterator[Any]:
    """Its microphone hears a clip and a second of silence, over and over. folder: where the sound is written."""
    from playwright.sync_api import sync_playwright

    wav = folder / "jail.wav"
    speech = read_recording(CLIPS / "lj-jail.flac")[: round(3.6 * 16000)]
    soundfile.write(wav, np.concatenate([speech, np.zeros(20_000, np.float32)]), 16000, subtype="PCM_16")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, f"--use-file-for-fake-audio-capture={wav}"])
        yield chromium
        chromium.close()
