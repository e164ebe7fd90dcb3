"""Say a text of any length, sentence by sentence, so that its sound begins early; or whole, as it is published.

Knows a generator of streams, and a function that decodes codes. Knows no files and no devices.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import InputError
from unmask.text.generator import Answer, Input
from unmask.voice.duration import SHORT, frames_of
from unmask.voice.generator import TEXT, TRANSCRIPT, StreamGenerator
from unmask.voice.script import published_pieces, sentences
from unmask.voice.sound import faded, gain, joined, padded, without_pauses
from unmask.voice.voice import Voice

Floats = NDArray[np.float32]
MOST_CHARACTERS = 20_000  # about twenty minutes of speech
LONGEST_S = 12.0  # of a piece; a longer sentence is cut at a clause
PUBLISHED_WHOLE_S, PUBLISHED_PIECE_S = 30.0, 15.0
FULL_SCALE = 1.0


@dataclass(frozen=True)
class SayOptions:
    """How a text is said. Checked on construction; raises InputError."""

    voice: Voice | None = None
    """None: the model takes one by itself, and keeps it."""
    language: str | None = None
    """An id as the model knows it, such as en, zh or yue. None: the model finds out."""
    style: str | None = None
    """Known words with commas between them, such as female, low pitch, british accent."""
    speed: float = 1.0
    """Above 1 is faster."""
    duration_s: float | None = None
    """Seconds of the whole, before pauses are shortened. Not together with a speed."""
    schedule: Schedule | Reference | None = None
    """None: the task's default, or with `reference` the published decoding."""
    reference: bool = False
    """As it is published: decoding, pieces of a longer text, and what is done to the sound; all of it is one part."""

    def __post_init__(self) -> None:
        if not 0.25 <= self.speed <= 4:
            raise InputError(f"speed is {self.speed:g}; 0.25 to 4 can be said")
        if self.duration_s is not None and (not 0 < self.duration_s <= 3600 or self.speed != 1):
            raise InputError("a duration is above 0 and at most an hour of seconds, and given without a speed")


