"""`unmask generate`: a task's inputs in, the answer on stdout or in a file. What else people read goes to stderr."""

import dataclasses
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from unmask.apps.cli.options import (
    FLAG,
    MANY,
    SHIPPED,
    SHIPPED_OMNI,
    EngineChoice,
    ScheduleChoice,
    TunedChoice,
    refuse_unread,
    setting,
)
from unmask.apps.cli.tasks.narration import Narrator
from unmask.apps.modalities.files import Output, read_input
from unmask.apps.modalities.heard import heard, in_words_of
from unmask.apps.modalities.pictures import read_picture
from unmask.apps.modalities.spoken import SPEECH, Player
from unmask.apps.terminal.canvas_view import CanvasView
from unmask.apps.terminal.picture_view import PictureView
from unmask.bundle.manifest import Bundle
from unmask.codecs import Codecs, Kept
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import InputError
from unmask.session import RunOptions, Task, open_model
from unmask.text.generator import Answer, Generator, Input, Request
from unmask.text.partial import partial

IMAGE = "image"
Decode = Callable[[str, tuple[int, ...]], NDArray[Any]]
"""(modality, its codes) -> its own array."""


@Parameter(name="*")
@dataclass(frozen=True)
class GenerateOptions:
    """Options of `unmask generate`."""

    prompt: Annotated[str | None, Parameter(name=("--prompt", "--text"))] = None
    """Text input of the task; - reads it from standard input. One that begins with a dash is written --prompt=-x."""
    speech: Path | None = None
    """Speech, an input of the task: a recording (WAV, FLAC, MP3, ...), with - from standard input; or speech codes as a file of
    whole numbers, where 0 is the first code. A task that takes text gets the words that the shipped captioner hears."""
    image: Path | None = None
    """Picture, an input of the task: PNG, JPEG or WebP, of which the middle is used; or image codes as a file of whole numbers,
    row by row."""
    output: Path | None = None
    """File for the picture (.png) or the sound (.wav) of the answer. Without it, codes are printed as numbers. Text is always
    printed, and said by models that can say a text."""
    narration: Path | None = None
    """File (.wav) for what the picture of the answer shows, which the model tells and says; it is printed too."""
    play: Annotated[bool, FLAG] = False
    """Play the sound of the answer, which begins before all of it is made. Needs the extra `live` and a sound device."""
    keep: Path | None = None
    """Picture that is there already, for a task that gives one: all of it is kept but what --repaint names."""
    repaint: Annotated[tuple[str, ...], MANY] = ()
    """Boxes of the kept picture that are made anew, each as LEFT,TOP,WIDTH,HEIGHT in its pixels. The middle square is used."""
    task: str | None = None
    """What to do; `unmask inspect` lists the tasks. Default: the bundle's first."""
    length: int | None = None
    """Number of positions in the answer. Default: the task's own."""
    reference: Annotated[bool, FLAG] = False
    """Decode exactly as the model's publication does: all rows in every pass, which is slow. Of the schedule's options
    it takes --passes, --temperature and --seed, and --block where the published decoding has blocks."""
    show: Annotated[bool, FLAG] = False
    """Show on stderr how the masks are filled: tokens, colored by confidence, or the picture as it appears."""
    json: Annotated[bool, FLAG] = False
    """Print one JSON object with text, codes, ids and cost."""
    quiet: Annotated[bool, FLAG] = False
    """Print no timings on stderr; errors are still printed."""


