"""Run graphs of fixed sizes with CoreML on macOS, through coremltools, which is imported on first use.

Knows packages, functions and compute units. The system compiles a package once; the result is kept in the user's cache folder.
"""

import hashlib
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.engine_options import EngineOptions
from unmask.engines.runner import Arrays
from unmask.errors import BundleError, InputError
from unmask.user_cache import cache_folder

UNITS = {"all": "ALL", "cpu": "CPU_ONLY", "cpu+gpu": "CPU_AND_GPU", "cpu+ne": "CPU_AND_NE"}  # options.units -> ct.ComputeUnit
ELSEWHERE = "use the engine onnx with a bundle that has graphs for it"


class CoremlRunner:
    """Implements `Runner`. Opens one model for each bucket; buckets of a package share the compiled model."""

    def __init__(self, bundle: Bundle, options: EngineOptions) -> None:
        self._bundle, self._options = bundle, options
        self._compiled: dict[str, Path] = {}  # package -> folder of the compiled model
        self._described: dict[str, Any] = {}  # package -> its specification
        self._models: dict[tuple[str, str], Any] = {}  # (package, function) -> open model

    def inputs(self, bucket: Bucket) -> dict[str, tuple[int, ...]]:
        """Name -> shape. Opens the graph; raises InputError if CoreML is missing, BundleError if it cannot open the graph."""
        return {value.name: tuple(value.type.multiArrayType.shape) for value in self._described_function(bucket).input}

    def outputs(self, bucket: Bucket) -> tuple[str, ...]:
        return tuple(value.name for value in self._described_function(bucket).output)

    def _described_function(self, bucket: Bucket) -> Any:
        self._model(bucket)
        if bucket.file not in self._described:
            self._described[bucket.file] = _coremltools().utils.load_spec(str(self._bundle.path(bucket.file))).description
        return function_of(self._described[bucket.file], bucket)

    def run(self, bucket: Bucket, feeds: Arrays) -> Arrays:
        """Run a graph. Inputs and outputs are float32 and int32."""
        outputs: Arrays = self._model(bucket).predict(dict(feeds))
        return outputs

    def _model(self, bucket: Bucket) -> Any:
        key = bucket.file, bucket.function
        if key not in self._models:
            self._models[key] = self._open(bucket)
        return self._models[key]

    def _open(self, bucket: Bucket) -> Any:
        if sys.platform != "darwin":
            raise InputError(f"the engine coreml runs on macOS, but this is {platform.system() or sys.platform}; {ELSEWHERE}")
        tools = _coremltools()
        units = getattr(tools.ComputeUnit, UNITS[self._options.units])
        try:
            return tools.models.CompiledMLModel(str(self._package(bucket.file)), units, bucket.function or None)
        except RuntimeError as error:  # coremltools raises this for errors of the system
            raise BundleError(
                f"{self._bundle.path(bucket.file)}: CoreML cannot open {bucket.name} ({error}); "
                "export it again with a --deployment-target that this system supports"
            ) from error

    def _package(self, name: str) -> Path:
        """Folder of the compiled package, which is compiled now unless it is in the cache."""
        if name not in self._compiled:
            files = sorted(
                (path, file.sha256) for path, file in self._bundle.manifest.files.items() if path.startswith(f"{name}/")
            )
            key = hashlib.sha256(repr((files, platform.mac_ver()[0])).encode()).hexdigest()
            target = cache_folder() / "coreml" / f"{key}.mlmodelc"
            if not target.is_dir():
                compile_package(self._bundle.path(name), target)
            self._compiled[name] = target
        return self._compiled[name]


def function_of(description: Any, bucket: Bucket) -> Any:
    """A bucket's function in a package's specification, with its inputs and outputs. Raises BundleError if it is missing."""
    function = next((f for f in description.functions if f.name == bucket.function), None)
    if function is None and description.functions:
        raise BundleError(f"{bucket.file}: no function {bucket.function!r} is in this package; export the bundle again")
    return function or description


def compile_package(package: Path, target: Path) -> None:
    """Compile a package next to `target`, and move the result there once it is complete.

    Raises InputError if the folder cannot be written, RuntimeError if the system cannot compile the package.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as part:
            made = Path(part) / target.name
            _coremltools().models.utils.compile_model(str(package), str(made))
            if not target.is_dir():  # another process may have been first
                shutil.move(made, target)
    except OSError as error:
        raise InputError(
            f"{target}: cannot write the compiled CoreML model ({error}); set UNMASK_CACHE to another folder"
        ) from error


def _coremltools() -> Any:
    try:
        import coremltools
    except ImportError as error:
        raise InputError(f"the engine coreml needs coremltools ({error}); pip install 'unmask[coreml]'") from error
    return coremltools
