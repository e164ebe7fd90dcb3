"""Rewrite a graph so that its matrices are small integers or float16. Knows nodes. Tensors and their bytes are the store's.

Forms of a matrix:
    int8          activations are quantized on each call (DynamicQuantizeLinear, MatMulInteger), weights per output in 7 bits
    int8-static   the same weights between QuantizeLinear and DequantizeLinear, with measured ranges: for NPUs
    int8-weights  weights in blocks of 8 bits (MatMulNBits)
    int4          the same in 4 bits
    fp16          stored in float16, computed in float32
    fp32          unchanged
The nodes of the first two follow the patterns that ONNX Runtime fuses into one operator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from unmask.errors import InputError
from unmask.export.onnx.own_operators import CONTRIB, use_own_operators
from unmask.quant.weights.matrices import Matrix, matrices
from unmask.quant.weights.store import Store, Stored

MATRIX_FORMS = ("int8", "int8-weights", "int4", "int8-static", "fp16", "fp32")
HALVED_BYTES = 1 << 16  # other constants (convolutions, positions) of at least this size are stored in float16 or int8


@dataclass(frozen=True)
class Blocking:
    """How MatMulNBits computes."""

    block: int | None = None
    """Weights that share a scale, a power of two from 16. The default is 32 in 4 bits and 128 in 8 bits."""
    accuracy_level: int = 4
    """4: activations are quantized to int8 in blocks. Other levels compute in float32 and are many times slower in 8 bits."""

    def of(self, bits: int) -> int:
        return self.block or (32 if bits == 4 else 128)


class Rewriter:
    """One graph being rewritten."""

    def __init__(
        self,
        role: str,
        model: onnx.ModelProto,
        store: Store,
        form: Callable[[Matrix], str],
        blocking: Blocking,
        ranges: Mapping[str, tuple[float, float]],
        round_convolutions: bool = False,
    ) -> None:
        """form: the form of each matrix. ranges: for int8-static, the smallest and largest value of each product's first factor,
        by its name. round_convolutions: store their
        weights in int8 instead of float16; they are computed in float32, as activations in 8 bits cost them much (docs/log.md).
        """
        self._convolved = {node.input[1] for node in model.graph.node if round_convolutions and node.op_type == "Conv"}
        self._model, self._store, self._blocking, self._ranges = model, store, blocking, ranges
        self._form = {matrix.node: (matrix, form(matrix)) for matrix in matrices(role, model)}
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, onnx.TensorProto] = {}
        self._widened: set[str] = set()
        self._rounded: dict[str, tuple[str, ...]] = {}  # activations that are already quantized

    def run(self) -> onnx.ModelProto:
        """The rewritten copy, whose tensors point into the new weights file."""
        for node in self._model.graph.node:
            matrix, form = self._form.get(node.output[0], (None, "fp32"))
            if matrix is None or form in ("fp16", "fp32"):
                self._nodes.append(node)
            else:
                self._product(node, matrix, form)
        self._nodes = needed(self._nodes, {value.name for value in self._model.graph.output})
        self._keep_the_rest()
        out = onnx.ModelProto()
        out.CopyFrom(self._model)
        del out.graph.node[:], out.graph.initializer[:]
        out.graph.node.extend(self._nodes)
        out.graph.initializer.extend(self._tensors.values())
        if any(node.domain == CONTRIB for node in self._nodes):
            use_own_operators(out)
        return out

    # ---- products

    def _product(self, node: onnx.NodeProto, matrix: Matrix, form: str) -> None:
        bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
        out = node.output[0] if bias is None else f"{node.output[0]}_unbiased"
        if form in ("int8-weights", "int4"):
            self._blocks(node.input[0], out, matrix, 4 if form == "int4" else 8)
        else:
            self._columns(node.input[0], out, matrix, static=form == "int8-static")
        if bias is not None:
            self._add("Add", [out, bias], [node.output[0]])

    def _blocks(self, rows: str, out: str, matrix: Matrix, bits: int) -> None:
        block, (width, count) = self._blocking.of(bits), matrix.shape
        names = [
            self._tensor(f"{matrix.name}_{part}", stored)
            for part, stored in zip(("blocks", "scales"), self._store.blocks(matrix, bits, block), strict=True)
        ]
        names = self._rows_of(matrix, dict.fromkeys(names, 0))
        sizes = {"K": width, "N": count, "bits": bits, "block_size": block}
        level = self._blocking.accuracy_level
        self._add("MatMulNBits", [rows, *names], [out], CONTRIB, **sizes, accuracy_level=level)

    def _columns(self, rows: str, out: str, matrix: Matrix, static: bool) -> None:
        parts = self._store.columns(replace(matrix, rows=None))
        assert matrix.rows is None or len(parts) == 1
        outs = [out] if len(parts) == 1 else [f"{out}_{i}" for i in range(len(parts))]
        for i, (codes, scales) in enumerate(parts):
            stem = matrix.name if len(parts) == 1 else f"{matrix.name}_{i}"
            stored = {self._tensor(f"{stem}_quantized", codes): 1, self._tensor(f"{stem}_scale", scales): 0}
            names = self._rows_of(matrix, stored)
            (self._static if static else self._dynamic)(rows, outs[i], stem, names)
        if len(parts) > 1:
            self._add("Concat", outs, [out], axis=-1)

    def _rows_of(self, matrix: Matrix, stored: Mapping[str, int]) -> list[str]:
        """Tensors of the rows that a matrix consists of, which ONNX Runtime takes once, when it opens the graph.

        stored: tensors of all rows, and the axis of each that counts them.
        """
        if matrix.rows is None:
            return list(stored)
        which = self._tensor(matrix.rows.name, self._store.plain(matrix.rows))
        for name, axis in stored.items():
            self._add("Gather", [name, which], [f"{name}_of_{which}"], axis=axis)
        return [f"{name}_of_{which}" for name in stored]

    def _dynamic(self, rows: str, out: str, stem: str, names: Sequence[str]) -> None:
        if rows not in self._rounded:
            self._rounded[rows] = (f"{rows}_quantized", f"{rows}_scale", f"{rows}_zero_point")
            self._add("DynamicQuantizeLinear", [rows], list(self._rounded[rows]))
        codes, scale, zero = self._rounded[rows]
        own = f"{out}_product"  # a name of its own: the next product makes names from `out` too
        self._add("MatMulInteger", [codes, names[0], zero], [f"{own}_integer"])
        self._add("Cast", [f"{own}_integer"], [f"{own}_cast"], to=TensorProto.FLOAT)
        self._add("Mul", [scale, names[1]], [f"{own}_scale"])
        self._add("Mul", [f"{own}_cast", f"{own}_scale"], [out])

    def _static(self, rows: str, out: str, stem: str, names: Sequence[str]) -> None:
        if rows not in self._rounded:
            if rows not in self._ranges:
                raise InputError(f"the range of {rows}, an input of {stem}, was not measured: measure again on this bundle")
            low, high = self._ranges[rows]
            scale, zero = asymmetric(low, high)
            known = [
                self._tensor(f"{rows}_range_scale", Stored(scale.dtype, (), inside=scale)),
                self._tensor(f"{rows}_range_zero", Stored(zero.dtype, (), inside=zero)),
            ]
            self._rounded[rows] = (f"{rows}_rounded",)
            self._add("QuantizeLinear", [rows, *known], [f"{rows}_quantized"])
            self._add("DequantizeLinear", [f"{rows}_quantized", *known], [f"{rows}_rounded"])
        if f"{stem}_dequantized" not in self._widened:
            self._add("DequantizeLinear", [*names], [f"{stem}_dequantized"], axis=1)
            self._widened.add(f"{stem}_dequantized")
        self._add("MatMul", [self._rounded[rows][0], f"{stem}_dequantized"], [out])

    # ---- constants

    def _keep_the_rest(self) -> None:
        """Constants that are still used, in float16 where their form or their size asks for it."""
        used = {name for node in self._nodes for name in node.input}
        halved = {matrix.name for matrix, form in self._form.values() if form == "fp16"}
        exact = {matrix.name for matrix, form in self._form.values() if form == "fp32"}
        for tensor in self._model.graph.initializer:
            if tensor.name not in used or tensor.name in self._tensors:
                continue
            floats = tensor.data_type == TensorProto.FLOAT and tensor.name not in exact
            large = 4 * int(np.prod(tensor.dims)) >= HALVED_BYTES
            if floats and large and tensor.name in self._convolved:
                self._widen_rounded(tensor)
                continue
            half = self._store.half(tensor) if floats and (large or tensor.name in halved) else None
            if half is None:
                self._tensor(tensor.name, self._store.plain(tensor))
                continue
            name = self._tensor(f"{tensor.name}_half", half)
            self._nodes.insert(0, helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT))

    def _widen_rounded(self, tensor: onnx.TensorProto) -> None:
        """Two nodes that ONNX Runtime computes once, when it opens the graph."""
        stored = self._store.rounded(tensor)
        codes, steps = (self._tensor(f"{tensor.name}_{part}", of) for part, of in zip(("rounded", "step"), stored, strict=True))
        wide = f"{tensor.name}_wide"
        self._nodes[:0] = [
            helper.make_node("Cast", [codes], [wide], to=TensorProto.FLOAT),
            helper.make_node("Mul", [wide, steps], [tensor.name]),
        ]

    def _tensor(self, name: str, stored: Stored) -> str:
        self._tensors[name] = stored.tensor(name)
        return name

    def _add(self, kind: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: int) -> None:
        self._nodes.append(helper.make_node(kind, inputs, outputs, f"{outputs[0]}_{kind}", domain=domain, **attributes))


def needed(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """The nodes without those that nothing reads."""
    wanted, kept = set(outputs), list[onnx.NodeProto]()
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def asymmetric(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of uint8 codes over [low, high], widened to include zero, as ONNX's DynamicQuantizeLinear does."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255) or np.float32(1)
    return np.array(scale, np.float32), np.array(np.clip(np.rint(-low / scale), 0, 255), np.uint8)
