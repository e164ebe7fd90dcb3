"""`unmask batch`: many recordings to text, or many prompts through a task, on many cores. Knows options; the work is
`unmask.apps.batch`."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unmask.apps.batch.jobs import Job, jobs_of, prompts_of
from unmask.apps.batch.places import clear_parts, files_in, is_folder
from unmask.apps.batch.report import REPORT, Report
from unmask.apps.batch.work import TEXT, Done, Work, done_here
from unmask.apps.captions.recordings import Form
from unmask.apps.captions.word_list import read_word_list
from unmask.apps.cli.named_models import Name, open_named
from unmask.apps.cli.options import (
    FLAG,
    SHIPPED,
    SHIPPED_OMNI,
    CheckChoice,
    EngineChoice,
    TunedChoice,
    changed,
    refuse_unread,
    require,
    setting,
)
from unmask.apps.modalities.files import FILES
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.errors import AudioError, InputError
from unmask.session import open_model
from unmask.speech.captioner import TASK


@Parameter(name="*")
@dataclass(frozen=True)
class BatchOptions:
    """Options of `unmask batch`."""

    out: str
    """Folder of the texts, made if it is not there; a path, or a URL that fsspec knows (s3://bucket/texts). With --address every
    machine has to reach it, and the recordings."""
    task: str = TASK
    """Another task than captions (t2i, i2t, ...), of omni-tiny or of the --bundle. Its inputs are lines of .jsonl files: objects
    with each input by its name, where others than text are paths, and with `name` for the result."""
    format: Form = "jsonl"
    """jsonl: an object with text, words, times and cost. txt, srt, vtt: as for `unmask caption`."""
    workers: int | None = None
    """Processes, each with the model. Default: as many as there are cores, if Ray is installed."""
    address: str | None = None
    """Join the Ray cluster at this address; auto finds one on this machine."""
    again: Annotated[bool, FLAG] = False
    """Caption recordings again whose text is there already; without it they are left out, so that a killed run goes on."""
    words: Path | None = None
    """Text file of names and other words that may be said, as for `unmask caption`."""
    quiet: Annotated[bool, FLAG] = False
    """Print no progress on stderr; errors are still printed."""
    model: Name = "tiny"
    """tiny: the captioner that ships. base: Moonshine base, as for `unmask caption`."""
    bundle: Path = SHIPPED
    """Folder of a bundle, instead of a model's name."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers is {self.workers}; it must be above 0")


def batch(
    *inputs: str,
    options: BatchOptions,
    schedule: CheckChoice = CheckChoice(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Caption many recordings, or answer many prompts (--task), on every core of this machine or of a Ray cluster.

    A result is there whole or not at all, and a run that was killed goes on where it was. A recording that cannot be read is told
    and listed in failed.jsonl, the rest is done, and the exit code is 2.

    Parameters
    ----------
    inputs
        Folders, whose recordings are captioned with all below them; manifests (.txt: a path or URL a line; .jsonl: objects with
        `file`); or recordings. With --task: .jsonl files of prompts.
    """
    engine.options()  # refuses options that contradict each other before anything is read
    if options.task == TASK:
        jobs, bundle = jobs_of(inputs, options.format), open_named(options.model, options.bundle, options.quiet)
    else:
        bundle = load_bundle(SHIPPED_OMNI if options.bundle == SHIPPED else options.bundle)
        jobs = asked_jobs(inputs, bundle, options, schedule)
    chosen = setting(bundle, options.task, engine, tuned, options.quiet)
    clear_parts(options.out, {*(job.output for job in jobs), REPORT})
    there = set(files_in(options.out)) if is_folder(options.out) else set()
    left = [job for job in jobs if options.again or job.output not in there]
    if not options.quiet and len(left) < len(jobs):
        print(f"unmask: {len(jobs) - len(left)} of {len(jobs)} results are there already", file=sys.stderr)
    words = tuple(read_word_list(options.words)) if options.words else ()
    checks = schedule.over(chosen.schedule)
    work = Work(str(chosen.bundle.folder), chosen.engine, checks, options.format, options.out, words, options.task)
    report = Report(options.out, len(left), options.quiet, "recordings" if options.task == TASK else "prompts")
    for one in results(work, left, options):
        report.add(one)
    if report.failed or REPORT in there:
        report.write()
    if report.failed:
        raise AudioError(
            f"{len(report.failed)} of {len(jobs)} {report.what} could not be done; {REPORT} in {options.out} has them"
        )


def asked_jobs(inputs: Sequence[str], bundle: Bundle, options: BatchOptions, schedule: CheckChoice) -> list[Job]:
    """The prompts of a task. Raises InputError for a task that the bundle does not have, whose answer has no file, or that is
    given options of captions."""
    why = f"only read for captions, not for {options.task}"
    refuse_unread([*changed(options), *schedule.given()], dict.fromkeys(("format", "words", "model", *schedule.given()), why))
    session = open_model(bundle)
    task = session.task(options.task)
    if len(task.outputs) != 1:
        raise InputError(f"{options.task} gives {' and '.join(task.outputs)}; a batch writes one file for each prompt")
    (modality,) = task.outputs
    if modality != TEXT:
        session.codecs.runner(modality, "writes")  # raises now if the bundle has none
    return prompts_of(inputs, task, ".txt" if modality == TEXT else FILES[modality].suffixes[0])


def results(work: Work, jobs: list[Job], options: BatchOptions) -> Iterator[Done]:
    """One worker needs no Ray."""
    if (options.workers == 1 and options.address is None) or not jobs:
        return done_here(work, jobs) if jobs else iter(())
    require("ray", extra="batch")
    from unmask.apps.batch.cluster import done_on_ray

    return done_on_ray(work, jobs, options.workers, options.address)
