"""One client of the Wyoming protocol: its events in order, and what each is answered.

Knows events and models. Errors are told as `error` events; after one that breaks the protocol the connection ends.
"""

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.handle import Handled, NotHandled
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler
from wyoming.tts import Synthesize, SynthesizeVoice

from unmask.apps.wyoming.frames import check_format, fields_of, pcm, read_event, samples_of
from unmask.apps.wyoming.models import Models
from unmask.apps.wyoming.utterance import Utterance
from unmask.errors import InputError, UnmaskError
from unmask.speech.words import WEIGHT, Phrase

LANGUAGE = "en"
TERM_WEIGHT = WEIGHT / 2  # the protocol gives names priority over terms
CHUNK_SAMPLES = 4096
MOST_WORDS = 1000
MOST_WAITING_S = 30.0


@dataclass
class Clients:
    """How many are connected, of how many that may be."""

    most: int
    open: int = 0

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InputError(f"clients is {self.most}; it must be above 0")


class Handler(AsyncEventHandler):
    """Answers one client from its first event to its last."""

    def __init__(
        self, models: Models, info: Info, clients: Clients, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(reader, writer)
        self._models, self._info, self._clients = models, info, clients
        self._asked = Transcribe()
        self._format: AudioStart | None = None
        self._utterance: Utterance | None = None
        self._waiting: list[NDArray[np.float32]] = []  # sound that is not captioned yet
        self._captioning: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the client leaves or breaks the protocol."""
        self._clients.open += 1
        try:
            if self._clients.open > self._clients.most:
                await self._tell(Error("as many clients are here as this server takes", "busy"))
                return
            while (event := await read_event(self.reader)) is not None:
                await self.handle_event(event)
        except InputError as error:
            await self._tell(Error(str(error), "protocol"))
        except ConnectionError:
            pass  # the client is gone, and its utterance with it
        finally:
            await self._forget()
            self._clients.open -= 1
            self.writer.close()

    async def handle_event(self, event: Event) -> bool:
        """Events that this server does not know are dropped, as the protocol wants it."""
        try:
            await self._answer(event)
        except UnmaskError as error:
            await self._forget()
            await self._tell(Error(str(error), "refused"))
        return True

    async def _forget(self) -> None:
        """The utterance that is open, if any."""
        self._utterance = self._format = None
        self._waiting.clear()
        if self._captioning is not None:
            self._captioning.cancel()
            await asyncio.gather(self._captioning, return_exceptions=True)
            self._captioning = None

    async def _tell(self, record: Eventable) -> None:
        await self.write_event(record.event())

    async def _answer(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self._tell(self._info)
        elif Ping.is_type(event.type):
            await self._tell(Pong(text=fields_of(Ping.from_event, event).text))
        elif Transcribe.is_type(event.type):
            self._asked = self._checked(fields_of(Transcribe.from_event, event))
        elif AudioStart.is_type(event.type):
            await self._begin(fields_of(AudioStart.from_event, event))
        elif AudioChunk.is_type(event.type):
            await self._hear(fields_of(AudioChunk.from_event, event))
        elif AudioStop.is_type(event.type):
            await self._end()
        elif Synthesize.is_type(event.type):
            await self._speak(fields_of(Synthesize.from_event, event))
        elif Transcript.is_type(event.type):
            await self._handle(fields_of(Transcript.from_event, event).text)

    # ---- speech to text

    def _checked(self, asked: Transcribe) -> Transcribe:
        """Raises InputError for what this model does not do."""
        names = (None, *(model.name for program in self._info.asr for model in program.models))
        if asked.name not in names:
            raise InputError(f"there is no model {asked.name!r} here; {' and '.join(filter(None, names))} is")
        if asked.language and asked.language.split("-")[0].split("_")[0].casefold() != LANGUAGE:
            raise InputError(f"the language {asked.language!r} is not known here; {LANGUAGE} is")
        return asked

    def _words(self) -> list[Phrase]:
        """The words that the client expects. Raises InputError for what is none."""
        names, terms = (list(given or ()) for given in (self._asked.transcript_names, self._asked.transcript_terms))
        if len(names) + len(terms) > MOST_WORDS:
            raise InputError(f"{len(names) + len(terms)} names and terms are given; {MOST_WORDS} are the most")
        given = [*((name, WEIGHT) for name in names), *((term, TERM_WEIGHT) for term in terms)]
        if wrong := next((text for text, _ in given if not isinstance(text, str)), None):
            raise InputError(f"{wrong!r} is no name")
        return [Phrase(text, weight) for text, weight in given]

    async def _begin(self, start: AudioStart) -> None:
        check_format(start)
        words = self._words()
        live = await self._models.caption(lambda: self._models.open_live(words))
        await self._forget()
        self._format, self._utterance = start, Utterance(live, start.rate)
        await self._tell(TranscriptStart(language=LANGUAGE))

    async def _hear(self, chunk: AudioChunk) -> None:
        if self._utterance is None or self._format is None:
            raise InputError("an audio-chunk came before audio-start")
        if (chunk.rate, chunk.width, chunk.channels) != (self._format.rate, self._format.width, self._format.channels):
            raise InputError("the format of the sound changed after audio-start")
        self._waiting.append(samples_of(chunk))
        if self._captioning is None or self._captioning.done():
            self._captioning = asyncio.create_task(self._caption(self._utterance))
        if sum(map(len, self._waiting)) > MOST_WAITING_S * chunk.rate:
            await self._captioning

    async def _caption(self, utterance: Utterance) -> None:
        """All sound that waits, again and again: a client that sends faster than it is captioned costs fewer updates."""
        while self._waiting:
            samples = np.concatenate(self._waiting)
            self._waiting.clear()
            if more := await self._models.caption(lambda: utterance.hear(samples)):  # noqa: B023  (called at once)
                await self._tell(TranscriptChunk(more))

    async def _end(self) -> None:
        utterance = self._utterance
        if utterance is None:
            raise InputError("audio-stop came before audio-start")
        if self._captioning is not None:
            await self._captioning
        if more := await self._models.caption(utterance.end):
            await self._tell(TranscriptChunk(more))
        self._utterance, self._format, self._captioning, self._asked = None, None, None, Transcribe()
        await self._tell(Transcript(utterance.text, language=LANGUAGE))
        await self._tell(TranscriptStop())

    # ---- text to speech, and answers

    async def _speak(self, asked: Synthesize) -> None:
        voice, language = self._voice(asked.voice or SynthesizeVoice())
        samples, rate_hz = await self._models.speak(asked.text, voice, language)
        data, step = pcm(samples), 2 * CHUNK_SAMPLES
        await self._tell(AudioStart(rate_hz, 2, 1))
        for start in range(0, len(data), step):
            await self._tell(AudioChunk(rate_hz, 2, 1, data[start : start + step]))
        await self._tell(AudioStop())

    def _voice(self, asked: SynthesizeVoice) -> tuple[str | None, str | None]:
        """The name of a voice and a language, None for the model's own. Raises InputError for what it does not have."""
        own = self._models.generator[0].bundle.manifest if self._models.generator else None
        if asked.speaker is not None:
            raise InputError(f"there is no speaker {asked.speaker!r} here; each voice has one")
        language = asked.language.split("-")[0].split("_")[0].casefold() if asked.language else None
        if own is not None and not own.languages and language is not None:
            if language != LANGUAGE:
                raise InputError(f"the language {asked.language!r} is not spoken here; {LANGUAGE} is")
            language = None
        return (None if own is not None and asked.name == own.name else asked.name), language

    async def _handle(self, text: str) -> None:
        answer = await self._models.answer(text)
        await self._tell(Handled(answer) if answer else NotHandled("no answer"))
