"""The options that say how graphs are run, alike for all commands."""

from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

from cyclopts import Parameter

from unmask.engines.engine_options import EngineOptions


@Parameter(name="*", group="Engine")
@dataclass(frozen=True)
class EngineChoice:
    """What is not given stays as it is stored or by default (`unmask.EngineOptions`)."""

    engine: Literal["onnx", "litert", "coreml"] | None = None
    """What runs the graphs; onnx unless given."""
    threads: int | None = None
    """Threads that it may use; 1 unless given."""
    provider: str | None = None
    """Where ONNX Runtime runs them: cpu, coreml, qnn, dml, openvino, vitisai, webgpu, cuda. With a device: openvino:npu."""
    strict: Annotated[bool | None, Parameter(negative="")] = None
    """Fail when the provider leaves a part to the CPU, and say which."""
    static: Annotated[bool | None, Parameter(negative="")] = None
    """Run graphs of fixed sizes also where there are graphs of any size."""

    units: Literal["all", "cpu", "cpu+gpu", "cpu+ne"] | None = None
    """What CoreML may use; ne is the neural engine."""
    delegate: Literal["cpu", "gpu"] | None = None
    """Where LiteRT runs graphs; cpu unless given."""

    def options(self, stored: EngineOptions | None = None) -> EngineOptions:
        """stored: what holds where nothing is given. Raises InputError for what contradicts itself."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(stored or EngineOptions(), **{name: value for name, value in given.items() if value is not None})
