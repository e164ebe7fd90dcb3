"""The table of engines. A new engine is a file in this folder and an entry here. Importing this module loads no engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EngineKind:
    """Everything that the rest of the runtime needs to know about an engine."""

    name: str
    runner: str
    """"module:class" that implements `unmask.engines.runner.Runner`; it is called with a bundle and `EngineOptions`."""
    needs: str
    """Python module of the engine."""
    distribution: str
    """Name of the package that contains the module."""
    brought_by: str
    """Command that installs it."""
    any_size: bool = False
    """It runs graphs of any size; other engines run only graphs of fixed sizes."""
    system: str = ""
    """`platform.system()` on which it runs; empty: all systems."""
    takes_threads: bool = True
    """The number of threads is an option, not its own decision."""
    choices: Mapping[str, tuple[str | bool, ...]] = field(default_factory=dict)
    """Options of `EngineOptions` for this engine only, with the allowed values, default first. A single one: any is allowed."""
    device_option: str = ""
    """The option among them that selects the device."""


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
            choices={"provider": ("cpu",), "strict": (False, True), "mapped": (False, True)},
            device_option="provider",
        ),
        EngineKind(
            name="litert",
            runner="unmask.engines.litert:LitertRunner",
            needs="ai_edge_litert",
            distribution="ai-edge-litert",
            brought_by="pip install 'unmask[litert]'",
            choices={"delegate": ("cpu", "gpu", "gpu-fp16")},
            device_option="delegate",
        ),
        EngineKind(
            name="coreml",
            runner="unmask.engines.coreml:CoremlRunner",
            needs="coremltools",
            distribution="coremltools",
            brought_by="pip install 'unmask[coreml]', on macOS",
            system="Darwin",
            takes_threads=False,
            choices={"units": ("all", "cpu", "cpu+gpu", "cpu+ne")},
            device_option="units",
        ),
        EngineKind(
            name="rknn",
            runner="unmask.engines.rknn:RknnRunner",
            needs="rknnlite",
            distribution="rknn-toolkit-lite2",
            brought_by="pip install rknn-toolkit-lite2, on a board with a Rockchip NPU",
            system="Linux",
            takes_threads=False,
        ),
    )
}
