"""An engine that also returns tensors from inside its graphs: full logits, ranges of activations.

Knows ONNX nodes and sessions. Knows no canvas and no comparison. Graphs may be replaced by others over one weights file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.engine import Engine, GraphRun
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import DEFAULT
from unmask.engines.onnx import OnnxRunner, open_session, session_options
from unmask.engines.runner import Arrays
from unmask.errors import InputError
from unmask.quant.weights.matrices import matrices, ranked

Tap = Callable[[str, onnx.ModelProto], list[str]]
"""Given a role and its graph, adds nodes if needed and returns the names of the tensors to return."""


class InstrumentedEngine(Engine):
    """An `Engine` whose `last[role]` holds the tapped tensors of a graph's last run.

    models: graphs to run instead of the bundle's own, with their weights in `folder`. Raises InputError for an engine whose
    graphs cannot be tapped.
    """

    def __init__(
        self,
        bundle: Bundle,
        tap: Tap,
        options: EngineOptions | None = None,
        models: Mapping[str, onnx.ModelProto] | None = None,
        folder: Path | None = None,
    ) -> None:
        options = options or EngineOptions()
        if options.engine != DEFAULT:
            raise InputError(f"tensors inside graphs of the engine {options.engine} cannot be read; use the engine {DEFAULT}")
        self._tapped = InstrumentedRunner(bundle, options, tap, models, folder)
        super().__init__(bundle, options, observe=self._keep, runner=self._tapped)
        self.last: dict[str, list[NDArray[Any]]] = {}

    def replace(self, role: str, model: onnx.ModelProto) -> None:
        """Run another graph in this role from now on."""
        self._tapped.replace(role, model)

    def _keep(self, run: GraphRun) -> None:
        predicted = run.outputs.get("draft", next(iter(run.outputs.values())))
        rows = None if self.dynamic(run.role) else len(predicted)  # rows of padding follow the real ones
        self.last[run.role] = [array[:rows] if array.ndim else array for array in self._tapped.last]


class InstrumentedRunner(OnnxRunner):
    """Runs ONNX graphs and keeps tensors from inside: `last` holds those of the last run."""

    def __init__(
        self,
        bundle: Bundle,
        options: EngineOptions,
        tap: Tap,
        models: Mapping[str, onnx.ModelProto] | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(bundle, options)
        self.last: list[NDArray[Any]] = []
        self._tap, self._models, self._folder = tap, dict(models or {}), folder or bundle.folder
        self._names: dict[str, list[str]] = {}

    def replace(self, role: str, model: onnx.ModelProto) -> None:
        self._models[role] = model
        self._sessions.pop(self._bundle.manifest.graphs[role], None)

    def _open(self, graph: Bucket) -> Any:
        model = onnx.ModelProto()
        own = None if graph.sizes else self._models.get(graph.role)
        model.CopyFrom(own or onnx.load(self._bundle.path(graph.file), load_external_data=False))
        self._names[graph.file] = self._tap(graph.role, model)
        folder = self._bundle.folder if own is None else self._folder
        return _opened(model, self._names[graph.file], self._options, folder)

    def run(self, graph: Bucket, feeds: Arrays) -> dict[str, NDArray[Any]]:
        outputs = super().run(graph, feeds)
        self.last = [outputs.pop(name) for name in self._names[graph.file]]
        return outputs


def _opened(model: onnx.ModelProto, names: list[str], options: EngineOptions, folder: Path) -> Any:
    """A session that also returns the named tensors. folder: holds the weights."""
    for name in names:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    chosen = session_options(options)
    chosen.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return open_session(model.SerializeToString(), options, chosen)


def whole_logits(role: str, model: onnx.ModelProto) -> list[str]:
    """Taps the logits over all ids that a graph can predict or draft; nothing when it predicts none."""
    name = ranked(model) or drafted(model)
    return [] if name is None else [name]


def drafted(model: onnx.ModelProto) -> str | None:
    """Name of the scores (1 + ids) of a transcript's slots, of which the best is drafted; None when the graph drafts none."""
    makers = {name: node for node in model.graph.node for name in node.output}
    waiting = ["draft"]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.op_type == "ArgMax":
            return str(node.input[0])
        waiting += list(node.input) if node is not None else []
    return None


def factors(role: str, model: onnx.ModelProto) -> list[str]:
    """The activations that are multiplied with constant matrices, each once, in the order of the graph."""
    chosen = {matrix.node for matrix in matrices(role, model)}
    return list(dict.fromkeys(node.input[0] for node in model.graph.node if node.output[0] in chosen))


def ranges_of(model: onnx.ModelProto, names: list[str]) -> list[str]:
    """Taps the smallest and the largest value of each tensor, in this order."""
    tapped = []
    for name in names:
        for kind in ("ReduceMin", "ReduceMax"):
            tapped.append(f"{name}_{kind}")
            model.graph.node.append(helper.make_node(kind, [name], [tapped[-1]], keepdims=0))
    return tapped
