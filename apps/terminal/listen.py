"""`unmask caption` on live audio: from a source through the captioner to the terminal, to stdout and to a file.

Knows sources, events and faces. What becomes stable, and when, is `unmask.speech.live`'s.
"""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from unmask.apps.audio.backlog import Backlog, Item, Samples
from unmask.apps.audio.microphone import Microphone
from unmask.apps.audio.silero import Silero
from unmask.apps.audio.sources import RealtimeFile, Source, Stdin
from unmask.apps.captions.append_only_file import CaptionFile
from unmask.apps.captions.subtitles import SubtitleWriter
from unmask.apps.terminal.live_view import TerminalView
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError, UnmaskError
from unmask.speech.captioner import Captioner
from unmask.speech.endpointing import SpeechOptions
from unmask.speech.events import Event
from unmask.speech.live import LiveCaptioner, LiveOptions
from unmask.speech.log_mel import SAMPLE_RATE_HZ

FLAG = Parameter(negative="")


@Parameter(name="*", group="Live captions")
@dataclass(frozen=True)
class ListenOptions:
    """For the microphone (no file), standard input (-) and --realtime."""

    realtime: Annotated[bool, FLAG] = False
    """Play the file at its own clock, as a microphone would hear it."""
    device: str | None = None
    """Microphone by number or by part of its name."""
    list_devices: Annotated[bool, FLAG] = False
    """Print the microphones and stop."""
    rate: int = SAMPLE_RATE_HZ
    """Samples a second of raw audio on standard input (16-bit little-endian mono); a WAV says its own."""
    stability: float = 0.5
    """From 0, text becomes stable fast, to 1, calm."""
    update_ms: float = 400
    """Audio between two updates; more where the machine needs it."""
    context_s: float = 8
    """Earlier speech that is read along with what is being said; less where the machine is slow, 0: none."""
    end_silence_ms: float = 700
    """Silence that ends a segment."""
    backlog_s: float = 5
    """Audio that may wait; of a clocked source the oldest is dropped over that, and it is told."""
    save_audio: Path | None = None
    """Keep what was heard as a WAV file."""

    def live(self, schedule: Schedule) -> LiveOptions:
        """Raises InputError naming the option."""
        speech = SpeechOptions()
        if not self.end_silence_ms >= 1000 * speech.pause_s:
            raise InputError(f"--end-silence-ms is {self.end_silence_ms:g}; at least {1000 * speech.pause_s:g} is needed")
        if not 0.5 <= self.backlog_s <= 600:
            raise InputError(f"--backlog-s is {self.backlog_s:g}; 0.5 to 600 s are possible")
        speech = replace(speech, end_s=self.end_silence_ms / 1000)
        return LiveOptions(self.stability, self.update_ms / 1000, self.context_s, speech=speech, schedule=schedule)


@dataclass
class Heard:
    """What a run came to."""

    audio_s: float = 0.0
    dropped_s: float = 0.0
    segments: int = 0
    busy_s: float = 0.0

    def line(self) -> str:
        share = 100 * self.busy_s / max(1e-3, self.audio_s)
        dropped = f", {self.dropped_s:.1f} s dropped" if self.dropped_s else ""
        return f"{self.audio_s:.1f} s heard{dropped}, {self.segments} segments, {share:.0f} % of the time computing"


def open_source(files: tuple[Path, ...], options: ListenOptions) -> Source:
    """Raises AudioError or InputError for what cannot be listened to."""
    if options.rate < 1000:
        raise InputError(f"--rate is {options.rate}; samples a second are meant, for example 16000")
    if len(files) > 1:
        raise InputError("live captions come of one source: name one file, or none for the microphone")
    if not files:
        return Microphone(options.device)
    return Stdin(sys.stdin.buffer, options.rate) if str(files[0]) == "-" else RealtimeFile(files[0])


