"""One worker: a model that is opened once, and the recordings or prompts that it takes one after the other.

Knows sessions and formats. Knows no other worker: Ray makes as many of these as there are cores.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unmask.apps.audio.files import Recording
from unmask.apps.batch.jobs import Job
from unmask.apps.batch.places import opened, write
from unmask.apps.captions.recordings import Form, Transcript
from unmask.apps.modalities.files import encoded, read_input
from unmask.decoding.schedule import Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.errors import UnmaskError
from unmask.session import RunOptions, open_model
from unmask.speech.captioner import TASK, whole
from unmask.speech.words import Phrase
from unmask.text.generator import Answer

TEXT, SPEECH = "text", "speech"


@dataclass(frozen=True)
class Work:
    """What every worker does."""

    bundle: str
    """Folder of the bundle, on each machine."""
    engine: EngineOptions
    schedule: Schedule
    form: Form
    folder: str
    """Where results go; a path or URL that each machine reaches."""
    words: tuple[Phrase, ...] = ()
    task: str = TASK
    """What is made; but for captions each job has the inputs."""


@dataclass(frozen=True)
class Done:
    """What became of one job."""

    job: Job
    audio_s: float = 0.0
    seconds: float = 0.0
    error: str | None = None
    """Why there is no result of it; None: there is."""
    lacking: str | None = None
    """What a damaged recording lacks."""


class Worker:
    """Opens the model when it is made. Raises UnmaskError for a bundle that cannot be opened."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._session = open_model(Path(work.bundle), work.engine, work.words).load()

    def make(self, job: Job) -> Done:
        """Write the result of one job. What is wrong with it is told, and the next one can follow."""
        began = time.perf_counter()
        recording = None
        try:
            if self._work.task == TASK:
                data, recording = self._text(job)
            else:
                data = self._answer(job)
            write(self._work.folder, job.output, data)
        except (UnmaskError, OSError, MemoryError) as error:
            return Done(job, error=" ".join(str(error).split()) or type(error).__name__)
        done = Done(job, seconds=time.perf_counter() - began)
        return replace(done, audio_s=recording.heard_s, lacking=recording.lacking) if recording else done

    def _answer(self, job: Job) -> bytes:
        task = self._session.task(self._work.task)
        inputs = {
            name: job.inputs[name] if kind == TEXT else read_input(kind, Path(job.inputs[name]), self._heard_hz(kind))
            for name, kind in task.inputs.items()
            if name in job.inputs
        }
        answer = self._session.run(task.name, inputs, RunOptions(self._work.schedule))
        assert isinstance(answer, Answer), "captions have a task of their own"
        (modality,) = task.outputs
        if modality == TEXT:
            return f"{answer.text}\n".encode("utf-8", errors="replace")
        if modality not in answer.media:
            raise UnmaskError(f"the answer holds no {modality}; ask for something else")
        rate_hz = self._session.codecs.sound_writer().rate_hz if modality == SPEECH else None
        return encoded(modality, answer.media[modality], rate_hz=rate_hz)

    def _heard_hz(self, kind: str) -> int | None:
        """The rate at which the bundle reads sound, if it reads any."""
        return self._session.codecs.heard_hz() if kind == SPEECH and self._session.streams is not None else None

    def _text(self, job: Job) -> tuple[bytes, Recording]:
        began, captioner = time.perf_counter(), self._session.captioner
        assert captioner is not None, "recordings are captioned"
        with opened(job.source) as raw:
            recording = Recording(job.source, raw)
            transcript = Transcript(self._work.form, Path(job.source), named=False)
            pieces, parts = [transcript.head()], []
            for part in captioner.parts(captioner.segments(recording.blocks()), self._work.schedule):
                pieces.append(transcript.part(part))
                parts.append(part)
            pieces.append(transcript.rest(whole(parts, recording.heard_s), time.perf_counter() - began))
            return "".join(pieces).encode("utf-8", errors="replace"), recording


def done_here(work: Work, jobs: Sequence[Job]) -> Iterator[Done]:
    """In this process, one after the other."""
    worker = Worker(work)
    for job in jobs:
        yield worker.make(job)
