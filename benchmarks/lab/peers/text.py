"""A Dream bundle and llama.cpp on the same weights answer one prompt with as many passes: `unmask bench peers text`.

Everything decodes greedily. Knows bundles of Dream's family and one other program. Knows no option of the command.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lab.peers import diffusion_cli
from benchmarks.lab.peers.peers import SCENARIO
from benchmarks.lab.token_by_token import Written, causal, write_in_order
from unmask.benchmarks.measure.harness import paired_ratio
from unmask.benchmarks.measure.machine import peak_rss_mib
from unmask.benchmarks.report.markdown import one_table
from unmask.benchmarks.report.record import Report
from unmask.benchmarks.report.tables import Table, number
from unmask.benchmarks.report.write import write_report
from unmask.benchmarks.scenarios.run import read_subject, run
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample, Say, run_cases
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Reference, Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.text.generator import Generator, Request

FAMILY, TASK = "dream", "chat"  # llama-diffusion-cli puts every prompt into the model's chat template
TRIMMED, SINGLE, EVERY = "own decoding", "token by token", "every row in every pass"
HEAD = ("system", "ms, median (p90)", "own decoding takes of it (95 %)", "passes", "rows", "text", "RSS MiB")
NOTES = (
    "Times are from the prompt's tokens to the answer's, the model open, told by the process that writes: llama.cpp's is the "
    "total that its program prints. That program opens the weights anew for each answer, which is not counted, and is not warm.",
    "Own decoding takes of it: the time of own decoding / the system's, round by round; the median and its 95 % interval (from "
    "6 rounds on). Below 1 own decoding is faster.",
    "Own decoding: the bundle's own schedule; with passes a block, evenly many positions in each, sure or not. Token by token: "
    "the same graphs under a causal mask, with a cache. Every row in every pass: the published decoding, which is also what "
    "llama.cpp computes; text says who writes what it writes.",
    "RSS: most memory that the process held, Python and packages included.",
)


@dataclass(frozen=True)
class Wanted:
    """What everyone is asked."""

    prompt: str
    length: int  # positions of the answer
    steps: int  # passes of the published decoding
    passes: tuple[int, ...] = ()  # in each block, of own decoding by quota

    def __post_init__(self) -> None:
        for name, counts in (("steps", (self.steps,)), ("passes", self.passes)):
            wrong = [count for count in counts if not 1 <= count <= self.length]
            if wrong:
                raise InputError(f"{name} is {wrong[0]}; an answer of {self.length} positions takes 1 to {self.length} passes")


@dataclass(frozen=True)
class Program:
    """llama-diffusion-cli and GGUF files of the bundle's weights."""

    path: Path | None = None
    weights: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Answered:
    """All answers of one system, in the order given."""

    case: Case
    samples: list[Sample]

    @property
    def seconds(self) -> list[float]:
        return [sample.seconds for sample in self.samples]


@dataclass(frozen=True)
class Compared:
    report: Report
    answered: tuple[Answered, ...]


def measure(bundle: Path, wanted: Wanted, program: Program, threads: int, plan: Plan, say: Say) -> Compared:
    """Raises BundleError, and InputError for a bundle of another family and for what was named and is not there."""
    why = diffusion_cli.absent(program.path, program.weights)
    subject = read_subject(bundle, EngineOptions(threads=threads))
    if subject.manifest.family != FAMILY or TASK not in subject.manifest.templates:
        raise InputError(f"{bundle}: family {subject.manifest.family!r}; the same decoding in llama.cpp is compared for {FAMILY}")
    request = Generator(load_bundle(bundle)).request(TASK, {"text": wanted.prompt}, wanted.length)
    canvas = len(request.canvas.ids)
    cases = [*our_cases(bundle, subject.name, wanted, threads), *([] if why else cases_of(program, wanted, canvas, threads))]
    peers = {diffusion_cli.NAME: diffusion_cli.version(program.path)} if program.path else {}
    settings = {"scenarios": [SCENARIO], "peers": peers, "canvas": canvas, **asdict(wanted)}
    taken: list[tuple[Case, list[Sample]]] = []

    def take(cases: Sequence[Case], plan: Plan, say: Say) -> list[tuple[Case, list[Sample]]]:
        taken.extend(run_cases(cases, plan, say))
        return taken

    report = run(cases, [subject], plan, settings, say, take)
    skipped = {diffusion_cli.NAME: why} if why else {}
    return Compared(replace(report, skipped=skipped), tuple(Answered(case, samples) for case, samples in taken))


