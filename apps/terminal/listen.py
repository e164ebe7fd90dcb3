"""Live captions of one source: audio goes through the captioner to the terminal, to stdout and to a file.

Knows sources, events and outputs. When text becomes stable is decided in `unmask.speech.live`.
"""

import contextlib
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Group, Parameter

from unmask.apps.audio.backlog import Backlog, Item, Samples
from unmask.apps.audio.microphone import Microphone
from unmask.apps.audio.sources import BLOCK_S, RealtimeFile, Source, Stdin
from unmask.apps.audio.voice_activity import Silero
from unmask.apps.captions.append_only_file import CaptionFile
from unmask.apps.captions.subtitles import SubtitleWriter
from unmask.apps.terminal.live_view import TerminalView
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError, UnmaskError
from unmask.speech.captioner import Captioner
from unmask.speech.endpointing import SpeechOptions
from unmask.speech.events import Event
from unmask.speech.live import LiveCaptioner, LiveOptions
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.words import Word

FLAG = Parameter(negative="", show_default=False)


@Parameter(name="*", group=Group("Live audio", help="For the microphone (no file), standard input (-) and --realtime."))
@dataclass(frozen=True)
class ListenOptions:
    """What is listened to: the microphone (no file), standard input (-), or a file in real time."""

    realtime: Annotated[bool, FLAG] = False
    """Play the file in real time, as a microphone would hear it."""
    device: str | None = None
    """Microphone, by its number or part of its name."""
    list_devices: Annotated[bool, FLAG] = False
    """Print the microphones and exit."""
    rate: int = SAMPLE_RATE_HZ
    """Sample rate in Hz of raw audio on standard input (16-bit little-endian mono). A recording in a known format has its own."""
    end_silence_s: float = SpeechOptions.end_s
    """Seconds of silence that end a segment."""
    backlog_s: float = 5
    """Seconds of audio that may wait to be captioned. Beyond that, the oldest audio of a live source is dropped and reported."""
    save_audio: Path | None = None
    """Save the audio that was heard to this WAV file."""

    def live(self, schedule: Schedule) -> LiveOptions:
        """Raises InputError that names the option."""
        pause_s = SpeechOptions.pause_s
        if not self.end_silence_s >= pause_s:
            raise InputError(f"--end-silence-s is {self.end_silence_s:g}; at least {pause_s:g} is needed")
        if not 0.5 <= self.backlog_s <= 600:
            raise InputError(f"--backlog-s is {self.backlog_s:g}; 0.5 to 600 s are possible")
        return LiveOptions(speech=SpeechOptions(end_s=self.end_silence_s), schedule=schedule)


@dataclass
class RunSummary:
    """Totals of one run."""

    audio_s: float = 0.0
    dropped_s: float = 0.0
    segments: int = 0
    busy_s: float = 0.0
    words: list[Word] = field(default_factory=list)

    def line(self) -> str:
        share = 100 * self.busy_s / max(1e-3, self.audio_s)
        dropped = f", {self.dropped_s:.1f} s dropped" if self.dropped_s else ""
        return f"{self.audio_s:.1f} s heard{dropped}, {self.segments} segments, {share:.0f} % of the time computing"


def open_source(files: tuple[Path, ...], options: ListenOptions, block_s: float = BLOCK_S) -> Source:
    """The source that the command line names. Raises AudioError or InputError when it cannot be used."""
    if options.rate < 1000:
        raise InputError(f"--rate is {options.rate}; it is a sample rate in Hz, for example 16000")
    if len(files) > 1:
        raise InputError("live captions have one source: name one file, or none for the microphone")
    if not files:
        return Microphone(options.device, block_s)
    return Stdin(sys.stdin.buffer, options.rate, block_s) if str(files[0]) == "-" else RealtimeFile(files[0], block_s)


