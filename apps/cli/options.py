"""What commands share: options made from the records of the runtime, the setting that a command runs with, its material.

An option is defined once: its type, default and help are those of a field of `Schedule`, `EngineOptions` or `LiveOptions`.
Knows bundles, stored settings and recordings. Runs nothing.
"""

import importlib.util
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, make_dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast, get_type_hints

import docstring_parser
from cyclopts import Group, Parameter

from unmask.apps.audio.files import demo_clips, read_recording, read_transcript
from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import MANIFEST, Bundle, Manifest, load_bundle
from unmask.decoding.schedule import Reference, Schedule, check_seed
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES
from unmask.errors import BundleError, InputError, UnmaskError
from unmask.speech.live import LiveOptions
from unmask.tuned_settings import Tuned, bundle_key, read_tuned

if TYPE_CHECKING:
    from unmask.quant.calibration.calibration_data import Material

PUBLISHED = {"passes": "steps", "block": "block", "temperature": "temperature", "seed": "seed"}
"""Options of a schedule that the published decodings have too -> their field of `Reference`."""
CHECKING = ("verify", "verify_accept_ratio", "verify_lookahead")
"""Options of a schedule that captions read and canvases do not."""
Record = TypeVar("Record")
Made = TypeVar("Made")
FLAG = Parameter(negative="", show_default=False)
"""For an option that is off unless given."""
MANY = Parameter(consume_multiple=True, negative="", show_default=False)
"""For an option that takes several values."""

# Resolved by their manifests: an editable installation links every file, and a bundle holds no links.
SHIPPED, SHIPPED_OMNI = (
    (Path(str(files("unmask.models"))) / name / MANIFEST).resolve().parent for name in ("moonshine-tiny-en", "omni-tiny")
)
"""Folders of the bundles that the package ships: one captions, the other draws, tells, answers and speaks."""


def refuse_unread(given: Iterable[str], why: Mapping[str, str]) -> None:
    """Raises InputError for given options that a mode would not read: nothing that is asked for is ignored.

    given: names of fields. why: name of an option that is not read -> the reason, and what to do. Others are read.
    """
    unread = [name for name in given if name in why]
    reasons = dict.fromkeys(why[name] for name in unread)
    if unread:
        told = (f"{flags(name for name in unread if why[name] == reason)}: {reason}" for reason in reasons)
        raise InputError("; ".join(told))


def changed(options: object) -> list[str]:
    """Names of the fields of a record of options that are not at their default."""
    return [one.name for one in fields(cast(Any, options)) if getattr(options, one.name) != one.default]


