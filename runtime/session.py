"""Open a bundle and run its tasks by name, for any input and output modality, as a stream of steps or as one answer.

Knows tasks, inputs and the two kinds of bundles. Knows no files, no microphone and no screen.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import BACKBONE, STREAMS, kind_of
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.bundle.task_template import AnswerSpan
from unmask.codecs import Codecs, Kept
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Reference, Schedule
from unmask.doubts import doubts
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.captioner import Caption, Captioner
from unmask.speech.words import Phrase
from unmask.text.generator import Answer, Generator, Input, Request
from unmask.text.likelihood import log_likelihood
from unmask.voice.generator import StreamGenerator, StreamRequest
from unmask.voice.saying import Said, Sayer, SayOptions

SPEECH = "speech"
Given = Mapping[str, Input | NDArray[Any]]
"""Inputs by name."""


@dataclass(frozen=True)
class Task:
    """A task that a bundle can run."""

    name: str
    inputs: Mapping[str, str]
    """Name of each input -> its modality: text, speech or image."""
    outputs: tuple[str, ...]
    """Modalities of the answer."""
    schedule: Schedule
    """The default schedule."""
    optional: tuple[str, ...] = ()
    """Inputs that may be left out."""

    @property
    def required(self) -> dict[str, str]:
        """The other inputs, with their modalities."""
        return {name: kind for name, kind in self.inputs.items() if name not in self.optional}


@dataclass(frozen=True)
class RunOptions:
    """Options of one run that differ from the task's defaults."""

    schedule: Schedule | Reference | None = None
    """None: the task's default. With `reference`, a Reference: the published decoding with other steps, say."""
    length: int | None = None
    """Number of positions of the answer. None: the task's default. Not for captions, whose canvas is as long as the recording."""
    reference: bool = False
    """Use the family's published decoding, token for token. Not for captions, which have none."""
    keep: Mapping[str, Kept] = field(default_factory=dict)
    """Modality of the answer -> what of it is there already. Only the rest is filled. Not for captions or published decodings."""


