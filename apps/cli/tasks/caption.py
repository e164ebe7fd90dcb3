"""`unmask caption`: recordings or live audio in, text on stdout. Everything else that people read goes to stderr."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unmask.apps.audio.files import open_recording
from unmask.apps.audio.microphone import list_devices
from unmask.apps.captions.recordings import Form, Writer
from unmask.apps.captions.replaced_file import check_outputs
from unmask.apps.captions.word_list import read_word_list
from unmask.apps.cli.named_models import Name, open_named
from unmask.apps.cli.options import (
    FLAG,
    SHIPPED,
    CheckChoice,
    EngineChoice,
    LiveChoice,
    Setting,
    TunedChoice,
    changed,
    refuse_unread,
    setting,
)
from unmask.apps.terminal.canvas_view import CanvasView
from unmask.apps.terminal.listen import ListenOptions, Outputs, listen, open_source
from unmask.apps.terminal.progress import DelayedProgress
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Schedule
from unmask.errors import AudioError, InputError
from unmask.speech.captioner import TASK, Caption, Captioner, Segment, whole
from unmask.speech.live import LiveOptions
from unmask.speech.words import Word, mostly_unsure


@Parameter(name="*")
@dataclass(frozen=True)
class CaptionOptions:
    """Options of `unmask caption`."""

    format: Form = "txt"
    """txt: one line per recording. jsonl: one JSON object per recording with text, words, times and cost. srt, vtt: subtitles."""
    json: Annotated[bool, FLAG] = False
    """The same as --format jsonl."""
    output: Path | None = None
    """Write to this file instead of stdout, or to one file per recording in this folder."""
    show: Annotated[bool, FLAG] = False
    """Show on stderr how the masks are filled, colored by confidence."""
    words: Path | None = None
    """Text file of names and other words that may be said, one word or phrase a line; each weighs what follows a |, or 2. Where
    one is possible, it is raised."""
    quiet: Annotated[bool, FLAG] = False
    """Print no progress and no timings on stderr; errors are still printed."""
    model: Name = "tiny"
    """tiny: the captioner that ships. base: Moonshine base, which is larger and right more often; it is made once on this machine
    (docs/captions.md), and has no drafter: it writes token by token, and words over noise are not left out."""
    bundle: Path = SHIPPED
    """Folder of a bundle, instead of a model's name."""

    @property
    def form(self) -> Form:
        """The format, under either of its options."""
        return "jsonl" if self.json else self.format

    def captioner(self, chosen: Setting) -> Captioner:
        """Opened. Raises InputError for a list of words that cannot be read or used."""
        return Captioner(chosen.bundle, chosen.engine, words=read_word_list(self.words) if self.words else ()).load()