class Given(Generic[Record]):
    """What the command line gives of a record's fields; a field that is not given is None. See `options_of`."""

    if TYPE_CHECKING:  # the fields are the record's

        def __getattr__(self, name: str) -> Any: ...

    def given(self) -> dict[str, Any]:
        """Values by the name of their field."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def over(self, stored: Record) -> Record:
        """`stored` with the given values in place of its own. Raises InputError for values that the record refuses."""
        return cast(Record, replace(cast(Any, stored), **self.given()))


def options_of(
    record: type,
    group: str,
    *,
    leave: Collection[str] = (),
    names: Mapping[str, tuple[str, ...]] | None = None,
    stored: bool = False,
) -> Callable[[type[Made]], type[Made]]:
    """Decorate a subclass of `Given[record]`: each field of the record becomes an option of the command line.

    Type and help are the field's; an option that is not given is None. The class's docstring is the help of the group. leave:
    fields that get no option. names: option names other than the field's own. stored: bundles store the record, so help shows
    no defaults.
    """
    helps = {param.arg_name: param.description for param in docstring_parser.parse_from_object(record).params}
    hints = get_type_hints(record)

    def decorate(cls: type[Made]) -> type[Made]:
        specs = []
        for one in fields(cast(Any, record)):
            if one.name not in leave:
                shown = None if stored else one.default
                option = Parameter(
                    name=(names or {}).get(one.name),
                    help=helps[one.name],
                    show_default=False if shown is None else lambda _, shown=shown: shown,  # type: ignore[misc]
                )
                specs.append((one.name, Annotated[hints[one.name] | None, option], field(default=None)))
        own = {"__doc__": cls.__doc__, "__module__": cls.__module__}
        made = make_dataclass(cls.__name__, specs, bases=(cls,), namespace=own, frozen=True)
        return cast(type[Made], Parameter(name="*", group=Group(group, help=cls.__doc__ or ""))(made))

    return decorate


class _Checked(Given[Schedule]):
    """Options of a schedule, each of which is read."""

    def over(self, stored: Schedule) -> Schedule:
        """Raises InputError for values that a schedule refuses, and for given options that this one does not read."""
        made = super().over(stored)
        refuse_unread(self.given(), {name: f"read only with --{what}" for name, what in made.unread().items()})
        return made


@options_of(
    Schedule, "Schedule", stored=True, leave=(*CHECKING, "draft_min_confidence"), names={"passes": ("--passes", "--steps")}
)
class ScheduleChoice(_Checked):
    """How the canvas is filled. Options that are not given are as the bundle stores them for the task."""

    def published(self, own: Reference) -> Reference:
        """A family's published decoding with the given options that it has too. Raises InputError for the others."""
        others = {name: "the published decoding has no such option; leave out" for name in self.given() if name not in PUBLISHED}
        refuse_unread(self.given(), others)
        return replace(own, **{PUBLISHED[name]: value for name, value in self.given().items()})


@options_of(Schedule, "Schedule", stored=True, leave={one.name for one in fields(Schedule)} - {*CHECKING, "budget_ms"})
class CheckChoice(_Checked):
    """How the draft of a caption is checked. Options that are not given are as the bundle stores them."""


DEFAULT_PROVIDER = EngineOptions.provider


@options_of(EngineOptions, "Engine", leave=("spinning", "arena"))
class EngineChoice(Given[EngineOptions]):
    """How graphs are run."""

    def options(self, stored: EngineOptions | None = None) -> EngineOptions:
        """stored: used where nothing is given. Raises InputError for options that contradict each other or are not read."""
        made = self.over(stored or EngineOptions())
        if made.provider != DEFAULT_PROVIDER:
            import soundfile  # noqa: F401  (once Qualcomm's libraries are loaded, libsndfile reads nothing)
        if not ENGINES[made.engine].takes_threads:
            refuse_unread(self.given(), {"threads": f"{made.engine} decides itself; leave out"})
        return made


@options_of(LiveOptions, "Live captions", leave=("drafts", "speech", "schedule"))
class LiveChoice(Given[LiveOptions]):
    """When live text is updated and becomes stable."""


@Parameter(name="*")
@dataclass(frozen=True)
class TunedChoice:
    """Whether stored settings are used."""

    tuned: bool = True
    """Start from the setting that `unmask tune` stored for this bundle on this device, if there is one."""


