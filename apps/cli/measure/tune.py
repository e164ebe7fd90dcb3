"""`unmask tune`: find the best setting of a bundle on this device by measuring. Messages go to stderr."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from unmask.apps.cli.options import (
    FLAG,
    MANY,
    EngineChoice,
    MaterialOptions,
    changed,
    read_material,
    refuse_unread,
    require,
    say_on_stderr,
)
from unmask.apps.terminal.progress import bar
from unmask.benchmarks.tuning.pareto import Rules
from unmask.benchmarks.tuning.report import FORMATS, named, picture, table
from unmask.benchmarks.tuning.search import TuningResult
from unmask.benchmarks.tuning.tune import Examples, TuningPlan, make_plan, to_store
from unmask.benchmarks.tuning.tune import tune as search
from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.devices import describe_cpu, read_cpu
from unmask.errors import InputError
from unmask.replaced_files import replace_files
from unmask.system import real
from unmask.tuned_settings import forget, write_tuned
from unmask.user_cache import cache_folder

NOTHING_FITS = 1


@Parameter(name="*")
@dataclass(frozen=True)
class TuneOptions:
    """Options of `unmask tune`."""

    task: str | None = None
    """The task to tune; the bundle's first task by default."""
    budget_ms: float | None = None
    """Longest time that a segment of speech, encoder included, or an answer may take."""
    tolerance: float = 0.01
    """Loss of quality against the default that is allowed: a share of the words, or of the ids."""
    also: Annotated[tuple[Path, ...], MANY] = ()
    """Bundles of the same model in other precisions."""
    rounds: int = 7
    """Runs of each setting in its stage, and twice as many in the last stage; with fewer than 6 no difference is clear."""
    plot: Path | None = None
    """Draw quality against time into this .svg or .png file."""
    dry_run: Annotated[bool, FLAG] = False
    """Print what would be measured and how long it would take."""
    json: Annotated[bool, FLAG] = False
    """Print the stored setting as JSON instead of a table."""
    quiet: Annotated[bool, FLAG] = False
    """Print no progress on stderr."""


def tune(
    bundle: Path,
    /,
    *,
    options: TuneOptions = TuneOptions(),
    material: MaterialOptions = MaterialOptions(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> int:
    """Measure settings of a bundle on this device and store the best one for runs of caption, serve and generate.

    Precision, threads, passes, commit rule, order, rows and the verifier are tried in stages; of a captioner that drafts its
    transcript precision, threads and how far a check reads. Captions are judged by their word error rate (Whisper's English
    normalizer) on recordings with a transcript, answers by a slow and exact decoding. The setting
    is stored in the user's cache, for this bundle and device; Ctrl-C keeps what was found so far. The exit code is 1 when no
    setting keeps both the quality and the budget.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    """
    refuse_unread(changed(options), dict.fromkeys(("plot", "json") if options.dry_run else (), "not read with --dry-run"))
    refuse_unread(changed(material), {"seed": "tuning masks nothing again; leave out"})
    check(options)
    loaded = load_bundle(bundle)
    plan = planned(loaded, options, material, engine)
    if options.dry_run:
        print(described(plan))
        return 0
    cache_folder()  # raises before minutes of measuring if the setting cannot be stored
    found = run(plan, Rules(options.budget_ms, options.tolerance), options.quiet)
    code = finish(plan, found, options)
    if options.plot:
        draw(plan, found, options.plot)
    return code


def draw(plan: TuningPlan, found: TuningResult, path: Path) -> None:
    """Raises InputError if the picture cannot be written; the setting is stored by then."""
    made = picture(found, plan.bundle.manifest.name, plan.objective.unit, plan.objective.measure, path.suffix[1:])
    try:
        replace_files({path: made})
    except OSError as error:
        raise InputError(f"{path}: the picture cannot be written ({error.strerror}); the setting is stored") from error


def check(options: TuneOptions) -> None:
    """Refuse bad options before anything is measured."""
    if options.budget_ms is not None and not options.budget_ms > 0:
        raise InputError(f"the budget is {options.budget_ms} ms; it must be above 0")
    if not 0 <= options.tolerance < 1:
        raise InputError(f"tolerance is {options.tolerance}; it is a share, 0 to 1")
    if options.plot:
        require("matplotlib")
        if options.plot.suffix[1:] not in FORMATS or not real(options.plot).parent.is_dir():
            raise InputError(f"{options.plot}: the picture is an .svg or .png file in a folder that exists")


def planned(bundle: Bundle, options: TuneOptions, material: MaterialOptions, engine: EngineChoice) -> TuningPlan:
    others = [load_bundle(folder) for folder in options.also]
    given, transcripts = read_material(bundle.manifest, material)
    if kind_of(bundle.manifest).takes == "speech":
        require("jiwer", "whisper_normalizer")
        if None in transcripts:
            raise InputError("quality is the word error rate: put a .txt with the transcript beside each recording of --audio")
    task = options.task or next(iter(bundle.manifest.tasks), "")
    texts = [text for text in transcripts if text is not None]
    examples = Examples(given.recordings, texts, given.prompts, given.length)
    return make_plan(bundle, others, task, examples, engine.options(), engine.threads, read_cpu().cores, options.rounds)


def described(plan: TuningPlan) -> str:
    """The plan as text. Opens the bundle to see how long a run takes."""
    lines = [describe_cpu(read_cpu()), *(f"{name}: {count} runs at most" for name, count in plan.runs())]
    return "\n".join([*lines, f"about {plan.minutes():.1f} minutes, if all settings were as slow as the default"])


def run(plan: TuningPlan, rules: Rules, quiet: bool) -> TuningResult:
    console = Console(stderr=True, quiet=quiet)
    shown = bar(console)
    shown.disable = quiet or not console.is_terminal
    with shown:
        done = shown.add_task("", total=sum(count for _, count in plan.runs()))

        def say(stage: str) -> None:
            shown.update(done, description=stage)
            if not console.is_terminal:
                console.print(f"measuring: {stage}")

        return search(plan, rules, say, lambda: shown.advance(done))


def finish(plan: TuningPlan, found: TuningResult, options: TuneOptions) -> int:
    """Store the choice and report it. When the default is best, an older stored setting is removed."""
    say = say_on_stderr(options.quiet, "unmask: ")
    if not options.json:
        print(table(found, plan.objective.unit, plan.objective.measure, plan.tokens))
    if plan.device:
        say(str(plan.device.curve(plan.default)))
    if found.stopped:
        say("stopped; the choice is among what was measured until then")
    if found.choice is None:
        say(f"no setting keeps the default's quality within {options.budget_ms:g} ms {plan.objective.unit}; nothing is stored")
        return NOTHING_FITS
    stored = to_store(plan, found.measured, found.choice)
    if options.json:
        print(json.dumps(asdict(stored), ensure_ascii=False))
    if found.choice.point.setting == plan.default:
        forget(plan.bundle, plan.task, plan.default.engine)
        say("the default is already best; nothing is stored")
        return 0
    if found.choice.equal:
        others = "; ".join(named(found.measured, point) for point in found.choice.equal)
        say(f"not clearly different from the choice: {others}")
    say(f"chosen: {named(found.measured, found.choice.point)}; stored in {write_tuned(stored)}")
    return 0
