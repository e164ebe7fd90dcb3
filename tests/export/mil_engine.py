"""Run a bundle's CoreML graphs in NumPy with the same captioner, on any system: slow, and only as exact as `mil_eval`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tests.export.mil_eval import Package
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.coreml import function_of
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES, EngineKind

COREML = EngineOptions(engine="coreml")


class MilRunner:
    """Stands where `unmask.engines.coreml.CoremlRunner` stands on macOS: implements `unmask.engines.runner.Runner`."""

    def __init__(self, bundle: Bundle, options: EngineOptions) -> None:
        self._bundle = bundle
        self._packages: dict[str, Package] = {}

    def inputs(self, bucket: Bucket) -> dict[str, tuple[int, ...]]:
        description = function_of(self._package(bucket).spec.description, bucket)
        return {value.name: tuple(value.type.multiArrayType.shape) for value in description.input}

    def outputs(self, bucket: Bucket) -> tuple[str, ...]:
        return tuple(value.name for value in function_of(self._package(bucket).spec.description, bucket).output)

    def run(self, bucket: Bucket, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        return self._package(bucket)(bucket.function or "main", feeds)

    def _package(self, bucket: Bucket) -> Package:
        if bucket.file not in self._packages:
            self._packages[bucket.file] = Package(self._bundle.path(bucket.file))
        return self._packages[bucket.file]


def evaluated(runner: type = MilRunner) -> EngineKind:
    """The engine coreml with another runner."""
    return replace(ENGINES["coreml"], runner=f"{runner.__module__}:{runner.__name__}")


def evaluate_coreml() -> None:
    """From here on the engine coreml is `MilRunner`."""
    ENGINES["coreml"] = evaluated()
