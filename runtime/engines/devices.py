"""This machine's hardware: its processor, engines, ONNX Runtime's providers, and the GPUs and NPUs that the system reports.

Importing this module probes nothing. Knows no bundle.
"""

import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from unmask.engines.known_engines import ENGINES
from unmask.engines.onnx_providers import PROVIDERS, available, kind, plugin_devices
from unmask.system import read_memory_mib, sysctl, system_fields

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16")
"""Processor flags, by their Linux names, on which the speed of int8 and bfloat16 matrix products depends."""
_MACOS = {"FEAT_DotProd": "asimddp", "FEAT_I8MM": "i8mm", "FEAT_BF16": "bf16", "AdvSIMD": "asimd"}  # hw.optional.arm.*
_VENDORS = {0x10DE: "NVIDIA", 0x1002: "AMD", 0x1022: "AMD", 0x8086: "Intel", 0x5143: "Qualcomm", 0x106B: "Apple"}


@dataclass(frozen=True)
class Cpu:
    """The processor."""

    name: str
    cores: int  # number of logical cores that this process may use
    flags: tuple[str, ...]  # those of FLAGS that it has; empty if the system does not report them
    architecture: str


@dataclass(frozen=True)
class EngineFound:
    """An engine that this runtime knows, and its installed version."""

    engine: str
    version: str | None  # None if it is not installed
    brought_by: str  # command that installs it


@dataclass(frozen=True)
class ProviderFound:
    """An execution provider that this installation of ONNX Runtime has."""

    provider: str  # short name
    name: str  # ONNX Runtime's name
    devices: tuple[str, ...] = ()  # kinds of devices that a plugin reports


@dataclass(frozen=True)
class Accelerator:
    """A GPU or NPU."""

    kind: str  # GPU or NPU
    name: str
    told_by: str  # the system, folder or provider that reports it


@dataclass(frozen=True)
class Machine:
    """Everything that `read_machine` finds."""

    system: str
    python: str
    memory_mib: int | None
    cpu: Cpu
    engines: tuple[EngineFound, ...]
    providers: tuple[ProviderFound, ...]
    missing: dict[str, str]  # known provider that is not installed -> command that installs it
    accelerators: tuple[Accelerator, ...]


def read_machine() -> Machine:
    """Probe the system and ONNX Runtime. Takes about 0.2 s, most of it for importing ONNX Runtime."""
    here = available()
    providers = tuple(ProviderFound(short, name, _kinds(short)) for short, name in here.items())
    missing = {short: known.brought_by for short, known in PROVIDERS.items() if short not in here}
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        memory_mib=read_memory_mib(),
        cpu=read_cpu(),
        engines=tuple(EngineFound(e.name, _version(e.needs, e.distribution), e.brought_by) for e in ENGINES.values()),
        providers=providers,
        missing=missing,
        accelerators=tuple(dict.fromkeys([*_system_accelerators(), *_onnx_accelerators()])),
    )


def describe_cpu(cpu: Cpu) -> str:
    """Name, cores and flags in one line."""
    return f"{cpu.name}, {cpu.cores} cores, {' '.join(cpu.flags) or 'flags unknown'}"


def read_cpu(root: Path = Path("/")) -> Cpu:
    """Read the processor's name, cores and flags. root: folder that contains proc/."""
    fields = system_fields(root / "proc/cpuinfo")
    reported = set((fields.get("flags") or fields.get("Features") or "").split())
    name = fields.get("model name") or fields.get("Hardware")
    if not fields and sys.platform == "darwin":
        reported, name = _macos_flags(), sysctl("machdep.cpu.brand_string")
    elif sys.platform == "win32":
        name = _windows_name()
    if not name:  # a board reports its own name, not its processor's
        name = _text(root / "proc/device-tree/model") or platform.processor() or platform.machine()
    return Cpu(name, _cores(), tuple(flag for flag in FLAGS if flag in reported), platform.machine())


def engine_version(engine: str) -> str | None:
    """Installed version of an engine; None if it is not installed."""
    return _version(ENGINES[engine].needs, ENGINES[engine].distribution)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _macos_flags() -> set[str]:
    leaf7 = (sysctl("machdep.cpu.leaf7_features") or "").lower().split()
    arm = {flag for name, flag in _MACOS.items() if sysctl(f"hw.optional.arm.{name}") == "1"}
    return {*leaf7, *arm}


def _windows_name() -> str | None:
    """Name of the processor from the registry. Windows reports the flags only to native code."""
    if sys.platform != "win32":
        return None
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
        return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()


def _version(module: str, distribution: str) -> str | None:
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # the module comes from another distribution, such as onnxruntime-directml
        return str(getattr(importlib.import_module(module), "__version__", "unknown"))


def _kinds(short: str) -> tuple[str, ...]:
    provider = PROVIDERS.get(short)
    return tuple(kind(device) for device in plugin_devices(provider)) if provider else ()


def _onnx_accelerators() -> list[Accelerator]:
    """GPUs and NPUs that ONNX Runtime or its plugins found."""
    import onnxruntime

    devices = onnxruntime.get_ep_devices() if hasattr(onnxruntime, "get_ep_devices") else []
    found = [device for device in devices if kind(device) in ("gpu", "npu")]
    return [Accelerator(kind(d).upper(), d.device.metadata.get("Description") or d.device.vendor, d.ep_name) for d in found]


def _system_accelerators(root: Path = Path("/")) -> list[Accelerator]:
    """GPUs and NPUs that Linux lists under /sys/class (drm and accel), and those of Apple's processors."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        chip = sysctl("machdep.cpu.brand_string") or "Apple"
        return [Accelerator("GPU", chip, "macOS"), Accelerator("NPU", f"{chip} Neural Engine", "macOS")]
    found = []
    for group, name in (("drm", "GPU"), ("accel", "NPU")):
        for device in sorted((root / "sys/class" / group).glob("*/device")):
            driver = next((line[7:] for line in _text(device / "uevent").splitlines() if line.startswith("DRIVER=")), "")
            number = _text(device / "vendor")
            vendor = _VENDORS.get(int(number, 16), number) if number.startswith("0x") else ""
            if driver:
                found.append(Accelerator(name, f"{vendor} ({driver})".strip(), str(Path("/sys/class") / group)))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
