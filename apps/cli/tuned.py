"""Which setting a command runs with: what `unmask tune` stored, or the bundle's own. The command line wins over both."""

import sys
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from unmask.apps.cli.engines import EngineChoice
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.engines.tuned_settings import Tuned, bundle_key, read_tuned
from unmask.errors import BundleError, UnmaskError


@Parameter(name="*", group="Engine")
@dataclass(frozen=True)
class TunedChoice:
    """Whether stored settings count."""

    tuned: bool = True
    """Begin from what `unmask tune` stored for this bundle and device, where it did."""


@dataclass(frozen=True)
class Setting:
    bundle: Bundle
    engine: EngineOptions
    schedule: Schedule


def setting(bundle: Bundle, task: str, engine: EngineChoice, choice: TunedChoice, quiet: bool = False) -> Setting:
    """What to run a task with; says on stderr where that is a stored setting, or one that cannot be used.

    Raises InputError for a task that the bundle lacks and for engine options that contradict themselves.
    """
    own = Setting(bundle, engine.options(), bundle.schedule(task))
    if not choice.tuned:
        return own
    try:
        stored = read_tuned(bundle, task, own.engine)
        if stored and engine.engine not in (None, stored.engine.engine):
            return own  # the other bundle is not for the engine that was asked for
        found = Setting(used_bundle(bundle, stored), engine.options(stored.engine), stored.schedule) if stored else own
    except UnmaskError as error:
        print(f"unmask: the stored setting is not used: {error}", file=sys.stderr)
        return own
    if stored and not quiet:
        print(line(stored), file=sys.stderr)
    return found


def used_bundle(bundle: Bundle, stored: Tuned) -> Bundle:
    """The bundle that was chosen. Raises BundleError when another one was, and is gone or changed."""
    if stored.other is None:
        return bundle
    other = load_bundle(stored.other.folder)
    if bundle_key(other.folder) != stored.other.sha256:
        raise BundleError(f"{other.folder}: changed since it was measured; run `unmask tune` again")
    return other


def line(stored: Tuned) -> str:
    figures = stored.figures
    where = f"{Path(stored.other.folder).name}, " if stored.other else ""
    return (
        f"unmask: tuned for this device: {where}{figures.milliseconds:.0f} ms {figures.unit} where the default took "
        f"{figures.default_milliseconds:.0f} (--no-tuned leaves it out)"
    )
