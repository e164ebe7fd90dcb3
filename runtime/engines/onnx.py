"""Open and run ONNX graphs with ONNX Runtime, which is imported on first use. Knows files, sessions and options."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx_providers import CPU, PROVIDERS, RECORD, Assigned, assigned, attach, read_provider
from unmask.engines.runner import Arrays
from unmask.errors import BundleError, InputError

if TYPE_CHECKING:
    import onnxruntime

MAPPED = "int8"  # others lose a lot: int4 takes up to 45 times as long (docs/log.md)
NO_HALF = "requires f16"  # WebGPU says so of a GPU without float16, when a graph is first run
NAMED = 8  # an error lists at most this number of nodes


def session_options(options: EngineOptions) -> "onnxruntime.SessionOptions":
    """ONNX Runtime's session options for an engine's options, without a provider."""
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = options.threads
    chosen.inter_op_num_threads = 1
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
    chosen.add_session_config_entry("session.disable_prepacking", "1" if options.mapped else "0")
    chosen.enable_cpu_mem_arena = chosen.enable_mem_pattern = options.arena
    chosen.log_severity_level = 4  # failures are raised
    return chosen


def open_session(
    graph: Path | bytes, options: EngineOptions, chosen: "onnxruntime.SessionOptions | None" = None
) -> "onnxruntime.InferenceSession":
    """Open a graph with the provider that the options name, and no other: ONNX Runtime's own fallback is off.

    graph: a path, or the bytes of a model. chosen: session options, by default those of `session_options`. Raises BundleError if
    ONNX Runtime cannot open the graph. Raises InputError if the provider is not installed, or if it leaves nodes to the CPU
    although `strict` is set.
    """
    if not options.strict or read_provider(options.provider).short == CPU:
        return _session(graph, options, chosen)
    try:
        return _session(graph, options, chosen)
    except BundleError as error:
        left = on_cpu(graph, replace(options, strict=False))
        if not left:
            raise
        raise InputError(
            f"{_name(graph)}: {options.provider} leaves {len(left)} nodes to the CPU: {', '.join(left[:NAMED])}"
            f"{', ...' if len(left) > NAMED else ''}; without --strict the CPU runs them, and "
            f"`unmask devices BUNDLE --provider {options.provider}` counts them for every graph"
        ) from error


def on_cpu(graph: Path | bytes, options: EngineOptions) -> list[str]:
    """Names and operators of the nodes that the CPU runs; empty if ONNX Runtime is too old to report them."""
    return [f"{node.name} ({node.kind})" for node in placed(graph, options) or () if node.provider == PROVIDERS[CPU].name]


def placed(graph: Path | bytes, options: EngineOptions) -> list[Assigned] | None:
    """Which provider runs each node; None if ONNX Runtime is too old to report it."""
    chosen = session_options(options)
    chosen.add_session_config_entry(RECORD, "1")
    return assigned(_session(graph, options, chosen))


def _session(
    graph: Path | bytes, options: EngineOptions, chosen: "onnxruntime.SessionOptions | None" = None
) -> "onnxruntime.InferenceSession":
    import onnxruntime

    chosen = chosen or session_options(options)
    providers = attach(chosen, options.provider, options.strict)
    try:
        return onnxruntime.InferenceSession(graph, chosen, providers=providers, enable_fallback=0)
    except _failures() as error:
        with_it = "" if options.provider == CPU else f" with {options.provider}"
        raise BundleError(f"{_name(graph)}: ONNX Runtime {onnxruntime.__version__} cannot open it{with_it}: {error}") from error


def _failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; it has no common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    return (
        errors.Fail,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.InvalidArgument,
        errors.NotImplemented,
        errors.NoSuchFile,
        errors.EPFail,
        errors.RuntimeException,
    )


def _name(graph: Path | bytes) -> str:
    return str(graph) if isinstance(graph, Path) else "a graph"


def check_chip(graph: Bucket, provider: str) -> None:
    """Raises InputError for a graph that was compiled for another provider, or for another chip than the provider is told."""
    needs, _, chip = graph.chip.partition(" ")
    option, _, number = chip.partition("=")
    chosen = read_provider(provider)
    if needs and chosen.short != needs:
        raise InputError(f"{graph.file}: compiled for {graph.chip} alone, and not for {provider}; choose --provider {needs}:npu")
    if needs and (other := chosen.options.get(option, number)) != number:
        raise InputError(
            f"{graph.file}: compiled for {graph.chip}, and --provider names {option}={other}; make the bundle with --soc {other}"
        )


class OnnxRunner:
    """A bundle's ONNX graphs. Thread-safe once a graph is open."""

    def __init__(self, bundle: Bundle, options: EngineOptions) -> None:
        """Raises InputError for weights that cannot stay mapped."""
        if options.mapped and bundle.manifest.precision != MAPPED:
            raise InputError(
                f"{bundle.folder}: only weights in {MAPPED} are computed with as they lie in the file, and these are in "
                f"{bundle.manifest.precision}; leave out --mapped, or quantize with --to {MAPPED}"
            )
        self._bundle, self._options = bundle, options
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def session(self, graph: Bucket) -> "onnxruntime.InferenceSession":
        """The session of a graph, opened once. Raises as `open_session`."""
        if graph.file not in self._sessions:
            self._sessions[graph.file] = self._open(graph)
        return self._sessions[graph.file]

    def _open(self, graph: Bucket) -> "onnxruntime.InferenceSession":
        check_chip(graph, self._options.provider)
        chosen = session_options(self._options)
        # Logits over a large vocabulary are so many that each pass would get fresh pages from the system (docs/log.md).
        chosen.enable_cpu_mem_arena = self._options.arena or graph.role.startswith("head")
        return open_session(self._bundle.path(graph.file), self._options, chosen)

    def inputs(self, graph: Bucket) -> dict[str, tuple[Any, ...]]:
        return {value.name: tuple(value.shape) for value in self.session(graph).get_inputs()}

    def outputs(self, graph: Bucket) -> tuple[str, ...]:
        return tuple(value.name for value in self.session(graph).get_outputs())

    def run(self, graph: Bucket, feeds: Arrays) -> dict[str, NDArray[Any]]:
        session = self.session(graph)
        try:
            made = session.run(None, dict(feeds))
        except _failures() as error:
            path = self._bundle.path(graph.file)
            advice = "take a bundle in fp32" if NO_HALF in str(error) else "shorter inputs take less memory"
            raise BundleError(f"{path}: ONNX Runtime cannot run it: {error}; {advice}") from error
        return {output.name: array for output, array in zip(session.get_outputs(), made, strict=True)}
