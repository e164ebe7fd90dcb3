"""Settings that were measured on this device, kept in the user's cache: never in a bundle, which travels.

Knows bundles, options and files. Knows no measurement: `unmask.benchmarks.tuning` makes what is written here.
"""

import dataclasses
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unmask.bundle.dataclass_json import from_json
from unmask.bundle.manifest import MANIFEST, Bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.devices import describe_cpu, engine_version, read_cpu
from unmask.engines.engine_options import EngineOptions
from unmask.engines.table import ENGINES
from unmask.engines.user_cache import cache_folder
from unmask.errors import BundleError, InputError

FORMAT = 2
LARGEST_BYTES = 1 << 16


@dataclass(frozen=True)
class Other:
    """A bundle of the same model that was chosen instead, in another precision for one."""

    folder: str
    sha256: str


@dataclass(frozen=True)
class Figures:
    """What the setting did, and what the default did in the same run."""

    unit: str  # what a time is of: a window, an answer
    milliseconds: float  # median
    default_milliseconds: float
    measure: str  # of quality
    quality: float
    default_quality: float


@dataclass(frozen=True)
class Tuned:
    """One stored setting. It holds for one bundle, task and device; `read_tuned` finds no other."""

    format: int
    task: str
    bundle: str  # SHA-256 of its manifest, which names those of all files
    device: str
    engine: EngineOptions
    schedule: Schedule
    figures: Figures
    other: Other | None = None


def bundle_key(folder: Path) -> str:
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def device_key(options: EngineOptions) -> str:
    """What a measured setting depends on, for people too: processor, its flags, engine with its version, provider."""
    device = ENGINES[options.engine].device_option
    where = getattr(options, device) if device else ""
    how = " ".join(part for part in (where, "static" if options.static else "") if part)
    return f"{describe_cpu(read_cpu())}; {options.engine} {engine_version(options.engine)} {how}".strip()


def place(bundle: str, task: str, device: str) -> Path:
    name = hashlib.sha256(json.dumps([bundle, task, device]).encode()).hexdigest()[:32]
    return cache_folder() / "tuned" / f"{name}.json"


def read_tuned(bundle: Bundle, task: str, options: EngineOptions) -> Tuned | None:
    """What was stored for this bundle, task and device; None where nothing was.

    options: engine and provider that will run it. Raises InputError for a file that is not what `write_tuned` wrote.
    """
    own, device = bundle_key(bundle.folder), device_key(options)
    path = place(own, task, device)
    try:
        tuned = from_json(Tuned, json.loads(_text(path)), path.name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, BundleError, InputError) as error:
        raise InputError(f"{path}: not a stored setting ({error}); run `unmask tune` again or delete it") from error
    if (tuned.format, tuned.bundle, tuned.task, tuned.device) != (FORMAT, own, task, device):
        raise InputError(f"{path}: a setting of something else; run `unmask tune` again or delete it")
    return tuned


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ValueError(f"more than {LARGEST_BYTES} bytes")
    return data.decode()


def write_tuned(tuned: Tuned) -> Path:
    """Store a setting in place of an older one; whole or not at all. Raises InputError when the cache cannot be written."""
    path = place(tuned.bundle, tuned.task, tuned.device)
    text = json.dumps(dataclasses.asdict(tuned), indent=1, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", encoding="utf-8", delete=False) as part:
            part.write(text)
        Path(part.name).replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error}); set UNMASK_CACHE to another folder") from error
    return path


def forget(bundle: Bundle, task: str, options: EngineOptions) -> None:
    """Delete what was stored, if anything was."""
    place(bundle_key(bundle.folder), task, device_key(options)).unlink(missing_ok=True)
