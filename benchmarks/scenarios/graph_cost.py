"""The least that a pass must do: multiplications with weights, and bytes of weights read, counted from the graphs.

Products of activations with each other (attention) and convolutions are left out, and a convolution that the exporter made a
product counts once a state, although it runs up to six times; so a share of the ceiling is a lower bound.
Knows ONNX graphs of any size and the roles that bundles give them.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.benchmarks.measure.harness import Clock, timed
from unmask.bundle.manifest import Bundle
from unmask.engines.engine import GraphRun

PREDICTED, DRAFT = "ids", "draft"
_THROUGH = ("Cast", "DequantizeLinear", "Transpose", "Reshape", "Identity")


@dataclass(frozen=True)
class GraphCost:
    """Of one graph: multiplications for each row, those of the head for each wanted row, bytes of all matrices.

    An encoder's rows are its states; if it drafts a transcript, the slots of the draft are the wanted rows."""

    row: int
    wanted: int
    bytes: int


def graph_cost(path: Path) -> GraphCost:
    """In a graph that predicts ids, the products that no other product follows are its head; in one that drafts a transcript
    those between the slots and the draft."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    predicts = PREDICTED in {value.name for value in graph.output}
    of_slots = _of_slots(makers) if DRAFT in makers else set()
    followed = set[str]()  # tensors that a product depends on
    row = wanted = size = 0
    for node in reversed(graph.node):  # a graph's nodes are in the order of their use
        found = _matrix(node, constants, makers)
        precedes = not followed.isdisjoint(node.output)
        if found is not None or precedes:
            followed.update(node.input)
        if found is None:
            continue
        dims, bits = found
        count = int(np.prod(dims))
        if (predicts and not precedes) or node.output[0] in of_slots:
            wanted += count
        else:
            row += count
        size += count * bits // 8
    return GraphCost(row, wanted, size)


def _of_slots(makers: Mapping[str, Any]) -> set[str]:
    """The tensors between the convolution that makes slots of states, which strides, and the draft."""
    waiting, seen = [DRAFT], {DRAFT}
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or (node.op_type == "Conv" and any(max(a.ints) > 1 for a in node.attribute if a.name == "strides")):
            continue
        waiting += [name for name in node.input if name not in seen]
        seen.update(node.input)
    return seen


def _matrix(node: Any, constants: Mapping[str, Any], makers: Mapping[str, Any]) -> tuple[tuple[int, ...], int] | None:
    """Sides and bits an element of the constant matrix that a node multiplies with."""
    if node.op_type == "MatMulNBits":
        given = {attribute.name: attribute.i for attribute in node.attribute}
        return (given["K"], given["N"]), given.get("bits", 4)
    if node.op_type not in ("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul"):
        return None
    for name in node.input:
        chosen = dict[int, int]()  # axis -> rows or columns that are taken of the constant
        while name not in constants and name in makers and makers[name].op_type in (*_THROUGH, "Gather"):
            maker = makers[name]
            if maker.op_type == "Gather":
                if maker.input[1] not in constants or len(constants[maker.input[1]].dims) != 1:
                    break
                chosen[next((a.i for a in maker.attribute if a.name == "axis"), 0)] = constants[maker.input[1]].dims[0]
            name = maker.input[0]
        tensor = constants.get(name)
        if tensor is not None and len(tensor.dims) == 2 and min(tensor.dims) > 1:
            import onnx

            dims = tuple(chosen.get(axis, dim) for axis, dim in enumerate(tensor.dims))
            return dims, 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return None


def bundle_costs(bundle: Bundle) -> dict[str, list[int]]:
    """Of every graph of any size, as `CostCounter` takes them; read once, outside the processes that are measured."""
    found = {role: graph_cost(bundle.path(file)) for role, file in bundle.manifest.graphs.items()}
    return {role: [cost.row, cost.wanted, cost.bytes] for role, cost in found.items()}


class CostCounter:
    """Adds up the work of an engine's runs, as its observer; `take` returns the sums and resets them.

    costs: of `bundle_costs`. Runs of other graphs are not counted.
    """

    def __init__(self, costs: Mapping[str, Sequence[int]]) -> None:
        self._costs = {role: GraphCost(*cost) for role, cost in costs.items()}
        self._macs = self._bytes = 0

    def __call__(self, run: GraphRun) -> None:
        if run.role in self._costs:
            cost = self._costs[run.role]
            rows, wanted = rows_of(run)
            self._macs += cost.row * rows + cost.wanted * wanted
            self._bytes += cost.bytes

    def take(self) -> tuple[int, int]:
        """Multiplications with weights, and bytes of weights read."""
        out, self._macs, self._bytes = (self._macs, self._bytes), 0, 0
        return out


def overhead_s(clock: Clock = time.perf_counter, calls: int = 1000) -> float:
    """Seconds that measuring adds to a pass: two readings of the clock and the counting; median of calls that do no more."""
    counter = CostCounter({"window": [1, 1, 1]})
    run = GraphRun("window", {"rows": np.zeros((1, 1)), "wanted": np.zeros(1)}, {}, 0.0)
    return float(np.median([timed(lambda: counter(run), clock)() for _ in range(calls)]))


def rows_of(run: GraphRun) -> tuple[int, int]:
    """Rows that a call computes, and rows that its head does."""
    feeds, made = run.feeds, run.outputs
    if "cross_k" in made:  # an encoder's
        return made["cross_k"].shape[2], len(made[DRAFT])
    if "hidden" in feeds:
        return 0, len(feeds["hidden"])
    rows = len(feeds["rows"])
    return rows, len(feeds["wanted"]) if "wanted" in feeds else rows
