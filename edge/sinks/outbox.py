"""The durable outbox: alarm transitions on disk before anybody hears of them, removed only when the broker has them.

One SQLite file (WAL, ``synchronous=FULL``). The main thread appends, one commit for all transitions of a tick together
with the board's state; the sink's thread reads in order and removes on PUBACK. A damaged file is put aside under
another name and a new one begun: what it held is lost to delivery but kept for a look, and ``faults`` say so. Readings
never enter.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from edge.clock import Clock
from edge.types import Alarm

_TIMEOUT_S = 1.0
_UNWRITTEN = 1 << 40  # numbers of transitions that the disk would not take; behind every row
_SCHEMA = """
create table if not exists event (
    row integer primary key autoincrement, bed text not null, seq integer not null, occurrence text not null,
    wall real not null, boot text not null, alarm blob not null
);
create table if not exists state (key text primary key, value blob not null);
"""


class Row(msgspec.Struct, frozen=True):
    """One transition that waits for its PUBACK. wall: Unix time when it was written, s; boot: the run that wrote it."""

    row: int
    alarm: Alarm
    wall: float
    boot: str


class Outbox:
    """See the module. Safe to use from several threads; ``append`` waits at most a second for the disk."""

    def __init__(self, path: str | Path, *, clock: Clock, boot: str = "") -> None:
        self.path = Path(path)
        self._clock, self._boot = clock, boot
        self._lock = threading.Lock()
        self.faults: list[str] = []
        self._held: list[tuple[Alarm, float]] = []  # what the disk would not take, in order
        self._db = self._open()

    def append(self, transitions: Sequence[Alarm], state: bytes | None = None) -> bool:
        """Write transitions and state in one commit; whether they are on disk.

        What the disk refuses is kept in memory, in order, and written first next time.
        """
        wall = self._clock.wall()
        with self._lock:
            due = [*self._held, *((alarm, wall) for alarm in transitions)]
            try:
                with self._db:
                    self._db.executemany(
                        "insert into event (bed, seq, occurrence, wall, boot, alarm) values (?, ?, ?, ?, ?, ?)",
                        [(a.bed, a.seq, a.occurrence, w, self._boot, _encode(a)) for a, w in due],
                    )
                    if state is not None:
                        self._db.execute("insert or replace into state values ('board', ?)", (state,))
            except sqlite3.Error:
                self._held = due
                return False
            self._held = []
            return True

    def waiting(self, after: int = 0, limit: int = 100) -> list[Row]:
        """The oldest transitions behind row ``after`` that still wait, in order."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            rows = self._db.execute(
                "select row, alarm, wall, boot from event where row > ? order by row limit ?", (after, limit)
            ).fetchall()
            found = [Row(row, msgspec.convert(msgspec.json.decode(a), Alarm), w, b) for row, a, w, b in rows]
            unwritten = [Row(_UNWRITTEN + a.seq, a, w, self._boot) for a, w in self._held]
            return [*found, *(r for r in unwritten if r.row > after)][:limit]
        return []

    def remove(self, rows: Sequence[int]) -> None:
        """The broker has these."""
        with self._lock:
            self._held = [(a, w) for a, w in self._held if _UNWRITTEN + a.seq not in rows]
            with contextlib.suppress(sqlite3.Error), self._db:
                self._db.executemany("delete from event where row = ?", [(row,) for row in rows])

    def state(self) -> bytes | None:
        """The board's state as last written, or None."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            found = self._db.execute("select value from state where key = 'board'").fetchone()
            return None if found is None else bytes(found[0])
        return None

    def __len__(self) -> int:
        with self._lock, contextlib.suppress(sqlite3.Error):
            return int(self._db.execute("select count(*) from event").fetchone()[0]) + len(self._held)
        return len(self._held)

    def oldest_s(self) -> float:
        """Age of the oldest waiting transition by the wall clock, s; 0 when none waits."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            found = self._db.execute("select min(wall) from event").fetchone()[0]
            return 0.0 if found is None else max(0.0, self._clock.wall() - float(found))
        return 0.0

    def close(self) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if "unable to open" in str(error):
                raise OSError(0, f"cannot be opened: {error}") from None
            aside = self.path.with_name(f"{self.path.name}.damaged-{int(self._clock.wall())}")
            self.path.replace(aside)
            for tail in ("-wal", "-shm"):
                self.path.with_name(self.path.name + tail).unlink(missing_ok=True)
            self.faults.append(f"the outbox was damaged ({error}); it was put aside as {aside.name}")
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_TIMEOUT_S, check_same_thread=False)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        if db.execute("pragma quick_check").fetchone()[0] != "ok":
            db.close()
            raise sqlite3.DatabaseError("quick_check failed")
        with db:
            db.executescript(_SCHEMA)
        return db


def _encode(alarm: Alarm) -> bytes:
    return msgspec.json.encode(asdict(alarm))
