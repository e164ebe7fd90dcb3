"""The screens of all clients, each with a board, and the one thread that answers them. Knows frames and no connections."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from unmask.apps.ui.board import Board, Reply
from unmask.apps.ui.hearing import expected
from unmask.apps.ui.messages import SURFACE, VERSION
from unmask.apps.web.queue import Place, Queue
from unmask.bundle.dataclass_json import parse_json
from unmask.errors import InputError, UnmaskError

LONGEST_FRAME = 10_000  # characters
NOT_UNDERSTOOD = ("cannot", "unclear")
Frame = dict[str, Any]


class Screens:
    def __init__(self, open_board: Callable[[], Board], most: int) -> None:
        """open_board: an empty board for each client, opened in the thread that answers; boards may share a filler."""
        self._open, self._queue = open_board, Queue(most)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="panels")  # fillers serve one thread

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Board]:
        """A board for as long as its client is connected. Raises FullError, and UnmaskError for a damaged bundle."""
        with Place(self._queue):
            yield await asyncio.get_running_loop().run_in_executor(self._worker, self._open)

    async def answer(self, board: Board, text: str) -> list[Frame]:
        """The frames that answer one of a client."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, answered, board, text)
        except UnmaskError as error:
            fault = {"code": "INVALID_EVENT", "surfaceId": SURFACE, "message": str(error)}
            return [{"version": VERSION, "error": fault}]


def answered(board: Board, text: str) -> list[Frame]:
    """The frames that answer one of a client. Raises InputError for one that is not in the protocol."""
    try:
        frame = parse_json(text)
    except ValueError as error:
        raise InputError(f"a frame is JSON ({error})") from error
    if frame == {"listen": True}:
        return [{"expect": [phrase.text for phrase in expected(board.panel)]}]
    if isinstance(frame, dict) and isinstance(frame.get("request"), str):
        if frame.get("final", True) is not True:
            return list(board.preview(frame["request"], frame.get("paused") is True).messages)
        reply = board.ask(frame["request"])
        return [*reply.messages, state(reply)]
    action = board.take(frame)
    return [{"heard": action["name"]}] if action else []


def state(reply: Reply) -> Frame:
    words = "not understood" if reply.kind in NOT_UNDERSTOOD else "showing"
    return {"state": words, "said": reply.said, "passes": reply.passes}


def written(frame: Frame) -> str:
    return json.dumps(frame, ensure_ascii=False)
