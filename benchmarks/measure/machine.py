"""What machine a figure was taken on, and how much memory a process held."""

from pathlib import Path

from unmask.engines.devices import describe_cpu, read_cpu, system_fields


def describe_machine() -> str:
    """One line: CPU model, cores, the flags that int8 speed depends on, ONNX Runtime's and NumPy's versions."""
    import numpy as np
    import onnxruntime

    return f"{describe_cpu(read_cpu())}; onnxruntime {onnxruntime.__version__}, numpy {np.__version__}"


def peak_rss_mib() -> float:
    """Most memory that the process held. Linux keeps the parent's figure in getrusage across a spawn, so its own comes first."""
    own = system_fields(Path("/proc/self/status")).get("VmHWM")
    if own:
        return int(own.split()[0]) / 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def rss_mib() -> float:
    """Memory that the process holds now; the most it held where the system tells no more."""
    own = system_fields(Path("/proc/self/status")).get("VmRSS")
    return int(own.split()[0]) / 1024 if own else peak_rss_mib()
