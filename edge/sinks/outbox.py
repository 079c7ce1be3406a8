"""The durable outbox: alarm transitions on disk before anybody hears of them, removed only when the broker has them.

One SQLite file (WAL, ``synchronous=FULL``). The main thread appends, one commit for all transitions of a tick together
with the board's state; the sink's thread reads in order and removes on PUBACK. A damaged file is put aside under
another name and a new one begun with what could still be read; ``faults`` say so. Readings never enter, and nothing
that waits is ever dropped to make room.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge.clock import Clock
from edge.sinks._payloads import encode, fields_of
from edge.types import Alarm

_TIMEOUT_S = 1.0
_SCHEMA = """
create table if not exists event (
    row integer primary key autoincrement, bed text not null, seq integer not null, occurrence text not null,
    wall real not null, boot text not null, alarm blob not null
);
create table if not exists state (key text primary key, value blob not null);
create table if not exists unreadable (row integer primary key, alarm blob);
"""
_ROW_TYPES = [int, str, int, str, float, str, bytes]
_INSERT = "insert into event (row, bed, seq, occurrence, wall, boot, alarm) values (?, ?, ?, ?, ?, ?, ?)"


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
        self._held: list[tuple[Row, bytes]] = []  # what the disk would not take, in order
        self._gone: set[int] = set()  # what the disk would not let go
        self._db = self._open()
        self._last_row = self._db.execute(
            "select max((select coalesce(max(row), 0) from event),"
            " (select coalesce(max(seq), 0) from sqlite_sequence where name = 'event'))"
        ).fetchone()[0]

    def append(self, transitions: Sequence[Alarm], state: bytes | None = None) -> bool:
        """Write transitions and state in one commit; whether they are on disk.

        What the disk refuses is kept in memory, in order, and written first next time.
        """
        wall = self._clock.wall()
        with self._lock:
            new = [Row(self._last_row + n, a, wall, self._boot) for n, a in enumerate(transitions, start=1)]
            encoded = [(row, encode(fields_of(row.alarm))) for row in new]
            self._last_row += len(new)
            self._held += encoded
            return self._write(state)

    def waiting(self, after: int = 0, limit: int = 100) -> list[Row]:
        """The oldest transitions behind row ``after`` that still wait, in order."""
        with self._lock:
            held = [row for row, _ in self._held if row.row > after]
            with contextlib.suppress(sqlite3.Error):
                rows = self._db.execute(
                    "select row, alarm, wall, boot from event where row > ? order by row limit ?", (after, limit)
                ).fetchall()
                found = [Row(row, _decode(a), w, b) for row, a, w, b in rows]
                return [*found, *held][:limit]
        return []

    def remove(self, rows: Sequence[int]) -> None:
        """The broker has these."""
        with self._lock:
            self._gone |= set(rows)
            self._held = [one for one in self._held if one[0].row not in self._gone]
            with contextlib.suppress(sqlite3.Error), self._unsynced():
                with self._db:
                    self._delete()
                self._gone.clear()

    def keep(self, state: bytes, coverage: bytes) -> None:
        """Write the board's state and the record of watching, both or neither, when the disk gets to it."""
        with self._lock:
            if self._held:  # transitions of that state: they are not left behind, and waited for
                self._write(state, coverage)
                return
            with contextlib.suppress(sqlite3.Error), self._unsynced():
                self._write(state, coverage)

    def state(self, key: str = "board") -> bytes | None:
        """The board's state as last written, or its ``coverage``, or None."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            found = self._db.execute("select value from state where key = ?", (key,)).fetchone()
            return None if found is None else bytes(found[0])
        return None

    def __len__(self) -> int:
        with self._lock, contextlib.suppress(sqlite3.Error):
            return int(self._db.execute("select count(*) from event").fetchone()[0]) + len(self._held)
        return len(self._held)

    def oldest_s(self) -> float:
        """Age of the oldest waiting transition, s; 0 when none waits. By the wall clock where another run wrote it."""
        first = self.waiting(limit=1)
        return self.age_s(first[0]) if first else 0.0

    def age_s(self, row: Row) -> float:
        """Time since the transition, s; a wall clock that was set meanwhile matters only for those of other runs."""
        if row.boot == self._boot:
            return max(0.0, self._clock.now() - row.alarm.t)
        return max(0.0, self._clock.wall() - row.wall)

    def close(self) -> None:
        """Write what is still held, if the disk takes it now; calling twice is harmless."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._write(None)
            self._db.close()

    def _write(self, state: bytes | None, coverage: bytes | None = None) -> bool:
        rows = [(r.row, r.alarm.bed, r.alarm.seq, r.alarm.occurrence, r.wall, r.boot, blob) for r, blob in self._held]
        try:
            with self._db:
                self._delete()
                self._db.executemany(_INSERT, rows)
                for key, value in (("board", state), ("coverage", coverage)):
                    if value is not None:
                        self._db.execute("insert or replace into state values (?, ?)", (key, value))
        except sqlite3.Error:
            return False
        self._held = []
        self._gone.clear()
        return True

    @contextlib.contextmanager
    def _unsynced(self) -> Iterator[None]:
        """Commits that need not wait for the disk: a removal that a power cut undoes is a transition sent twice."""
        self._db.execute("pragma synchronous=normal")
        try:
            yield
        finally:
            self._db.execute("pragma synchronous=full")

    def _delete(self) -> None:
        self._db.executemany("delete from event where row = ?", [(row,) for row in self._gone])

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError as error:  # the disk or another program, not what the file holds
            raise OSError(0, f"{self.path.name}: {error}") from None
        except sqlite3.DatabaseError as error:
            aside = self.path.with_name(f"{self.path.name}.damaged-{int(self._clock.wall())}")
            for tail in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + tail).replace(aside.with_name(aside.name + tail))
            db = self._connect()
            rows, state = _readable(aside)
            with db:
                db.executemany(_INSERT, rows)
                db.executemany("insert into state values ('board', ?)", [] if state is None else [(state,)])
            saved = f"; {len(rows)} alarms that waited were read from it" if rows else ""
            self.faults.append(f"the outbox was damaged ({error}); it was put aside as {aside.name}{saved}")
            self._set_unreadable_apart(db)
            return db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_TIMEOUT_S, check_same_thread=False)
        try:
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=full")
            if db.execute("pragma quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check failed")
            with db:
                db.executescript(_SCHEMA)
            self._set_unreadable_apart(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _set_unreadable_apart(self, db: sqlite3.Connection) -> None:
        """One row that nobody can read must not keep those behind it from being sent."""
        bad = []
        for row, alarm in db.execute("select row, alarm from event"):
            try:
                _decode(alarm)
            except (ValueError, TypeError):
                bad.append((row,))
        with db:
            db.executemany("insert or replace into unreadable select row, alarm from event where row = ?", bad)
            db.executemany("delete from event where row = ?", bad)
        if bad:
            self.faults.append(f"{len(bad)} alarms in the outbox were not readable; they were set apart, not sent")


def _decode(alarm: bytes) -> Alarm:
    return msgspec.convert(msgspec.json.decode(alarm), Alarm)


def _readable(path: Path) -> tuple[list[tuple[Any, ...]], bytes | None]:
    """Rows and state of a damaged file: from both ends, each up to where it cannot be read; nothing in it is changed."""
    found: dict[int, tuple[Any, ...]] = {}
    state = None
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
    ):
        for order in ("asc", "desc"):
            with contextlib.suppress(sqlite3.Error):
                rows = f"select row, bed, seq, occurrence, wall, boot, alarm from event order by row {order}"
                found.update((one[0], one) for one in db.execute(rows))
        with contextlib.suppress(sqlite3.Error):
            kept = db.execute("select value from state where key = 'board'").fetchone()
            state = None if kept is None else bytes(kept[0])
    return [one for _, one in sorted(found.items()) if [type(value) for value in one] == _ROW_TYPES], state
