"""What the system says of itself in files and commands, whether there is room in memory and on the disk, links, and stdout.

Importing this module probes nothing.
"""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from unmask.errors import InputError

LITTLE = 1 << 26  # bytes of memory that are taken without a look


def system_fields(path: Path) -> dict[str, str]:
    """Fields of a file with `key: value` lines, as in /proc; the first of each key counts. Empty if there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    return fields


def read_memory_mib(root: Path = Path("/")) -> int | None:
    """Memory of the machine in MiB; None if the system does not report it. root: folder that contains proc/."""
    total = system_fields(root / "proc/meminfo").get("MemTotal", "").split()
    if total:
        return int(total[0]) // 1024
    asked = sysctl("hw.memsize") if sys.platform == "darwin" else None
    return int(asked) >> 20 if asked else None


def sysctl(name: str) -> str | None:
    """A value of macOS's sysctl; None if it is unknown."""
    try:
        asked = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip() or None


# ---- room


def free_bytes(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take: what the system has, within the limits of its group and its own (ulimit -v).

    None where nothing tells it, as on macOS and Windows.
    """
    found = []
    if available := system_fields(root / "proc/meminfo").get("MemAvailable"):
        found.append(int(available.split()[0]) * 1024)
    group = root / "sys/fs/cgroup"
    most, taken = _number(group / "memory.max"), _number(group / "memory.current")
    if most is not None and taken is not None:
        found.append(most - taken)
    if (limit := _address_space()) is not None:
        found.append(limit - int(system_fields(root / "proc/self/status").get("VmSize", "0").split()[0]) * 1024)
    return max(0, min(found)) if found else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or "max"
        return None


def _address_space() -> int | None:
    """Bytes of address space that this process may have; None without a limit."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def show_bytes(count: int) -> str:
    """Bytes in the largest unit of which there is at least one."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def check_memory(needed: int, what: str, mend: str = "make it shorter") -> None:
    """Raises InputError, before it is taken, for memory that this machine does not have.

    Small amounts are not looked up. what, mend: what needs it, and what to do, for the message.
    """
    if needed < LITTLE:
        return
    free = free_bytes()
    if free is not None and needed > free:
        raise InputError(f"{what} needs {show_bytes(needed)} of memory, and {show_bytes(free)} are free; {mend}")


def check_disk(place: Path, needed: int, what: str, mend: str = "choose another disk") -> None:
    """Raises InputError, before it is written, for what the disk of `place` has no room for.

    place: a file or folder; it need not exist. what, mend: what takes the room, and what to do, for the message.
    """
    there = nearest_folder(place)
    if (free := shutil.disk_usage(there).free) < needed:
        raise InputError(f"{there}: {show_bytes(free)} are free, but {what} takes {show_bytes(needed)}; {mend}")


def nearest_folder(place: Path) -> Path:
    """The first that exists of a folder and those above it. It is a file where a file is in the way."""
    place = place.absolute()
    return next(path for path in (place, *place.parents) if path.exists())


def real(path: Path) -> Path:
    """The path without links, or as it is where links lead in a circle: there `Path.resolve` raises before Python 3.13."""
    return Path(os.path.realpath(path))


def own_stdout() -> io.TextIOWrapper:
    """Standard output for this process alone, in a form that can replace `sys.stdout`.

    Native libraries print lines of their own to file descriptor 1 (Qualcomm's does); from here on these go to stderr.
    """
    sys.stdout.flush()
    kept = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return io.TextIOWrapper(kept, sys.stdout.encoding, sys.stdout.errors, line_buffering=kept.isatty())
