"""The machine that a figure was taken on, and the memory of this process."""

from pathlib import Path

from unmask.engines.devices import describe_cpu, read_cpu
from unmask.system import system_fields


def describe_machine() -> str:
    """One line: CPU model, cores, the flags that int8 speed depends on, ONNX Runtime's and NumPy's versions."""
    import numpy as np
    import onnxruntime

    return f"{describe_cpu(read_cpu())}; onnxruntime {onnxruntime.__version__}, numpy {np.__version__}"


def peak_rss_mib() -> float:
    """Peak memory of the process. On Linux getrusage keeps the parent's figure across a spawn, so /proc is read first."""
    own = system_fields(Path("/proc/self/status")).get("VmHWM")
    if own:
        return int(own.split()[0]) / 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def rss_mib() -> float:
    """Memory of the process now; its peak if the system does not say."""
    own = system_fields(Path("/proc/self/status")).get("VmRSS")
    return int(own.split()[0]) / 1024 if own else peak_rss_mib()
