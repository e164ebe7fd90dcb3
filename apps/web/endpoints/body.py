"""Bodies of requests within bounds: forms with one file, and JSON. Knows requests. Knows no endpoint."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from unmask.apps.web.endpoints.refusals import Refusal, gone
from unmask.apps.web.limits import AboveZero
from unmask.bundle.dataclass_json import parse_json

JSON_BYTES = 64 << 10
FIELDS, FIELD_BYTES = 32, 16 << 10


@dataclass(frozen=True)
class BodyLimits(AboveZero):
    """What one request may bring. Checked on construction; InputError names the limit."""

    upload_bytes: int = 100 << 20
    """Bytes of a request with a recording."""
    idle_s: float = 30.0
    """Seconds in which more of a body has to come, and a client has to take more of its answer."""
    upload_s: float = 600.0
    """Seconds in which the whole body has to come."""


class Bounded(Request):
    """A request whose body is read within bounds. Raises Refusal where it exceeds one."""

    def __init__(self, request: Request, limits: BodyLimits, most_bytes: int) -> None:
        super().__init__(request.scope, request.receive)
        self._limits, self._most = limits, most_bytes

    async def stream(self) -> AsyncGenerator[bytes, None]:
        read, parts = 0, super().stream()
        if self._declared() > self._most:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.upload_s):
                while True:
                    async with asyncio.timeout(self._limits.idle_s):
                        part = await anext(parts, None)
                    if part is None:
                        return
                    read += len(part)
                    if read > self._most:
                        raise self._too_large()
                    yield part
        except TimeoutError as error:
            raise Refusal(408, "the body came too slowly", "request_timeout") from error

    def _declared(self) -> int:
        length = self.headers.get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else 0

    def _too_large(self) -> Refusal:
        limit = f"{self._most >> 20} MiB" if self._most >= 1 << 20 else f"{self._most >> 10} KiB"
        return Refusal(413, f"the request is larger than {limit}", "file_too_large", headers={"Connection": "close"})


async def read_form(request: Request, limits: BodyLimits) -> FormData:
    """A multipart form with at most one file, whose content may lie in a temporary one. Raises Refusal."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise Refusal(
            415, f"the body is {kind or 'of no type'}; send a multipart/form-data form with a file", "wrong_content_type"
        )
    bounded = Bounded(request, limits, limits.upload_bytes)
    try:
        return await bounded.form(max_files=1, max_fields=FIELDS, max_part_size=FIELD_BYTES)
    except (HTTPException, MultiPartException) as error:
        reason = getattr(error, "detail", None) or getattr(error, "message", "")
        raise Refusal(400, f"the form cannot be read: {reason}", "invalid_form") from error
    except ClientDisconnect as error:
        raise gone() from error


def file_of(form: FormData, name: str) -> BinaryIO:
    """The file of a form, as one that has a descriptor. Raises Refusal if there is none, or nothing in it."""
    upload = form.get(name)
    if not isinstance(upload, UploadFile):
        raise Refusal(400, f"{name}: a file is needed", "missing_field", name)
    if not upload.size:
        raise Refusal(400, f"{name}: the file is empty; record or upload it again", "invalid_value", name)
    upload.file.fileno()  # what lies in memory until now goes to a temporary file
    return upload.file


async def read_json(request: Request, limits: BodyLimits) -> dict[str, object]:
    """A JSON object. Raises Refusal."""
    data = bytearray()
    try:
        async for part in Bounded(request, limits, JSON_BYTES).stream():
            data += part
        found = parse_json(data)
    except ClientDisconnect as error:
        raise gone() from error
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON ({error})", "invalid_json") from error
    if not isinstance(found, dict):
        raise Refusal(400, "the body is no JSON object", "invalid_json")
    return found
