"""How an engine uses the machine: options that are checked on construction. Knows no engine by name."""

from dataclasses import dataclass

from unmask.engines.known_engines import DEFAULT, ENGINES
from unmask.engines.onnx_providers import read_provider
from unmask.errors import InputError

MOST_THREADS = 1024  # each has a stack of its own; more than a machine has cores help nothing


@dataclass(frozen=True)
class EngineOptions:
    """How a bundle's graphs are run. Checked on construction; raises InputError that names the option.

    The defaults were chosen by measurement (docs/measurements.md).
    """

    threads: int = 1
    """Number of threads for one operator; CoreML and RKNN decide themselves. The shipped captioner gains nothing from a second
    one."""
    spinning: bool = False
    """ONNX Runtime: let idle threads spin. Faster on an idle machine, much slower on a busy one."""
    arena: bool = False
    """ONNX Runtime: keep freed memory and a memory plan for each shape. In live captions this takes a quarter more memory and
    saves no time, because shapes change from call to call."""
    mapped: bool = False
    """ONNX Runtime, bundles in int8: compute with the weights where they lie in the bundle's file, which the system reads and
    drops as it has room, in place of a copy in memory that is arranged for the processor. Passes over few rows take longer."""
    engine: str = DEFAULT
    """Engine that runs the graphs: onnx, litert, coreml or rknn."""
    static: bool = False
    """Run graphs of fixed sizes even if the engine could run graphs of any size."""
    units: str = "all"
    """CoreML: compute units, one of all, cpu, cpu+gpu or cpu+ne (the neural engine)."""
    delegate: str = "cpu"
    """LiteRT: accelerator, one of cpu, gpu (in float32) and gpu-fp16."""
    provider: str = "cpu"
    """ONNX Runtime: execution provider, optionally with a device and options, such as openvino:npu or qnn:npu,soc_model=60."""
    strict: bool = False
    """Fail if the provider leaves any node of a graph to the CPU."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"engine {self.engine!r} is not one of {', '.join(ENGINES)}")
        for kind in ENGINES.values():
            for name, choices in kind.choices.items():
                value = getattr(self, name)
                if len(choices) > 1 and value not in choices:
                    raise InputError(f"{name} {value!r} is not one of {', '.join(map(str, choices))}")
                if value != choices[0] and kind.name != self.engine:
                    raise InputError(f"{name} {value!r} belongs to the engine {kind.name}; leave it out with {self.engine}")
        read_provider(self.provider)
        if not 1 <= self.threads <= MOST_THREADS:
            raise InputError(f"threads is {self.threads}; at least 1 is needed, and at most {MOST_THREADS} are made")
