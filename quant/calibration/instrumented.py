"""An engine that also tells what flows inside its graphs: whole logits, ranges of activations.

Knows ONNX nodes and sessions. Knows no canvas and no comparison. Graphs may be replaced by others over the same weights file.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import OnnxRunner, open_session, session_options
from unmask.errors import InputError
from unmask.quant.weights.matrices import matrices, ranked

Tap = Callable[[str, onnx.ModelProto], list[str]]
"""Given a role and its graph, adds nodes where needed and returns the tensors to tell of."""


class InstrumentedEngine(Engine):
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

    @cached_property
    def _runner(self) -> "InstrumentedRunner":
        """Of graphs of fixed sizes."""
        if self.options.engine != "onnx":
            raise InputError(f"graphs of {self.options.engine} do not tell what flows inside them; take the engine onnx")
        return InstrumentedRunner(self.bundle, self.options, self._tap)

    def _open(self, role: str) -> Any:
        model = onnx.ModelProto()
        own = self._models.get(role)
        folder = self.bundle.folder if own is None else self._folder
        model.CopyFrom(own or onnx.load(self.bundle.path(self.bundle.manifest.graphs[role]), load_external_data=False))
        self._outputs[role] = len(model.graph.output)
        return _opened(model, self._tap(role, model), self.options, folder)

    def run(self, role: str, feeds: Mapping[str, Any]) -> list[NDArray[Any]]:
        outputs = super().run(role, feeds)
        if not self.dynamic(role):  # rows of padding stand behind the real ones
            self.last[role] = [array[: len(outputs[0])] if array.ndim else array for array in self._runner.last]
            return outputs
        own = self._outputs[role]
        self.last[role] = outputs[own:]
        return outputs[:own]


class InstrumentedRunner(OnnxRunner):
    """Graphs of fixed sizes; `last` holds the tapped tensors of the last run."""

    def __init__(self, bundle: Bundle, options: EngineOptions, tap: Tap) -> None:
        super().__init__(bundle, options)
        self.last: list[NDArray[Any]] = []
        self._tap, self._names = tap, dict[str, list[str]]()

    def _open(self, bucket: Bucket) -> Any:
        model = onnx.load(self._bundle.path(bucket.file), load_external_data=False)
        self._names[bucket.file] = self._tap(bucket.role, model)
        return _opened(model, self._names[bucket.file], self._options, self._bundle.folder)

    def run(self, bucket: Bucket, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        outputs = super().run(bucket, feeds)
        self.last = [outputs.pop(name) for name in self._names[bucket.file]]
        return outputs


def _opened(model: onnx.ModelProto, names: list[str], options: EngineOptions, folder: Path) -> Any:
    """A session that also gives the named tensors. folder: where the weights lie."""
    for name in names:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    chosen = session_options(options)
    chosen.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return open_session(model.SerializeToString(), options, chosen)


def whole_logits(role: str, model: onnx.ModelProto) -> list[str]:
    """Taps the logits over all that a graph can predict; nothing of a graph that predicts nothing."""
    name = ranked(model)
    return [] if name is None else [name]


def factors(role: str, model: onnx.ModelProto) -> list[str]:
    """What enters the products with constant matrices, each once, in the order of the graph."""
    chosen = {matrix.node for matrix in matrices(role, model)}
    return list(dict.fromkeys(node.input[0] for node in model.graph.node if node.output[0] in chosen))


def ranges_of(model: onnx.ModelProto, names: list[str]) -> list[str]:
    """Taps the smallest and the largest value of each tensor, in turn."""
    tapped = []
    for name in names:
        for kind in ("ReduceMin", "ReduceMax"):
            tapped.append(f"{name}_{kind}")
            model.graph.node.append(helper.make_node(kind, [name], [tapped[-1]], keepdims=0))
    return tapped
