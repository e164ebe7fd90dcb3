"""`unmask generate`: a task's inputs in, the answer on stdout; everything for people goes to stderr."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from unmask.apps.cli.engines import EngineChoice
from unmask.apps.cli.tuned import TunedChoice, setting
from unmask.apps.terminal.canvas_view import LiveView
from unmask.bundle.manifest import load_bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError
from unmask.text.generator import Answer, Generator, Inputs, Request


@Parameter(name="*")
@dataclass(frozen=True)
class GenerateOptions:
    """Options of `unmask generate`; those of the schedule replace the task's own when given."""

    prompt: str | None = None
    """The text that the task takes; - reads it from standard input."""
    speech: Path | None = None
    """Speech codes that the task takes: a file of whole numbers, 0 the first code."""
    image: Path | None = None
    """Image codes that the task takes, row by row: a file of whole numbers."""
    task: str | None = None
    """What to do; the bundle's first task unless given (`unmask inspect` lists them)."""
    length: int | None = None
    """Positions of the answer."""
    reference: Annotated[bool, Parameter(negative="")] = False
    """Decode as the family's own code does: every row in every pass. Slow on purpose."""
    show: Annotated[bool, Parameter(negative="")] = False
    """Show on stderr how the tokens unmask, colored by confidence."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print text, codes, ids and cost as one JSON object."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """No figures on stderr; errors are still told."""
    passes: Annotated[int | None, Parameter(name=("--passes", "--steps"))] = None
    """At most this many passes in each block."""
    rule: str | None = None
    """Commit rule: quota, threshold, factor or entropy_bound."""
    order: str | None = None
    """Order of commitment: probability, margin, negative_entropy, random or halton."""
    threshold: float | None = None
    """Commit what is at least this probable."""
    block: int | None = None
    """Fill so many positions before the next ones."""
    window: str | None = None
    """Rows of a pass: masked, block or suffix."""
    refresh: int | None = None
    """Compute all rows again after so many passes."""
    budget_ms: float | None = None
    """Time for all passes."""
    temperature: float | None = None
    """Above 0, ids are drawn."""
    seed: int | None = None
    """Of what is drawn."""

    def schedule(self, default: Schedule) -> Schedule:
        chosen = {field.name: getattr(self, field.name, None) for field in dataclasses.fields(Schedule)}
        return dataclasses.replace(default, **{name: value for name, value in chosen.items() if value is not None})


def generate(
    bundle: Path,
    /,
    *,
    options: GenerateOptions = GenerateOptions(),
    engine: EngineChoice = EngineChoice(),  # noqa: B008  (frozen)
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Answer a task with a bundle of a Dream, LLaDA or block-causal model.

    Parameters
    ----------
    bundle
        Folder of the bundle, as `unmask export` writes it.
    """
    loaded = load_bundle(bundle)
    task = options.task or next(iter(loaded.manifest.templates), "")
    chosen = (
        None if options.reference or task not in loaded.manifest.tasks else setting(loaded, task, engine, tuned, options.quiet)
    )
    generator = Generator(chosen.bundle, chosen.engine) if chosen else Generator(loaded, engine.options())
    inputs = read_inputs(generator.template(task).inputs, options)
    request = generator.request(task, inputs, options.length, options.reference)
    schedule = options.schedule(chosen.schedule) if chosen else None
    generator.load()
    print(written(run(generator, request, schedule, options), task, options))


def run(generator: Generator, request: Request, schedule: Schedule | None, options: GenerateOptions) -> Answer:
    """Fill the canvas. Interrupted, it prints what stands so far and goes on interrupting."""
    mask_id = request.canvas.mask_id
    view = LiveView(generator.tokenizer, mask_id, start=request.prompt) if options.show else None
    ids, passes, rows, seconds = request.canvas.ids, 0, 0, 0.0

    def answer() -> Answer:
        return generator.read(request, ids, passes, rows, seconds)

    try:
        for step in generator.steps(request, schedule):
            ids, passes, rows, seconds = step.ids, step.number, rows + step.rows, seconds + step.seconds
            if view:
                view.show(step)
    except KeyboardInterrupt:
        print(written(answer(), request.task, options))
        raise
    finally:
        if view:
            view.close()
    if not options.quiet:
        print(figures(answer(), step), file=sys.stderr)
    return answer()


def read_inputs(wanted: dict[str, str], options: GenerateOptions) -> Inputs:
    """What the task takes, from the options; whatever is missing is told by its option."""
    given = {"text": options.prompt, "speech": options.speech, "image": options.image}
    inputs: dict[str, str | list[int]] = {}
    for name in wanted:
        value = given.get(name)
        if value is None:
            option = "--prompt" if name == "text" else f"--{name}"
            raise InputError(f"this task takes {', '.join(wanted)}: give {option}")
        inputs[name] = read_codes(value) if isinstance(value, Path) else sys.stdin.read() if value == "./-" else value
    surplus = [name for name, value in given.items() if value is not None and name not in wanted]
    if surplus:
        raise InputError(f"this task takes {', '.join(wanted)}, not {', '.join(surplus)}")
    return inputs


def read_codes(path: Path) -> list[int]:
    try:
        codes = np.array(path.read_text(encoding="utf-8").replace(",", " ").split(), dtype=np.int64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a file of whole numbers ({error})") from error
    return [int(code) for code in codes]


def written(answer: Answer, task: str, options: GenerateOptions) -> str:
    """Text, and for codes a line each of their numbers."""
    if options.json:
        own = {"task": task, "rows_per_token": answer.rows_per_token}
        return json.dumps({**own, **dataclasses.asdict(answer)}, ensure_ascii=False)
    lines = [answer.text] if answer.text or not any(answer.codes.values()) else []
    return "\n".join([*lines, *(f"{name}: {' '.join(map(str, codes))}" for name, codes in answer.codes.items() if codes)])


def figures(answer: Answer, last: Step) -> str:
    """One line for people on what an answer cost."""
    per = f"{answer.rows_per_token:.1f} rows per token" if answer.rows_per_token else "no tokens before the end"
    left = f", {last.masked} masks left" if last.masked else ""
    return f"{answer.tokens} tokens of {len(answer.ids)} in {answer.seconds:.2f} s, {answer.passes} passes, {per}{left}"
