"""Settings that were tuned on this device. They are kept in the user's cache, not in the bundle, which may move to other devices.

Knows bundles, options and files. Knows no measurement; `unmask.benchmarks.tuning` measures the settings.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from unmask.bundle.dataclass_json import from_json, parse_json
from unmask.bundle.manifest import MANIFEST, Bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.devices import describe_cpu, engine_version, read_cpu
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES
from unmask.errors import BundleError, InputError
from unmask.replaced_files import replace_files
from unmask.user_cache import NoCacheError, cache_folder

FORMAT = 2
LARGEST_BYTES = 1 << 16


@dataclass(frozen=True)
class Other:
    """Another bundle of the same model that was chosen instead, for example in another precision."""

    folder: str
    sha256: str


@dataclass(frozen=True)
class Figures:
    """Results of the setting, and of the default in the same run."""

    unit: str  # what was timed, such as a segment or an answer
    milliseconds: float  # median
    default_milliseconds: float
    measure: str  # quality metric
    quality: float
    default_quality: float


@dataclass(frozen=True)
class Tuned:
    """A stored setting for one bundle, task and device."""

    format: int
    task: str
    bundle: str  # SHA-256 of its manifest, which contains those of all files
    device: str  # from `device_key`
    engine: EngineOptions
    schedule: Schedule
    figures: Figures
    other: Other | None = None


def bundle_key(folder: Path) -> str:
    """SHA-256 of a bundle's manifest."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def device_key(options: EngineOptions) -> str:
    """Everything that a tuned setting depends on, in readable form: processor, its flags, engine and version, provider."""
    device = ENGINES[options.engine].device_option
    where = getattr(options, device) if device else ""
    how = " ".join(part for part in (where, "static" if options.static else "") if part)
    return f"{describe_cpu(read_cpu())}; {options.engine} {engine_version(options.engine)} {how}".strip()


def setting_file(bundle: str, task: str, device: str) -> Path:
    """File of a setting; it may not exist. bundle: from `bundle_key`. device: from `device_key`."""
    name = hashlib.sha256(json.dumps([bundle, task, device]).encode()).hexdigest()[:32]
    return cache_folder() / "tuned" / f"{name}.json"


def read_tuned(bundle: Bundle, task: str, options: EngineOptions) -> Tuned | None:
    """The setting stored for this bundle, task and device, or None.

    options: name the engine and provider that will run it. Where there is no cache, nothing is stored. Raises InputError for a
    file that `write_tuned` did not write.
    """
    own, device = bundle_key(bundle.folder), device_key(options)
    try:
        path = setting_file(own, task, device)
    except NoCacheError:
        return None
    try:
        tuned = from_json(Tuned, parse_json(_text(path)), path.name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, BundleError, InputError) as error:
        raise InputError(f"{path}: not a stored setting ({error}); run `unmask tune` again or delete it") from error
    if (tuned.format, tuned.bundle, tuned.task, tuned.device) != (FORMAT, own, task, device):
        raise InputError(f"{path}: a setting for something else; run `unmask tune` again or delete it")
    return tuned


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ValueError(f"more than {LARGEST_BYTES} bytes")
    return data.decode()


def write_tuned(tuned: Tuned) -> Path:
    """Store a setting atomically, in place of an older one. Returns its file; raises InputError if it cannot be written."""
    path = setting_file(tuned.bundle, tuned.task, tuned.device)
    text = json.dumps(dataclasses.asdict(tuned), indent=1, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_files({path: text.encode()})
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error}); set UNMASK_CACHE to another folder") from error
    return path


def forget(bundle: Bundle, task: str, options: EngineOptions) -> None:
    """Delete the stored setting, if there is one."""
    setting_file(bundle_key(bundle.folder), task, device_key(options)).unlink(missing_ok=True)
