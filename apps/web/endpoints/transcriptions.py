"""Recordings to text for `POST /v1/audio/transcriptions`: one segment after the other, between those of other requests.

Knows uploads, captions and the queue. Knows no routes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Executor
from contextlib import ExitStack, aclosing
from typing import BinaryIO

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from unmask.apps.audio.files import Recording
from unmask.apps.web.endpoints import written
from unmask.apps.web.endpoints.asked import Transcription, read_transcription
from unmask.apps.web.endpoints.body import BodyLimits, file_of, read_form
from unmask.apps.web.endpoints.refusals import Refusal, gone
from unmask.apps.web.queue import Place, Queue
from unmask.decoding.schedule import Schedule
from unmask.errors import AudioError
from unmask.speech.captioner import Caption, Captioner, whole

Parts = AsyncGenerator[Caption, None]


class Transcriber:
    """Captions uploads with one captioner, in the thread that everything else on it runs in."""

    def __init__(self, captioner: Captioner, schedule: Schedule, worker: Executor, queue: Queue, limits: BodyLimits) -> None:
        self.name = captioner.bundle.manifest.name
        self._captioner, self._schedule, self._worker = captioner, schedule, worker
        self._queue, self._limits = queue, limits
        self.audio_s = 0.0
        """Seconds of recordings that were captioned."""

    async def answer(self, request: Request) -> Response:
        """Raises Refusal."""
        with ExitStack() as held:
            place = held.enter_context(Place(self._queue))  # before the body is read
            form = await read_form(request, self._limits)
            asked, raw = read_transcription(texts(form), self.name), file_of(form, "file")
            parts = self._parts(raw, place)
            if not asked.stream:
                return await self._whole(request, asked, parts, place)
            first = await _first(parts)
            return EventStream(first, parts, place.headers(), held.pop_all(), self._limits.idle_s)

    async def _whole(self, request: Request, asked: Transcription, parts: Parts, place: Place) -> Response:
        found: list[Caption] = []
        try:
            async with aclosing(parts):
                async for part in parts:
                    found.append(part)
                    if await request.is_disconnected():
                        raise gone()
        except AudioError as error:
            raise unreadable(error) from error
        *captioned, end = found
        text = written.written(asked, captioned, whole(captioned, end.audio_s))
        return Response(text, media_type=written.media_type(asked.form), headers=place.headers())

    async def _parts(self, raw: BinaryIO, place: Place) -> Parts:
        """The caption of each segment, and at the end an empty one with the seconds of the whole recording. Raises AudioError."""
        try:
            recording = await place.work(self._worker, lambda: Recording("the file", raw, command="FILE"))
            segments = self._captioner.segments(recording.blocks())
            captions = self._captioner.parts(segments, self._schedule)
            while (part := await place.work(self._worker, lambda: next(captions, None))) is not None:
                yield part
            self.audio_s += recording.heard_s
            yield whole([], recording.heard_s)
        finally:
            self._worker.submit(raw.close)  # after what still reads it, should the request be cancelled


class EventStream(StreamingResponse):
    """Server-sent events: more text after each segment, at the end all of it. Holds the request's place until it is sent."""

    def __init__(self, first: Caption, parts: Parts, headers: dict[str, str], held: ExitStack, idle_s: float) -> None:
        """idle_s: seconds that a client has to take more."""
        super().__init__(_events(first, parts), headers=headers, media_type="text/event-stream")
        self._parts, self._held, self._idle_s = parts, held, idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def bounded(message: Message) -> None:
            async with asyncio.timeout(self._idle_s):
                await send(message)

        with self._held:
            async with aclosing(self._parts):
                await super().__call__(scope, receive, bounded)


async def _events(first: Caption, parts: Parts) -> AsyncIterator[str]:
    found, begun = [first], False
    try:
        while True:
            if text := found[-1].text:
                yield written.delta(f" {text}" if begun else text)
                begun = True
            part = await anext(parts, None)
            if part is None:
                break
            found.append(part)
        yield written.finished(whole(found[:-1], found[-1].audio_s))
    except AudioError as error:
        yield written.failed(str(error), "invalid_audio")


def texts(form: FormData) -> dict[str, list[str]]:
    """The fields of a form but its file."""
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
        elif name != "file":
            raise Refusal(400, f"{name}: a file is taken as `file` alone", "invalid_form", name)
    return found


def unreadable(error: AudioError) -> Refusal:
    return Refusal(400, str(error), "invalid_audio", "file")


async def _first(parts: Parts) -> Caption:
    """Of a stream, before its headers are sent: what cannot be read at all still gets a status."""
    try:
        return await anext(parts)
    except AudioError as error:
        raise unreadable(error) from error
