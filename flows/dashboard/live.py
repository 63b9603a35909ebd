"""Show the dashboard on this machine, made anew when it is opened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edms_tasks.errors import EdmsBackupError

_FRESH_SECONDS = 30.0


def live_server(folder: Path, port: int, make: Callable[[], object]) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 for the site in this folder, which `make` writes anew when its page is asked for after half a minute."""
    making = threading.Lock()
    made = [time.monotonic()]

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            # A page from elsewhere must not read it under a name of its own that leads here.
            host = (self.headers.get("Host") or "").rpartition(":")[0]
            if host not in ("127.0.0.1", "localhost"):
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            if self.path in ("/", "/index.html"):
                try:
                    with making:
                        if time.monotonic() - made[0] > _FRESH_SECONDS:
                            make()
                            made[0] = time.monotonic()
                except EdmsBackupError as error:  # such as settings that are being edited, or a store that is away
                    self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, explain=f"{error.what} {error.why} {error.fix}")
                    return
            super().do_GET()

        def list_directory(self, path: Any) -> None:
            self.send_error(HTTPStatus.NOT_FOUND)

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            super().end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Nothing is logged: who looks is alone on this machine."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
