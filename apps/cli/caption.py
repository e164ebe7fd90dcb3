"""`unmask caption`: recordings in, text on stdout; everything for people goes to stderr."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from unmask.apps.audio.files import read_recording
from unmask.apps.audio.microphone import list_devices
from unmask.apps.captions.subtitles import cues, srt, vtt
from unmask.apps.cli.engines import EngineChoice
from unmask.apps.cli.shipped import SHIPPED
from unmask.apps.cli.tuned import Setting, TunedChoice, setting
from unmask.apps.terminal.canvas_view import LiveView
from unmask.apps.terminal.listen import Faces, ListenOptions, listen, open_source
from unmask.bundle.manifest import load_bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Schedule
from unmask.errors import AudioError, InputError
from unmask.speech.captioner import TASK, Caption, Captioner, Window
from unmask.speech.log_mel import SAMPLE_RATE_HZ


@Parameter(name="*")
@dataclass(frozen=True)
class CaptionOptions:
    """Options of `unmask caption`; those of the schedule replace the bundle's own when given."""

    format: Literal["txt", "jsonl", "srt", "vtt"] = "txt"
    """txt: a line a file; jsonl: a JSON object a file with text, words, times and cost; srt and vtt: subtitles."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Short for --format jsonl."""
    output: Path | None = None
    """Write there instead of to stdout: a file, or a folder that gets a file for each recording."""
    show: Annotated[bool, Parameter(negative="")] = False
    """Show on stderr how the tokens unmask, colored by confidence."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """No progress bar and no figures on stderr; errors are still told."""
    passes: Annotated[int | None, Parameter(name=("--passes", "--steps"))] = None
    """At most this many passes to fill each window."""
    rule: str | None = None
    """Commit rule: quota, threshold or factor."""
    order: str | None = None
    """Order of commitment: probability, margin or negative_entropy."""
    threshold: float | None = None
    """Commit what is at least this probable."""
    factor: float | None = None
    """Bound of the factor rule."""
    budget_ms: float | None = None
    """Time for each window's passes; they are measured, and commits are raised to end in time."""
    verify: int | None = None
    """At most this many passes of the verifier over each window's text; 0 leaves it as it was filled."""
    accept: float | None = None
    """Share of its best probability at which the verifier lets a token of the draft stand."""
    ahead: int | None = None
    """Tokens behind the settled ones that a pass of the verifier reads; all of them unless the bundle or this says so."""
    bundle: Path = SHIPPED
    """Folder of the bundle."""

    def schedule(self, default: Schedule) -> Schedule:
        chosen = {field.name: getattr(self, field.name, None) for field in dataclasses.fields(Schedule)}
        return dataclasses.replace(default, **{name: value for name, value in chosen.items() if value is not None})


