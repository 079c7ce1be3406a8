"""Who may connect at all: so many at once.

A connection is a file of the whole program: without a bound, whoever opens a thousand and says nothing takes from the
monitor the files that its recordings, its broker and its sensors need. The bound holds before anybody has logged in.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import socket
import time
import weakref
from typing import Any, Final

from edge.types import ConfigError

log = logging.getLogger(__name__)

REQUEST_S: Final = 10.0
"""So long may a client take to ask for something, from the first byte or none to the last."""
_SEND_BUFFER: Final = 65_536  # bytes: what a slow viewer may lag behind unseen
_BACKLOG: Final = 128
_TURNED_AWAY_AT_ONCE: Final = 64
_IP_FREEBIND: Final = 15  # of ip(7); Python has no name for it
_TOLD_EVERY_S: Final = 60.0  # whoever comes and goes all the time shall not fill the log


class Listener(socket.socket):
    """A listening socket with at most ``limit`` connections open; those beyond are closed at once. It does not block.

    table: of the configuration, for the log.
    """

    def __init__(self, family: int, limit: int, table: str) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.setblocking(False)
        self.limit, self.table = limit, table
        self._open: list[weakref.ref[socket.socket]] = []
        self._tell_at = -math.inf

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that there is room for; raises BlockingIOError when there is none."""
        for _ in range(_TURNED_AWAY_AT_ONCE):
            connection, address = super().accept()
            self._open = [ref for ref in self._open if (other := ref()) is not None and other.fileno() >= 0]
            if len(self._open) < self.limit:
                self._open.append(weakref.ref(connection))
                return connection, address
            connection.close()
            if (now := time.monotonic()) >= self._tell_at:
                self._tell_at = now + _TOLD_EVERY_S
                log.warning("%s: %d connections are open; more are turned away", self.table, self.limit)
        raise BlockingIOError


def listen(table: str, host: str, port: int, limit: int) -> Listener:
    """A listening socket for a table of the configuration; raises ConfigError when the port is taken. An address that is
    not this machine's may become so, when its network is there: nobody waits for that with the watching."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = Listener(family, limit, table)
    except (OSError, UnicodeError) as error:  # the latter where a machine cannot be called so
        raise ConfigError(f"{table}: host {host!r}: {error}") from None
    with contextlib.ExitStack() as undo:
        undo.callback(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        try:
            _bind(listener, address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise ConfigError(f"{table}: {host}:{port}: {error.strerror}; set another port") from None
        undo.pop_all()
    return listener


def _bind(listener: Listener, address: Any) -> None:
    try:
        listener.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listener.bind(address)
        log.warning(
            "%s: %s is no address of this machine now; it is listened at for when it is", listener.table, address[0]
        )
