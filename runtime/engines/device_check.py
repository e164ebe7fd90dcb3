"""Whether a device computes what the CPU computes: one small fixed call of each kind of graph, on both, when graphs are opened.

A driver may give wrong numbers without an error. Ids are the worst of them: a wrong one is as good a word as a right one.
Knows graphs and tensors. Knows no engine by name.
"""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph import VARYING, GraphSpec
from unmask.bundle.manifest import Bucket
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES
from unmask.engines.runner import Arrays, Runner
from unmask.errors import BundleError, InputError

SIZES = dict.fromkeys(VARYING, 6) | {"samples": 8000, "slots": 12}
"""Of dimensions that a graph leaves open. A canvas has more slots than a pass has rows."""
EQUAL = 0.75  # share of ids that have to be the CPU's: float16 and int8 decide near ties otherwise, a broken operator most rows
FAR = 0.2  # relative distance of an output's numbers; float16 is at 1e-3, int8 encoders at 4e-2 to 6e-2 through rounding alone
CPU = "cpu"
GIVEN, GAVE = "given_", "gave_"  # before names of inputs and of outputs in a file of answers


def on_cpu(options: EngineOptions) -> EngineOptions | None:
    """The same options on the CPU; None if they name it already, or if the engine has no device to choose."""
    option = ENGINES[options.engine].device_option
    if not option or getattr(options, option) == CPU:
        return None
    plain: dict[str, Any] = {option: CPU}
    return replace(options, strict=False, **plain)


def check_device(runner: Runner, reference: Runner, graph: Bucket, spec: GraphSpec, device: str) -> None:
    """Run one call of a graph on both. Raises InputError if the device gives other ids than the CPU, or far other numbers.

    runner: of the device. reference: of the CPU. device: for the message.
    """
    feeds = fixed_call(runner.inputs(graph), spec)
    compare(runner.run(graph, feeds), reference.run(graph, feeds), graph, device)


def check_answers(runner: Runner, graph: Bucket, answers: Path, device: str) -> None:
    """The same with the CPU's answers as they were written when the graph was compiled. Raises BundleError for a bad file."""
    feeds, wanted = read_answers(answers)
    compare(runner.run(graph, feeds), wanted, graph, device)


def compare(found: Arrays, wanted: Arrays, graph: Bucket, device: str) -> None:
    """Raises as `check_device`."""
    for name, right in wanted.items():
        fault = _fault(np.asarray(found[name]), np.asarray(right))
        if fault:
            raise InputError(
                f"{graph.file}: {device} gives other {name} than the CPU in a call that both were given ({fault}), so all "
                f"that it computes would be wrong without an error; leave {device} out, or update its driver"
            )


def write_answers(path: Path, feeds: Arrays, outputs: Arrays) -> None:
    """Keep a call and what the CPU gave."""
    named: dict[str, Any] = {f"{GIVEN}{name}": array for name, array in feeds.items()}
    named |= {f"{GAVE}{name}": array for name, array in outputs.items()}
    np.savez(path, **named)


def read_answers(path: Path) -> tuple[Arrays, Arrays]:
    """The call and the answers of `write_answers`. Raises BundleError for another file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: no call with its answers ({error}); fetch or make the bundle again") from error
    feeds, outputs = (
        {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)} for start in (GIVEN, GAVE)
    )
    return feeds, outputs


def _fault(found: NDArray[Any], wanted: NDArray[Any]) -> str:
    """What is wrong with an output; empty if nothing is."""
    if found.shape != wanted.shape:
        return f"of the shape {found.shape} in place of {wanted.shape}"
    if wanted.dtype.kind in "iu":
        equal, count = int((found == wanted).sum()), wanted.size
        return "" if equal >= EQUAL * count else f"{equal} of {count} are equal"
    if not np.isfinite(found).all() and np.isfinite(wanted).all():
        return "not finite"
    distance = float(np.linalg.norm(found - wanted)) / max(float(np.linalg.norm(wanted)), 1e-6)
    return "" if distance <= FAR else f"{distance:.0%} away"


def fixed_call(shapes: dict[str, tuple[Any, ...]], spec: GraphSpec) -> Arrays:
    """Inputs of a graph: noise, rows and positions in order, nothing hidden. The same on every machine.

    shapes: of `Runner.inputs`; a size that is not fixed is taken from SIZES.
    """
    rng = np.random.default_rng(0)
    known = {tensor.name: tensor for tensor in (*spec.inputs, *spec.fixed)}
    feeds: dict[str, NDArray[Any]] = {}
    for name, shape in shapes.items():
        tensor = known[name]
        dims = zip(shape, tensor.dims, strict=True)
        size = tuple(axis if isinstance(axis, int) else SIZES.get(dim, 1) for axis, dim in dims)
        fixed = all(isinstance(axis, int) for axis in shape)
        if tensor.dtype == "int64":
            feeds[name] = np.arange(int(np.prod(size))).reshape(size).astype(np.int32 if fixed else np.int64)
        elif "mask" in name or name == "bias":
            feeds[name] = np.zeros(size, np.float32)
        else:
            feeds[name] = np.ones(size, np.float32) if name == "scale" else rng.normal(0, 0.3, size).astype(np.float32)
    return feeds
