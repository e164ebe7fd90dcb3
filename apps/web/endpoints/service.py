"""The addresses of `unmask serve` for programs, in the shape of OpenAI's API. Needs the extra `unmask[serve]`.

- GET /v1/models, /v1/models/NAME: the bundles that are served.
- POST /v1/audio/transcriptions: a recording to text.
- POST /v1/images/generations and /v1/audio/speech: where a bundle that generates is served too.
- GET /metrics: figures for Prometheus, if they are switched on.

The server's token, where it has one, is the API key. docs/endpoints.md describes requests and answers.
Knows routes and who may use them. Knows no model.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from unmask.apps.web.access import Access
from unmask.apps.web.endpoints.body import BodyLimits
from unmask.apps.web.endpoints.generations import Generations
from unmask.apps.web.endpoints.metrics import Metrics
from unmask.apps.web.endpoints.refusals import Refusal, full, no_model, other_page, wrong_token
from unmask.apps.web.endpoints.transcriptions import Transcriber
from unmask.apps.web.queue import FullError, Queue
from unmask.bundle.manifest import MANIFEST, Bundle
from unmask.decoding.schedule import Schedule
from unmask.errors import UnmaskError
from unmask.session import Session
from unmask.speech.captioner import Captioner
from unmask.voice.voice import Voice

Answer = Callable[[Request], Awaitable[Response]]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
NO_GENERATOR = "no bundle that generates is served; start the server with --generator and the folder of one"


@dataclass(frozen=True)
class EndpointLimits:
    """What the endpoints give to their clients. The limits of a body are checked on construction."""

    requests: int = 16
    """Requests of all clients that may be read, wait or be computed at once."""
    body: BodyLimits = field(default_factory=BodyLimits)


class Endpoints:
    """The routes, for `make_app`. worker: the one thread that uses the captioner. generator: another session and its thread."""

    def __init__(
        self,
        captioner: Captioner,
        schedule: Schedule,
        worker: Executor,
        access: Access,
        limits: EndpointLimits | None = None,
        *,
        generator: tuple[Session, Executor] | None = None,
        live_clients: Callable[[], int] | None = None,
        voices: Mapping[str, Voice] | None = None,
    ) -> None:
        """live_clients: number of live captions that are open; with it /metrics is served. voices: of the generator, by name."""
        limits = limits or EndpointLimits()
        self._access, self._queue = access, Queue(limits.requests)
        self._transcriber = Transcriber(captioner, schedule, worker, self._queue, limits.body)
        self._generations = Generations(*generator, self._queue, limits.body, voices) if generator else None
        self._bundles = [captioner.bundle, *([generator[0].bundle] if generator else [])]
        self._metrics: Metrics | None = None
        if live_clients is not None:
            self._metrics = Metrics(lambda: self._transcriber.audio_s, lambda: self._queue.open, live_clients)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        own = [
            self._route("/v1/models", self._models, "GET"),
            self._route("/v1/models/{name}", self._model, "GET"),
            self._route("/v1/audio/transcriptions", self._transcriber.answer, "POST"),
            self._route("/v1/images/generations", self._picture, "POST"),
            self._route("/v1/audio/speech", self._speech, "POST"),
            self._route("/v1/{path:path}", self._unknown, *METHODS),
        ]
        return [*own, self._route("/metrics", self._figures, "GET")] if self._metrics else own

    def _route(self, path: str, answer: Answer, *methods: str) -> Route:
        """An answer, or the reason why there is none. Other methods are refused here too, so that errors have one form."""

        async def guarded(request: Request) -> Response:
            began = time.monotonic()
            try:
                self._check(request)
                if request.method not in methods:
                    allowed = {"Allow": ", ".join(methods)}
                    raise Refusal(405, f"{path} takes {' or '.join(methods)}", "method_not_allowed", headers=allowed)
                response = await answer(request)
            except Refusal as refusal:
                response = refusal.response()
            except FullError:
                response = full().response()
            except UnmaskError as error:
                response = Refusal(500, str(error), "failed").response()
            except MemoryError:
                response = Refusal(507, "there is not enough memory for this; make it shorter", "no_memory").response()
            if self._metrics and path != "/metrics":
                self._metrics.answered(path, response.status_code, time.monotonic() - began)
            return response

        return Route(path, guarded, methods=METHODS)

    def _check(self, request: Request) -> None:
        """Raises Refusal for a page of another site, which browsers let post forms anywhere, and for a wrong token."""
        if not self._access.origin_allowed(request.headers.get("origin"), request.headers.get("host")):
            raise other_page()
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not self._access.token_fits(token.strip() if kind.lower() == "bearer" else None):
            raise wrong_token()

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": list(map(_described, self._bundles))})

    async def _model(self, request: Request) -> Response:
        name = request.path_params["name"]
        for bundle in self._bundles:
            if bundle.manifest.name == name:
                return JSONResponse(_described(bundle))
        raise no_model(name)

    async def _picture(self, request: Request) -> Response:
        if self._generations is None:
            raise Refusal(404, NO_GENERATOR, "model_not_found", "model")
        return await self._generations.picture(request)

    async def _speech(self, request: Request) -> Response:
        if self._generations is None:
            raise Refusal(404, NO_GENERATOR, "model_not_found", "model")
        return await self._generations.speech(request)

    async def _unknown(self, request: Request) -> Response:
        raise Refusal(404, "there is no such address here; see docs/endpoints.md", "unknown_url")

    async def _figures(self, request: Request) -> Response:
        assert self._metrics is not None
        text, kind = self._metrics.text()
        return Response(text, media_type=kind)


def _described(bundle: Bundle) -> dict[str, object]:
    made = int((bundle.folder / MANIFEST).stat().st_mtime)
    return {"id": bundle.manifest.name, "object": "model", "created": made, "owned_by": "unmask"}
