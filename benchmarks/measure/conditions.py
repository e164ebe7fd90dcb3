"""The conditions of a run: governor, power source, load, temperature and energy, as far as an ordinary user may read them.

What cannot be read is None; nothing is estimated. Knows Linux's files; on other systems only the load is read, and on macOS the
power source.
"""

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from unmask.system import free_bytes

ROOT = Path("/")
RAPL = "sys/class/powercap/intel-rapl:0/energy_uj"


@dataclass(frozen=True)
class Conditions:
    """At one moment."""

    load: tuple[float, ...]  # average of the last 1, 5 and 15 minutes; empty if unknown
    governor: str | None
    mhz: float | None  # of the first processor
    power: str | None  # mains or battery
    temperature_c: float | None  # of the hottest zone
    memory_free_mib: int | None


def read_conditions(root: Path = ROOT) -> Conditions:
    cpu = root / "sys/devices/system/cpu/cpu0/cpufreq"
    free, khz = free_bytes(root), _text(cpu / "scaling_cur_freq")
    return Conditions(
        load=tuple(round(value, 2) for value in os.getloadavg()) if hasattr(os, "getloadavg") else (),
        governor=_text(cpu / "scaling_governor"),
        mhz=int(khz) / 1000 if khz and khz.isdigit() else None,
        power=power_source(root),
        temperature_c=temperature_c(root),
        memory_free_mib=None if free is None else free >> 20,
    )


def power_source(root: Path = ROOT) -> str | None:
    """mains or battery; None if unknown."""
    if platform.system() == "Darwin" and root == ROOT:
        shown = subprocess.run(["/usr/bin/pmset", "-g", "ps"], capture_output=True, text=True, check=False).stdout
        return "mains" if "AC Power" in shown else "battery" if "Battery Power" in shown else None
    supplies = list((root / "sys/class/power_supply").glob("*"))
    kinds = {path: _text(path / "type") for path in supplies}
    if any(kind in ("Mains", "USB") and _text(path / "online") == "1" for path, kind in kinds.items()):
        return "mains"
    drained = any(kind == "Battery" and _text(path / "status") == "Discharging" for path, kind in kinds.items())
    return "battery" if drained else None


def temperature_c(root: Path = ROOT) -> float | None:
    texts = [_text(path) for path in (root / "sys/class/thermal").glob("thermal_zone*/temp")]
    degrees = [int(text) / 1000 for text in texts if text and text.lstrip("-").isdigit()]
    return max(degrees, default=None)


# ---- energy


@dataclass(frozen=True)
class Energy:
    """Joules since the `EnergyMeter` was made, of the whole package or the whole machine, including idle power."""

    joules: float
    seconds: float
    source: str  # rapl or battery


class EnergyMeter:
    """Reads RAPL's counter if an ordinary user may read it, otherwise the battery's. `read` returns None without either."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._began, self._first = time.monotonic(), self._counter()

    def read(self) -> Energy | None:
        last, seconds = self._counter(), time.monotonic() - self._began
        if self._first is None or last is None or last[0] != self._first[0]:
            return None
        source, joules = last[0], last[1] - self._first[1]
        if source == "battery":
            return Energy(-joules, seconds, source) if joules < 0 else None  # it is charging, or its counter has not moved yet
        most = _text((self._root / RAPL).with_name("max_energy_range_uj"))
        wrapped = joules + int(most) / 1e6 if joules < 0 and most else joules
        return Energy(wrapped, seconds, source) if wrapped >= 0 else None

    def _counter(self) -> tuple[str, float] | None:
        counter = _text(self._root / RAPL)
        if counter:
            return "rapl", int(counter) / 1e6
        for battery in sorted((self._root / "sys/class/power_supply").glob("BAT*")):
            left = _text(battery / "energy_now")  # microwatt-hours
            if left:
                return "battery", int(left) * 3600 / 1e6
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:  # missing, or readable only by root
        return None
