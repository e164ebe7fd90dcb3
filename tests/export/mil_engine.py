"""Run a bundle's CoreML graphs in NumPy behind the same captioner, on any system: slow, and only as exact as `mil_eval`."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from tests.export.mil_eval import Package
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines import engine
from unmask.engines.coreml import shapes
from unmask.engines.engine_options import EngineOptions

COREML = EngineOptions(engine="coreml")


class MilRunner:
    """Stands where `unmask.engines.coreml.CoremlRunner` stands on macOS: implements `unmask.engines.engine.Runner`."""

    def __init__(self, bundle: Bundle, options: EngineOptions) -> None:
        self._bundle = bundle
        self._packages: dict[str, Package] = {}

    def inputs(self, bucket: Bucket) -> dict[str, tuple[int, ...]]:
        return shapes(self._package(bucket).spec.description, bucket)

    def run(self, bucket: Bucket, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        return self._package(bucket)(bucket.function or "main", feeds)

    def _package(self, bucket: Bucket) -> Package:
        if bucket.file not in self._packages:
            self._packages[bucket.file] = Package(self._bundle.path(bucket.file))
        return self._packages[bucket.file]


def evaluate_coreml() -> None:
    """From here on the engine coreml is `MilRunner`."""
    engine.RUNNERS["coreml"] = MilRunner
