"""Pictures and speech for `POST /v1/images/generations` and `POST /v1/audio/speech`, where a bundle makes them.

Knows sessions, tasks and files of sound. Knows no routes.
"""

import base64
import io
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from unmask.apps.modalities.pictures import png
from unmask.apps.modalities.voices import chosen
from unmask.apps.web.endpoints.asked import SOUND_FORMS, Picture, Spoken, read_picture, read_spoken
from unmask.apps.web.endpoints.body import BodyLimits, read_json
from unmask.apps.web.endpoints.refusals import Refusal
from unmask.apps.web.queue import Place, Queue
from unmask.errors import InputError
from unmask.session import RunOptions, Session
from unmask.text.generator import Answer
from unmask.voice.saying import Said, SayOptions
from unmask.voice.voice import Voice

SOUND_TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "opus": "audio/ogg", "pcm": "audio/pcm"}


class Generations:
    """Runs tasks of one session that take a text, in the one thread that uses it."""

    def __init__(
        self, session: Session, worker: Executor, queue: Queue, limits: BodyLimits, voices: Mapping[str, Voice] | None = None
    ) -> None:
        """voices: by name, of a session that speaks in some besides its own."""
        self.name, self._voices = session.bundle.manifest.name, voices or {}
        self._session, self._worker, self._queue, self._limits = session, worker, queue, limits

    def _task(self, modality: str) -> str:
        """The task that makes this of a text. Raises Refusal."""
        for name, task in self._session.tasks.items():
            if tuple(task.inputs.values()) == ("text",) and task.outputs == (modality,):
                if not self._session.codecs.written((modality,)):
                    raise Refusal(
                        404, f"{self.name} has no codec for {modality}: unmask export adds it", "codec_missing", "model"
                    )
                return name
        raise Refusal(404, f"{self.name} has no task that makes {modality} of a text", "model_not_found", "model")

    async def picture(self, request: Request) -> Response:
        """Raises Refusal."""
        with Place(self._queue) as place:
            body = await read_json(request, self._limits)
            task = self._task("image")
            asked = read_picture(body, self.name)
            pixels = await self._made(place, task, asked, asked.prompt, "image")
            data = base64.b64encode(png(pixels, ".png")).decode()
            content = {"created": int(time.time()), "data": [{"b64_json": data}], "output_format": "png"}
            return JSONResponse(content, headers=place.headers())

    async def speech(self, request: Request) -> Response:
        """Raises Refusal."""
        with Place(self._queue) as place:
            body = await read_json(request, self._limits)
            self._check_speech()
            asked = read_spoken(body, self.name, self._session.streams is not None, self._voices)
            parts = await self._said(place, asked)
            samples = np.concatenate([part.samples for part in parts])
            data = sound(samples, asked.form, parts[0].rate_hz)
            return Response(data, media_type=SOUND_TYPES[asked.form], headers=place.headers())

    def _check_speech(self) -> None:
        """Raises Refusal for a bundle that says no text, or has no codec for it."""
        if self._session.says()[0] is None:
            self._task("speech")
            raise Refusal(404, f"{self.name} has no task that says a text", "model_not_found", "model")

    async def _said(self, place: Place, asked: Spoken) -> list[Said]:
        """All parts of what is said. Raises Refusal."""
        try:
            options = SayOptions(chosen(asked.voice, self._voices), asked.language, asked.style, asked.speed)
            return await place.work(self._worker, lambda: list(self._session.say(asked.text, options)))
        except InputError as error:
            raise Refusal(400, str(error), "invalid_value") from error

    async def _made(self, place: Place, task: str, asked: Picture, text: str, modality: str) -> NDArray[Any]:
        """What the session's codecs make of the answer. Raises Refusal."""
        schedule = self._session.tasks[task].schedule
        options = RunOptions(schedule if asked.seed is None else replace(schedule, seed=asked.seed))
        (name,) = self._session.tasks[task].inputs
        try:
            answer = await place.work(self._worker, lambda: self._session.run(task, {name: text}, options))
        except InputError as error:
            raise Refusal(400, str(error), "invalid_value") from error
        assert isinstance(answer, Answer)
        if modality not in answer.media:
            raise Refusal(400, f"the answer of {self.name} has no {modality} in it; ask for something else", "empty_answer")
        return answer.media[modality]


def sound(samples: NDArray[np.float32], form: str, own_hz: int) -> bytes:
    """A file of samples at the codec's rate; pcm: 16 bits, little-endian, at 24 kHz, as OpenAI's is."""
    import soundfile
    import soxr

    rate_hz = {"pcm": 24_000, "opus": 24_000}.get(form, own_hz)
    resampled = soxr.resample(samples, own_hz, rate_hz) if rate_hz != own_hz else samples
    if form == "pcm":
        return (np.clip(resampled, -1, 1) * 32767).round().astype("<i2").tobytes()
    file = io.BytesIO()
    soundfile.write(file, resampled, rate_hz, format=SOUND_FORMS[form], subtype="OPUS" if form == "opus" else None)
    return file.getvalue()