def caption(
    *files: Path,
    options: CaptionOptions = CaptionOptions(),
    live: ListenOptions = ListenOptions(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Print what is said: in recordings (WAV, FLAC, Ogg, MP3), or live, without a file into the microphone.

    One line of text a file on stdout, in the order given; several files are told apart by their names. A file that cannot be
    read is named on stderr, the others are still captioned, and the exit code is 2. Live, one line a segment when it ends;
    Ctrl-C finishes the open one.

    Parameters
    ----------
    files
        Recordings of any length; - for audio on standard input; none for the microphone.
    """
    if live.list_devices:
        print(list_devices())
        return
    engine.options()  # tells now what contradicts itself
    if not files or live.realtime or Path("-") in files:
        caption_live(files, options, live, lambda: setting(load_bundle(options.bundle), TASK, engine, tuned, options.quiet))
        return
    writer = Writer(options, files)
    chosen = setting(load_bundle(options.bundle), TASK, engine, tuned, options.quiet)
    captioner = Captioner(chosen.bundle, chosen.engine).load()
    schedule = options.schedule(chosen.schedule)
    bad = []
    for path in files:
        try:
            done, seconds = _caption_file(captioner, path, schedule, options)
        except AudioError as error:
            if len(files) == 1:
                raise
            print(f"unmask: {error}", file=sys.stderr)
            bad.append(path.name)
        else:
            writer.write(path, done, seconds)
    if bad:
        raise AudioError(f"{len(bad)} of {len(files)} recordings could not be captioned ({', '.join(bad)}); the others were")


def caption_live(files: tuple[Path, ...], options: CaptionOptions, chosen: ListenOptions, how: Callable[[], Setting]) -> None:
    """Whatever cannot be used is told before the first sample is heard; the source opens last, when the graphs are ready."""
    if options.output and options.output.is_dir():
        raise InputError(f"{options.output}: a folder; live captions go into one file")
    known = how()
    live = chosen.live(options.schedule(known.schedule))
    captioner = Captioner(known.bundle, known.engine).load()
    source = open_source(files, chosen)
    faces = Faces("jsonl" if options.json else options.format, options.output, source.name, options.quiet)
    try:
        heard = listen(captioner, source, chosen, live, faces)
    finally:
        faces.close()
    if not options.quiet:
        print(heard.line(), file=sys.stderr)


def _caption_file(captioner: Captioner, path: Path, schedule: Schedule, options: CaptionOptions) -> tuple[Caption, float]:
    samples = read_recording(path)
    mask_id = captioner.bundle.manifest.vocabulary.mask_id
    view = LiveView(captioner.tokenizer, mask_id, captioner.blank) if options.show else None
    progress = None if view or options.quiet else DelayedProgress(path.name, len(samples) / SAMPLE_RATE_HZ)

    def on_step(window: Window, step: Step) -> None:
        if view:
            view.show(step)
        if progress and step.masked == 0:
            progress.reached(window.start_s + window.audio_s)

    began = time.perf_counter()
    try:
        done = captioner.caption(samples, schedule, on_step)
    finally:
        for shown in (view, progress):
            if shown:
                shown.close()
    return done, time.perf_counter() - began


class DelayedProgress:
    """A bar with the time left, on stderr, for whatever takes over a second and only on a terminal."""

    def __init__(self, name: str, audio_s: float) -> None:
        self._began = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(name, total=audio_s)

    def reached(self, audio_s: float) -> None:
        self._bar.update(self._task, completed=audio_s)
        if time.monotonic() - self._began > 1 and self._bar.console.is_terminal:
            self._bar.start()

    def close(self) -> None:
        if self._bar.live.is_started:  # stopping a bar that never started prints an empty line
            self._bar.stop()


class Writer:
    """Where captions go, in which form. Refuses combinations that would lose text before any audio is read."""

    def __init__(self, options: CaptionOptions, files: tuple[Path, ...]) -> None:
        self.options, self.named = options, len(files) > 1
        self.format = "jsonl" if options.json else options.format
        self.folder = options.output if options.output and options.output.is_dir() else None
        subtitles = self.format in ("srt", "vtt")
        if subtitles and self.named and not self.folder:
            raise InputError(f"{self.format} holds one recording; for several name an existing folder: --output FOLDER")
        if options.output and not self.folder and not options.output.parent.is_dir():
            raise InputError(f"{options.output.parent}: no such folder; make it first")
        targets = [self._target(path) for path in files] if self.folder else []
        twice = next((target for target in targets if targets.count(target) > 1), None)
        if twice:
            raise InputError(f"two recordings would be written to {twice}; caption them apart")
        if options.output and not self.folder:
            options.output.write_text("", encoding="utf-8")

    def write(self, path: Path, done: Caption, seconds: float) -> None:
        text = self._text(path, done, seconds)
        if self.folder:
            self._target(path).write_text(text, encoding="utf-8")
        elif self.options.output:
            with self.options.output.open("a", encoding="utf-8") as out:
                out.write(text)
        else:
            print(text, end="", flush=True)
        if not self.options.quiet:
            print(figures(done, seconds), file=sys.stderr)

    def _target(self, path: Path) -> Path:
        assert self.folder is not None
        return self.folder / f"{path.stem}.{self.format}"

    def _text(self, path: Path, done: Caption, seconds: float) -> str:
        if self.format == "jsonl":
            own = {"rows_per_token": done.rows_per_token, "seconds": round(seconds, 4)}
            return json.dumps({"file": str(path), **dataclasses.asdict(done), **own}, ensure_ascii=False) + "\n"
        if self.format == "txt":
            return f"{path}: {done.text}\n" if self.named and not self.folder else f"{done.text}\n"
        return srt(cues(done.words)) if self.format == "srt" else vtt(cues(done.words))


def figures(done: Caption, seconds: float) -> str:
    """One line for people on what a caption cost."""
    if not done.tokens:
        return f"no speech in {done.audio_s:.1f} s of audio, {seconds:.2f} s taken"
    cost = f"{done.passes} passes over {done.windows} windows" if done.windows > 1 else f"{done.passes} passes"
    return f"{done.audio_s:.1f} s of audio in {seconds:.2f} s, {cost}, {done.rows_per_token:.1f} rows per token"
