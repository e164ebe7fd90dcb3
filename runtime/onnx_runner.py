"""Open and run ONNX graphs with ONNX Runtime, which is imported on first use. Knows files, sessions and options."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from unmask.bundle import Bucket, Bundle
from unmask.errors import BundleError
from unmask.options import EngineOptions

if TYPE_CHECKING:
    import onnxruntime


def session_options(options: EngineOptions) -> "onnxruntime.SessionOptions":
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = options.threads
    chosen.inter_op_num_threads = 1
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
    chosen.enable_cpu_mem_arena = options.arena
    chosen.log_severity_level = 3
    return chosen


def open_session(
    graph: Path | bytes, options: EngineOptions, chosen: "onnxruntime.SessionOptions | None" = None
) -> "onnxruntime.InferenceSession":
    """graph: a path, or a model's bytes. Raises BundleError when ONNX Runtime refuses it."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        return onnxruntime.InferenceSession(graph, chosen or session_options(options), providers=["CPUExecutionProvider"])
    except (
        errors.Fail,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.InvalidArgument,
        errors.NotImplemented,
        errors.NoSuchFile,
    ) as error:
        name = graph if isinstance(graph, Path) else "a graph"
        raise BundleError(f"{name}: ONNX Runtime {onnxruntime.__version__} cannot open it: {error}") from error


class OnnxRunner:
    """A bundle's ONNX graphs of fixed sizes."""

    def __init__(self, bundle: Bundle, options: EngineOptions) -> None:
        self._bundle, self._options = bundle, options
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def _session(self, bucket: Bucket) -> "onnxruntime.InferenceSession":
        if bucket.file not in self._sessions:
            self._sessions[bucket.file] = open_session(self._bundle.path(bucket.file), self._options)
        return self._sessions[bucket.file]

    def inputs(self, bucket: Bucket) -> dict[str, tuple[int, ...]]:
        """Shapes by name; opens the graph."""
        return {value.name: tuple(value.shape) for value in self._session(bucket).get_inputs()}

    def run(self, bucket: Bucket, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        session = self._session(bucket)
        made = session.run(None, dict(feeds))
        return {output.name: array for output, array in zip(session.get_outputs(), made, strict=True)}