def listen(captioner: Captioner, source: Source, options: ListenOptions, live: LiveOptions, outputs: "Outputs") -> RunSummary:
    """Caption until the source ends or Ctrl-C; the open segment is then finished. An error of the source is raised after that."""
    backlog = Backlog(options.backlog_s, wait=not source.clocked)
    stop, faults = threading.Event(), list[UnmaskError]()
    thread = threading.Thread(target=pump, args=(source, backlog, stop, faults), daemon=True)
    stream, summary = LiveCaptioner(captioner, Silero(), live), RunSummary()
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(contextlib.closing(WavRecorder(options.save_audio)))
        thread.start()
        try:
            while (items := backlog.take(0.1)) is not None:
                for item in items:
                    _take(item, stream, summary, outputs, recorder, backlog.seconds)
        except KeyboardInterrupt:
            pass  # the usual way to end, also for SIGTERM; the open segment is finished below
        finally:
            stop.set()
            backlog.close()
        _publish(stream.flush(), summary, outputs)
    thread.join(1)
    if faults:
        raise faults[0]
    return summary


def pump(source: Source, backlog: Backlog, stop: threading.Event, faults: list[UnmaskError]) -> None:
    """Runs in the source's thread: put everything that it yields into the backlog."""
    try:
        for item in source.blocks(stop):
            backlog.put(item)
    except UnmaskError as error:
        faults.append(error)
    finally:
        backlog.close()


def _take(
    item: Item, stream: LiveCaptioner, summary: RunSummary, outputs: "Outputs", recorder: "WavRecorder", waiting_s: float
) -> None:
    began = time.perf_counter()
    if isinstance(item, float):
        summary.dropped_s += item
        events = stream.drop(item)
    else:
        recorder.write(item)
        summary.audio_s += len(item) / SAMPLE_RATE_HZ
        events = stream.feed(item)
        outputs.show_level(item, waiting_s + time.perf_counter() - began)
    summary.busy_s += time.perf_counter() - began
    _publish(events, summary, outputs)


def _publish(events: list[Event], summary: RunSummary, outputs: "Outputs") -> None:
    for event in events:
        if event.event == "segment_ended":
            summary.segments += 1
            summary.words += event.words
        outputs.publish(event)


class WavRecorder:
    """Saves audio to a WAV file whose header is correct after every block. Without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        import soundfile

        self._file = None
        if path is not None:
            try:
                self._file = soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="WAV")
            except (soundfile.LibsndfileError, OSError) as error:
                raise InputError(f"{path}: audio cannot be saved to it ({error})") from error

    def write(self, samples: Samples) -> None:
        if self._file is not None:
            self._file.write(np.clip(samples, -1, 1))
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Outputs:
    """Sends events to the terminal's view, stdout or a file. `close` raises WriteError if text is missing in the file."""

    def __init__(self, form: str, output: Path | None, device: str, quiet: bool) -> None:
        self._form, self._subtitles = form, SubtitleWriter(form) if form in ("srt", "vtt") else None
        self._file = CaptionFile(output) if output else None
        view = not quiet and sys.stderr.isatty()
        self._view = TerminalView(device) if view else None
        self._quiet, self._warned = quiet, False
        # The view prints ended segments: where stdout is the same terminal, they would be there twice.
        self._stdout = output is None and not (view and form == "txt" and sys.stdout.isatty())
        self._write(self._subtitles.head() if self._subtitles else "")

    def show_level(self, samples: Samples, lag_s: float) -> None:
        if self._view:
            self._view.show_level(samples, lag_s)

    def publish(self, event: Event) -> None:
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
        return self._subtitles.segment(event.words, event.end_s) if self._subtitles else event.stable + "\n"

    def _write(self, text: str, sync: bool = True) -> None:
        if not text:
            return
        if self._file:
            self._file.append(text, sync)
            if self._file.error and not self._warned:
                reason = self._file.error.strerror
                print(
                    f"unmask: {self._file.path}: {reason}; captions continue and are written when there is room", file=sys.stderr
                )
            self._warned = self._file.error is not None
        elif self._stdout:
            print(text, end="", flush=True)

    def close(self) -> None:
        if self._view:
            self._view.close()
        if self._file:
            self._file.close()
