"""How an engine uses the machine: the options that every engine takes, checked when they are made. Knows no engine by name."""

from dataclasses import dataclass

from unmask.engines.onnx_providers import read_provider
from unmask.engines.table import DEFAULT, ENGINES
from unmask.errors import InputError


@dataclass(frozen=True)
class EngineOptions:
    """How a bundle's graphs are run. The defaults were chosen by measurement (docs/measurements.md).

    Raises InputError that names the option.
    """

    threads: int = 1
    """Threads inside one operator. On the shipped captioner a second one gains nothing."""
    spinning: bool = False
    """Let idle threads spin: faster on a quiet machine, far slower on a busy one. ONNX Runtime only."""
    arena: bool = False
    """Let ONNX Runtime keep freed memory, and a memory plan for each shape. Shapes change from call to call, so this takes a
    quarter more memory in live captions and saves no time."""
    engine: str = DEFAULT
    """onnx, litert or coreml."""
    static: bool = False
    """Run graphs of fixed sizes even where the engine could run graphs of any size."""
    units: str = "all"
    """CoreML's compute units: all, cpu, cpu+gpu or cpu+ne (the neural engine)."""
    delegate: str = "cpu"
    """LiteRT's accelerator: cpu or gpu."""
    provider: str = "cpu"
    """ONNX Runtime's execution provider, with a device and options where wanted: openvino:npu, qnn:npu,soc_model=60."""
    strict: bool = False
    """Fail if the provider leaves any node of a graph to the CPU."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"engine {self.engine!r} is not one of {', '.join(ENGINES)}")
        for kind in ENGINES.values():
            for name, choices in kind.choices.items():
                value = getattr(self, name)
                if len(choices) > 1 and value not in choices:
                    raise InputError(f"{name} {value!r} is not one of {', '.join(choices)}")
                if value != choices[0] and kind.name != self.engine:
                    raise InputError(f"{name} {value!r} belongs to the engine {kind.name}; leave it out with {self.engine}")
        read_provider(self.provider)
        if self.threads < 1:
            raise InputError(f"threads is {self.threads}; at least 1 is needed")
