"""What a request is answered that gets nothing else: a status and an error as OpenAI's clients read them.

Knows statuses and reasons. Knows no model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import JSONResponse


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is not answered, with the HTTP status and the reason. Make a new one for each: it holds its traceback."""

    status: int
    message: str
    code: str
    """For programs: invalid_value, model_not_found, file_too_large, ..."""
    param: str | None = None
    """The field of the request that is wrong."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> JSONResponse:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, self.status, dict(self.headers))


def unsupported(param: str, message: str) -> Refusal:
    """A field whose value is not one that is answered."""
    return Refusal(400, f"{param}: {message}", "invalid_value", param)


def wrong_token() -> Refusal:
    return Refusal(401, "the token is missing or wrong; send it as the API key", "invalid_api_key")


def other_page() -> Refusal:
    message = "this page was not given out by this server; start it with --origin and the page's address"
    return Refusal(403, message, "foreign_origin")


def full() -> Refusal:
    message = "as many requests wait as this server allows; try again"
    return Refusal(503, message, "server_full", headers={"Retry-After": "2"})


def no_model(name: object) -> Refusal:
    return Refusal(404, f"model: there is no {name!r} here; GET /v1/models lists what there is", "model_not_found", "model")


def gone() -> Refusal:
    return Refusal(499, "the client is gone", "client_gone")