def our_cases(bundle: Path, name: str, wanted: Wanted, threads: int) -> list[Case]:
    """Own decoding first; each way in a process of its own."""
    own = {"bundle": str(bundle), "threads": threads, "wanted": asdict(wanted)}
    ways = {TRIMMED: None, **{f"{TRIMMED}, {count} passes a block": count for count in wanted.passes}, SINGLE: None, EVERY: None}
    return [
        Case(SCENARIO, name, way, f"{__name__}:ours", {**own, "way": way, "passes": passes}, threads=threads)
        for way, passes in ways.items()
    ]


def cases_of(program: Program, wanted: Wanted, canvas: int, threads: int) -> list[Case]:
    """Each file of weights is a system. canvas: positions, the prompt's included."""
    own = {"program": str(program.path), "threads": threads, "prompt": wanted.prompt, "canvas": canvas, "steps": wanted.steps}
    target = f"{diffusion_cli.__name__}:answers"
    return [
        Case(SCENARIO, diffusion_cli.NAME, path.name, target, {**own, "weights": str(path)}, threads=threads)
        for path in program.weights
    ]


# ---- the measured side


def ours(bundle: str, threads: int, wanted: dict[str, Any], way: str, passes: int | None = None) -> Callable[[], dict[str, Any]]:
    """A target: a Dream bundle that writes in one way. passes: as many positions in each, whatever is sure."""
    found, options, asked = load_bundle(Path(bundle)), EngineOptions(threads=threads), Wanted(**wanted)
    generator = Generator(causal(found) if way == SINGLE else found, options).load()
    request = generator.request(TASK, {"text": asked.prompt}, asked.length, reference=way == EVERY)
    if way == EVERY:
        decoding = Reference(FAMILY, asked.steps, "maskgit_plus", top_k=1)  # so llama-diffusion-cli is greedy
        request = replace(request, template=replace(request.template, reference=decoding))
    schedule = replace(found.schedule(TASK), rule="quota", passes=passes) if passes else None

    def call() -> dict[str, Any]:
        began = time.perf_counter()
        done = write_in_order(generator, request) if way == SINGLE else fill(generator, request, schedule)
        seconds = time.perf_counter() - began
        tokens = generator.read(request, done.ids).tokens
        text = text_of(generator, done.ids[request.prompt :].tolist())
        return Sample(seconds, done.passes, done.rows, tokens, rss_mib=peak_rss_mib(), text=text).to_json()

    return call


def fill(generator: Generator, request: Request, schedule: Schedule | None = None) -> Written:
    """By the published decoding where the request is laid out for it; else by the schedule, the bundle's own unless given."""
    ids, passes, rows = request.canvas.ids, 0, 0
    for step in generator.steps(request, schedule):
        ids, passes, rows = step.ids, step.number, rows + step.rows
    return Written(ids, passes, rows)


def text_of(generator: Generator, ids: list[int]) -> str:
    """All that stands there, behind an end of text too, as llama-diffusion-cli prints it: up to a NUL, where C's strings end."""
    text: str = generator.tokenizer.decode(ids)
    return text.partition("\0")[0].strip()


# ---- what it leaves


def table(answered: Sequence[Answered]) -> Table:
    """Own decoding, the first, against every system; texts against the published decoding's."""
    base = answered[0]
    published = next(own for own in answered if own.case.name == EVERY)
    return Table(HEAD, tuple(_cells(base, published, own) for own in answered))


def _cells(base: Answered, published: Answered, own: Answered) -> tuple[str, ...]:
    p50, p90 = np.percentile([1000 * s for s in own.seconds], [50, 90])
    last = own.samples[-1]
    takes = "" if own is base else str(paired_ratio(own.seconds, base.seconds))
    text = "" if own is published else "the same" if last.text == published.samples[-1].text else "another"
    rss = max(sample.rss_mib for sample in own.samples)
    return own.case.title, f"{number(p50)} ({number(p90)})", takes, str(last.passes), str(last.rows), text, f"{rss:.0f}"


def to_markdown(found: Compared) -> str:
    report, plan = found.report, found.report.plan
    peers = ", ".join(f"{name} {version}" for name, version in plan["peers"].items())
    length, prompt = plan["length"], plan["canvas"] - plan["length"]
    asked = f"{length} positions behind a prompt of {prompt}, {plan['steps']} passes; {peers or 'no other system'}"
    return one_table("unmask bench peers: text", table(found.answered), asked, report, NOTES)


def write(found: Compared, folder: Path) -> None:
    """The folder is made where it is missing; files of an earlier run are written over."""
    write_report(found.report, folder)
    (folder / "peers.md").write_text(to_markdown(found), encoding="utf-8")
    texts = {own.case.title: own.samples[-1].text for own in found.answered}
    (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
