"""Who may connect at all: so many at once, and only those who ask for something soon.

A connection is a file of the whole program: without a bound, whoever opens a thousand and says nothing takes from the
monitor the files that its recordings, its broker and its sensors need. Both bounds hold before anybody has logged in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import weakref
from typing import Any, Final

from edge.types import ConfigError

log = logging.getLogger(__name__)

REQUEST_S: Final = 10.0
"""So long may a client take to ask for something, from the first byte or none to the last."""
_SEND_BUFFER: Final = 65_536  # bytes: what a slow viewer may lag behind unseen
_BACKLOG: Final = 128
_TURNED_AWAY_AT_ONCE: Final = 64


class Listener(socket.socket):
    """A listening socket with at most ``limit`` connections open; those beyond are closed at once."""

    def __init__(self, family: int, limit: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.limit = limit
        self._open: list[weakref.ref[socket.socket]] = []
        self._full = False

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that there is room for; raises BlockingIOError when there is none."""
        for _ in range(_TURNED_AWAY_AT_ONCE):
            connection, address = super().accept()
            self._open = [ref for ref in self._open if (other := ref()) is not None and other.fileno() >= 0]
            if len(self._open) < self.limit:
                self._open.append(weakref.ref(connection))
                self._full = False
                return connection, address
            connection.close()
            if not self._full:
                log.warning("page: %d connections are open; more are turned away", self.limit)
            self._full = True
        raise BlockingIOError


def listen(host: str, port: int, limit: int) -> Listener:
    """A listening socket; raises ConfigError when the port is taken or the address is not ours."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = Listener(family, limit)
    except OSError as error:
        raise ConfigError(f"sinks.web: host {host!r}: {error}") from None
    with contextlib.ExitStack() as undo:
        undo.callback(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise ConfigError(f"sinks.web: {host}:{port}: {error.strerror}; choose another port") from None
        undo.pop_all()
    return listener


def impatient_protocol() -> type[asyncio.Protocol]:
    """uvicorn's HTTP/1.1, which waits for a request as long as the client likes, with ``REQUEST_S`` for each."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._look(None)

        def _look(self, before: object) -> None:
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return  # over, or a socket by now, which has pings of its own
            asking = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
            now = (self.cycle, self.conn.their_state) if asking else None
            if asking and now == before:
                self.transport.abort()
                return
            self.loop.call_later(REQUEST_S, self._look, now)

    return Impatient
