"""The engines by name, as data: a new engine is a file of this folder and an entry here. Importing this opens no engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EngineKind:
    """What the rest of the runtime must know of an engine."""

    name: str
    runner: str
    """Module and class that implement `unmask.engines.runner.Runner`: called with a bundle and `EngineOptions`."""
    needs: str
    """Python module that the engine comes in."""
    distribution: str
    """What that module is installed from."""
    brought_by: str
    """What a person runs to install it."""
    any_size: bool = False
    """It runs graphs of any size; other engines run graphs of fixed sizes only."""
    system: str = ""
    """`platform.system()` where it runs; empty: everywhere."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Options of `EngineOptions` that are this engine's alone, with their values, the default first; one value: any other too."""
    device_option: str = ""
    """The one of them that says on which device it runs."""


DEFAULT = "onnx"
ENGINES = {
    kind.name: kind
    for kind in (
        EngineKind(
            name=DEFAULT,
            runner="unmask.engines.onnx:OnnxRunner",
            needs="onnxruntime",
            distribution="onnxruntime",
            brought_by="pip install onnxruntime",
            any_size=True,
            choices={"provider": ("cpu",)},
            device_option="provider",
        ),
        EngineKind(
            name="litert",
            runner="unmask.engines.litert:LitertRunner",
            needs="ai_edge_litert",
            distribution="ai-edge-litert",
            brought_by="pip install 'unmask[litert]'",
            choices={"delegate": ("cpu", "gpu")},
            device_option="delegate",
        ),
        EngineKind(
            name="coreml",
            runner="unmask.engines.coreml:CoremlRunner",
            needs="coremltools",
            distribution="coremltools",
            brought_by="pip install 'unmask[coreml]', on macOS",
            system="Darwin",
            choices={"units": ("all", "cpu", "cpu+gpu", "cpu+ne")},
            device_option="units",
        ),
    )
}
