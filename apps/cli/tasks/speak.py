"""`unmask speak`: a text in, sound out, as a file or from the loudspeaker. What else people read goes to stderr."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from unmask.apps.audio.speaker import Speaker
from unmask.apps.cli.options import (
    FLAG,
    SHIPPED,
    SHIPPED_OMNI,
    EngineChoice,
    ScheduleChoice,
    TunedChoice,
    refuse_unread,
    setting,
)
from unmask.apps.modalities.files import Output
from unmask.apps.modalities.heard import Listener
from unmask.apps.modalities.sounds import read_sound
from unmask.apps.modalities.spoken import SPEECH
from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import InputError
from unmask.replaced_files import replace_files
from unmask.session import Session, open_model
from unmask.speech.encoding.resample import resampled
from unmask.speech.encoding.residual import LONGEST_S, SHORTEST_S, loudness
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.voice.saying import Said, SayOptions
from unmask.voice.voice import Voice

STANDARD_INPUT = "./-"  # as `main.as_values` writes it
SAVED = ".json"
MUCH_S = 60.0  # of a recording that is read before it is refused as too long


@Parameter(name="*")
@dataclass(frozen=True)
class SpeakOptions:
    """Options of `unmask speak`."""

    bundle: Path = SHIPPED_OMNI
    """Folder of a bundle that says texts. Default: omni-tiny, which ships and knows the words of its small world."""
    output: Path | None = None
    """File for the sound (.wav)."""
    play: Annotated[bool, FLAG] = False
    """Play the sound, which begins with the first sentence. Needs the extra `live` and a sound device."""
    voice: Path | None = None
    """Voice to speak in, for models that take one: a recording of 3 to 10 s of one person who has agreed to it, or a file of
    --save-voice."""
    transcript: str | None = None
    """What is said in the recording, exactly. Default: what the shipped captioner hears, which knows English."""
    save_voice: Path | None = None
    """File (.json) for the voice as the model takes it, to be given as --voice the next time, without the recording."""
    language: str | None = None
    """Language of the text, as the model names it: en, zh, yue. Default: the model finds out."""
    style: str | None = None
    """Words for the voice, for models that take some, such as "female, low pitch, british accent"."""
    speed: float = 1.0
    """Above 1 is faster; 0.25 to 4."""
    duration_s: float | None = None
    """Seconds that the text takes, in place of a speed."""
    reference: Annotated[bool, FLAG] = False
    """Speak exactly as the model's publication does, which is slow, and plays nothing before all is made. Of the schedule's
    options it takes --passes, --temperature and --seed."""
    quiet: Annotated[bool, FLAG] = False
    """Print no timings on stderr; errors are still printed."""


def speak(
    text: str,
    /,
    *,
    options: SpeakOptions = SpeakOptions(),
    schedule: ScheduleChoice = ScheduleChoice(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Say a text aloud, sentence by sentence, into a file or from the loudspeaker.

    Parameters
    ----------
    text
        What is said; - reads it from standard input.
    """
    if not (options.output or options.play or options.save_voice):
        raise InputError("nothing would be heard: give --output FILE.wav, or --play")
    check_voice_options(options)
    words = sys.stdin.read() if text == STANDARD_INPUT else text
    session = open_model(options.bundle, engine.options())
    if (task := session.says()[0]) is None:
        raise InputError(f"{options.bundle}: has no task that says a text, or no codec for it; `unmask inspect` shows both")
    output = Output.of(options.output, [SPEECH]) if options.output else None
    used: Schedule | Reference
    if options.reference:
        if session.streams is None:
            raise InputError(f"{options.bundle}: has no published decoding of speech; leave --reference out")
        used = schedule.published(session.bundle.published(task))
    else:
        chosen = setting(session.bundle, task, engine, tuned, options.quiet)
        session, used = open_model(chosen.bundle, chosen.engine), schedule.over(chosen.schedule)
    voice = read_voice(session, options)
    if voice and options.save_voice:
        replace_files({options.save_voice: voice.to_json().encode()})
    if not (output or options.play):
        return
    own = (voice, options.language, options.style, options.speed, options.duration_s, used, options.reference)
    made = Made(session.say(words, SayOptions(*own)))
    if options.play:
        Speaker(session.codecs.sound_writer().rate_hz).play(part.samples for part in made)
    samples = made.rest()
    if output:
        output.write(samples, made.rate_hz)
    if not options.quiet:
        print(made.figures(), file=sys.stderr)


class Made:
    """The parts of what is said, kept, and when they came."""

    def __init__(self, parts: Iterator[Said]) -> None:
        self._parts, self._kept, self._began = parts, list[Said](), time.perf_counter()
        self._first_s = self._last_s = 0.0

    def __iter__(self) -> Iterator[Said]:
        for part in self._parts:
            self._last_s = time.perf_counter() - self._began
            self._first_s = self._first_s or self._last_s
            self._kept.append(part)
            yield part

    @property
    def rate_hz(self) -> int:
        return self._kept[0].rate_hz

    def rest(self) -> NDArray[np.float32]:
        """All samples, after what is not made yet."""
        for _ in self:
            pass
        return np.concatenate([part.samples for part in self._kept])

    def figures(self) -> str:
        """One line on what it took."""
        seconds = sum(len(part.samples) for part in self._kept) / self.rate_hz
        passes = sum(part.passes for part in self._kept)
        parts = f"in {len(self._kept)} parts, the first after {self._first_s:.2f} s" if len(self._kept) > 1 else "in one part"
        share = self._last_s / seconds if seconds else 0
        return f"{seconds:.1f} s of speech {parts}, all in {self._last_s:.2f} s ({share:.2f} of real time), {passes} passes"


def check_voice_options(options: SpeakOptions) -> None:
    """Raises InputError for options of a voice without one."""
    saved = options.voice is not None and options.voice.suffix == SAVED
    unread = {}
    if options.voice is None:
        unread = dict.fromkeys(("transcript", "save_voice"), "read only with --voice RECORDING")
    elif saved:
        unread = dict.fromkeys(("transcript", "save_voice"), "the voice is saved already, with its transcript")
    given = [name for name in unread if getattr(options, name) is not None]
    refuse_unread(given, unread)


def read_voice(session: Session, options: SpeakOptions) -> Voice | None:
    """The voice of --voice. Raises InputError and AudioError for what is none, and for a model that takes none."""
    if options.voice is None:
        return None
    if session.streams is None or session.says()[1] is None:
        raise InputError(f"--voice {options.voice}: {session.bundle.manifest.name} speaks in its own voice alone; leave it out")
    if options.voice.suffix == SAVED:
        return Voice.read(options.voice)
    rate_hz = session.codecs.heard_hz()
    samples = read_sound(options.voice, rate_hz, MUCH_S)
    seconds = len(samples) / rate_hz
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise InputError(
            f"--voice {options.voice}: {seconds:.3g} s of sound; {SHORTEST_S:g} to {LONGEST_S:g} s are read, best 3 to 10 s"
        )
    said = options.transcript
    if said is None:
        said = Listener(SHIPPED)(resampled(samples, rate_hz, SAMPLE_RATE_HZ), f"--voice {options.voice}")
        if not options.quiet:
            print(f"Heard in {options.voice}: {said} (--transcript corrects it)", file=sys.stderr)
    codes = session.codecs.encode({"voice": SPEECH}, {"voice": samples})["voice"]
    assert isinstance(codes, tuple)
    try:
        return Voice.of(codes, said, loudness(samples), session.streams.streams)
    except InputError as error:
        raise InputError(f"--voice {options.voice}: {error}") from error
