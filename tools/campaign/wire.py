"""The network between device and broker: a loopback relay that can stall, refuse, crawl or say "quota exceeded"."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import Final

_POLL_S: Final = 0.05
_CHUNK: Final = 4096
_QUOTA_EXCEEDED: Final = 0x97
_PUBLISH_QOS1: Final = 0x32


class Wire:
    """Listens on ``port`` and forwards to ``target``; a context manager.

    What is on a stalled wire stays there for ever: the connections of before are half-open, only new ones work again.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_POLL_S)
        self.port = int(self._listener.getsockname()[1])
        self._stop = threading.Event()
        self._links: list[_Link] = []
        self.refusing = self.stalled = self.over_quota = False
        self.bytes_per_s = 0.0
        self._thread = threading.Thread(target=self._accept, name="wire", daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5.0)
        self._listener.close()
        for link in self._links:
            link.close()

    def stall(self) -> None:
        """From now on nothing passes, on no connection, and nobody is told."""
        self.stalled = True
        for link in self._links:
            link.dead = True

    def heal(self) -> None:
        """New connections work again; those of before stay dead."""
        self.stalled = False

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self.refusing:
                client.close()
                continue
            self._links = [link for link in self._links if not link.closed]
            try:
                self._links.append(_Link(self, client, self._target))
            except OSError:  # the broker is away
                client.close()


class _Link:
    """One connection, a thread each way."""

    def __init__(self, wire: Wire, client: socket.socket, target: int) -> None:
        self._wire, self._client = wire, client
        self.dead = wire.stalled
        self.closed = False
        self._broker = socket.create_connection(("127.0.0.1", target), timeout=2.0)
        self._broker.settimeout(None)
        self._lock = threading.Lock()
        self._rest = b""
        self._threads = [
            threading.Thread(target=self._pump, name="wire-link", args=ends, daemon=True)
            for ends in ((client, self._broker), (self._broker, client))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self.closed = True
        for end in (self._client, self._broker):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(5.0)
        self._client.close()
        self._broker.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        pause = threading.Event()
        while not self.closed:
            if self.dead:
                pause.wait(_POLL_S)
                continue
            rate = self._wire.bytes_per_s
            try:
                # not settimeout, which would also change it for the thread that sends on this socket
                if not select.select([source], [], [], _POLL_S)[0]:
                    continue
                data = source.recv(64 if rate else _CHUNK)
            except (OSError, ValueError):  # closed meanwhile
                break
            if not data:
                break
            if rate:
                pause.wait(len(data) / rate)
            if source is self._client:
                data = self._without_events(data)
            if self.dead:  # it was on the wire when that stalled
                continue
            try:
                self._send(sink, data)
            except OSError:
                break
        self.closed = True
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _send(self, sink: socket.socket, data: bytes) -> None:
        with self._lock if sink is self._client else contextlib.nullcontext():
            sink.sendall(data)

    def _without_events(self, data: bytes) -> bytes:
        """What the broker is to see: while it is over its quota, no alarm events, which are refused with 0x97."""
        self._rest += data
        passed = b""
        while (end := _packet_end(self._rest)) is not None:
            packet, self._rest = self._rest[:end], self._rest[end:]
            if self._wire.over_quota and packet[0] & 0xF6 == _PUBLISH_QOS1 and (mid := _event_mid(packet)) is not None:
                self._send(self._client, bytes([0x40, 4, *mid, _QUOTA_EXCEEDED, 0]))
            else:
                passed += packet
        return passed


def _length(packet: bytes) -> tuple[int, int] | None:
    """Remaining length and where it ends, or None while it is not complete."""
    value = 0
    for n, byte in enumerate(packet[1:5]):
        value |= (byte & 0x7F) << (7 * n)
        if not byte & 0x80:
            return value, n + 2
    return None


def _packet_end(data: bytes) -> int | None:
    found = _length(data)
    return found[0] + found[1] if found is not None and len(data) >= found[0] + found[1] else None


def _event_mid(packet: bytes) -> bytes | None:
    """The packet id of a PUBLISH to an event topic, or None for another topic."""
    found = _length(packet)
    assert found is not None
    start = found[1] + 2
    size = int.from_bytes(packet[found[1] : start], "big")
    return packet[start + size : start + size + 2] if packet[start : start + size].endswith(b"/event") else None