def generate(
    bundle: Path = SHIPPED_OMNI,
    /,
    *,
    options: GenerateOptions = GenerateOptions(),
    schedule: ScheduleChoice = ScheduleChoice(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Answer a prompt, or run another task of a model that generates (Dream, LLaDA, SDAR, Omni-Diffusion).

    Parameters
    ----------
    bundle
        Folder of the bundle, as `unmask export` writes it. Default: omni-tiny, which ships.
    """
    session = open_model(bundle, engine.options())
    if session.generator is None:
        instead = "fills several streams; run unmask speak" if session.streams else "writes captions; run unmask caption"
        raise InputError(f"{bundle}: this bundle {instead} --bundle {bundle}")
    task = session.task(options.task if options.task is not None else next(iter(session.tasks), ""))
    aloud = session.says()[0] if task.outputs == ("text",) and (options.output or options.play) else None
    narrator = Narrator(session, task, options.narration) if options.narration else None
    gives = (*task.outputs, SPEECH) if aloud else task.outputs
    output = Output.of(options.output, gives) if options.output else None
    if output:
        session.codecs.runner(output.modality, "writes")
    given = read_inputs(task, options, session.bundle)
    keep = read_kept(options)
    player = Player(session.codecs, gives) if options.play else None
    used: Schedule | Reference
    if options.reference:
        generator = Generator(session.bundle, engine.options())
        used = schedule.published(generator.bundle.published(task.name))
    else:
        chosen = setting(session.bundle, task.name, engine, tuned, options.quiet)
        generator, used = Generator(chosen.bundle, chosen.engine), schedule.over(chosen.schedule)
    run_options = RunOptions(used, options.length, options.reference, keep)
    request = session.request(task.name, given, run_options)
    if not options.quiet:
        for sentence in session.doubts(task.name, given):
            print(f"Note: {sentence}.", file=sys.stderr)
    generator.load()
    decode = cached(session.codecs)
    view = view_of(generator, request, session.codecs.written(task.outputs), decode) if options.show else None
    answer = run(generator, request, used, options, view)
    told = narrator.tell(generator, answer) if narrator else None
    print(written(answer, task.name, options, told), end="", flush=True)
    if aloud:
        answer = dataclasses.replace(answer, codes=generator.generate(aloud, {"text": answer.text}).codes)
    if player:
        played = player.play(answer.codes.get(SPEECH, ()))
        decode = decode if output is None or output.modality != SPEECH else lambda modality, codes: played
    if output:
        save(answer, output, session.codecs, decode, options.quiet)
    if narrator:
        save(narrator.say(generator, told or ""), narrator.output, session.codecs, decode, options.quiet)


def cached(codecs: Codecs) -> Decode:
    """Codes to pictures or sound. What was made last is kept: a view shows it before it is written."""
    return lru_cache(maxsize=1)(lambda modality, codes: codecs.runner(modality, "writes").decode(codes))


def view_of(generator: Generator, request: Request, written: list[str], decode: Decode) -> CanvasView:
    """A picture if the task gives one that can be made of its codes, else the tokens. written: modalities that can."""
    mask_id, manifest = request.canvas.mask_id, generator.bundle.manifest
    if IMAGE in written:
        look = lambda step: partial(request, step, manifest.vocabulary)[IMAGE]  # noqa: E731
        return PictureView(lambda codes: decode(IMAGE, codes), look, request.prompt)
    return CanvasView(generator.tokenizer, mask_id, start=request.prompt)


def save(answer: Answer, output: Output, codecs: Codecs, decode: Decode, quiet: bool) -> None:
    """Write the part of an answer that has a file. Raises InputError when the answer holds none of it."""
    codes = answer.codes.get(output.modality)
    if not codes:
        raise InputError(f"{output.path}: nothing is written, since the answer holds no {output.modality} codes")
    output.write(decode(output.modality, codes), codecs.sound_writer().rate_hz if output.modality == SPEECH else None)
    if not quiet:
        print(f"{output.path}: {len(codes)} {output.modality} codes", file=sys.stderr)


def run(
    generator: Generator,
    request: Request,
    schedule: Schedule | Reference,
    options: GenerateOptions,
    view: CanvasView | None = None,
) -> Answer:
    """Fill the canvas. When interrupted, prints what is filled so far and raises KeyboardInterrupt again."""
    ids, passes, rows, seconds = request.canvas.ids, 0, 0, 0.0

    def answer() -> Answer:
        return generator.read(request, ids, passes, rows, seconds)

    try:
        for step in generator.steps(request, schedule):
            ids, passes, rows, seconds = step.ids, step.number, rows + step.rows, seconds + step.seconds
            if view:
                view.show(step)
    except KeyboardInterrupt:
        print(written(answer(), request.task, options), end="")
        raise
    finally:
        if view:
            view.close()
    made = answer()
    if not options.quiet:
        if made.thought:
            print(f"Thought: {made.thought}", file=sys.stderr)
        print(figures(made, step), file=sys.stderr)
    return made


def read_inputs(task: Task, options: GenerateOptions, bundle: Bundle) -> dict[str, Input | NDArray[Any]]:
    """The inputs of the task, from the options. Raises InputError that names the option of a missing or an unused input."""
    wanted = task.inputs
    given = {"text": options.prompt, "speech": options.speech, "image": options.image}
    if options.speech and options.prompt is None and wanted.get("text") == "text" and SPEECH not in wanted:
        given |= {"text": heard_request(options.speech, bundle, options.quiet), "speech": None}
    inputs: dict[str, Input | NDArray[Any]] = {}
    for name in wanted:
        value = given.get(name)
        if value is None and name in task.optional:
            continue
        if value is None:
            option = "--prompt" if name == "text" else f"--{name}"
            raise InputError(f"this task takes {', '.join(wanted)}: give {option}")
        text = sys.stdin.read() if value == "./-" else value
        inputs[name] = read_input(wanted[name], text) if isinstance(text, Path) else text
    surplus = [name for name, value in given.items() if value is not None and name not in wanted]
    if surplus:
        raise InputError(f"this task takes {', '.join(wanted)}, not {', '.join(surplus)}")
    return inputs


def heard_request(recording: Path, bundle: Bundle, quiet: bool) -> str:
    """A spoken request as text, which is told. Raises InputError and AudioError for one that cannot be heard."""
    said = heard(recording, SHIPPED)
    text = in_words_of(bundle, said)
    if not quiet:
        print(f"Heard: {said}" + (f" Taken as: {text}" if text != said else ""), file=sys.stderr)
    return text


def read_kept(options: GenerateOptions) -> dict[str, Kept]:
    """The picture that is kept, and what of it is made anew. Raises InputError for one without the other, and for wrong boxes."""
    if options.keep is None:
        refuse_unread(["repaint"] if options.repaint else [], {"repaint": "names what is not kept; give --keep PICTURE too"})
        return {}
    if not options.repaint:
        raise InputError(f"--keep {options.keep}: nothing would change; name what is made anew: --repaint LEFT,TOP,WIDTH,HEIGHT")
    pixels = read_picture(options.keep)
    rows, columns = pixels.shape[:2]
    anew = np.zeros((rows, columns), bool)
    for text in options.repaint:
        found = re.fullmatch(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})", text)
        if found is None:
            raise InputError(f"--repaint {text}: a box is LEFT,TOP,WIDTH,HEIGHT in pixels, four whole numbers such as 0,16,32,32")
        left, top, width, height = (int(found[i]) for i in range(1, 5))
        if not anew[top : top + height, left : left + width].size:
            raise InputError(f"--repaint {text}: no pixel of {options.keep}, which has {columns} x {rows}, lies in it")
        anew[top : top + height, left : left + width] = True
    return {IMAGE: Kept(pixels, anew)}


def written(answer: Answer, task: str, options: GenerateOptions, told: str | None = None) -> str:
    """The answer as printed: its text, what is told of it, and numbers of each kind of codes that goes nowhere else."""
    if options.json:
        own = {"task": task, "rows_per_token": answer.rows_per_token, **dataclasses.asdict(answer)}
        own |= {} if told is None else {"narration": told}
        own.pop("media")
        return json.dumps(own, ensure_ascii=False) + "\n"
    codes = {} if options.output or options.play else {name: codes for name, codes in answer.codes.items() if codes}
    lines = [answer.text] if answer.text or not any(answer.codes.values()) else []
    lines += [told] if told else []
    return "".join(f"{line}\n" for line in [*lines, *(f"{name}: {' '.join(map(str, own))}" for name, own in codes.items())])


def figures(answer: Answer, last: Step) -> str:
    """One line with the time, passes and rows that an answer took."""
    per = f"{answer.rows_per_token:.1f} rows per token" if answer.rows_per_token else "no tokens before the end"
    left = f", {last.masked} masks left" if last.masked else ""
    silent = f", {answer.textless} of them special or without a token, so not in the text" if answer.textless else ""
    return f"{answer.tokens} tokens of {len(answer.ids)}{silent} in {answer.seconds:.2f} s, {answer.passes} passes, {per}{left}"
