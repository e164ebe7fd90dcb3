"""An engine that also tells what flows inside its graphs: whole logits, ranges of activations.

Knows ONNX nodes and sessions. Knows no canvas and no comparison. Graphs may be replaced by others over the same weights file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from unmask.bundle import Bundle
from unmask.engine import Engine
from unmask.onnx_runner import open_session, session_options
from unmask.options import EngineOptions
from unmask.quant.matrices import matrices, ranked

Tap = Callable[[str, onnx.ModelProto], list[str]]
"""Given a role and its graph, adds nodes where needed and returns the tensors to tell of."""


class Tapped(Engine):
    """`last[role]` holds the tapped tensors of a graph's last run; everything else is as with `Engine`."""

    def __init__(
        self,
        bundle: Bundle,
        tap: Tap,
        options: EngineOptions | None = None,
        models: Mapping[str, onnx.ModelProto] | None = None,
        folder: Path | None = None,
    ) -> None:
        """models: graphs to run instead of the bundle's own, with their weights in `folder`."""
        super().__init__(bundle, options)
        self.last: dict[str, list[NDArray[Any]]] = {}
        self._tap, self._models, self._folder = tap, dict(models or {}), folder or bundle.folder
        self._outputs: dict[str, int] = {}

    def replace(self, role: str, model: onnx.ModelProto) -> None:
        """Run another graph in this role from now on."""
        self._models[role] = model
        self._sessions.pop(role, None)

    def _open(self, role: str) -> Any:
        model = onnx.ModelProto()
        own = self._models.get(role)
        folder = self.bundle.folder if own is None else self._folder
        model.CopyFrom(own or onnx.load(self.bundle.path(self.bundle.manifest.graphs[role]), load_external_data=False))
        self._outputs[role] = len(model.graph.output)
        for name in self._tap(role, model):
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        options = session_options(self.options)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
        return open_session(model.SerializeToString(), self.options, options)

    def run(self, role: str, feeds: Mapping[str, Any]) -> list[NDArray[Any]]:
        outputs = super().run(role, feeds)
        own = self._outputs[role]
        self.last[role] = outputs[own:]
        return outputs[:own]


def whole_logits(role: str, model: onnx.ModelProto) -> list[str]:
    """Taps the logits over all that a graph can predict; nothing of a graph that predicts nothing."""
    name = ranked(model)
    return [] if name is None else [name]


def factors(role: str, model: onnx.ModelProto) -> list[str]:
    """What enters the products with constant matrices, each once, in the order of the graph."""
    chosen = {matrix.node for matrix in matrices(role, model)}
    return list(dict.fromkeys(node.input[0] for node in model.graph.node if node.output[0] in chosen))


def ranges_of_factors(role: str, model: onnx.ModelProto) -> list[str]:
    """Taps the smallest and the largest value of each of `factors`, in turn."""
    tapped = []
    for name in factors(role, model):
        for kind in ("ReduceMin", "ReduceMax"):
            tapped.append(f"{name}_{kind}")
            model.graph.node.append(helper.make_node(kind, [name], [tapped[-1]], keepdims=0))
    return tapped
