"""ONNX Runtime's execution providers by short names: which are known, how to install each, and how a session uses one.

A name may be followed by a device and options: `openvino`, `openvino:npu`, `qnn:npu,soc_model=60`.
Knows no graph and no bundle. ONNX Runtime and a provider's package are imported on first use.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from unmask.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

CPU = "cpu"
DEVICES = ("npu", "gpu", "cpu")  # devices of a provider, the preferred one first
_ENDING = "ExecutionProvider"
Options = Mapping[str, str]


@dataclass(frozen=True)
class Provider:
    """An execution provider, built into a distribution of ONNX Runtime or in a plugin package of its own."""

    brought_by: str
    """How to install it."""
    name: str
    """ONNX Runtime's name."""
    devices: Mapping[str, Options] = field(default_factory=dict)
    """Device -> options that select it, for a built-in provider."""
    plugin: str = ""
    """Module of the plugin package; empty for a built-in provider."""
    options: Options = field(default_factory=dict)
    """Options that are always set."""


def _by(key: str, **values: str) -> dict[str, Options]:
    return {device: {key: value} for device, value in values.items()}


# Names and options: ONNX Runtime's documentation, "Execution Providers", one page a provider.
PROVIDERS = {
    CPU: Provider("pip install onnxruntime", "CPUExecutionProvider", {"cpu": {}}),
    "coreml": Provider(
        "pip install onnxruntime, on macOS",
        "CoreMLExecutionProvider",
        _by("MLComputeUnits", npu="CPUAndNeuralEngine", gpu="CPUAndGPU", cpu="CPUOnly"),
        options={"ModelFormat": "MLProgram"},
    ),
    "qnn": Provider(
        "pip install onnxruntime-qnn, on Windows or Linux with a Qualcomm processor",
        "QNNExecutionProvider",
        _by("backend_type", npu="htp", gpu="gpu", cpu="cpu"),
        "onnxruntime_qnn",
        {"offload_graph_io_quantization": "0"},  # otherwise the CPU quantizes inputs and outputs
    ),
    "dml": Provider(
        "pip install onnxruntime-directml in place of onnxruntime, on Windows",
        "DmlExecutionProvider",
        _by("device_filter", npu="npu", gpu="gpu"),
    ),
    "openvino": Provider(
        "pip install onnxruntime-ep-openvino, on Windows or Linux with an Intel processor",
        "OpenVINOExecutionProvider",
        _by("device_type", npu="NPU", gpu="GPU", cpu="CPU"),
        "onnxruntime_ep_openvino",
    ),
    "vitisai": Provider("AMD's Ryzen AI software, on Windows with a Ryzen AI processor", "VitisAIExecutionProvider", {"npu": {}}),
    "webgpu": Provider("pip install onnxruntime-ep-webgpu", "WebGpuExecutionProvider", {"gpu": {}}, "onnxruntime_ep_webgpu"),
    "cuda": Provider(
        "pip install onnxruntime-gpu in place of onnxruntime, with an NVIDIA GPU", "CUDAExecutionProvider", {"gpu": {}}
    ),
}


@dataclass(frozen=True)
class Chosen:
    """A parsed `provider` option."""

    short: str  # short name
    device: str  # npu, gpu or cpu; empty: the first of these that the provider has
    options: Options


def read_provider(text: str) -> Chosen:
    """Parse `name[:device][,key=value...]`. Raises InputError for any other form. Does not check that it is installed."""
    first, *rest = text.split(",")
    short, _, device = first.strip().lower().partition(":")
    pairs = [pair.partition("=") for pair in rest]
    if not short or (device and device not in DEVICES) or not all(key and equals for key, equals, _ in pairs):
        raise InputError(
            f"provider {text!r} is not of the form name[:device][,key=value...] with a device of {', '.join(DEVICES)}; "
            f"known names: {', '.join(PROVIDERS)}"
        )
    return Chosen(short, device, {key.strip(): value.strip() for key, _, value in pairs})


def available() -> dict[str, str]:
    """Short name -> ONNX Runtime's name, for the providers that this installation has. Registers installed plugins."""
    import onnxruntime

    built_in = onnxruntime.get_available_providers()  # registered plugins too, each also with variants after a dot
    found = {known.name: short for short, known in PROVIDERS.items()}
    names = {found.get(name, name.removesuffix(_ENDING).lower()): name for name in built_in if "." not in name}
    names |= {short: known.name for short, known in PROVIDERS.items() if short not in names and plugin_devices(known)}
    return names


