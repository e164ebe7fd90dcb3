"""The most that this machine can do: products of matrices in float32 and int8, and bytes read, through ONNX Runtime and NumPy.

A share of the ceiling says how much of the time went into unavoidable work. The peak is that of the engine on this machine, not
that of the processor's data sheet. Each number of threads is measured in a process of its own, one thread in processor time, so
that other programs do not make the ceiling lower than it is.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from unmask.benchmarks.measure.harness import Clock, timed
from unmask.benchmarks.measure.worker import Worker

SIDE = 1024  # of the matrices of the peaks
LONG = 8192  # of the matrix that is read: 256 MiB of float32, more than any cache holds
IN_FP32 = ("fp32", "fp16")  # precisions whose products are computed in float32
TARGET = "unmask.benchmarks.measure.ceiling:target"


@dataclass(frozen=True)
class Ceiling:
    """Best of several runs."""

    threads: int
    fp32_macs_per_s: float
    int8_macs_per_s: float
    bytes_per_s: float

    def macs_per_s(self, precision: str) -> float:
        """The peak that a bundle's products are compared with. precision: the manifest's."""
        return self.fp32_macs_per_s if precision in IN_FP32 else self.int8_macs_per_s


def measure_ceiling(threads: int, side: int = SIDE, long: int = LONG, seconds: float = 0.5) -> Ceiling:
    """seconds: for each of the three figures."""
    with Worker(TARGET, {"threads": threads}) as worker:
        return Ceiling(**worker(side=side, long=long, seconds=seconds))


def target(threads: int) -> Callable[..., dict[str, Any]]:
    return lambda side, long, seconds: asdict(_measure(threads, side, long, seconds))


def _measure(threads: int, side: int, long: int, seconds: float) -> Ceiling:
    rng = np.random.default_rng(0)
    square = rng.standard_normal((side, side)).astype(np.float32)
    whole = rng.integers(-127, 128, (side, side)).astype(np.int8)
    wide = np.ones((long, long), np.float32)
    fp32, int8 = _product("MatMul", square, threads), _product("MatMulInteger", whole, threads)
    read, row = _product("MatMul", None, threads), np.ones((1, long), np.float32)
    clock = time.thread_time if threads == 1 else time.perf_counter
    with ThreadPoolExecutor(threads) as pool:
        parts = np.array_split(wide, threads)
        run = map if threads == 1 else pool.map
        summed = _best(lambda: list(run(np.sum, parts)), seconds, clock)
    return Ceiling(
        threads,
        side**3 / _best(lambda: fp32(square), seconds, clock),
        side**3 / _best(lambda: int8(whole.view(np.uint8)), seconds, clock),
        wide.nbytes / min(summed, _best(lambda: read(row, wide), seconds, clock)),
    )


def _product(kind: str, weights: np.ndarray | None, threads: int) -> Callable[..., object]:
    """x @ weights in a graph of its own, its weights a constant as in a bundle's graphs. None: passed with each call."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    given, made = (TensorProto.UINT8, TensorProto.INT32) if kind == "MatMulInteger" else (TensorProto.FLOAT, TensorProto.FLOAT)
    inputs = [helper.make_tensor_value_info("x", given, ["n", "k"])]
    if weights is None:
        inputs.append(helper.make_tensor_value_info("w", given, ["k", "m"]))
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"])],
        "product",
        inputs,
        [helper.make_tensor_value_info("y", made, ["n", "m"])],
        [] if weights is None else [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda *arrays: session.run(None, dict(zip(("x", "w"), arrays, strict=False)))


def _best(call: Callable[[], object], seconds: float, clock: Clock) -> float:
    """Seconds of the fastest call; at least three calls."""
    began, best, calls = time.perf_counter(), float("inf"), 0
    while calls < 3 or time.perf_counter() - began < seconds:
        best, calls = min(best, timed(call, clock)()), calls + 1
    return best
