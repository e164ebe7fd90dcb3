"""The models of one service and the threads that use them: captions for each client, and what a generator says and answers.

Knows captioners and sessions. Knows no protocol.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.voice_activity import Silero
from unmask.apps.modalities.voices import chosen
from unmask.errors import InputError
from unmask.session import Session
from unmask.speech.captioner import Captioner
from unmask.speech.live import LiveCaptioner, LiveOptions
from unmask.speech.words import Phrase
from unmask.text.generator import Answer
from unmask.voice.saying import SayOptions
from unmask.voice.voice import Voice

ANSWERING = ("chat", "generate")
Result = TypeVar("Result")


@dataclass
class Models:
    """captioner: loaded. generator: a session and the thread that uses it. voices: by name, that it speaks in besides its own."""

    captioner: Captioner
    live: LiveOptions
    generator: tuple[Session, Executor] | None = None
    voices: Mapping[str, Voice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="captions")

    async def caption(self, work: Callable[[], Result]) -> Result:
        """Call in the thread of the captioner, after what was asked before."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def open_live(self, words: Sequence[Phrase] = ()) -> LiveCaptioner:
        """Of one client. words: may be said besides those of every utterance. Raises InputError for too many."""
        return LiveCaptioner(self.captioner.beside(words), Silero(), replace(self.live))

    def task(self, modality: str) -> str | None:
        """The generator's task that makes text or speech of a text."""
        if self.generator is None:
            return None
        session = self.generator[0]
        found = [
            name
            for name, task in session.tasks.items()
            if tuple(task.inputs.values()) == ("text",) and task.outputs == (modality,)
            if modality == "text" or session.codecs.written((modality,))
        ]
        return min(found, key=lambda name: ANSWERING.index(name) if name in ANSWERING else len(ANSWERING), default=None)

    async def speak(self, text: str, voice: str | None = None, language: str | None = None) -> tuple[NDArray[np.float32], int]:
        """(N,) samples and their rate in Hz. voice: a name of `voices`. Raises InputError."""
        if self.generator is None or not self.speaks:
            raise InputError("no bundle here makes speech of a text; start it with --generator and the folder of one")
        session, worker = self.generator
        options = SayOptions(chosen(voice, self.voices), language)
        parts = await asyncio.get_running_loop().run_in_executor(worker, lambda: list(session.say(text, options)))
        return np.concatenate([part.samples for part in parts]), parts[0].rate_hz

    @property
    def speaks(self) -> bool:
        """Whether the generator says texts aloud."""
        return self.generator is not None and self.generator[0].says()[0] is not None

    async def answer(self, text: str) -> str:
        """Raises InputError."""
        return (await self._run("text", text)).text.strip()

    async def _run(self, modality: str, text: str) -> Answer:
        task = self.task(modality)
        if self.generator is None or task is None:
            raise InputError(f"no bundle here makes {modality} of a text; start it with --generator and the folder of one")
        session, worker = self.generator
        (name,) = session.tasks[task].inputs
        answer = await asyncio.get_running_loop().run_in_executor(worker, lambda: session.run(task, {name: text}))
        assert isinstance(answer, Answer)
        return answer