def caption(
    *files: Path,
    options: CaptionOptions = CaptionOptions(),
    schedule: CheckChoice = CheckChoice(),  # noqa: B008  (frozen)
    listening: ListenOptions = ListenOptions(),  # noqa: B008
    live: LiveChoice = LiveChoice(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Write captions of recordings (WAV, FLAC, Ogg, MP3, ...), or of what the microphone hears.

    Prints one line of text per recording, in the order given; with several recordings each line starts with the file's name.
    A file that cannot be read is named on stderr, the others are still captioned, and the exit code is 2. Live captions
    print a line when a segment of speech ends; Ctrl-C finishes the segment that is open.

    Parameters
    ----------
    files
        Recordings of any length. - reads audio from standard input. Without a file the microphone is used.
    """
    if listening.list_devices:
        print(list_devices())
        return
    engine.options()  # refuses options that contradict each other before the bundle is read
    live_captions = not files or listening.realtime or Path("-") in files
    check_mode(live_captions, options, listening, live)
    chosen = setting(open_named(options.model, options.bundle, options.quiet), TASK, engine, tuned, options.quiet)
    chosen = dataclasses.replace(chosen, schedule=schedule.over(chosen.schedule))
    if not live_captions:
        with Writer(options.form, options.output, files) as writer:
            caption_files(files, options, chosen, writer)
    else:
        caption_live(files, options, chosen, listening, live.over(listening.live(chosen.schedule)))


def check_mode(live_captions: bool, options: CaptionOptions, listening: ListenOptions, live: LiveChoice) -> None:
    """Raises InputError for options that would be ignored with recordings, or with live audio."""
    if not live_captions:
        given = [*changed(listening), *live.given()]
        refuse_unread(given, dict.fromkeys(given, "only for live captions; add --realtime, or name no file"))
    elif options.show:
        raise InputError("--show: only for recordings; live captions show tentative text on a terminal")
    elif options.output and options.output.is_dir():
        raise InputError(f"{options.output}: this is a folder; live captions go into one file")


def caption_live(
    files: tuple[Path, ...], options: CaptionOptions, chosen: Setting, listening: ListenOptions, live: LiveOptions
) -> None:
    """Caption one source until it ends. The source opens last, when the graphs are ready."""
    written = [path for path in (options.output, listening.save_audio) if path]
    check_outputs(written, [path for path in files if path != Path("-")])
    captioner = options.captioner(chosen)
    source = open_source(files, listening)
    outputs = Outputs(options.form, options.output, source.name, options.quiet)
    try:
        summary = listen(captioner, source, listening, live, outputs)
    finally:
        outputs.close()
    if source.lacking:
        print(f"unmask: {source.lacking}", file=sys.stderr)
    if not options.quiet:
        print(summary.line(), file=sys.stderr)
    warn_unsure(source.name, summary.words)


def caption_files(files: tuple[Path, ...], options: CaptionOptions, chosen: Setting, writer: Writer) -> None:
    """Caption recordings one after the other. Raises AudioError after the last one when some could not be read."""
    captioner = options.captioner(chosen)
    bad = []
    for path in files:
        try:
            caption_file(captioner, path, chosen.schedule, options, writer)
        except AudioError as error:
            if len(files) == 1:
                raise
            print(f"unmask: {error}", file=sys.stderr)
            bad.append(path.name)
    if bad:
        raise AudioError(f"{len(bad)} of {len(files)} recordings could not be captioned ({', '.join(bad)}); the others were")


def caption_file(captioner: Captioner, path: Path, schedule: Schedule, options: CaptionOptions, writer: Writer) -> None:
    """Caption one recording: the writer gets each segment's part when it is decoded, so that what is done outlives Ctrl-C."""
    recording = open_recording(path)
    mask_id = captioner.bundle.manifest.vocabulary.mask_id
    view = CanvasView(captioner.tokenizer, mask_id) if options.show else None
    progress = None if view or options.quiet or writer.on_terminal else DelayedProgress(path.name)

    def on_step(_: Segment, step: Step) -> None:
        if view:
            view.show(step)

    parts: list[Caption] = []
    done_s, broken_off = 0.0, True
    began = time.perf_counter()
    writer.begin(path)
    try:
        for segment in captioner.segments(recording.blocks()):
            parts += captioner.parts([segment], schedule, on_step)
            done_s = segment.start_s + segment.audio_s  # how far the recording is captioned
            if view:
                view.close()
            if progress:
                progress.reached(done_s, recording.expected_s)
            writer.write(parts[-1])
        done_s, broken_off = recording.heard_s, False
    finally:
        recording.raw.close()
        for shown in (view, progress):
            if shown:
                shown.close()
        done, seconds = whole(parts, done_s), time.perf_counter() - began
        writer.end(done, seconds, broken_off)
    if recording.lacking:
        print(f"unmask: {recording.lacking}", file=sys.stderr)
    if not options.quiet:
        print(figures(done, seconds), file=sys.stderr)
    warn_unsure(str(path), done.words)


def warn_unsure(name: str, words: Sequence[Word]) -> None:
    """One line on stderr, also with --quiet, if the captions are most likely made up."""
    if mostly_unsure(words):
        print(f"unmask: {name}: many words are unsure; this does not sound like English speech", file=sys.stderr)


def figures(done: Caption, seconds: float) -> str:
    """One line with the time and passes that a caption took."""
    if not done.tokens:
        return f"no speech in {done.audio_s:.1f} s of audio, {seconds:.2f} s"
    cost = f"{done.passes} passes over {done.segments} segments" if done.segments > 1 else f"{done.passes} passes"
    return f"{done.audio_s:.1f} s of audio in {seconds:.2f} s, {cost}, {done.rows_per_token:.1f} rows per token"
