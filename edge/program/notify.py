"""systemd's readiness and watchdog protocol: the watchdog is fed only when every loop of the program has advanced.

A reader stuck in a driver, a worker stuck in a model or a main thread stuck in a disk stops the feeding, and systemd
starts the program anew. Protocol: sd_notify(3), one datagram a message, without a library.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence

from edge.runtime.reader import Reader


def progress(readers: Sequence[Reader]) -> dict[str, int]:
    """How often each loop has gone round; loops that have ended are not in it."""
    beats = {reader.name: reader.beats for reader in readers if not reader.ended}
    for reader in readers:
        for lane, inbox in zip(reader.lanes, reader.inboxes, strict=True):
            if not inbox.drained:
                beats[f"{reader.name}/{lane.primary}"] = inbox.asked
    return beats


class Watchdog:
    """Tells systemd that the program is ready, alive and stopping. address: ``NOTIFY_SOCKET``; "" = nobody listens."""

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._seen: Mapping[str, int] | None = None
        self.stuck: tuple[str, ...] = ()

    def tick(self, readers: Sequence[Reader]) -> None:
        """Called by the main loop: ready at first, then alive whenever every loop has advanced since the last time."""
        beats = progress(readers)
        if self._seen is None:
            self._seen = beats
            self._tell("READY=1")
            return
        self.stuck = tuple(name for name, count in beats.items() if count <= self._seen.get(name, -1))
        if not self.stuck:
            self._seen = beats
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), address)
