"""The HTTP server of the metrics port: one thread for each of a few connections, each with an end to its patience."""

from __future__ import annotations

import contextlib
import socket
import threading
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from edge.sinks import _listener

_CONNECTIONS: Final = 16  # a Prometheus opens one, and somebody looks with a browser
_STOP_S: Final = 2.0


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves a WSGI application until ``stop``. port: the one it listens on. Raises ConfigError where it cannot."""

    daemon_threads = True

    def __init__(self, host: str, port: int, app: Any) -> None:
        listener = _listener.listen("sinks.metrics", host, port, _CONNECTIONS)
        super().__init__(listener.getsockname(), _Request, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = host, listener.getsockname()[1]
        self.setup_environ()
        self.set_app(app)
        self._thread = threading.Thread(target=self.serve_forever, name="edge-metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self.server_port

    def stop(self) -> bool:
        """Listen no more; whether it came to its end."""
        self.shutdown()
        self.server_close()
        self._thread.join(_STOP_S)
        return not self._thread.is_alive()


class _Request(WSGIRequestHandler):
    """One connection, which is over after a while whatever its client does."""

    def setup(self) -> None:
        super().setup()
        self._end = threading.Timer(_listener.REQUEST_S, self._hang_up)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        self._end.cancel()
        with contextlib.suppress(OSError):  # it was hung up
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Not a word a scrape."""

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
