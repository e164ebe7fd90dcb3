"""Reports made by hand, for the tests of what is computed from them."""

from typing import Any

from unmask.benchmarks.measure.ceiling import Ceiling
from unmask.benchmarks.measure.conditions import Conditions
from unmask.benchmarks.report.record import BundleRecord, MachineRecord, Report, Row

CEILING = Ceiling(threads=1, fp32_macs_per_s=1e9, int8_macs_per_s=4e9, bytes_per_s=1e10)
QUIET = Conditions((0.0, 0.0, 0.0), governor=None, mhz=None, power=None, temperature_c=None, memory_free_mib=100)
MACHINE = MachineRecord("A CPU", 2, ("avx2",), "x86_64", 1000, "Linux 6", "3.12.0", {"onnx": "1.23.0"}, ())


def row(*samples_ms: float, **changes: Any) -> Row:
    """A step of subject m, with samples in milliseconds."""
    own = {"scenario": "step", "subject": "m", "case": "8 rows", "measure": "", "threads": 1}
    return Row(**{**own, "samples_us": tuple(round(1000 * ms) for ms in samples_ms), "taken": len(samples_ms), **changes})


def report(*rows: Row, precision: str = "int8", on_cpu: bool = True, **changes: Any) -> Report:
    subject = BundleRecord("m", "dream", precision, 2**20, "0" * 64, {"threads": 1}, on_cpu, {})
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
