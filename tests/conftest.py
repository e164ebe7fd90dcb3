"""Tiny models with random weights and their bundles: real graphs, no download. PyTorch is imported only where one is made."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from tokenizers import Tokenizer

from tests.devices import swiftshader
from tests.stored import stored

if TYPE_CHECKING:
    from unmask.export.modules.moonshine import Moonshine

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models gain nothing from threads, and tests run in several processes
swiftshader.choose()
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no test asserts a time
settings.load_profile("any machine")
FAMILIES = ("dream", "llada", "block")


def pytest_collection_finish() -> None:
    """Let tests that export share what is traced. Where none does, PyTorch is not imported."""
    if "unmask.export.onnx.trace" in sys.modules:
        from tests.traces import keep

        keep()


@pytest.fixture(scope="session")
def fp32_bundle() -> Path:
    """The tiny captioner, with its drafter."""

    def make(folder: Path) -> None:
        from tests.tiny import export_captioner

        export_captioner(folder)

    return stored("tiny-fp32", make)


@pytest.fixture(scope="session")
def plain_bundle() -> Path:
    """The same without a drafter."""

    def make(folder: Path) -> None:
        from tests.tiny import make_captioner
        from unmask.export.onnx.transcript import write_transcript

        write_transcript(make_captioner(), None, "{}", folder, "plain", "MIT", {})

    return stored("tiny-plain", make)


@pytest.fixture(scope="session")
def int8_bundle(fp32_bundle: Path) -> Path:
    def make(folder: Path) -> None:
        from unmask.quant.weights.quantize import quantize_bundle

        quantize_bundle(fp32_bundle, folder)

    return stored("tiny-int8", make)


@pytest.fixture(scope="session")
def static_bundle(fp32_bundle: Path) -> Path:
    """The tiny captioner in ONNX graphs of fixed sizes, in fp32."""

    def make(folder: Path) -> None:
        from tests.tiny import FIXED
        from unmask.bundle.manifest import load_bundle
        from unmask.quant.weights.onnx_static import write_onnx_static

        write_onnx_static(load_bundle(fp32_bundle), folder, FIXED)

    return stored("tiny-static", make)


@pytest.fixture(scope="session")
def litert_bundle(fp32_bundle: Path) -> Path:
    """The tiny captioner for LiteRT, in fp32. Needs the converter."""

    def make(folder: Path) -> None:
        from tests.tiny import export_litert

        export_litert(folder, fp32_bundle)

    return stored("tiny-litert", make)


@pytest.fixture(scope="session")
def tokenizer(fp32_bundle: Path) -> Tokenizer:
    return Tokenizer.from_file(str(fp32_bundle / "tokenizer.json"))


@pytest.fixture(scope="session")
def captioner() -> Moonshine:
    """The model that the bundles were made of."""
    from tests.tiny import make_captioner

    return make_captioner()


@pytest.fixture(scope="session")
def checkpoints() -> dict[str, Path]:
    """A tiny checkpoint folder of each family."""

    def make(folder: Path) -> None:
        from unmask.benchmarks.scenarios.checkpoints import write_checkpoint

        write_checkpoint(folder, folder.stem)

    return {family: stored(f"checkpoints/{family}", make) for family in FAMILIES}


@pytest.fixture(scope="session")
def backbones(checkpoints: dict[str, Path]) -> dict[str, Path]:
    """Their bundles."""

    def make(folder: Path) -> None:
        from unmask.export.onnx.backbone import write_backbone

        write_backbone(checkpoints[folder.stem], folder)

    return {family: stored(f"backbones/{family}", make) for family in FAMILIES}


@pytest.fixture(scope="session")
def masked(checkpoints: dict[str, Path]) -> dict[str, Path]:
    """The bundles of `backbones`, with a mask in each window graph."""

    def make(folder: Path) -> None:
        from tests.tiny import export_masked

        export_masked(folder, checkpoints[folder.stem])

    return {family: stored(f"masked/{family}", make) for family in FAMILIES}


class Variants:
    """Checkpoints and bundles of `tests.tiny.VARIANTS`, each made when a test first asks for it."""

    def checkpoint(self, name: str) -> Path:
        def make(folder: Path) -> None:
            from tests.tiny import variant_checkpoint

            variant_checkpoint(folder)

        return stored(f"checkpoints/{name}", make)

    def bundle(self, name: str) -> Path:
        def make(folder: Path) -> None:
            from tests.tiny import VARIANTS
            from unmask.export.onnx.backbone import write_backbone

            write_backbone(self.checkpoint(name), folder, name, block=VARIANTS[name][2])

        return stored(f"backbones/{name}", make)

    def int8(self, name: str) -> Path:
        def make(folder: Path) -> None:
            from unmask.quant.weights.quantize import quantize_bundle

            quantize_bundle(self.bundle(name), folder)

        return stored(f"int8/{name}", make)


@pytest.fixture(scope="session")
def variants() -> Variants:
    return Variants()


@pytest.fixture(scope="session")
def omni_files() -> Path:
    """Omni-Diffusion's checkpoint and its codecs, each tiny, in folders of their own."""

    def make(folder: Path) -> None:
        from unmask.benchmarks.scenarios.omni import write_omni

        write_omni(folder)

    return stored("omni-files", make)


@pytest.fixture(scope="session")
def omni(omni_files: Path) -> Path:
    """A bundle with Omni-Diffusion's exact vocabulary and special ids, and little else."""

    def make(folder: Path) -> None:
        from unmask.export.onnx.backbone import write_backbone

        write_backbone(omni_files / "model", folder, "checkpoint")

    return stored("omni", make)


@pytest.fixture(scope="session")
def media(omni: Path, omni_files: Path) -> Path:
    """The same with every codec."""

    def make(folder: Path) -> None:
        from tests.tiny import export_media

        export_media(folder, omni, omni_files)

    return stored("media", make)


@pytest.fixture(scope="session")
def voice_files() -> Path:
    """OmniVoice's checkpoint with its codec, tiny."""

    def make(folder: Path) -> None:
        from unmask.benchmarks.scenarios.speech.omnivoice import write_omnivoice

        write_omnivoice(folder)

    return stored("omnivoice-files", make)


@pytest.fixture(scope="session")
def voice(voice_files: Path) -> Path:
    """Its bundle, with both parts of the codec."""

    def make(folder: Path) -> None:
        from tests.tiny import export_voice

        export_voice(folder, voice_files)

    return stored("omnivoice", make)
