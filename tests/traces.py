"""Graphs that PyTorch's exporter has traced, kept in the store of the tests: a module is traced once for inputs of one kind.

A trace takes seconds, and checkpoints of one configuration are exported by many tests.

Knows what a trace depends on: where anything of it is not plain data, or code outside the sources of the store, nothing is kept.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir
import torch
from torch import Tensor, nn
from torch.onnx._internal.exporter._registration import ONNXRegistry

import unmask.export.onnx.static
import unmask.export.onnx.trace
from tests.stored import store

CODE = ("unmask.export.", "torch.nn.")
LARGEST = 1 << 24  # numbers of a module whose graph is kept
trace_anew = unmask.export.onnx.trace.run_exporter


class Kept(NamedTuple):
    """What is read of PyTorch's ONNXProgram."""

    model_proto: onnx.ModelProto

    @property
    def model(self) -> onnx_ir.Model:
        return onnx_ir.from_proto(self.model_proto)


class NotPlainError(TypeError):
    pass


def keep() -> None:
    """Let every export of this process look into the store."""
    unmask.export.onnx.trace.run_exporter = unmask.export.onnx.static.run_exporter = run_exporter
    # The exporter reads the sources of all its operators again for each graph, which takes a second. We add none.
    ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))


def run_exporter(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Iterable[str], opset: int, shapes: tuple[Any, ...] | None = None
) -> Any:
    """As the exporters' own `run_exporter`."""
    outputs = list(outputs)
    try:
        told = repr((parts(module), plain(dict(example)), outputs, opset, plain(shapes)))
    except NotPlainError:
        return trace_anew(module, example, outputs, opset, shapes)
    path = store() / "traces" / f"{hashlib.sha256(told.encode()).hexdigest()}.onnx"
    if path.exists():
        return Kept(onnx.load(path))
    program = trace_anew(module, example, outputs, opset, shapes)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(onnx_ir.to_proto(program.model).SerializeToString())
    part.rename(path)
    return program


def parts(module: nn.Module) -> list[Any]:
    """Class, own attributes, parameters and buffers of a module and of all in it."""
    if sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers())) > LARGEST:
        raise NotPlainError
    common = vars(nn.Module())
    found = []
    for name, part in module.named_modules():
        code = f"{type(part).__module__}.{type(part).__qualname__}"
        if not code.startswith(CODE) or "<locals>" in code:
            raise NotPlainError
        own = {key: value for key, value in vars(part).items() if key not in common}
        found.append((name, code, plain(own), plain(part._parameters), plain(part._buffers)))
    return found


def plain(value: object) -> Any:
    """The value in a form whose `repr` tells all of it. Raises NotPlainError."""
    if value is None or isinstance(value, bool | int | float | str | torch.dtype | torch.device):
        return value
    if isinstance(value, Tensor):
        one = value.detach()[(0,) * value.ndim] if value.ndim and not any(value.stride()) else value.detach()  # expanded
        numbers = one.cpu().contiguous().view(-1).view(torch.uint8).numpy()
        return ("tensor", tuple(value.shape), value.dtype, hashlib.sha256(numbers.tobytes()).hexdigest())
    if isinstance(value, np.ndarray):
        return plain(torch.from_numpy(value))
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return [(plain(key), plain(one)) for key, one in value.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value).__qualname__, plain(vars(value)))
    if isinstance(value, torch.export.Dim):
        return ("dim", value.__name__, value.min, value.max)
    raise NotPlainError
