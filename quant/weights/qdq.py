"""Static int8 for NPUs: products and convolutions between QuantizeLinear and DequantizeLinear, on their way in and out.

QNN, VitisAI and OpenVINO compile this form to integer kernels: unsigned activations with a measured range, signed 8-bit weights
around zero (using 7 bits, as everywhere here) with one scale per output, 32-bit biases. Norms, softmax and masks stay floats: a
mask of -1e4 in the range of scores would leave them no codes. Knows ONNX nodes with their weights inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from unmask.errors import InputError
from unmask.quant.weights.integer_weights import columns
from unmask.quant.weights.matrices import matrices

ACTIVATIONS = {"u8": np.uint8, "u16": np.uint16}
ValueRange = tuple[float, float]  # smallest and largest value


@dataclass(frozen=True)
class Product:
    """A node with constant weights. axis: the axis of the weights that counts outputs."""

    node: onnx.NodeProto
    axis: int
    head: bool

    @property
    def ends(self) -> tuple[str, str]:
        """Its input and its output, whose ranges must be known."""
        return self.node.input[0], self.node.output[0]


def products(role: str, model: onnx.ModelProto) -> list[Product]:
    """The nodes of a graph that are quantized, in its order."""
    plain = {matrix.node: matrix for matrix in matrices(role, model)}
    constants, found = {tensor.name for tensor in model.graph.initializer}, []
    for node in model.graph.node:
        matrix = plain.get(node.output[0])
        if matrix is not None:
            found.append(Product(node, 0 if matrix.transposed else 1, matrix.head))
        elif node.op_type == "Conv" and node.input[1] in constants:
            found.append(Product(node, 0, False))
    return found


def measured(role: str, model: onnx.ModelProto) -> list[str]:
    """Tensors whose ranges `quantized` needs, each once, in the order of the graph."""
    return list(dict.fromkeys(name for product in products(role, model) for name in product.ends))


def quantized(role: str, model: onnx.ModelProto, ranges: Mapping[str, ValueRange], activations: str) -> onnx.ModelProto:
    """A quantized copy. ranges: tensor -> its smallest and largest value. activations: u8 or u16.

    Activations of a head are always u16: with 8 bits over the range of logits, the best id and the next often get the same code.
    Raises InputError when a range is missing.
    """
    return _Quantizer(role, model, ranges, np.dtype(ACTIVATIONS[activations])).run()


class _Quantizer:
    def __init__(
        self, role: str, model: onnx.ModelProto, ranges: Mapping[str, ValueRange], dtype: np.dtype[np.unsignedinteger]
    ) -> None:
        self.model, self.ranges, self.usual, self.dtype = model, ranges, dtype, dtype
        self.products = {product.node.output[0]: product for product in products(role, model)}
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        self.rounded: dict[tuple[str, str], str] = {}
        self.widened: set[str] = set()

    def run(self) -> onnx.ModelProto:
        for node in self.model.graph.node:
            product = self.products.get(node.output[0])
            if product is None:
                self.nodes.append(node)
            else:
                self._product(product)
        used = {name for node in self.nodes for name in node.input} | {value.name for value in self.model.graph.output}
        out = onnx.ModelProto()
        out.CopyFrom(self.model)
        del out.graph.node[:], out.graph.initializer[:], out.graph.value_info[:]
        out.graph.node.extend(self.nodes)
        out.graph.initializer.extend(tensor for name, tensor in self.tensors.items() if name in used)
        return out

    def _product(self, product: Product) -> None:
        entering, leaving = product.ends
        self.dtype = np.dtype(np.uint16) if product.head else self.usual
        node = onnx.NodeProto()
        node.CopyFrom(product.node)
        key = entering, self.dtype.name
        if key not in self.rounded:
            self.rounded[key] = self._round(entering, entering, f"{entering}_rounded_{self.dtype.name}")
        node.input[0] = self.rounded[key]
        node.input[1], scales = self._weights(product)
        if len(node.input) > 2 and node.input[2]:
            node.input[2] = self._bias(node.input[2], scales * self._grid(entering)[0], entering)
        node.output[0] = f"{leaving}_exact"
        self.nodes.append(node)
        self._round(leaving, node.output[0], leaving)

    def _grid(self, name: str) -> tuple[np.float32, np.unsignedinteger]:
        """Scale and zero point of codes over a tensor's range, widened to include zero."""
        if name not in self.ranges:
            raise InputError(f"the range of {name} was not measured: measure again on these graphs")
        low, high = min(self.ranges[name][0], 0.0), max(self.ranges[name][1], 0.0)
        most = np.iinfo(self.dtype).max
        scale = np.float32((high - low) / most) or np.float32(1)
        return scale, self.dtype.type(np.clip(np.rint(-low / scale), 0, most))

    def _round(self, name: str, source: str, result: str) -> str:
        scale, zero = self._grid(name)
        known = [self._put(f"{result}_scale", np.array(scale)), self._put(f"{result}_zero", np.array(zero))]
        self._add("QuantizeLinear", [source, *known], f"{result}_codes")
        self._add("DequantizeLinear", [f"{result}_codes", *known], result)
        return result

    def _weights(self, product: Product) -> tuple[str, NDArray[np.float32]]:
        name, axis = product.node.input[1], product.axis
        values = numpy_helper.to_array(self.tensors[name])
        made = columns(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1))
        codes = np.moveaxis(made.codes.T.reshape(np.moveaxis(values, axis, 0).shape), 0, axis)
        zeros = np.zeros(len(made.scales), np.int8)
        known = [self._put(f"{name}_codes", codes), self._put(f"{name}_scales", made.scales), self._put(f"{name}_zeros", zeros)]
        if name not in self.widened:
            self.widened.add(name)
            self._add("DequantizeLinear", known, f"{name}_widened", axis=axis)
        return f"{name}_widened", made.scales

    def _bias(self, name: str, scales: NDArray[np.float32], entering: str) -> str:
        values = numpy_helper.to_array(self.tensors[name])
        own = f"{name}_behind_{entering}"  # its scale follows from what it is added to
        bound = np.iinfo(np.int32)
        codes = np.clip(np.rint(values / scales.astype(np.float64)), bound.min, bound.max).astype(np.int32)
        known = [self._put(f"{own}_codes", codes), self._put(f"{own}_scales", scales.astype(np.float32))]
        self._add(
            "DequantizeLinear", [*known, self._put(f"{own}_zeros", np.zeros(len(scales), np.int32))], f"{own}_widened", axis=0
        )
        return f"{own}_widened"

    def _put(self, name: str, array: NDArray[np.generic]) -> str:
        self.tensors[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: int) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{output}_{kind}", **attributes))
