"""Log-ins on disk, so that a screen at a bed shows its page again after a restart though nobody stands before it.

What lies there opens no door: of a session only its hash, and of its token only a code of both, by which a session is over
when its token is no longer among those of the configuration.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from edge.clock import Clock
from edge.plain import json_of
from edge.sinks.web.access import SESSION_S, Sessions
from edge.storage.disk_thread import DiskThread, Gathered
from edge.storage.whole_files import write_whole

log = logging.getLogger(__name__)

FILE: Final = "page-sessions.json"
_CLOSE_S: Final = 5.0


class SessionFile:
    """The sessions in ``folder``; ``save`` never waits."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path, self._clock = folder / FILE, clock
        self._disk = DiskThread("edge-web-sessions")
        self._gathered = Gathered(self._disk, self._write)
        self._sessions: Sessions = {}

    def load(self, tokens: Iterable[bytes]) -> Sessions:
        """Those that are not over, by the hashes of the tokens there are now; ends are monotonic times, s. The wall
        clock may have been set meanwhile: none lasts longer than a new one."""
        now, wall = self._clock.now(), self._clock.wall()
        found: dict[bytes, tuple[bytes, float]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, OverflowError):
            for session, code, until in _entries(json_of(self._path.read_bytes())):
                token = next((t for t in tokens if hmac.compare_digest(_code(t, session), code)), None)
                if token is not None and until > wall:
                    found[session] = (token, now + min(SESSION_S, until - wall))
        self._sessions = found
        return found

    def save(self, sessions: Mapping[bytes, tuple[bytes, float]]) -> None:
        """Any thread: these are all there are."""
        self._sessions = dict(sessions)
        self._gathered.ask()

    def clock_was_set(self) -> None:
        """Any thread: the ends on the disk are by the old clock, and by the new one may be past."""
        self._gathered.ask()

    def close(self) -> None:
        """Write what was asked for, as far as the disk answers; calling twice is harmless."""
        self._disk.end(_CLOSE_S)

    def _write(self) -> None:
        ahead_s = self._clock.wall() - self._clock.now()
        rows = [
            [session.hex(), _code(token, session).hex(), round(until + ahead_s)]
            for session, (token, until) in self._sessions.items()
        ]
        try:
            write_whole(self._path, json.dumps({"v": 1, "sessions": rows}).encode(), mode=0o600)
        except OSError as error:
            log.warning("page: log-ins are not kept over a restart: %s", error)


def _entries(kept: Mapping[str, list[tuple[str, str, float]]]) -> Iterator[tuple[bytes, bytes, float]]:
    for session, code, until in kept["sessions"]:
        yield bytes.fromhex(session), bytes.fromhex(code), float(until)


def _code(token: bytes, session: bytes) -> bytes:
    return hmac.digest(token, session, "sha256")
