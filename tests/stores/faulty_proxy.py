"""An HTTP server in front of another one, which fails every n-th request in one of the ways that servers and networks do."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("503", "429", "drop before", "drop after", "cut off")
_HOP = frozenset({"connection", "transfer-encoding", "expect", "keep-alive"})


class FaultyProxy(ThreadingHTTPServer):
    """Listens on a free port.

    Args:
        upstream: the server behind it, as http://HOST:PORT.
        every: of so many requests one fails, in one of `faults` by turns; 0 for none.
        refuses: whether a request (method and path) is answered 403, as for credentials without that right.
    """

    daemon_threads = True

    def __init__(
        self,
        upstream: str,
        every: int,
        faults: tuple[str, ...] = FAULTS,
        refuses: Callable[[str, str], bool] = lambda method, path: False,
    ) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.every, self.faults, self.refuses = every, faults, refuses
        self.asked = 0
        self.failed: Counter[str] = Counter()
        self._mutex = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Forward)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self) -> str:
        """How this request fails; "" if it does not."""
        with self._mutex:
            self.asked += 1
            if not self.every or self.asked % self.every:
                return ""
            fault = self.faults[(self.asked // self.every) % len(self.faults)]
            self.failed[fault] += 1
            return fault

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


class _Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _forward(self) -> None:
        fault = self.server.next_fault()
        if fault == "drop before":
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.refuses(self.command, self.path):
            said = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)
            return
        if fault in ("503", "429"):
            self.send_response(int(fault))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        behind = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    behind.putheader(name, value)
            behind.endheaders(body)
            answer = behind.getresponse()
            data = answer.read()
        finally:
            behind.close()
        if fault == "drop after":
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP | {"content-length", "date", "server"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if fault == "cut off":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _forward
