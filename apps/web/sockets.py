"""What a client sends through a WebSocket, frame by frame. Knows no protocol."""

from collections.abc import AsyncIterator

from starlette.websockets import WebSocket, WebSocketDisconnect


async def frames(client: WebSocket) -> AsyncIterator[bytes | str]:
    """Binary frames and text frames in their order. Raises WebSocketDisconnect when the client is gone."""
    while True:
        message = await client.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        data = message.get("bytes")
        yield message["text"] if data is None else data
