"""A reverse proxy as people put before a server: below a path, with the client's Host or its own. One request a connection."""

import socket
import threading
from types import TracebackType


class Proxy:
    """Listens on 127.0.0.1 while its context is open. prefix: of the paths that it takes, and strips."""

    def __init__(self, target: int, prefix: str = "", keeps_host: bool = True) -> None:
        self._target, self._prefix, self._keeps_host = target, prefix, keeps_host
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := client.recv(65536)):
                return
            head += more
        first, _, rest = head.partition(b"\r\n")
        method, path, version = first.decode().split(" ")
        if not path.startswith(f"{self._prefix}/"):
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return client.close()
        lines = [line for line in rest.split(b"\r\n") if self._keeps_host or not line.lower().startswith(b"host:")]
        own = [] if self._keeps_host else [f"Host: localhost:{self._target}".encode()]
        if b"upgrade: websocket" not in rest.lower():
            lines = [line for line in lines if not line.lower().startswith(b"connection:")]
            own.append(b"Connection: close")
        server = socket.create_connection(("127.0.0.1", self._target))
        server.sendall(b"\r\n".join([f"{method} {path.removeprefix(self._prefix)} {version}".encode(), *own, *lines]))
        threading.Thread(target=_pipe, args=(client, server), daemon=True).start()
        return _pipe(server, client)


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # the other side is gone
        sink.close()