@dataclass(frozen=True)
class Said:
    """A part of the sound. All parts one after the other are the whole."""

    samples: Floats  # (N,) in [-1, 1]
    rate_hz: int
    text: str
    passes: int
    rows: int  # computed in these passes
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Pieces of a text, at a speed; frames: of the only piece, where they are given."""

    pieces: tuple[str, ...]
    speed: float
    frames: int | None


@dataclass(frozen=True)
class Sayer:
    """Says texts. task: that says a text; voiced: that says it in a given voice."""

    generator: StreamGenerator
    decode: Callable[[Sequence[int]], Floats]
    rate_hz: int
    task: str
    voiced: str

    def say(self, text: str, options: SayOptions = SayOptions()) -> Iterator[Said]:
        """Yield each part as soon as it is made. Raises InputError for what cannot be said, before anything is computed."""
        if not text.strip():
            raise InputError("there is no text to say; give some words")
        if len(text) > MOST_CHARACTERS:
            raise InputError(f"the text has {len(text)} characters; {MOST_CHARACTERS} are said at once: cut it into parts")
        speed, frames = self._pace(text, options)
        longest = frames / len(text)
        if not options.reference:
            pieces = self._sentences(text.strip(), options.voice, int(LONGEST_S * self._per_second / longest))
        elif frames > int(PUBLISHED_WHOLE_S * self._per_second):
            pieces = published_pieces(text, int(PUBLISHED_PIECE_S * self._per_second / longest))
        else:
            pieces = [text]
        for piece in pieces:
            self._inputs(piece, options, None)
        plan = Plan(tuple(pieces), speed, frames if len(pieces) == 1 and options.duration_s is not None else None)
        return self._published(plan, options) if options.reference else self._early(plan, options)

    # ---- pieces of the text

    @property
    def _per_second(self) -> float:
        return self.generator.streams.per_second

    def _pace(self, text: str, options: SayOptions) -> tuple[float, int]:
        """The speed, and the frames of the whole text."""
        if options.duration_s is None:
            return options.speed, _frames(text, options.voice, options.speed)
        frames = max(1, int(options.duration_s * self._per_second))
        return _frames(text, options.voice, 1.0) / frames, frames

    def _sentences(self, text: str, voice: Voice | None, longest: int) -> list[str]:
        """Sentences; one of less than two seconds is said with the next, since short ones are said badly."""
        found = list[str]()
        for sentence in sentences(text, max(1, longest)):
            if found and _frames(found[-1], voice, 1.0) <= SHORT:
                found[-1] += " " + sentence
            else:
                found.append(sentence)
        if len(found) > 1 and _frames(found[-1], voice, 1.0) <= SHORT:
            found[-2:] = [f"{found[-2]} {found[-1]}"]
        return found

    # ---- saying them

    def _inputs(self, piece: str, options: SayOptions, voice: Voice | None) -> tuple[str, dict[str, Input]]:
        """The task and its inputs. Raises InputError for a text, a language, a style or a voice that the model does not take."""
        given: dict[str, Input] = {TEXT: piece}
        given |= {name: value for name, value in (("language", options.language), ("instruct", options.style)) if value}
        own = options.voice or voice
        name = self.voiced if own else self.task
        if own:
            (place,) = (place for place, kind in self.generator.bundle.template(name).inputs.items() if kind != "text")
            given |= {TRANSCRIPT: own.transcript, place: own.codes}
        self.generator.check(name, given)
        return name, given

    def _answers(self, plan: Plan, options: SayOptions) -> Iterator[tuple[str, Answer]]:
        """Without a voice the first piece is that of all others.

        As published, it also sets their pace, at which the speed counts once more; in trimmed mode the rule on characters does.
        """
        voice, modality = None, self.generator.streams.modality
        for piece in plan.pieces:
            name, given = self._inputs(piece, options, voice)
            paced = options.voice or (voice if options.reference else None)
            frames = plan.frames or _frames(piece, paced, plan.speed)
            request = self.generator.request(name, given, frames, options.reference)
            answer = self.generator.answer(request, options.schedule)
            yield piece, answer
            if options.voice is None and voice is None and len(plan.pieces) > 1:
                voice = Voice(answer.codes[modality], piece, FULL_SCALE, self.generator.streams.count)

    def _published(self, plan: Plan, options: SayOptions) -> Iterator[Said]:
        modality = self.generator.streams.modality
        answers = list(self._answers(plan, options))
        whole = without_pauses(joined([self.decode(a.codes[modality]) for _, a in answers], self.rate_hz), self.rate_hz)
        if not len(whole):
            raise InputError("what the model says is silence alone; say more, or try another seed")
        whole = whole * np.float32(gain(whole, options.voice.loudness if options.voice else None))
        made = padded(faded(whole, self.rate_hz), self.rate_hz).clip(-FULL_SCALE, FULL_SCALE)
        passes, rows = (sum(getattr(a, name) for _, a in answers) for name in ("passes", "rows"))
        codes = tuple(code for _, a in answers for code in a.codes[modality])
        yield Said(made, self.rate_hz, " ".join(piece for piece, _ in answers), passes, rows, codes)

    def _early(self, plan: Plan, options: SayOptions) -> Iterator[Said]:
        factor: float | None = None
        for i, (piece, answer) in enumerate(self._answers(plan, options)):
            codes = answer.codes[self.generator.streams.modality]
            sound = without_pauses(self.decode(codes), self.rate_hz)
            factor = gain(sound, options.voice.loudness if options.voice else None) if factor is None else factor
            sound = faded(sound * np.float32(factor), self.rate_hz)
            sound = padded(sound, self.rate_hz, start=i == 0).clip(-FULL_SCALE, FULL_SCALE)
            yield Said(sound, self.rate_hz, piece, answer.passes, answer.rows, codes)


def _frames(text: str, voice: Voice | None, speed: float) -> int:
    return frames_of(text, voice.transcript, voice.frames, speed) if voice else frames_of(text, speed=speed)
