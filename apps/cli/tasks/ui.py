"""`unmask ui`: spoken or typed requests in, a panel as A2UI messages on stdout. What people read goes to stderr."""

import contextlib
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from unmask.apps.audio.files import open_recording
from unmask.apps.audio.sources import Source, Stdin
from unmask.apps.cli.options import FLAG, MANY, SHIPPED, EngineChoice, LiveChoice, changed, refuse_unread
from unmask.apps.modalities.files import Output
from unmask.apps.terminal.listen import ListenOptions, Outputs, listen, open_source
from unmask.apps.terminal.panel_view import PanelView, State
from unmask.apps.ui.board import Board, Reply
from unmask.apps.ui.catalog import basic, read_catalog
from unmask.apps.ui.filler import Filler
from unmask.apps.ui.hearing import BLOCK_S, expected
from unmask.apps.ui.screens.drawing import drawn
from unmask.apps.ui.screens.openhasp import HaspPanel
from unmask.apps.ui.screens.picture import picture
from unmask.apps.ui.slots import WORDS
from unmask.apps.ui.wire import Version, Wire
from unmask.apps.ui.words import words_of
from unmask.bundle.dataclass_json import parse_json
from unmask.bundle.manifest import MANIFEST, load_bundle
from unmask.errors import InputError
from unmask.speech.captioner import TASK, Captioner
from unmask.speech.events import Event

PANELS = (Path(str(files("unmask.models"))) / "ui-tiny" / MANIFEST).resolve().parent
"""Folder of the bundle that fills panels, which the package ships."""
MOST_PIXELS = 4096  # of a side: a picture takes 50 MB then
NOT_UNDERSTOOD = ("cannot", "unclear")


@Parameter(name="*")
@dataclass(frozen=True)
class UiOptions:
    """Options of `unmask ui`."""

    text: Annotated[tuple[str, ...], MANY, Parameter(name=("--text", "--prompt"))] = ()
    """Typed requests in place of spoken ones, one after the other; - reads them from standard input, one a line. A line there
    that begins with a brace is an event of the screen."""
    format: Literal["a2ui", "openhasp", "text"] = "a2ui"
    """a2ui: messages of A2UI as JSON lines. openhasp: JSON lines that openHASP and HASPmota panels take. text: a drawing."""
    a2ui: Version = "v0.9"
    """With --format a2ui, the version of the protocol in which messages are written and events are read."""
    output: Path | None = None
    """PNG file that shows the panel as it is after each request."""
    size: str = "480x320"
    """With --format openhasp or --output, width and height of the panel in pixels, up to 4096 each."""
    catalog: Path | None = None
    """JSON file with the components that the screen can show. Default: A2UI's basic catalog."""
    quiet: Annotated[bool, FLAG] = False
    """Draw nothing on stderr; errors are still printed."""
    bundle: Path = PANELS
    """Folder of the bundle that fills panels."""
    captioner: Path = SHIPPED
    """Folder of the bundle that captions speech."""

    @property
    def pixels(self) -> tuple[int, int]:
        """Raises InputError."""
        found = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", self.size)
        if found is None or max(map(int, found.groups())) > MOST_PIXELS:
            raise InputError(f"--size is {self.size!r}; write it as 480x320, at most {MOST_PIXELS}x{MOST_PIXELS}")
        return int(found[1]), int(found[2])


