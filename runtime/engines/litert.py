"""Run graphs of fixed sizes with LiteRT, from the package ai-edge-litert, which is imported on first use.

Knows .tflite files and their signatures; a bucket's `function` is a signature. On the CPU, graphs run in the interpreter with
XNNPACK; on a GPU, in LiteRT's compiled model. The signatures of a file share its weights, in memory too.
"""

import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.engine_options import EngineOptions
from unmask.engines.runner import Arrays
from unmask.errors import BundleError, InputError

REFUSED = "not supported by GPU delegate"  # of what LiteRT writes; the line after it names an operator
FAILED = re.compile(r"E\d{4} ")  # its lines of errors
FOUND = "Created a WebGPU environment"  # or else there is no GPU
LONGEST_FAULT = 200  # characters


class Opened(Protocol):
    """An open file of graphs, each with its own signature."""

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]: ...

    def outputs(self, signature: str) -> tuple[str, ...]: ...

    def run(self, signature: str, feeds: Arrays) -> Arrays: ...


class LitertRunner:
    """Implements `unmask.engines.runner.Runner`. Not thread-safe: runs of a graph share its buffers."""

    def __init__(self, bundle: Bundle, options: EngineOptions) -> None:
        self._bundle, self._options = bundle, options
        self._opened: dict[str, Opened] = {}

    def inputs(self, bucket: Bucket) -> dict[str, tuple[int, ...]]:
        """Name -> shape. Opens the file; raises InputError if LiteRT or the GPU is missing, BundleError for a bad file."""
        return self._file(bucket).inputs(bucket.function)

    def outputs(self, bucket: Bucket) -> tuple[str, ...]:
        return self._file(bucket).outputs(bucket.function)

    def run(self, bucket: Bucket, feeds: Arrays) -> Arrays:
        """Run a graph. Inputs and outputs are float32 and int32."""
        return self._file(bucket).run(bucket.function, feeds)

    def _file(self, bucket: Bucket) -> Opened:
        if bucket.file not in self._opened:
            self._opened[bucket.file] = open_file(self._bundle.path(bucket.file), self._options)
        return self._opened[bucket.file]


def open_file(path: Path, options: EngineOptions) -> Opened:
    """Open a .tflite file. Raises as `LitertRunner.inputs`."""
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        raise InputError(f"the engine litert needs ai-edge-litert ({error}); pip install 'unmask[litert]'") from error
    return Interpreted(path, options.threads) if options.delegate == "cpu" else Compiled(path, options)


class Interpreted:
    """A file that runs in the interpreter, on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._path = path
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._signatures = self._interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            raise _refused(path, error) from error
        self._runners: dict[str, Any] = {}

    def _runner(self, signature: str) -> Any:
        if signature not in self._runners:
            _known(self._path, signature, self._signatures)
            try:
                self._runners[signature] = self._interpreter.get_signature_runner(signature)
            except (ValueError, RuntimeError) as error:
                raise _refused(self._path, error) from error
        return self._runners[signature]

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        details = self._runner(signature).get_input_details()
        return {name: tuple(map(int, detail["shape"])) for name, detail in details.items()}

    def outputs(self, signature: str) -> tuple[str, ...]:
        return tuple(self._runner(signature).get_output_details())

    def run(self, signature: str, feeds: Arrays) -> Arrays:
        made: dict[str, NDArray[Any]] = self._runner(signature)(**feeds)
        return made


class Compiled:
    """A file that runs as a compiled model, on the delegate of the options. Opening fails without a GPU; nothing falls back."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, GpuOptions, HardwareAccelerator, Options

        self._path = path
        device, _, number = options.delegate.partition("-")
        wanted = Options(
            hardware_accelerators=HardwareAccelerator[device.upper()],
            cpu_options=CpuOptions(num_threads=options.threads),
            gpu_options=GpuOptions(enforce_f32=number != "fp16"),
        )
        with tempfile.TemporaryFile() as said:
            try:
                with _stderr_in(said):
                    self._model = CompiledModel.from_file(str(path), options=wanted)
                    self._signatures = self._model.get_signature_list()
            except (ValueError, RuntimeError) as error:
                if device == "cpu":
                    raise _refused(path, error) from error
                raise _without_gpu(path, device, said) from error
        self._buffers: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def inputs(self, signature: str) -> dict[str, tuple[int, ...]]:
        _known(self._path, signature, self._signatures)
        details = self._model.get_input_tensor_details(signature)
        return {name: tuple(map(int, detail["shape"])) for name, detail in details.items()}

    def outputs(self, signature: str) -> tuple[str, ...]:
        return tuple(_known(self._path, signature, self._signatures)["outputs"])

    def run(self, signature: str, feeds: Arrays) -> Arrays:
        if signature not in self._buffers:
            known = _known(self._path, signature, self._signatures)
            self._buffers[signature] = (
                {name: self._model.create_input_buffer_by_name(signature, name) for name in known["inputs"]},
                {name: self._model.create_output_buffer_by_name(signature, name) for name in known["outputs"]},
            )
        given, made = self._buffers[signature]
        for name, buffer in given.items():
            buffer.write(np.ascontiguousarray(feeds[name]))
        self._model.run_by_name(signature, given, made)
        details = self._model.get_output_tensor_details(signature)
        return {name: _read(buffer, details[name]) for name, buffer in made.items()}


@contextmanager
def _stderr_in(file: IO[bytes]) -> Iterator[None]:
    """Send what libraries write to stderr meanwhile into a file: only there LiteRT says which operators its GPU refuses."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _without_gpu(path: Path, device: str, said: IO[bytes]) -> InputError:
    """The error for a file that a device does not take. said: what LiteRT wrote to stderr."""
    said.seek(0)
    lines = said.read().decode("utf-8", errors="replace").splitlines()
    refused = [line for heading, line in pairwise(lines) if REFUSED in heading]
    refused = refused or [line.partition("] ")[2] for line in lines if FAILED.match(line)]
    if refused and any(FOUND in line for line in lines):
        faults = ", ".join(dict.fromkeys(line.strip().rstrip(".")[:LONGEST_FAULT] for line in refused))
        return InputError(f"{path}: LiteRT's {device} refuses it ({faults}); leave --delegate out, or export it again --to fp32")
    system = f"{platform.system()} {platform.machine()}"
    return InputError(f"{path}: LiteRT finds no {device.upper()} that runs it on this {system}; leave --delegate out")


def _read(buffer: Any, detail: Mapping[str, Any]) -> NDArray[Any]:
    shape = tuple(map(int, detail["shape"]))
    flat: NDArray[Any] = buffer.read(int(np.prod(shape)), detail["dtype"])
    return flat.reshape(shape)


def _known(path: Path, signature: str, there: Mapping[str, Any]) -> Any:
    if signature not in there:
        raise BundleError(f"{path}: no signature {signature!r} is in this file; export the bundle again")
    return there[signature]


def _refused(path: Path, error: Exception) -> BundleError:
    return BundleError(f"{path}: LiteRT cannot open it ({error}); fetch or export the bundle again")