def listen(captioner: Captioner, source: Source, options: ListenOptions, live: LiveOptions, faces: "Faces") -> Heard:
    """Caption until the source ends or Ctrl-C; what is open then is finished. Raises what the source raised, after that."""
    backlog = Backlog(options.backlog_s, wait=not source.clocked)
    stop, faults = threading.Event(), list[UnmaskError]()
    thread = threading.Thread(target=pump, args=(source, backlog, stop, faults), daemon=True)
    stream, heard = LiveCaptioner(captioner, Silero(), live), Heard()
    with contextlib.ExitStack() as stack:
        keep = stack.enter_context(contextlib.closing(Keep(options.save_audio)))
        stack.enter_context(_terminated_like_interrupted())
        thread.start()
        try:
            while (items := backlog.take(0.1)) is not None:
                for item in items:
                    _take(item, stream, heard, faces, keep, backlog.seconds)
        except KeyboardInterrupt:
            pass  # the usual way to end; what is open is finished below
        finally:
            stop.set()
            backlog.close()
        _tell(stream.flush(), heard, faces)
    thread.join(1)
    if faults:
        raise faults[0]
    return heard


def pump(source: Source, backlog: Backlog, stop: threading.Event, faults: list[UnmaskError]) -> None:
    """The source's thread: everything it yields goes to the backlog."""
    try:
        for item in source.blocks(stop):
            backlog.put(item)
    except UnmaskError as error:
        faults.append(error)
    finally:
        backlog.close()


def _take(item: Item, stream: LiveCaptioner, heard: Heard, faces: "Faces", keep: "Keep", waiting_s: float) -> None:
    began = time.perf_counter()
    if isinstance(item, float):
        heard.dropped_s += item
        events = stream.drop(item)
    else:
        keep(item)
        heard.audio_s += len(item) / SAMPLE_RATE_HZ
        events = stream.feed(item)
        faces.hear(item, waiting_s + time.perf_counter() - began)
    heard.busy_s += time.perf_counter() - began
    _tell(events, heard, faces)


def _tell(events: list[Event], heard: Heard, faces: "Faces") -> None:
    for event in events:
        heard.segments += event.event == "segment_ended"
        faces.tell(event)


class Keep:
    """Writes what was heard to a WAV whose header is right after every block."""

    def __init__(self, path: Path | None) -> None:
        import soundfile

        self._file = None
        if path is not None:
            try:
                self._file = soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="WAV")
            except (soundfile.LibsndfileError, OSError) as error:
                raise InputError(f"{path}: audio cannot be saved there ({error})") from error

    def __call__(self, samples: Samples) -> None:
        if self._file is not None:
            self._file.write(np.clip(samples, -1, 1))
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends captions as Ctrl-C does, so that a service manager loses nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Faces:
    """Where events go: the terminal's view, stdout, a file. Closing it raises WriteError when a file lacks something."""

    def __init__(self, form: str, output: Path | None, device: str, quiet: bool) -> None:
        self._form, self._subtitles = form, SubtitleWriter(form) if form in ("srt", "vtt") else None
        self._file = CaptionFile(output) if output else None
        view = not quiet and sys.stderr.isatty()
        self._view = TerminalView(device) if view else None
        self._quiet, self._warned = quiet, False
        # One terminal shows the text once: the view prints ended segments itself.
        self._stdout = output is None and not (view and form == "txt" and sys.stdout.isatty())
        self._write(self._subtitles.head() if self._subtitles else "")

    def hear(self, samples: Samples, lag_s: float) -> None:
        if self._view:
            self._view.hear(samples, lag_s)

    def tell(self, event: Event) -> None:
        if self._view:
            self._view.show(event)
        elif event.event == "dropped" and not self._quiet:
            print(f"unmask: {event.dropped_s:.1f} s of audio dropped at {event.start_s:.1f} s", file=sys.stderr)
        self._write(self._written(event), event.event == "segment_ended")

    def _written(self, event: Event) -> str:
        if self._form == "jsonl":
            return event.json() + "\n"
        if event.event != "segment_ended" or not event.words:
            return ""
        return self._subtitles.segment(event.words) if self._subtitles else event.stable + "\n"

    def _write(self, text: str, sync: bool = True) -> None:
        if not text:
            return
        if self._file:
            self._file.append(text, sync)
            if self._file.error and not self._warned:
                reason = self._file.error.strerror
                print(f"unmask: {self._file.path}: {reason}; captions go on and are written when they can be", file=sys.stderr)
            self._warned = self._file.error is not None
        elif self._stdout:
            print(text, end="", flush=True)

    def close(self) -> None:
        if self._view:
            self._view.close()
        if self._file:
            self._file.close()
