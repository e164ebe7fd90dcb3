"""How an engine uses the machine: the options that every engine takes, checked when they are made. Knows no engine."""

from dataclasses import dataclass

from unmask.bundle.manifest import ENGINES
from unmask.engines.onnx_providers import CPU, read_provider
from unmask.errors import InputError

UNITS = ("all", "cpu", "cpu+gpu", "cpu+ne")
DELEGATES = ("cpu", "gpu")


@dataclass(frozen=True)
class EngineOptions:
    """How a bundle's graphs are run. The defaults were chosen by measurement (docs/measurements.md)."""

    threads: int = 1
    """Threads inside one operator. On the shipped captioner a second one gains nothing."""
    spinning: bool = False
    """Let idle threads spin: faster on a quiet machine, far slower on a busy one. ONNX Runtime only."""
    arena: bool = False
    """Let ONNX Runtime keep freed memory, and a plan for each shape that it met. Shapes change from call to call: a quarter more
    memory in live captions, and no time saved."""
    engine: str = "onnx"
    """onnx, litert or coreml."""
    static: bool = False
    """Run graphs of fixed sizes also where onnx has graphs of any size. The other engines have no other."""
    units: str = "all"
    """Of CoreML: all, cpu, cpu+gpu or cpu+ne (the neural engine)."""
    delegate: str = "cpu"
    """Of LiteRT: cpu or gpu."""
    provider: str = "cpu"
    """Of ONNX Runtime: a name of `onnx_providers`, with device and options where wanted: openvino:npu, qnn:npu,soc_model=60."""
    strict: bool = False
    """Any node of a graph that another provider leaves to the CPU is an error."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"engine {self.engine!r} is not one of {', '.join(ENGINES)}")
        if self.units not in UNITS:
            raise InputError(f"units {self.units!r} is not one of {', '.join(UNITS)}")
        if self.delegate not in DELEGATES:
            raise InputError(f"delegate {self.delegate!r} is not one of {', '.join(DELEGATES)}")
        if self.delegate != "cpu" and self.engine != "litert":
            raise InputError(f"delegate {self.delegate!r} is LiteRT's; with the engine {self.engine} give none")
        if self.threads < 1:
            raise InputError(f"threads is {self.threads}; at least 1 is needed")
        if read_provider(self.provider).short != CPU and self.engine != "onnx":
            raise InputError(f"provider {self.provider!r} is ONNX Runtime's; with the engine {self.engine} give none")
