"""Reports made by hand, for the tests of what is computed from them."""

from typing import Any

from unmask.benchmarks.report.record import Report, Row

CEILING = {"threads": 1, "fp32_macs_per_s": 1e9, "int8_macs_per_s": 4e9, "bytes_per_s": 1e10}
QUIET = {"load": [0.0, 0.0, 0.0], "governor": None, "mhz": None, "power": None, "temperature_c": None, "memory_free_mib": 100}
MACHINE = {
    "cpu": "A CPU",
    "cores": 2,
    "flags": ["avx2"],
    "architecture": "x86_64",
    "memory_mib": 1000,
    "system": "Linux 6",
    "python": "3.12.0",
    "engines": {"onnx": "1.23.0"},
    "accelerators": [],
}


def row(*samples_ms: float, **changes: Any) -> Row:
    """A step of subject m, with samples in milliseconds."""
    own = {"scenario": "step", "subject": "m", "case": "8 rows", "measure": "", "threads": 1}
    return Row(**{**own, "samples_us": tuple(round(1000 * ms) for ms in samples_ms), "taken": len(samples_ms), **changes})


def report(*rows: Row, precision: str = "int8", on_cpu: bool = True, **changes: Any) -> Report:
    subject = {
        "name": "m",
        "family": "dream",
        "precision": precision,
        "bytes": 2**20,
        "sha256": "0" * 64,
        "engine": {"threads": 1},
        "on_cpu": on_cpu,
        "tasks": {},
    }
    own: dict[str, Any] = {
        "version": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00",
        "machine": MACHINE,
        "overhead_s": 1e-6,
        "before": QUIET,
        "after": QUIET,
        "energy": None,
        "plan": {"rounds": 10, "min_seconds": 10.0, "warmup": 2, "seed": 0, "pin": False, "scenarios": ["step"], "minutes": 5.0},
        "subjects": (subject,),
        "ceiling": (CEILING,),
        "rows": rows,
    }
    return Report(**{**own, **changes})