class Session:
    """Runs a bundle's tasks. Cheap to construct; `load` opens the graphs, or else the first run does.

    Keeps no state between runs. Two threads must not use one session at the same time.
    """

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None, words: Sequence[Phrase] = ()) -> None:
        """words: for a bundle that captions, as for `Captioner`.

        Raises BundleError for a bundle whose graphs this runtime does not know, InputError for words that it cannot raise.
        """
        self.bundle = bundle
        kind = kind_of(bundle.manifest)
        if words and kind.takes != SPEECH:
            raise InputError(f"{bundle.manifest.name} does not caption, so there are no words to raise; leave them out")
        self.captioner = Captioner(bundle, options, words=words) if kind.takes == SPEECH else None
        self.streams = StreamGenerator(bundle, options) if kind is STREAMS else None
        self.generator = Generator(bundle, options) if kind is BACKBONE else None
        self.codecs = Codecs(bundle, options)
        self.tasks = self._tasks()

    def _tasks(self) -> dict[str, Task]:
        manifest = self.bundle.manifest
        if self.captioner is not None:
            return {name: Task(name, {SPEECH: SPEECH}, ("text",), schedule) for name, schedule in manifest.tasks.items()}
        return {
            name: Task(name, template.inputs, _spans(template.answer), manifest.tasks[name], tuple(template.defaults))
            for name, template in manifest.templates.items()
        }

    def load(self) -> "Session":
        """Open graphs and tokenizer now. Raises BundleError if one is damaged, InputError if the engine is not available."""
        for worker in (self.captioner, self.generator, self.streams):
            if worker is not None:
                worker.load()
        return self

    def task(self, name: str) -> Task:
        """Look up a task. Raises InputError that suggests the nearest name if the bundle does not have it."""
        if name not in self.tasks:
            raise InputError(f"{self.bundle.manifest.name} has no task {name!r}{_nearest(name, self.tasks, 'its tasks')}")
        return self.tasks[name]

    def run(self, task: str, inputs: Given, options: RunOptions = RunOptions()) -> Caption | Answer:
        """Run a task and return the result.

        inputs: by the names in `Task.inputs`. A captioner takes speech, (N,) float32 in [-1, 1] at 16 kHz; a generator takes
        text, codes or rows (`unmask.text.generator.Input`), and what the bundle has a codec for: the same speech, and pictures,
        (H, W, 3) uint8. What its codecs make of the answer's codes is `Answer.media`. Raises InputError for an unknown task or
        input and for a missing codec, and AudioError for samples that cannot be captioned.
        """
        self._check(task, inputs)
        if self.captioner is not None:
            return self.captioner.caption(self._samples(inputs, options), _trimmed(options))
        if self.streams is not None:
            answer = self.streams.answer(self._frames(self.streams, task, inputs, options), options.schedule)
        else:
            assert self.generator is not None
            answer = self.generator.answer(self.request(task, inputs, options), options.schedule)
        return replace(answer, media=self.codecs.decode(answer.codes))

    def steps(self, task: str, inputs: Given, options: RunOptions = RunOptions()) -> Iterator[Step]:
        """Run a task and yield a Step after each pass: of the fill, then of a captioner's verifier. Close the iterator to cancel.

        A verifier's Step covers the text in place of the canvas: settled tokens are committed, the rest are tentative. Raises as
        `run`; errors of samples are raised when the iterator reaches them.
        """
        self._check(task, inputs)
        if self.captioner is not None:
            return self._caption_steps(self.captioner, self._samples(inputs, options), _trimmed(options))
        if self.streams is not None:
            return self.streams.steps(self._frames(self.streams, task, inputs, options), options.schedule)
        assert self.generator is not None
        return self.generator.steps(self.request(task, inputs, options), options.schedule)

    def _frames(self, streams: StreamGenerator, task: str, inputs: Given, options: RunOptions) -> StreamRequest:
        """The canvas of a task that fills streams."""
        if options.keep:
            raise InputError(f"{task} keeps no part of an answer; leave what is kept out")
        given = self.codecs.encode(self.task(task).inputs, inputs)
        return streams.request(task, given, options.length, options.reference)

    def says(self) -> tuple[str | None, str | None]:
        """The task that says a text aloud, and the one that says it in a given voice; None for one that the bundle lacks."""
        if not self.codecs.written((SPEECH,)):
            return None, None
        tasks = [task for task in self.tasks.values() if task.outputs == (SPEECH,)]
        plain = (task.name for task in tasks if tuple(task.required.values()) == ("text",))
        voiced = (task.name for task in tasks if "transcript" in task.required and SPEECH in task.required.values())
        return next(plain, None), next(voiced, None)

    def say(self, text: str, options: SayOptions = SayOptions()) -> Iterator[Said]:  # noqa: B008  (frozen)
        """Say a text of any length, and yield each part of the sound as soon as it is made.

        A model that fills streams says sentence by sentence; others say it in one part, and take no option but the schedule.
        Raises InputError for a bundle without a task and a codec for it, and for what it cannot say.
        """
        plain, voiced = self.says()
        if plain is None:
            raise InputError(
                f"{self.bundle.manifest.name} has no task that says a text, or lacks the codec; unmask inspect shows both"
            )
        writer = self.codecs.sound_writer()
        if self.streams is not None:
            return Sayer(self.streams, writer.decode, writer.rate_hz, plain, voiced or plain).say(text, options)
        return self._said_whole(plain, text, options, writer.rate_hz)

    def _said_whole(self, task: str, text: str, options: SayOptions, rate_hz: int) -> Iterator[Said]:
        if refused := [name for name in ("voice", "language", "style", "duration_s", "reference") if getattr(options, name)]:
            raise InputError(f"{self.bundle.manifest.name} has one voice and one way to speak; leave out {' and '.join(refused)}")
        if options.speed != 1:
            raise InputError(f"{self.bundle.manifest.name} speaks at its own pace; leave out the speed")
        (name,) = self.task(task).required
        answer = self.run(task, {name: text}, RunOptions(options.schedule))
        assert isinstance(answer, Answer)
        if SPEECH not in answer.media:
            raise InputError(f"the answer of {self.bundle.manifest.name} has no speech in it; give another text")
        yield Said(answer.media[SPEECH], rate_hz, text, answer.passes, answer.rows, answer.codes[SPEECH])

    def request(self, task: str, inputs: Given, options: RunOptions = RunOptions()) -> Request:
        """The canvas of a task, for `Generator.steps`, with inputs and what is kept encoded. Raises as `run`."""
        self._check(task, inputs)
        if self.generator is None:
            what = (
                "captions, which fills no canvas" if self.streams is None else "fills several streams, which have another canvas"
            )
            raise InputError(f"{self.bundle.manifest.name} {what}; call run or steps")
        pieces = self.generator.bundle.template(task).resized(options.length)
        given = self.codecs.encode(self.task(task).inputs, inputs, self._drawn(task, options))
        counts = {name: sum(piece.size for piece in pieces if piece.modality == name) for name in _spans(pieces)}
        kept = self.codecs.keep(options.keep, counts)
        return self.generator.request(task, given, options.length, options.reference, kept)

    def log_likelihood(self, task: str, inputs: Given, answer: Input | NDArray[Any]) -> float:
        """How likely the model finds an answer, in nats a position: `unmask.text.likelihood.log_likelihood`.

        answer: of the task's one output modality, as inputs are given. Raises InputError for a task of a captioner, for an answer
        that the task cannot give, and as `run`.
        """
        self._check(task, inputs)
        if self.generator is None:
            raise InputError(
                f"{self.bundle.manifest.name} {self._makes}; likelihoods are asked of one that generates one stream of ids"
            )
        known = self.task(task)
        given = self.codecs.encode(known.inputs, inputs)
        (scored,) = self.codecs.encode({"answer": known.outputs[0]}, {"answer": answer}).values()
        return log_likelihood(self.generator, task, given, scored)

    def doubts(self, task: str, inputs: Given) -> tuple[str, ...]:
        """Sentences on inputs that lie outside the model's world, which are answered all the same: `unmask.doubts.doubts`."""
        return doubts(self.bundle, self.codecs, self.task(task).inputs, inputs)

    def _drawn(self, task: str, options: RunOptions) -> int | None:
        """As `Codecs.encode` takes it: published decodings also read as it was published."""
        if not options.reference:
            return None
        assert self.generator is not None
        return (options.schedule if isinstance(options.schedule, Reference) else self.generator.bundle.published(task)).seed

    def _check(self, task: str, inputs: Given) -> None:
        wanted, required = self.task(task).inputs, self.task(task).required
        for name in inputs:
            if name not in wanted:
                raise InputError(f"the task {task} takes no input {name!r}{_nearest(name, wanted, 'it takes')}")
        missing = [name for name in required if name not in inputs]
        if missing:
            raise InputError(f"the task {task} takes {', '.join(wanted)}; not given: {', '.join(missing)}")

    @property
    def _makes(self) -> str:
        return "writes captions" if self.streams is None else "fills several streams of codes"

    @staticmethod
    def _samples(inputs: Given, options: RunOptions) -> NDArray[np.float32]:
        given = {
            "a length": options.length is not None,
            "a published decoding": options.reference or _published(options),
            "a part that is kept": bool(options.keep),
        }
        for what, wrong in given.items():
            if wrong:
                raise InputError(f"captions do not have {what}; leave it out")
        samples = inputs[SPEECH]
        if not isinstance(samples, np.ndarray):
            raise InputError(f"the input {SPEECH} must be an array of samples, not {type(samples).__name__}")
        return samples

    def _caption_steps(self, captioner: Captioner, samples: NDArray[np.float32], schedule: Schedule | None) -> Iterator[Step]:
        for segment in captioner.segments(samples):
            yield from captioner.steps(segment, schedule)


def open_model(bundle: Bundle | Path | str, options: EngineOptions | None = None, words: Sequence[Phrase] = ()) -> Session:
    """Open a bundle, or the folder of one. Verifies its files; opens no graph. words: as for `Session`.

    Raises BundleError if the folder is not a bundle, is damaged, or has graphs that this runtime does not know, and InputError
    for words that it cannot raise.
    """
    return Session(bundle if isinstance(bundle, Bundle) else load_bundle(bundle), options, words)


def _published(options: RunOptions) -> bool:
    return isinstance(options.schedule, Reference)


def _trimmed(options: RunOptions) -> Schedule | None:
    return None if isinstance(options.schedule, Reference) else options.schedule


def _spans(pieces: Iterable[AnswerSpan]) -> tuple[str, ...]:
    """Modalities of the spans that are filled."""
    return tuple(dict.fromkeys(piece.modality for piece in pieces if piece.modality))


def _nearest(name: str, known: Iterable[str], heading: str) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; {heading}: {', '.join(names) or 'none'}"
