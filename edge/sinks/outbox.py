"""The durable outbox: alarm transitions on disk before anybody hears of them, removed only when the broker has them.

One SQLite file (WAL, ``synchronous=FULL``). The main thread appends, one commit for all transitions of a tick together
with the board's state; the sink's thread reads in order and removes on PUBACK. A damaged file is put aside under
another name and a new one begun with what could still be read; ``faults`` say so. Where the disk is full from the start
it goes on in memory, ``full`` says why, and what it holds is written when there is room. The board's state, with the
numbers of events, is also in a second copy, which is used where it is newer. Readings never enter, and nothing that
waits is ever dropped to make room.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edge.clock import Clock
from edge.plain import encode, fields_of
from edge.sinks._database import Opened, begin, opened
from edge.sinks._outbox.copy import Copied, StateCopy
from edge.sinks._outbox.salvage import salvage
from edge.sinks._outbox.seal import is_broken, sealed
from edge.sinks._outbox.tables import COLUMNS, INSERT, SCHEMA
from edge.types import Alarm


class Row(msgspec.Struct, frozen=True):
    """One transition that waits for its PUBACK. wall: Unix time when it was written, s; boot: the run that wrote it."""

    row: int
    alarm: Alarm
    wall: float
    boot: str


class Outbox:
    """See the module. Safe to use from several threads; ``append`` waits at most a second for the disk.

    doubtful: the state is not surely the last one there was, so that its numbers must not be counted on. copied: what the
    second copy held at the start, for whoever cannot make sense of the state.
    """

    def __init__(self, path: str | Path, *, clock: Clock, boot: str = "", copy: StateCopy | None = None) -> None:
        self.path = Path(path)
        self._clock, self._boot = clock, boot
        self._lock = threading.Lock()
        self.faults: list[str] = []
        self._held: list[tuple[Row, bytes]] = []  # what the disk would not take, in order
        self._gone: set[int] = set()  # what the disk would not let go
        self._copy = copy or StateCopy(self.path.with_suffix(".copy"))
        self._turn, self.doubtful = 0, False
        self.copied: Copied | None = None
        self._db, self.full, self._lent = self._open()
        self._take_newer_copy()
        # beyond any that lies on a disk that cannot be read now
        self._last_row = int(self._clock.wall() * 1000) if self._lent else _last_row(self._db)

    def append(self, transitions: Sequence[Alarm], state: bytes | None = None) -> bool:
        """Write transitions and state in one commit; whether they are on disk.

        What the disk refuses is kept in memory, in order, and written first next time.
        """
        wall = self._clock.wall()
        with self._lock:
            new = [Row(self._last_row + n, a, wall, self._boot) for n, a in enumerate(transitions, start=1)]
            encoded = [(row, sealed(encode(fields_of(row.alarm)), _beside(row.wall, row.boot))) for row in new]
            self._last_row += len(new)
            self._held += encoded
            if state is None:
                return self._commit()
            self._turn += 1
            written = self._commit(board=state, turn=b"%d" % self._turn)
            self._copy.write(self._turn, state)  # after the database: it is ahead only of one that took nothing
            return written

    def waiting(self, after: int = 0, limit: int = 100) -> list[Row]:
        """The oldest transitions behind row ``after`` that still wait, in order."""
        with self._lock:
            found: list[Row] = []  # a disk that can no longer be read must not keep what is held from being sent
            with contextlib.suppress(sqlite3.Error):
                rows = self._db.execute(
                    "select row, alarm, wall, boot from event where row > ? order by row limit ?", (after, limit)
                ).fetchall()
                found = [Row(row, _decode(a), w, b) for row, a, w, b in rows]
            return [*found, *(row for row, _ in self._held if row.row > after)][:limit]

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
            self._copy.sync()
            turn = (
                b"%d" % self._turn
            )  # no new one: a commit that waits for no disk may be lost, and leave the copy ahead
            if self._held:  # transitions of that state: they are not left behind, and waited for
                self._commit(board=state, coverage=coverage, turn=turn)
                return
            with contextlib.suppress(sqlite3.Error), self._unsynced():
                self._commit(board=state, coverage=coverage, turn=turn)

    def state(self, key: str = "board") -> bytes | None:
        """The board's state as last written, or its ``coverage``, or None; empty where it is not what was written."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            found = self._read_state(self._db, key)
            return b"" if found is not None and is_broken(found) else found
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
            self._commit()
            self._db.close()
        self._copy.close()

    def _commit(self, **state: bytes) -> bool:
        """What is held, what is gone, and entries of the state, all or nothing; whether it is on disk."""
        if self._lent and not self._come_back():
            return False
        rows = [(r.row, r.alarm.bed, r.alarm.seq, r.alarm.occurrence, r.wall, r.boot, blob) for r, blob in self._held]
        try:
            with self._db:
                self._delete()
                self._db.executemany(INSERT, rows)
                self._put_state(self._db, **state)
        except sqlite3.Error:
            return False
        self._held = []
        self._gone.clear()
        self.full = ""
        return True

    def _come_back(self) -> bool:
        """From memory onto the disk, where it has room again."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = self._connect(self.path, alone=False)
        except (OSError, sqlite3.Error):
            return False
        last = _last_row(db)
        if self._held and last >= self._held[0][0].row:  # the clock stands before that of an earlier such run
            renumbered = enumerate(self._held, start=last + 1)
            self._held = [(msgspec.structs.replace(row, row=n), blob) for n, (row, blob) in renumbered]
        self._last_row = max(self._last_row, last + len(self._held))
        self._db.close()
        self._db, self._lent = db, False
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
            for tail in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + tail).replace(aside.with_name(aside.name + tail))
            found = opened(self.path, self._connect)
            rows, state = salvage(aside, SCHEMA)
            with found.db as db:
                db.executemany(INSERT, rows)
                self._put_state(db, **state)
            self.doubtful = "board" in state
            saved = f"; {len(rows)} alarms that waited were read from it" if rows else ""
            self.faults.append(f"the outbox was damaged ({error}); it was put aside as {aside.name}{saved}")
            self._set_unreadable_apart(found.db)
            return found

    def _take_newer_copy(self) -> None:
        """The copy is ahead where the database was damaged or gone, or took nothing for a while; it then counts."""
        kept = self._read_state(self._db, "turn")
        self._turn = int(kept) if kept is not None and kept.isdigit() else 0
        copied = self.copied = self._copy.read()
        if copied is None or (copied.turn <= self._turn and not self.doubtful):
            return
        if copied.turn < self._turn:  # a program that died between both writes is ahead by one, and by no more
            self.doubtful = not (copied.certain and copied.turn + 1 == self._turn)
            return
        if copied.turn > self._turn:
            self.faults.append("the alarm state was taken from its second copy; alarms that waited may be missing")
            with contextlib.suppress(sqlite3.Error), self._db:
                self._put_state(self._db, board=copied.state, turn=b"%d" % copied.turn)
        self._turn, self.doubtful = copied.turn, not copied.certain

    @staticmethod
    def _put_state(db: sqlite3.Connection, **entries: bytes) -> None:
        db.executemany("insert or replace into state values (?, ?)", [(k, sealed(v)) for k, v in entries.items()])

    @staticmethod
    def _read_state(db: sqlite3.Connection, key: str) -> bytes | None:
        found = db.execute("select value from state where key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    def _connect(self, path: Path | str, *, alone: bool) -> sqlite3.Connection:
        db = begin(path, alone=alone, synchronous="full")
        try:
            if db.execute("pragma quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check failed")
            with db:
                db.executescript(SCHEMA)
            for columns in COLUMNS:
                db.execute(columns)
            self._set_unreadable_apart(db)
        except (sqlite3.Error, UnicodeError):
            db.close()
            raise
        return db

    def _set_unreadable_apart(self, db: sqlite3.Connection) -> None:
        """One row that nobody can read must not keep those behind it from being sent."""
        bad = []
        for row, alarm, wall, boot in db.execute("select row, alarm, wall, boot from event"):
            try:
                _decode(alarm)
                broken = is_broken(alarm, _beside(wall, boot))
            except (ValueError, TypeError, AttributeError):
                broken = True
            if broken:
                bad.append((row,))
        with db:
            db.executemany(
                "insert or replace into unreadable (row, alarm) select row, alarm from event where row = ?", bad
            )
            db.executemany("delete from event where row = ?", bad)
        if bad:
            self.faults.append(f"{len(bad)} alarms in the outbox were not readable; they were set apart, not sent")


def _last_row(db: sqlite3.Connection) -> int:
    """The highest number that was ever given to a row."""
    found = db.execute(
        "select max((select coalesce(max(row), 0) from event),"
        " (select coalesce(max(seq), 0) from sqlite_sequence where name = 'event'))"
    ).fetchone()
    return int(found[0])


def _beside(wall: float, boot: str) -> str:
    """What is written beside an alarm and must not be read as something else."""
    return f"{wall!r} {boot}"


def _decode(alarm: bytes) -> Alarm:
    return msgspec.convert(msgspec.json.decode(alarm), Alarm)