def ui(
    *files: Path,
    options: UiOptions = UiOptions(),
    listening: ListenOptions = ListenOptions(),  # noqa: B008  (frozen)
    live: LiveChoice = LiveChoice(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> None:
    """Make a panel of what is said or typed, and change it by what is said next.

    Each pause ends a request. New panels, changes ("make the maximum twenty five"), "undo" and "close it" are understood.
    Messages go to stdout as soon as they are known; the panel is drawn on stderr.

    Parameters
    ----------
    files
        A recording with requests. - reads audio from standard input. Without a file and without --text the microphone is used.
    """
    if options.format != "openhasp" and not options.output:
        refuse_unread(changed(options), {"size": "read only with --format openhasp and --output"})
    if options.format != "a2ui":
        refuse_unread(changed(options), {"a2ui": "read only with --format a2ui"})
    if options.text:
        given = [*changed(listening), *live.given()]
        refuse_unread(given, dict.fromkeys(given, "only for speech; leave out --text"))
        if files:
            raise InputError(f"{files[0]}: requests are either typed or spoken; leave out the file, or --text")
    catalog = read_catalog(options.catalog) if options.catalog else basic()
    board = Board(Filler(load_bundle(options.bundle), engine.options()).load(), catalog)
    screen = Screen(board, options)
    try:
        if options.text:
            typed(screen, options.text)
        else:
            spoken(screen, files, options, listening, live, engine)
    finally:
        screen.close()


def typed(screen: "Screen", texts: Iterable[str]) -> None:
    """Raises InputError of a request on the command line; on standard input it is told and the next one is read."""
    for text in texts:
        if text not in ("-", "./-"):
            screen.ask(text)
            continue
        for line in sys.stdin:
            if line.strip():
                screen.line(line.strip())


def spoken(
    screen: "Screen",
    files: tuple[Path, ...],
    options: UiOptions,
    listening: ListenOptions,
    live: LiveChoice,
    engine: EngineChoice,
) -> None:
    bundle = load_bundle(options.captioner)
    captioner = Captioner(bundle, engine.options()).load()
    screen.listen_with(captioner)
    chosen = live.over(listening.live(bundle.schedule(TASK)))
    with contextlib.ExitStack() as stack:
        if len(files) == 1 and not listening.realtime and files[0] != Path("-"):
            open_recording(files[0]).raw.close()  # raises now if it cannot be read
            source: Source = Stdin(stack.enter_context(open(files[0], "rb")))  # as fast as it is captioned
        else:
            source = open_source(files, listening, BLOCK_S)
        listen(captioner, source, listening, chosen, screen)
    if source.lacking:
        print(f"unmask: {source.lacking}", file=sys.stderr)


class Screen(Outputs):
    """Prints what a board says; as an output of `listen`, it asks the board what was heard."""

    def __init__(self, board: Board, options: UiOptions) -> None:
        self._board, self._form = board, options.format
        self._drawing = None if options.quiet or options.format == "text" else PanelView()
        self._width = self._drawing.width if self._drawing else 60
        self._hasp = HaspPanel(*options.pixels) if options.format == "openhasp" else None
        self._picture = Output.of(options.output, ("image",)) if options.output else None
        self._wire, self._pixels = Wire(options.a2ui), options.pixels
        self._heard = "", False  # stable text of the last update, and whether it was all
        self._captioner: Captioner | None = None

    def listen_with(self, captioner: Captioner) -> None:
        """Tell the captioner, before each request, which words it may hear."""
        self._captioner = captioner
        captioner.expect(expected(self._board.panel))

    def ask(self, text: str) -> None:
        """Answer a request. Raises InputError for one without words, or with too many."""
        self._state("thinking", text)
        reply = self._board.ask(text)
        if self._captioner:
            self.listen_with(self._captioner)
        self._print(reply)
        if self._hasp and self._hasp.below:
            size = "x".join(map(str, self._pixels))
            print(
                f"unmask: {self._hasp.below} lines of the panel are below the edge of {size}; give a larger --size",
                file=sys.stderr,
            )
        if self._picture:
            self._picture.write(picture(self._board.panel, *self._pixels))
        state: State = "not understood" if reply.kind in NOT_UNDERSTOOD else "showing"
        lines = drawn(self._board.panel, self._width)
        if self._drawing:
            self._drawing.answer(state, text, reply.said, [] if reply.said else lines)
        elif self._form == "text":
            print("\n".join([reply.said] if reply.said else lines or ["(nothing is shown)"]), flush=True)

    def line(self, line: str) -> None:
        """A line of standard input: a request or an event. What is wrong with it is told."""
        try:
            if not line.startswith("{"):
                return self.ask(line)
            try:
                event: Any = parse_json(line)
            except ValueError as error:
                raise InputError(f"an event is one line of JSON ({error})") from error
            self._board.take(self._wire.event(event))
        except InputError as error:
            print(f"unmask: {error}", file=sys.stderr)

    def publish(self, event: Event) -> None:
        """Show stable text's panel while somebody speaks, and answer when the segment ends."""
        heard = event.stable, not event.tentative
        try:
            if event.event == "segment_ended" and words_of(event.stable):
                self.ask(event.stable.strip())
            elif event.event == "updated" and heard != self._heard and 1 < len(words_of(event.stable)) <= WORDS:
                self._print(self._board.preview(*heard))
                self._state("thinking", event.text)
        except InputError as error:
            print(f"unmask: {error}", file=sys.stderr)
        self._heard = ("", False) if event.event == "segment_ended" else heard

    def show_level(self, samples: Any, lag_s: float) -> None:
        del samples, lag_s

    def _state(self, state: State, text: str) -> None:
        if self._drawing:
            self._drawing.show(state, text, drawn(self._board.panel, self._width))

    def _print(self, reply: Reply) -> None:
        if self._form == "text":
            return
        shown: Iterable[dict[str, Any]] = self._wire.written(reply.messages)
        if self._hasp:
            shown = self._hasp.lines(self._board.panel)
        for each in shown:
            print(json.dumps(each, ensure_ascii=False, separators=(",", ":")), flush=True)

    def close(self) -> None:
        if self._drawing:
            self._drawing.close()
