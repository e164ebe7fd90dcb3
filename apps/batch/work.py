"""One worker: a captioner that is opened once, and the recordings that it captions one after the other.

Knows captioners and formats. Knows no other worker: Ray makes as many of these as there are cores.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmask.apps.audio.files import Recording
from unmask.apps.batch.jobs import Job
from unmask.apps.batch.places import opened, write
from unmask.apps.captions.recordings import Form, Transcript
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.errors import UnmaskError
from unmask.speech.captioner import Captioner, whole
from unmask.speech.words import Phrase


@dataclass(frozen=True)
class Work:
    """What every worker does with its recordings."""

    bundle: str
    """Folder of the bundle, on each machine."""
    engine: EngineOptions
    schedule: Schedule
    form: Form
    folder: str
    """Where texts go; a path or URL that each machine reaches."""
    words: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class Done:
    """What became of one recording."""

    job: Job
    audio_s: float = 0.0
    seconds: float = 0.0
    error: str | None = None
    """Why there is no text of it; None: there is."""
    lacking: str | None = None
    """What a damaged recording lacks."""


class Worker:
    """Opens the captioner when it is made. Raises UnmaskError for a bundle that cannot be opened."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._captioner = Captioner(load_bundle(Path(work.bundle)), work.engine, words=work.words).load()

    def caption(self, job: Job) -> Done:
        """Write the text of one recording. What is wrong with it is told, and the next one can follow."""
        began = time.perf_counter()
        try:
            text, recording = self._text(job)
            write(self._work.folder, job.output, text.encode("utf-8", errors="replace"))
        except (UnmaskError, OSError, MemoryError) as error:
            return Done(job, error=" ".join(str(error).split()) or type(error).__name__)
        return Done(job, recording.heard_s, time.perf_counter() - began, lacking=recording.lacking)

    def _text(self, job: Job) -> tuple[str, Recording]:
        began = time.perf_counter()
        with opened(job.source) as raw:
            recording = Recording(job.source, raw)
            transcript = Transcript(self._work.form, Path(job.source), named=False)
            pieces, parts = [transcript.head()], []
            for part in self._captioner.parts(self._captioner.segments(recording.blocks()), self._work.schedule):
                pieces.append(transcript.part(part))
                parts.append(part)
            pieces.append(transcript.rest(whole(parts, recording.heard_s), time.perf_counter() - began))
            return "".join(pieces), recording


def caption_here(work: Work, jobs: Sequence[Job]) -> Iterator[Done]:
    """In this process, one after the other."""
    worker = Worker(work)
    for job in jobs:
        yield worker.caption(job)
