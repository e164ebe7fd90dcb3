"""Constants of graphs named after the parameters that they are, for `export.reload`. Knows modules and ONNX graphs."""

import hashlib

import numpy as np
import onnx
from torch import nn

PARAMETER = "model."  # prefix of the name of a constant that is a parameter


def name_parameters(graph: onnx.ModelProto, model: nn.Module) -> None:
    """Rename constants to `model.PARAMETER`, or `model.PARAMETER.T` when transposed, for `export.reload`.

    A convolution (outputs, inputs, size) that became a product is PARAMETER.T as well: (size * inputs, outputs), or with a row of
    zeros more, which fills the size up to whole strides.

    The exporter keeps the names of parameters that it uses unchanged, and numbers those that it folds. Heads keep their names.
    """
    known: dict[tuple[tuple[int, ...], bytes], str] = {}
    for name, parameter in reversed(list(model.named_parameters())):  # the first of equal ones wins
        array = parameter.detach().numpy()
        flat = array.transpose(0, 2, 1).reshape(len(array), -1) if array.ndim == 3 else array
        filled = [np.pad(flat, ((0, 0), (0, 1)))] if array.ndim == 3 else []
        for form in [flat, *filled] if flat.ndim == 2 else []:
            known[form.T.shape, digest(form.T)] = f"{PARAMETER}{name}.T"
        known[array.shape, digest(array)] = f"{PARAMETER}{name}"
    renamed = {}
    for tensor in graph.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        own = known.get((array.shape, digest(array)))
        if own is not None and not tensor.name.startswith("head.") and own not in renamed.values():
            renamed[tensor.name], tensor.name = own, own
    for node in graph.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)


def digest(array: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()
