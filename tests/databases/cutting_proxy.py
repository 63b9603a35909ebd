"""A server in front of PostgreSQL that loses the connection at a COMMIT: before the server has it, or before the client has the answer."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Literal, Self

Cut = Literal["before", "after"]


class CuttingProxy:
    """Listens on a free port of the loopback address; use it as a context manager.

    Args:
        port: the server's.
        cut: where a connection is cut at its COMMIT.
        comes_back: whether it takes connections after that.
    """

    def __init__(self, port: int, *, cut: Cut, comes_back: bool = True) -> None:
        self._upstream, self._cut, self._comes_back = port, cut, comes_back
        self.cuts = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # closed
                return
            if self.cuts and not self._comes_back:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._upstream))
            threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        while data := _received(client):
            if b"COMMIT" in data:
                self.cuts += 1
                # The client's side first: then no answer can arrive there.
                client.shutdown(socket.SHUT_RDWR)
                if self._cut == "after":
                    server.sendall(data)
                break
            server.sendall(data)
        server.close() if self._cut == "before" else server.shutdown(socket.SHUT_WR)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    while data := _received(source):
        try:
            target.sendall(data)
        except OSError:
            return


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(1 << 16)
    except OSError:
        return b""
