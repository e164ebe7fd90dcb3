"""A Dream bundle beside llama.cpp on the same weights, in one run: the latency of one greedy answer.

    python -m benchmarks.lab.peers.text BUNDLE --llama-diffusion-cli PROGRAM --gguf FILE --output peers

Compares the bundle's own decoding, decoding token by token, every row in every pass, and llama.cpp. Systems answer in turns in
random order, each in a process of its own, with the same number of passes where they compute every row. Needs the extra bench.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from benchmarks.lab.peers import diffusion_cli
from benchmarks.lab.peers.peers import SCENARIO
from benchmarks.lab.peers.text_ways import EVERY, FAMILY, SINGLE, TASK, TRIMMED, Question
from benchmarks.lab.program import run as run_program
from unmask.apps.cli.options import say_on_stderr
from unmask.benchmarks.measure.statistics import paired_ratio, summarize
from unmask.benchmarks.report.markdown import one_table
from unmask.benchmarks.report.record import Report
from unmask.benchmarks.report.tables import Table, number
from unmask.benchmarks.report.write import check_place, write_report
from unmask.benchmarks.scenarios.run import read_subject, run
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample, Say, run_cases
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.text.generator import Generator

OURS = "benchmarks.lab.peers.text_ways:ours"  # a target, opened in a process that loads no report
HEAD = ("system", "ms, median (p90)", "time of own decoding / its time (95 %)", "passes", "rows", "text", "RSS MiB")
NOTES = (
    "Times are from the prompt's tokens to the answer's, with the model open, taken in the process itself; llama.cpp's is the "
    "total that its program prints. That program opens the weights again for each answer, which is not counted, and starts cold.",
    "Time of own decoding / its time: round by round; the median and its 95 % interval (from 6 rounds). Below 1 own decoding is "
    "faster.",
    "Own decoding: the bundle's own schedule; with passes a block, equally many positions in each, regardless of confidence. "
    "Token by token: the same graphs under a causal mask, with a cache. Every row in every pass: the published decoding, which "
    "llama.cpp computes too; text says which systems write the same as it.",
    "RSS: peak memory of the process, Python and packages included.",
)


@Parameter(name="*")
@dataclass(frozen=True)
class TextOptions:
    prompt: str = "Why is the sky blue?"
    """What every system is asked, in the chat template."""
    length: int = 32
    """Positions of the answer."""
    steps: int | None = None
    """Passes of the published decoding; one for each position by default."""
    passes: Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Also the bundle's own decoding with this many passes in each block, regardless of confidence; a system for each number."""
    rounds: int = 6
    """Answers of each system at least."""
    min_seconds: float = 10.0
    """Continue until all systems have taken this long together."""
    warmup: int = 1
    """Rounds at the beginning that do not count."""
    seed: int = 0
    """Seed of the order of turns."""
    threads: int = 1
    """Threads of every system."""
    pin: bool = False
    """Keep each process on as many processors as it has threads. Linux only."""
    output: Path | None = None
    """Folder for peers.md, texts.json, and report.json, report.md, report.html as of `unmask bench`."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Print no progress on stderr."""

    def __post_init__(self) -> None:
        if self.output is not None:
            check_place(self.output)
        for name, value in (("length", self.length), ("threads", self.threads)):
            if value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed")

    def plan(self) -> Plan:
        return Plan(self.rounds, self.min_seconds, self.warmup, self.seed, self.pin)

    def question(self) -> Question:
        return Question(self.prompt, self.length, self.length if self.steps is None else self.steps, self.passes)


@Parameter(name="*", group="llama.cpp")
@dataclass(frozen=True)
class LlamaOptions:
    """llama.cpp is left out if neither is given, and the report says why."""

    llama_diffusion_cli: Path | None = None
    """The program, built from llama.cpp."""
    gguf: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """The bundle's own weights in its format; one system for each file."""


def main(bundle: Path, /, *, options: TextOptions = TextOptions(), llama: LlamaOptions = LlamaOptions()) -> None:
    """Compare a bundle of Dream's family with llama.cpp on the same weights.

    Parameters
    ----------
    bundle
        Folder of a bundle of Dream's family, as `unmask export` writes it.
    """
    found = measure(bundle, options.question(), llama, options.threads, options.plan(), say_on_stderr(options.quiet))
    if options.output:
        write(found, options.output)
    print(to_markdown(found), end="")


@dataclass(frozen=True)
class Answered:
    """All answers of one system, in the order given."""

    case: Case
    samples: list[Sample]

    @property
    def seconds(self) -> list[float]:
        return [sample.seconds for sample in self.samples]


