"""The outbox's SQLite file (WAL, ``synchronous=FULL``): everything in here may wait for the disk.

A damaged file is put aside under another name and a new one begun with what could still be read; ``faults`` say so.
Where the disk takes nothing from the start the database lies in memory, ``full`` says why, until ``come_back``.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from edge.clock import Clock
from edge.sinks._outbox.row import Row, from_disk, is_readable
from edge.sinks._outbox.salvage import salvage
from edge.sinks._outbox.seal import is_broken, sealed
from edge.sinks._outbox.tables import COLUMNS, INSERT, SCHEMA
from edge.storage.database import Opened, connection, opened, put_aside


class There(NamedTuple):
    """What lies on a disk: the highest number that was given to a row, how many there are, which write of the state."""

    last_row: int
    rows: int
    turn: int


class Store:
    """See the module; for one thread at a time. lent: it lies in memory only; given a reason, the disk is not touched
    before ``come_back``.

    doubtful: the state is not surely the last one there was, so that its numbers must not be counted on.
    Raises OSError where another program has the file, or there is no permission.
    """

    def __init__(self, path: Path, clock: Clock, lent: str = "") -> None:
        self.path, self._clock = path, clock
        self.faults: list[str] = []
        self.doubtful = False
        self._connect = partial(connection, synchronous="full", prepare=self._prepare)
        in_memory = Opened(self._connect(":memory:", alone=True), lent, lent=True) if lent else None
        self.db, self.full, self.lent = in_memory or self._open()

    def commit(
        self, rows: Sequence[tuple[Row, bytes]], gone: Collection[int], state: Mapping[str, bytes]
    ) -> int | None:
        """Rows, removals and entries of the state, all or nothing: by how many rows there are more now, or None."""
        new = [(r.row, r.alarm.bed, r.alarm.seq, r.alarm.occurrence, r.wall, r.boot, blob) for r, blob in rows]
        try:
            with self.db:
                removed = self.db.executemany("delete from event where row = ?", [(row,) for row in gone]).rowcount
                self.db.executemany(INSERT, new)
                self._put_state(self.db, state)
        except sqlite3.Error:
            return None
        return len(new) - max(0, removed)

    @contextlib.contextmanager
    def unsynced(self) -> Iterator[None]:
        """Commits that need not wait for the disk: a removal that a power cut undoes is a transition sent twice."""
        with contextlib.suppress(sqlite3.Error):
            self.db.execute("pragma synchronous=normal")
        try:
            yield
        finally:
            with contextlib.suppress(sqlite3.Error):
                self.db.execute("pragma synchronous=full")

    def read(self, after: int, limit: int) -> list[Row] | None:
        """The oldest rows behind ``after``; None from a disk that cannot be read."""
        with contextlib.suppress(sqlite3.Error):
            rows = self.db.execute(
                "select row, alarm, wall, boot from event where row > ? order by row limit ?", (after, limit)
            ).fetchall()
            return [from_disk(*row) for row in rows]
        return None

    def count(self) -> int:
        """How many rows there are."""
        return int(self.db.execute("select count(*) from event").fetchone()[0])

    def state(self, key: str) -> bytes | None:
        """An entry of the state, or None; empty where it is not what was written."""
        with contextlib.suppress(sqlite3.Error):
            found = self._read_state(key)
            return b"" if found is not None and is_broken(found) else found
        return None

    def last_row(self) -> int:
        """The highest number that was ever given to a row."""
        found = self.db.execute(
            "select max((select coalesce(max(row), 0) from event),"
            " (select coalesce(max(seq), 0) from sqlite_sequence where name = 'event'))"
        ).fetchone()
        return int(found[0])

    def turn(self) -> int:
        """Which write of the board's state it holds, counted from 1."""
        kept = self._read_state("turn")
        return int(kept) if kept is not None and kept.isdigit() else 0

    def come_back(self) -> There | None:
        """From memory onto the disk, where it takes something again; None where it does not."""
        in_memory = self.db
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.db, _, self.lent = self._open_whole()
            there = There(self.last_row(), self.count(), self.turn())
        except (OSError, sqlite3.Error):
            self.lent = True
        if self.lent and self.db is not in_memory:
            self.db.close()
            self.db = in_memory
        if self.lent:
            return None
        in_memory.close()
        return there

    def close(self) -> None:
        """Calling twice is harmless."""
        with contextlib.suppress(sqlite3.Error):
            self.db.close()

    def _open(self) -> Opened:
        try:
            return self._open_whole()
        except sqlite3.OperationalError as error:  # another program, or no permission; not what the file holds
            raise OSError(0, f"{self.path.name}: {error}") from None

    def _open_whole(self) -> Opened:
        try:
            return opened(self.path, self._connect)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self.path.with_name(f"{self.path.name}.damaged-{int(self._clock.wall())}")
            put_aside(self.path, aside)
            found = opened(self.path, self._connect)
            rows, state = salvage(aside, SCHEMA)
            with found.db as db:
                db.executemany(INSERT, rows)
                self._put_state(db, state)
            self.doubtful = "board" in state
            saved = f"; {len(rows)} alarms that waited were read from it" if rows else ""
            self.faults.append(f"the outbox was damaged ({error}); it was put aside as {aside.name}{saved}")
            self._set_unreadable_apart(found.db)
            return found

    def _read_state(self, key: str) -> bytes | None:
        found = self.db.execute("select value from state where key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    @staticmethod
    def _put_state(db: sqlite3.Connection, entries: Mapping[str, bytes]) -> None:
        db.executemany("insert or replace into state values (?, ?)", [(k, sealed(v)) for k, v in entries.items()])

    def _prepare(self, db: sqlite3.Connection) -> None:
        if db.execute("pragma quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
        with db:
            db.executescript(SCHEMA)
        for columns in COLUMNS:
            db.execute(columns)
        self._set_unreadable_apart(db)

    def _set_unreadable_apart(self, db: sqlite3.Connection) -> None:
        """One row that nobody can read must not keep those behind it from being sent."""
        rows = db.execute("select row, alarm, wall, boot from event")
        bad = [(row,) for row, *whole in rows if not is_readable(*whole)]
        with db:
            db.executemany(
                "insert or replace into unreadable (row, alarm) select row, alarm from event where row = ?", bad
            )
            db.executemany("delete from event where row = ?", bad)
        if bad:
            self.faults.append(f"{len(bad)} alarms in the outbox were not readable; they were set apart, not sent")
