"""Open a bundle and run its tasks by name: any modality in, any out, as a stream of steps or as one answer.

Knows tasks, inputs and the two kinds of bundles. Knows no files, no microphone and no screen.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.schedule import Schedule
from unmask.decoding.speculative import VerifyStep
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.captioner import Caption, Captioner
from unmask.text.generator import Answer, Generator, Input

SPEECH = "speech"


@dataclass(frozen=True)
class Task:
    """What a bundle can be asked to do."""

    name: str
    inputs: Mapping[str, str]
    """Name -> modality of what is given: text, speech, image."""
    outputs: tuple[str, ...]
    """Modalities of the answer."""
    schedule: Schedule
    """How it is filled unless another schedule is given."""


@dataclass(frozen=True)
class RunOptions:
    """How one run differs from the task's defaults."""

    schedule: Schedule | None = None
    """None: the task's own."""
    length: int | None = None
    """Positions of the answer; None: the task's own. Not for captions, whose canvas is as long as the recording."""
    reference: bool = False
    """The family's published decoding, token for token. Not for captions, which have none."""


class Session:
    """A bundle's tasks. Cheap to make; `load` opens the graphs, otherwise the first run does.

    Holds no state between runs. One session must not be used by two threads at once.
    """

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None) -> None:
        """Raises BundleError for a bundle whose graphs this runtime does not know."""
        self.bundle = bundle
        kind = kind_of(bundle.manifest)
        self.captioner = Captioner(bundle, options) if kind.takes == SPEECH else None
        self.generator = Generator(bundle, options) if self.captioner is None else None
        self.tasks = self._tasks()

    def _tasks(self) -> dict[str, Task]:
        manifest = self.bundle.manifest
        if self.captioner is not None:
            return {name: Task(name, {SPEECH: SPEECH}, ("text",), schedule) for name, schedule in manifest.tasks.items()}
        return {
            name: Task(name, template.inputs, _modalities(span.modality for span in template.answer), manifest.tasks[name])
            for name, template in manifest.templates.items()
        }

    def load(self) -> "Session":
        """Open graphs and tokenizer now. Raises BundleError."""
        for worker in (self.captioner, self.generator):
            if worker is not None:
                worker.load()
        return self

    def task(self, name: str) -> Task:
        """Raises InputError that names the nearest task for one that the bundle has not."""
        if name not in self.tasks:
            raise InputError(f"{self.bundle.manifest.name} has no task {name!r}{_nearest(name, self.tasks, 'its tasks')}")
        return self.tasks[name]

    def run(self, task: str, inputs: Mapping[str, Input], options: RunOptions = RunOptions()) -> Caption | Answer:
        """Run a task to its end.

        inputs: by the names that the task lists. Speech of a captioner is (N,) float32 in [-1, 1] at 16 kHz; a generator takes
        text, codes or rows (`unmask.text.generator.Input`). Raises InputError for an unknown task or input, and AudioError for
        samples that are no recording.
        """
        self._check(task, inputs)
        if self.captioner is not None:
            return self.captioner.caption(self._samples(inputs, options), options.schedule)
        assert self.generator is not None
        return self.generator.generate(task, inputs, options.length, options.schedule, options.reference)

    def steps(self, task: str, inputs: Mapping[str, Input], options: RunOptions = RunOptions()) -> Iterator[Step]:
        """The same pass by pass: fills and, of a captioner, the checks that follow. Close the iterator to cancel.

        A check is a step over the text: what it settled is committed, the rest is tentative. Raises as `run`, when iterated.
        """
        self._check(task, inputs)
        if self.captioner is not None:
            return self._caption_steps(self.captioner, self._samples(inputs, options), options.schedule)
        assert self.generator is not None
        request = self.generator.request(task, inputs, options.length, options.reference)
        return self.generator.steps(request, options.schedule)

    def _check(self, task: str, inputs: Mapping[str, Input]) -> None:
        wanted = self.task(task).inputs
        for name in inputs:
            if name not in wanted:
                raise InputError(f"the task {task} takes no input {name!r}{_nearest(name, wanted, 'it takes')}")
        missing = [name for name in wanted if name not in inputs]
        if missing:
            raise InputError(f"the task {task} takes {', '.join(wanted)}; not given: {', '.join(missing)}")

    @staticmethod
    def _samples(inputs: Mapping[str, Input], options: RunOptions) -> NDArray[np.float32]:
        given = {"a length": options.length is not None, "a published decoding": options.reference}
        for what, wrong in given.items():
            if wrong:
                raise InputError(f"captions have not {what}; leave it out")
        samples = inputs[SPEECH]
        if not isinstance(samples, np.ndarray):
            raise InputError(f"the input {SPEECH} is an array of samples, not {type(samples).__name__}")
        return samples

    def _caption_steps(self, captioner: Captioner, samples: NDArray[np.float32], schedule: Schedule | None) -> Iterator[Step]:
        for segment in captioner.segments(samples):
            step = None
            for step in captioner.steps(segment, schedule):
                yield step
            if step is not None:
                text = captioner.written(segment, step)
                before = 0
                for check in captioner.checks(segment, text.as_draft(), schedule):
                    yield as_step(check, step.number + check.number, before, segment.canvas.mask_id)
                    before = check.agreed


def open_model(bundle: Bundle | Path | str, options: EngineOptions | None = None) -> Session:
    """Open a bundle, or the folder of one. Verifies its files; opens no graph.

    Raises BundleError for a folder that is no bundle, is damaged, or has graphs that this runtime does not know.
    """
    return Session(bundle if isinstance(bundle, Bundle) else load_bundle(bundle), options)


def as_step(check: VerifyStep, number: int, before: int, mask_id: int) -> Step:
    """A verifier's pass as a step over the text. before: tokens that were settled before it."""
    settled = np.arange(len(check.text.ids)) < check.agreed
    return Step(
        number,
        np.arange(before, check.agreed),
        np.where(settled, check.text.ids, mask_id),
        check.text.ids,
        check.text.confidence,
        masked=int((~settled).sum()),
        rows=check.rows,
        seconds=check.seconds,
    )


def _modalities(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _nearest(name: str, known: Iterable[str], heading: str) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; {heading}: {', '.join(names) or 'none'}"