@dataclass(frozen=True)
class AnswerResults:
    report: Report
    answered: tuple[Answered, ...]


def measure(bundle: Path, question: Question, llama: LlamaOptions, threads: int, plan: Plan, say: Say) -> AnswerResults:
    """Raises BundleError, and InputError for a bundle of another family and for a program or file that is missing."""
    why = diffusion_cli.absent(llama.llama_diffusion_cli, llama.gguf)
    subject = read_subject(bundle, EngineOptions(threads=threads))
    if subject.manifest.family != FAMILY or TASK not in subject.manifest.templates:
        raise InputError(f"{bundle}: family {subject.manifest.family!r}; the same decoding in llama.cpp is compared for {FAMILY}")
    request = Generator(load_bundle(bundle)).request(TASK, {"text": question.prompt}, question.length)
    canvas = len(request.canvas.ids)
    cases = [*our_cases(bundle, subject.name, question, threads), *([] if why else cases_of(llama, question, canvas, threads))]
    peers = {diffusion_cli.NAME: diffusion_cli.version(llama.llama_diffusion_cli)} if llama.llama_diffusion_cli else {}
    settings = {"scenarios": [SCENARIO], "peers": peers, "canvas": canvas, **asdict(question)}
    taken: list[tuple[Case, list[Sample]]] = []

    def take(cases: Sequence[Case], plan: Plan, say: Say) -> list[tuple[Case, list[Sample]]]:
        taken.extend(run_cases(cases, plan, say))
        return taken

    report = run(cases, [subject], plan, settings, say, take)
    skipped = {diffusion_cli.NAME: why} if why else {}
    return AnswerResults(replace(report, skipped=skipped), tuple(Answered(case, samples) for case, samples in taken))


def our_cases(bundle: Path, name: str, question: Question, threads: int) -> list[Case]:
    """Own decoding first; each way in a process of its own."""
    own = {"bundle": str(bundle), "threads": threads, "question": asdict(question)}
    ways = {
        TRIMMED: None,
        **{f"{TRIMMED}, {count} passes a block": count for count in question.passes},
        SINGLE: None,
        EVERY: None,
    }
    return [
        Case(SCENARIO, name, way, OURS, {**own, "way": way, "passes": passes}, threads=threads) for way, passes in ways.items()
    ]


def cases_of(llama: LlamaOptions, question: Question, canvas: int, threads: int) -> list[Case]:
    """Each file of weights is a system. canvas: positions, the prompt's included."""
    own = {
        "program": str(llama.llama_diffusion_cli),
        "threads": threads,
        "prompt": question.prompt,
        "canvas": canvas,
        "steps": question.steps,
    }
    target = f"{diffusion_cli.__name__}:answers"
    return [
        Case(SCENARIO, diffusion_cli.NAME, path.name, target, {**own, "weights": str(path)}, threads=threads)
        for path in llama.gguf
    ]


def table(answered: Sequence[Answered]) -> Table:
    """Own decoding, the first, against every system; texts against the published decoding's."""
    base = answered[0]
    published = next(own for own in answered if own.case.name == EVERY)
    return Table(HEAD, tuple(_cells(base, published, own) for own in answered))


def _cells(base: Answered, published: Answered, own: Answered) -> tuple[str, ...]:
    taken = summarize([1000 * s for s in own.seconds])
    last = own.samples[-1]
    takes = "" if own is base else str(paired_ratio(own.seconds, base.seconds))
    text = "" if own is published else "the same" if last.text == published.samples[-1].text else "another"
    rss = max(sample.rss_mib for sample in own.samples)
    return (
        own.case.title,
        f"{number(taken.p50)} ({number(taken.p90)})",
        takes,
        str(last.passes),
        str(last.rows),
        text,
        f"{rss:.0f}",
    )


def to_markdown(found: AnswerResults) -> str:
    report, plan = found.report, found.report.plan
    peers = ", ".join(f"{name} {version}" for name, version in plan["peers"].items())
    length, prompt = plan["length"], plan["canvas"] - plan["length"]
    asked = f"{length} positions after a prompt of {prompt}, {plan['steps']} passes; {peers or 'no other system'}"
    return one_table("Peers: text", table(found.answered), asked, report, NOTES)


def write(found: AnswerResults, folder: Path) -> None:
    """The folder is made if it is missing; files of an earlier run are overwritten."""
    write_report(found.report, folder)
    (folder / "peers.md").write_text(to_markdown(found), encoding="utf-8")
    texts = {own.case.title: own.samples[-1].text for own in found.answered}
    (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_program(main)
