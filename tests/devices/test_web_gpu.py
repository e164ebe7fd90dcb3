"""The page without a server on a software GPU, by Chromium's WebGPU: Python's text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.apps.web.chromium import MARKS, ON_GPU, launched
from tests.apps.web.offline.test_page import PACKAGE, Host, caption, opened
from unmask import Captioner, load_bundle
from unmask.apps.web.offline.folder import PACK, write_folder
from unmask.quant.weights.quantize import Recipe, quantize_bundle

pytestmark = [pytest.mark.devices, *MARKS, pytest.mark.skipif(not PACKAGE.exists(), reason=f"in .cache: {PACK}")]
MOST_MS = 300_000  # a software GPU on a busy machine


@pytest.fixture
def half(fp32_bundle: Path, tmp_path: Path) -> Path:
    return quantize_bundle(fp32_bundle, tmp_path / "half", Recipe("fp16"))


@pytest.fixture
def host(half: Path, tmp_path: Path) -> Iterator[Host]:
    write_folder(load_bundle(half), tmp_path / "web", PACKAGE, replaced=False, webgpu=True)
    host = Host(tmp_path / "web")
    yield host
    host.stop()


@pytest.fixture
def page(host: Host, tmp_path: Path) -> Iterator[Any]:
    with launched(tmp_path, ON_GPU) as chromium:
        page = opened(chromium)
        page.set_default_timeout(MOST_MS)
        yield page


def test_a_file_is_captioned_on_the_gpu_that_the_user_chose(page: Any, host: Host, half: Path, tmp_path: Path) -> None:
    samples = (0.1 * np.random.default_rng(0).normal(size=12_000)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, 16_000, subtype="FLOAT")
    wanted = Captioner(load_bundle(half)).load().caption(samples).text
    assert wanted
    page.goto(host.url)
    page.get_by_text("Ready on the CPU").wait_for()  # the GPU is software
    page.get_by_role("button", name="Use the GPU").click()
    page.get_by_text("Ready on the GPU, also without a network").wait_for()
    assert caption(page, tmp_path / "noise.wav") == wanted