def plugin_devices(provider: Provider) -> list[Any]:
    """`onnxruntime.OrtEpDevice`s of a plugin provider, the preferred one first; empty if the plugin is not installed.

    Raises InputError if ONNX Runtime is too old for plugins or cannot load this one.
    """
    import onnxruntime

    if not provider.plugin or importlib.util.find_spec(provider.plugin) is None:
        return []
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        raise InputError(
            f"{provider.plugin} needs a newer ONNX Runtime than {onnxruntime.__version__}: pip install -U onnxruntime"
        )
    return sorted(
        _devices(provider.name) or _registered(provider.plugin, provider.name), key=lambda found: DEVICES.index(kind(found))
    )


@cache
def _registered(plugin: str, name: str) -> list[Any]:
    """Register a plugin and return its devices. ONNX Runtime accepts a plugin only once per process."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        onnxruntime.register_execution_provider_library(name, importlib.import_module(plugin).get_library_path())
    except (errors.Fail, errors.RuntimeException, OSError) as error:
        raise InputError(f"the package {plugin} is installed but cannot be loaded: {error}") from error
    return _devices(name)


def _devices(name: str) -> list[Any]:
    import onnxruntime

    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]


def kind(device: Any) -> str:
    """Kind of a device: npu, gpu or cpu."""
    return str(device.device.type.name).lower()


def attach(session: "onnxruntime.SessionOptions", text: str, strict: bool) -> list[str | tuple[str, dict[str, str]]] | None:
    """Set a provider in a session's options. Returns the argument `providers` of InferenceSession; None for a plugin.

    text: the `provider` option. strict: opening the session fails if the CPU would run a node. Raises InputError for a provider
    or a device that this installation does not have.
    """
    chosen = read_provider(text)
    if chosen == Chosen(CPU, "", {}):
        return [PROVIDERS[CPU].name]
    names = available()
    if chosen.short not in names:
        raise InputError(f"this installation has no provider {chosen.short}: it has {', '.join(names)}; {_why(chosen.short)}")
    if strict and chosen.short != CPU:
        session.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        session.log_severity_level = 4  # the error already reports it
    provider = PROVIDERS.get(chosen.short, Provider("", names[chosen.short]))
    devices = plugin_devices(provider)
    if devices:
        fitting = [device for device in devices if chosen.device in ("", kind(device))]
        if not fitting:
            raise InputError(
                f"{chosen.short} finds no {chosen.device} here; its devices: {', '.join(kind(device) for device in devices)}"
            )
        session.add_provider_for_devices(fitting[:1], {**provider.options, **chosen.options})
        return None
    if chosen.device and chosen.device not in provider.devices:
        raise InputError(f"{chosen.short} has no device {chosen.device}; its devices: {', '.join(provider.devices) or 'none'}")
    if chosen.short == "dml":  # its own documentation asks for this
        session.enable_mem_pattern = False
    options = {**provider.options, **provider.devices.get(chosen.device, {}), **chosen.options}
    alone = [(provider.name, options)] if options else [provider.name]
    return [*alone] if strict or chosen.short == CPU else [*alone, "CPUExecutionProvider"]


def _why(short: str) -> str:
    """Why a provider is not available, and how to install it."""
    if short not in PROVIDERS:
        return f"known names: {', '.join(PROVIDERS)}"
    known = PROVIDERS[short]
    installed = known.plugin and importlib.util.find_spec(known.plugin) is not None
    idle = f"{known.plugin} is installed but finds no device that it supports; " if installed else ""
    return f"{idle}it comes with: {known.brought_by}"


@dataclass(frozen=True)
class Assigned:
    """A node and the provider that runs it, after ONNX Runtime's first graph optimizations."""

    provider: str
    name: str
    kind: str  # operator


RECORD = "session.record_ep_graph_assignment_info"


def assigned(session: "onnxruntime.InferenceSession") -> list[Assigned] | None:
    """Which provider runs each node of a session made with RECORD set to 1; None if ONNX Runtime is too old to report it."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    parts = session.get_provider_graph_assignment_info()
    return [Assigned(part.ep_name, node.name, node.op_type) for part in parts for node in part.get_nodes()]