def flags(names: Iterable[str]) -> str:
    """Options as they are written on the command line, from the names of fields."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


@dataclass(frozen=True)
class Setting:
    """What a task is run with."""

    bundle: Bundle
    engine: EngineOptions
    schedule: Schedule


def setting(bundle: Bundle, task: str, engine: EngineChoice, choice: TunedChoice, quiet: bool = False) -> Setting:
    """The bundle, engine and schedule for a task: as `unmask tune` stored them, or the bundle's own. Given options win.

    Says on stderr that a stored setting is used, or why it cannot be.
    Raises InputError for a task that the bundle does not have and for engine options that contradict each other.
    """
    own = Setting(bundle, engine.options(), bundle.schedule(task))
    if not choice.tuned:
        return own
    try:
        stored = read_tuned(bundle, task, own.engine)
        if stored and engine.engine not in (None, stored.engine.engine):
            return own  # the tuned bundle has graphs for another engine than the one given
        found = Setting(_tuned_bundle(bundle, stored), engine.options(stored.engine), stored.schedule) if stored else own
    except UnmaskError as error:
        print(f"unmask: the stored setting is not used: {error}", file=sys.stderr)
        return own
    if stored and not quiet:
        print(_describe(stored), file=sys.stderr)
    return found


def _tuned_bundle(bundle: Bundle, stored: Tuned) -> Bundle:
    """The bundle that `unmask tune` chose. Raises BundleError when it is another one that is missing or has changed."""
    if stored.other is None:
        return bundle
    other = load_bundle(stored.other.folder)
    if bundle_key(other.folder) != stored.other.sha256:
        raise BundleError(f"{other.folder}: changed since it was measured; run `unmask tune` again")
    return other


def _describe(stored: Tuned) -> str:
    figures = stored.figures
    where = f"{Path(stored.other.folder).name}, " if stored.other else ""
    return (
        f"unmask: tuned for this device: {where}{figures.milliseconds:.0f} ms {figures.unit} where the default took "
        f"{figures.default_milliseconds:.0f} (--no-tuned uses the default)"
    )


def check_target(folder: Path, replaced: bool, say: Callable[[str], None]) -> None:
    """Clear what killed runs left beside the folder. Raises InputError where a new bundle cannot be written.

    replaced: a bundle that is there may be replaced.
    """
    from unmask.export.staging import check_target, clear_leftovers

    for line in clear_leftovers(folder):
        say(line)
    if folder.exists() and not replaced:
        raise InputError(f"{folder}: exists already; pass --replace, or --out with another folder")
    check_target(folder)


@contextmanager
def undone() -> Iterator[None]:
    """For a command that writes a folder when it is whole: says so when it is interrupted or terminated."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        raise type(stopped)("nothing was written") from None


@Parameter(name="*")
@dataclass(frozen=True)
class MaterialOptions:
    """What a bundle is measured on. A .txt file beside a recording is its transcript."""

    audio: Annotated[tuple[Path, ...], MANY, Parameter(name=("--audio", "--calibrate"))] = ()
    """Recordings for a bundle that captions. Default: the demo clips."""
    prompt: Annotated[tuple[str, ...], MANY] = ()
    """Prompts for a bundle that generates text. Default: three short ones."""
    length: int | None = None
    """Number of positions in an answer. Default: the task's own."""
    seed: int = 0
    """Seed of the positions that are masked again."""

    def __post_init__(self) -> None:
        check_seed(self.seed)


def read_material(manifest: Manifest, options: MaterialOptions) -> tuple["Material", list[str | None]]:
    """The recordings or prompts to measure on, and the transcript of each recording, None if unknown.

    Raises AudioError for a recording that cannot be read. Raises InputError for material that the bundle does not take, and if
    no recording is given and the demo clips are not installed.
    """
    from unmask.quant.calibration.calibration_data import PROMPTS, Material

    captions = kind_of(manifest).takes == "speech"
    unread = ("prompt", "length") if captions else ("audio",)
    what = "writes captions; leave out" if captions else "generates text; leave out"
    refuse_unread(changed(options), dict.fromkeys(unread, f"{manifest.name} {what}"))
    if not captions:
        return Material(prompts=options.prompt or PROMPTS, length=options.length, seed=options.seed), []
    paths = options.audio or demo_clips()
    if not paths:
        raise InputError(f"{manifest.name} writes captions: give recordings with --audio")
    return Material(tuple(map(read_recording, paths)), seed=options.seed), list(map(read_transcript, paths))


def require(*packages: str, extra: str = "bench") -> None:
    """Check for packages of an extra before anything takes minutes. Raises InputError that names the extra."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        raise InputError(f"{', '.join(missing)} {verb} not installed; this needs an extra: pip install 'unmask[{extra}]'")


def say_on_stderr(quiet: bool, prefix: str = "measuring: ") -> Callable[[str], None]:
    """A function that prints lines of progress after a prefix, or drops them."""

    def say(line: str) -> None:
        if not quiet:
            print(f"{prefix}{line}", file=sys.stderr)

    return say
