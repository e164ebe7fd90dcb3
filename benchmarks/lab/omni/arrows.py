"""omni-tiny's tasks on held-out scenes, in the fewest passes to token by token: how much is right, and how long it takes.

    python -m benchmarks.lab.omni.arrows models/omni-tiny --bundles FP32 --scenes 200

Facts are counted by the reader that knows no model (docs/omni-tiny.md). All ways of all bundles answer one scene before the next
scene, so that what slows one slows the others. Token by token is the same weights from left to right with a cache: each row sees
the prompt and what is before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any, Literal, get_args

import cyclopts
import numpy as np

from benchmarks.lab.program import run
from benchmarks.lab.token_by_token import write_in_order
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.measure.statistics import bootstrap_rate
from unmask.codecs import Kept
from unmask.engines.engine_options import EngineOptions
from unmask.session import Given, RunOptions, Session, open_model
from unmask.text.generator import Answer
from unmask.training.stickers.exam import Case, edited, held_out_cases, near, only_colors, sketch_of, without_places
from unmask.training.stickers.pictures import place_of, read, render
from unmask.training.stickers.scene import Scene
from unmask.training.stickers.scores import right_facts, right_groups
from unmask.training.stickers.words import describe, understand

SINGLE = "token by token"
CANDIDATES = 10
MANY = 1 << 20  # passes: more than an answer has positions
CAPTION, PICTURE = "a caption", "a picture"
ARROW = Literal[
    "text to picture",
    "text without places",
    "sketch and text to picture",
    "sketch and colors to picture",
    "picture to text",
    "question to answer",
    "edit",
    "retrieval",
]

Way = Callable[[Session, Given, dict[str, Kept]], Answer]


@dataclass(frozen=True)
class Arrow:
    """A task, what it is given of a case, and which share of its answer is right."""

    task: str
    given: Callable[[Case], Given]
    right: Callable[[Case, Answer], float]
    keep: Callable[[Case], dict[str, Kept]] = lambda case: {}


def edit_of(case: Case) -> tuple[Scene, str]:
    return edited(case.scene, np.random.default_rng(len(case.text)))


def kept(case: Case) -> dict[str, Kept]:
    """The picture but for one place."""
    pixels, (_, place) = render(case.scene), edit_of(case)
    anew = np.zeros(pixels.shape[:2], bool)
    anew[place_of(place)] = True
    return {"image": Kept(pixels, anew)}


def drawn(scene: Scene, made: Answer) -> float:
    return right_facts(scene, read(made.media["image"]))


ARROWS = {
    "text to picture": Arrow("t2i", lambda case: {"text": case.text}, lambda case, made: drawn(case.scene, made)),
    "text without places": Arrow(
        "t2i",
        lambda case: {"text": describe(case.scene, places=False)},
        lambda case, made: right_groups(case.scene, read(made.media["image"])),
    ),
    "sketch and text to picture": Arrow(
        "sketch",
        lambda case: {"text": without_places(case), "image": sketch_of(case)},
        lambda case, made: drawn(case.scene, made),
    ),
    "sketch and colors to picture": Arrow(
        "sketch",
        lambda case: {"text": only_colors(case), "image": sketch_of(case)},
        lambda case, made: drawn(case.scene, made),
    ),
    "picture to text": Arrow(
        "i2t", lambda case: {"image": render(case.scene)}, lambda case, made: right_facts(case.scene, understand(made.text))
    ),
    "question to answer": Arrow(
        "vqa",
        lambda case: {"text": case.question.text, "image": render(case.scene)},
        lambda case, made: float(made.text == case.question.answer),
    ),
    "edit": Arrow(
        "t2i",
        lambda case: {"text": describe(edit_of(case)[0])},
        lambda case, made: drawn(edit_of(case)[0], made),
        kept,
    ),
}


@dataclass(frozen=True)
class ArrowOptions:
    bundles: tuple[Path, ...] = ()
    """More bundles to compare."""
    arrows: tuple[ARROW, ...] = get_args(ARROW)
    passes: tuple[int, ...] = (1, 2, 4, 8, 16)
    guidance: tuple[float, ...] = (0.0,)
    """Of pictures."""
    one_a_pass: bool = False
    """Also as many passes as positions, each committing the surest."""
    scenes: int = 200
    seed: int = 1
    """Of the scenes. Reports of a training run have seed 0."""
    threads: int = 1


@dataclass
class Column:
    """What one way of one bundle did: a number for each case."""

    right: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def line(self) -> str:
        rate, spread = bootstrap_rate(np.array(self.right), np.ones(len(self.right)))
        ms, cpu = np.percentile(self.ms, [50, 90]), np.median(self.cpu_ms)
        share = f"{100 * rate:.1f} ({100 * spread.low:.1f} to {100 * spread.high:.1f})"
        return f"{share} | {ms[0]:.1f} | {ms[1]:.1f} | {cpu:.1f} | {np.mean(self.rows):.0f}"


def main(bundle: Path, /, *, options: Annotated[ArrowOptions, cyclopts.Parameter(name="*")] = ArrowOptions()) -> None:
    sessions = {one.name: open_model(one, EngineOptions(threads=options.threads)) for one in (bundle, *options.bundles)}
    cases = held_out_cases(options.scenes, options.seed)
    print(describe_machine(), f"{options.threads} threads, {len(cases)} held-out scenes\n", sep="\n")
    print("| task | bundle | way | right, % | ms | p90 | CPU ms | rows |\n|---|---|---|---|---|---|---|---|")
    for name in options.arrows:
        columns = retrieved(sessions, cases) if name == "retrieval" else measured(sessions, ARROWS[name], cases, options)
        for (own, way), column in columns.items():
            print(f"| {name} | {own} | {way} | {column.line()} |", flush=True)


def measured(
    sessions: dict[str, Session], arrow: Arrow, cases: list[Case], options: ArrowOptions
) -> dict[tuple[str, str], Column]:
    ways = ways_of(arrow, options)
    columns = {(name, way): Column() for way in ways for name in sessions}
    for number, case in enumerate((cases[0], *cases)):  # the first opens the graphs and does not count
        given, keep = arrow.given(case), arrow.keep(case)
        for (name, way), column in columns.items():
            began, worked = perf_counter(), process_time()
            answer = ways[way](sessions[name], given, keep)
            spent = perf_counter() - began, process_time() - worked
            if number:
                note(column, arrow.right(case, answer), spent, answer.rows)
    return columns


def note(column: Column, right: float, spent: tuple[float, float], rows: int) -> None:
    column.right.append(right)
    column.ms.append(1000 * spent[0])
    column.cpu_ms.append(1000 * spent[1])
    column.rows.append(rows)


def ways_of(arrow: Arrow, options: ArrowOptions) -> dict[str, Way]:
    task = arrow.task

    def filled(**changes: Any) -> Way:
        def answer(session: Session, given: Given, keep: dict[str, Kept]) -> Answer:
            own = replace(session.task(task).schedule, **changes)
            return session.run(task, given, RunOptions(own, keep=keep))  # type: ignore[return-value]

        return answer

    def even(passes: int, guidance: float = 0.0) -> Way:
        return filled(rule="quota", passes=passes, guidance=guidance)

    ways = {"default": filled()} | {
        f"{passes} passes" + (f", guidance {guidance:g}" if guidance else ""): even(passes, guidance)
        for guidance in (options.guidance if arrow.task == "t2i" else (0.0,))
        for passes in options.passes
    }
    if arrow.keep is not Arrow.keep:
        return ways
    if options.one_a_pass:
        ways["one a pass, surest first"] = even(MANY)
    return {**ways, SINGLE: lambda session, given, keep: single(session, task, given)}


def single(session: Session, task: str, given: Given) -> Answer:
    assert session.generator is not None
    request = session.request(task, given)
    made = write_in_order(session.generator, request)
    answer = session.generator.read(request, made.ids, made.passes, made.rows)
    return replace(answer, media=session.codecs.decode(answer.codes))


# ---- retrieval


def retrieved(sessions: dict[str, Session], cases: list[Case]) -> dict[tuple[str, str], Column]:
    """Which of ten captions is of the picture, and which of ten pictures is of the caption, by likelihood.

    The other nine are of other scenes, or of scenes that differ from the right one in one fact.
    """
    ways = [f"{which} of ten, {others}" for which in (CAPTION, PICTURE) for others in ("others", "one fact differs")]
    columns = {(name, way): Column() for way in ways for name in sessions}
    for number, case in enumerate(cases):
        rng = np.random.default_rng([number, CANDIDATES])
        others = [cases[(number + i) % len(cases)].scene for i in range(1, CANDIDATES)]
        alike = near(case.scene, CANDIDATES - 1, rng)
        for (name, way), column in columns.items():
            several = [case.scene, *(others if "others" in way else alike)]  # the first is the right one
            began, worked = perf_counter(), process_time()
            scores = [likelihood(sessions[name], *pair) for pair in pairs(several, way)]
            note(column, float(np.argmax(scores) == 0), (perf_counter() - began, process_time() - worked), 0)
    return columns


def pairs(several: list[Scene], way: str) -> list[tuple[Scene, Scene]]:
    """(scene of the caption, scene of the picture) of each candidate."""
    return [(scene, several[0]) if way.startswith(CAPTION) else (several[0], scene) for scene in several]


def likelihood(session: Session, said: Scene, seen: Scene) -> float:
    return session.log_likelihood("t2i", {"text": describe(said)}, render(seen))


if __name__ == "__main__":
    run(main)
