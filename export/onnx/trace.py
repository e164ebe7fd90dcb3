"""Modules to ONNX graphs: one call of PyTorch's exporter for all of them. Knows no model, no weights file and no bundle."""

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from unmask.bundle.graph import GraphSpec
from unmask.export.graph_inputs import dynamic_shapes, example_inputs

OPSET = 23  # has Attention; opset 20 costs 3 to 13 % more on ONNX Runtime's CPU provider (docs/log.md)


def trace(module: nn.Module, graph: GraphSpec, dims: Mapping[str, int], varying: Mapping[str, Any]) -> Any:
    """A graph of any size, as PyTorch's ONNXProgram.

    dims: every dimension of `graph` in the call that is traced. varying: torch.export.Dim of each that differs from call to call.
    """
    return run_exporter(module, example_inputs(graph, dims), graph.output_names, OPSET, dynamic_shapes(graph, varying))


def run_exporter(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Iterable[str], opset: int, shapes: tuple[Any, ...] | None = None
) -> Any:
    """PyTorch's ONNXProgram of a module. example: its inputs by name, in order. shapes: as `dynamic_shapes` gives them."""
    with torch.no_grad(), _quietly():
        program = torch.onnx.export(
            module.eval(),
            tuple(example.values()),
            dynamo=True,
            dynamic_shapes=shapes,
            opset_version=opset,
            input_names=list(example),
            output_names=list(outputs),
            verbose=False,
        )
    assert program is not None  # only when it writes a file itself
    return program


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide the exporter's remarks on itself and on packages that are not installed: no user could act on them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def free_bias_rows(model: onnx.ModelProto) -> None:
    """Let the input `bias` have 1 row or `wanted` rows, in place.

    PyTorch cannot say "1 or R" of a dimension. ONNX can: the addition broadcasts at run time.
    """
    bias = next(value for value in model.graph.input if value.name == "bias")
    bias.type.tensor_type.shape.dim[0].dim_param = "one_or_wanted"
