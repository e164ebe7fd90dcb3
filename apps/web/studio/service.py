"""The studio's addresses: its page, and what the page asks for. Needs the extra `unmask[serve]`.

Below /studio/, with the server's token in the header Authorization (Bearer) where it wants one:

- GET model: the model's name and its tasks.
- POST run: a run as JSON {"task", "inputs": {name: text, or base64 of a picture's file or of float32 at 16 kHz}, "schedule":
  {"passes", "rule", "order", "guidance", "temperature", "seed"}, "keep": {modality: [code, or null where it is made anew]}}. The
  answer is a line of JSON for each event (queued, started, step, done, error) as it happens; who closes it cancels the run.
- POST show: {"modality", "codes"} as a picture, or as sound and its spectrogram.
- POST hear: float32 at 16 kHz as a text, where the server has a captioner: {"heard", "text"}, the second in words that the model
  knows.
- POST look?modality=image or speech, &count=N for a picture that becomes an answer of N codes: what the model sees of a file.

What is refused is {"error": a sentence}, with the status 400, 401 (token), 403 (origin), 413 (too long) or 503 (too many wait).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from unmask.apps.modalities.heard import Listener, in_words_of
from unmask.apps.web.access import Access
from unmask.apps.web.files import file_routes
from unmask.apps.web.queue import FullError
from unmask.apps.web.studio import shown
from unmask.apps.web.studio.asked import Asked, read_codes, read_object, read_pixels, read_run, read_samples
from unmask.apps.web.studio.runs import Runs, StudioLimits
from unmask.errors import InputError, UnmaskError
from unmask.session import Session

Answer = Callable[[Request], Awaitable[Response]]
OTHER_PAGE = "This page was not given out by this server. Start it with --origin and the page's address."
WRONG_TOKEN = "The token is missing or wrong. Open the complete address that the server printed."
NO_MEMORY = "There is not enough memory for this."
FULL = "As many others wait for the model as this server allows. Try again in a moment."


class TooLongError(Exception):
    """A body is longer than the limit."""


class Studio:
    """The page and its requests, for `make_app`. session: of a bundle that generates; InputError for one that captions."""

    name, path = "studio", "studio/"

    def __init__(
        self,
        session: Session,
        access: Access,
        limits: StudioLimits | None = None,
        listener: Listener | None = None,
        worker: Executor | None = None,
    ) -> None:
        """listener: hears texts that are spoken; None: texts are written. worker: as for `Runs`."""
        if session.generator is None:
            what = "writes captions" if session.streams is None else "fills several streams of codes"
            raise InputError(f"{session.bundle.manifest.name} {what}; the studio shows bundles that generate")
        self._access, self._limits, self._listener = access, limits or StudioLimits(), listener
        self.runs = Runs(session, self._limits, worker)
        self.routes: list[BaseRoute] = [
            Route("/studio", lambda request: RedirectResponse("studio/")),
            *file_routes("/studio/", files("unmask.apps.web.studio") / "page"),
            Route("/studio/model", self._guarded(self._model)),
            *(
                Route(f"/studio/{name}", self._guarded(answer), methods=["POST"])
                for name, answer in (("run", self._run), ("show", self._show), ("look", self._look), ("hear", self._hear))
            ),
        ]

    def close(self) -> None:
        self.runs.close()

    def _guarded(self, answer: Answer) -> Answer:
        """The answer, or a sentence that says why there is none."""

        async def guarded(request: Request) -> Response:
            if not self._access.origin_allowed(request.headers.get("origin"), request.headers.get("host")):
                return _refusal(OTHER_PAGE, 403)
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            if not self._access.token_fits(token if kind == "Bearer" else None):
                return _refusal(WRONG_TOKEN, 401)
            try:
                return await answer(request)
            except UnmaskError as error:
                return _refusal(str(error), 400)
            except MemoryError:
                return _refusal(NO_MEMORY, 400)
            except FullError:
                return _refusal(FULL, 503)
            except TooLongError:
                return _refusal(f"This is more than {self._limits.body_bytes >> 20} MiB; make it smaller", 413)

        return guarded

    async def _body(self, request: Request) -> bytes:
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > self._limits.body_bytes:
                raise TooLongError
        return bytes(data)

    async def _model(self, request: Request) -> Response:
        return JSONResponse({**shown.model(self.runs.session), "hears": self._listener is not None})

    async def _run(self, request: Request) -> Response:
        body = await self._body(request)
        with self.runs.place():  # reading a picture is work too, but not the model's
            asked = await asyncio.to_thread(read_run, self.runs.session, body)
        return StreamingResponse(self._lines(asked), media_type="application/x-ndjson")

    async def _lines(self, asked: Asked) -> AsyncIterator[str]:
        try:
            with self.runs.place():
                async for event in self.runs.run(asked):
                    yield _line(event)
        except UnmaskError as error:
            yield _line({"event": "error", "message": shown.sentence(" ".join(str(error).split()))})
        except MemoryError:
            yield _line({"event": "error", "message": NO_MEMORY})
        except FullError:
            yield _line({"event": "error", "message": FULL})

    async def _show(self, request: Request) -> Response:
        asked = read_object(await self._body(request), "modality", "codes")
        modality, codes = str(asked.get("modality")), read_codes(asked.get("codes"))
        with self.runs.place():
            return JSONResponse(await self.runs.work(lambda: shown.media(self.runs.session, modality, codes)))

    async def _look(self, request: Request) -> Response:
        body, count = await self._body(request), request.query_params.get("count", "")
        if count and not (count.isascii() and count.isdigit() and len(count) < 7):
            raise InputError("count is a whole number of codes")
        with self.runs.place():
            if request.query_params.get("modality") == "speech":
                return JSONResponse(await self.runs.work(lambda: shown.heard(read_samples(body))))
            number = int(count) if count else None
            return JSONResponse(await self.runs.work(lambda: shown.seen_picture(self.runs.session, read_pixels(body), number)))

    async def _hear(self, request: Request) -> Response:
        listener, body = self._listener, await self._body(request)
        if listener is None:
            raise InputError("this server has no captioner, so write the text")
        with self.runs.place():
            said = await self.runs.work(lambda: listener(read_samples(body), "this sound"))
            return JSONResponse({"heard": said, "text": in_words_of(self.runs.session.bundle, said)})


def _refusal(sentence: str, status: int) -> Response:
    return JSONResponse({"error": shown.sentence(" ".join(sentence.split()))}, status)


def _line(event: shown.Json) -> str:
    return json.dumps(event, ensure_ascii=False) + "\n"
