"""Memory of a process that does a bundle's task: every byte that it needs, and none of what the test holds."""

from pathlib import Path

import numpy as np
import pytest

from unmask import EngineOptions, load_bundle
from unmask.benchmarks.measure.footprint import peak_memory
from unmask.benchmarks.measure.machine import rss_mib
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.errors import InputError
from unmask.export.onnx.backbone import write_backbone
from unmask.quant.calibration.calibration_data import Material

PROMPTS = Material(prompts=("What?",), length=8)


@pytest.fixture(scope="module", autouse=True)
def held() -> np.ndarray:
    """256 MiB of this process, which count for none of those that are measured."""
    return np.ones(1 << 25)


@pytest.mark.slow
def test_a_larger_bundle_takes_as_much_more_as_it_is_larger(backbones: dict[str, Path], tmp_path: Path) -> None:
    """Of an embedding only the rows that are read are in memory, so it is the feed-forward layers that are larger."""
    wide = {"hidden_size": 64, "intermediate_size": 60_000}
    large = load_bundle(write_backbone(write_checkpoint(tmp_path / "large", "dream", **wide), tmp_path / "large.bundle"))
    small = load_bundle(backbones["dream"])
    sizes = [sum(file.bytes for file in bundle.manifest.files.values()) / 2**20 for bundle in (small, large)]
    peaks = [peak_memory(bundle, PROMPTS) for bundle in (small, large)]
    assert sizes[1] - sizes[0] > 80
    assert 0.9 * (sizes[1] - sizes[0]) < peaks[1] - peaks[0] < 3 * (sizes[1] - sizes[0])
    assert peaks[0] < rss_mib()


def test_captions_are_measured_on_the_recordings(fp32_bundle: Path) -> None:
    tone = (0.3 * np.sin(np.arange(24000) ** 1.3 / 40)).astype(np.float32)
    assert 20 < peak_memory(load_bundle(fp32_bundle), Material((tone,)), EngineOptions(threads=2)) < rss_mib()


def test_what_the_process_cannot_do_is_told(backbones: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="litert"):
        peak_memory(load_bundle(backbones["dream"]), PROMPTS, EngineOptions(engine="litert"))
