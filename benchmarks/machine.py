"""What machine a figure was taken on, and how much memory a process held."""

import os
import platform
import resource
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm")


def describe_machine() -> str:
    """One line: CPU model, cores, the flags that int8 speed depends on, ONNX Runtime's and NumPy's versions."""
    import numpy as np
    import onnxruntime

    info = Path("/proc/cpuinfo")
    fields = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line) if info.exists() else {}
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    present = (fields.get("flags") or fields.get("Features") or "").split()
    flags = " ".join(flag for flag in FLAGS if flag in present) or "flags unknown"
    model = fields.get("model name") or platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores, {flags}; onnxruntime {onnxruntime.__version__}, numpy {np.__version__}"


def peak_rss_mib() -> float:
    """Most memory that the process held. Linux keeps the parent's figure in getrusage across a spawn, so its own comes first."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
