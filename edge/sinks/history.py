"""All alarms there were, in one SQLite file beside the outbox: for people who look back, not for delivery.

A row an occurrence with what it came to, and its transitions whole, in the order in which they came: a clock may be
set. All times of the run are then moved with it: they are by the clock as it is set now, which is the better one, and
how long an alarm stood is true. A run that ended before its clock was set is dated by an alarm that outlives it.
A power cut or a kill may take the last transitions, so a run begins by saying what stands.
One thread adds; anybody may read. The oldest occurrences go when there are more than ``KEPT``, or they take more than
``MOST_BYTES``; a damaged file is put aside and a new one begun. Where the disk is full from the start it lies in memory
until the end of the run.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.clock import SET_AFTER
from edge.plain import encode, fields_of
from edge.storage.database import connection, opened, put_aside
from edge.types import PRIORITIES, Alarm

log = logging.getLogger(__name__)

KEPT: Final = 100_000
MOST_BYTES: Final = 200_000_000
LIMIT: Final = 200
_PRUNE_EVERY: Final = 1000
_MOST_WAITING: Final = 10_000
_PATIENCE_S: Final = 5.0  # whoever looks at a page has no more
_SCHEMA = """
create table if not exists occurrence (
    occurrence text primary key, id text not null, bed text not null, condition text not null, kind text not null,
    source text not null, priority integer not null, presence text not null, text text not null,
    raised real not null, ended real
);
create table if not exists transition (
    occurrence text not null, seq integer not null, wall real not null, boot text not null, alarm blob not null,
    primary key (occurrence, seq)
);
"""
_AFTER: Final = (
    f"(raised >= ? or (raised < {SET_AFTER} and rowid > coalesce((select rowid from occurrence"
    f" where raised >= {SET_AFTER} and raised < ? order by rowid desc limit 1), 0)))"
)
_MOVE: Final = (
    *(
        f"update occurrence set {time} = {time} + :by_s where :boot = (select boot from transition"
        f" where occurrence = occurrence.occurrence order by seq {which} limit 1)"
        for time, which in (("raised", "asc"), ("ended", "desc"))
    ),
    "update transition set wall = wall + :by_s where boot = :boot",
)
_SUMMARY = ("occurrence", "id", "bed", "condition", "kind", "source", "priority", "presence", "text", "raised", "ended")


class History:
    """See the module. Safe to use from several threads; raises sqlite3.Error and OSError where it cannot be opened, and
    sqlite3.Error where it is read from a disk that does not answer."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._added = 0
        self._waiting: list[tuple[Alarm, bytes, float, str]] = []
        self._moved_s = 0.0  # what of this run lies on the disk is behind by so much
        self.lost, self._refused = 0, False
        try:
            self._db, self.full, _ = opened(path, _connect)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            put_aside(path, path.with_name(f"{path.name}.damaged"))
            self._db, self.full, _ = opened(path, _connect)

    def add(self, alarm: Alarm, *, wall: float, boot: str, moved_s: float = 0.0) -> None:
        """Note a transition. wall: when it was, Unix time, s; moved_s: by so much the clock was set since the last one. What
        the disk refuses is said once, and waits in memory for the next one; beyond ``_MOST_WAITING`` the oldest are
        counted in ``lost``."""
        blob = encode(fields_of(alarm))
        with self._lock:
            self._waiting = [(one, its_blob, then + moved_s, its) for one, its_blob, then, its in self._waiting]
            self._waiting.append((alarm, blob, wall, boot))
            self._moved_s += moved_s
            try:
                self._write()
            except sqlite3.Error as error:
                if not self._refused:
                    log.error("history: %s is not in the list of alarms: %s", alarm.occurrence, error)
                self._refused = True
                self.lost += max(0, len(self._waiting) - _MOST_WAITING)
                del self._waiting[:-_MOST_WAITING]
            else:
                self._refused = False

    def begin(self, standing: Sequence[Alarm], *, ahead_s: float, boot: str) -> None:
        """What stands at the start of a run: whatever else is open here is over, nobody knows since when, and what is not
        here as it stands is added. ahead_s: of the wall clock before the monotonic one."""
        with self._lock:
            try:
                found = self._db.execute("select occurrence, presence from occurrence where presence != 'off'")
                there = dict(found.fetchall())
                over = there.keys() - {alarm.occurrence for alarm in standing}
                with self._db:
                    self._db.executemany("update occurrence set presence = 'off' where occurrence = ?", zip(over))
            except sqlite3.Error as error:
                log.error("history: what is over is still open in the list of alarms: %s", error)
                return
        for alarm in standing:
            if there.get(alarm.occurrence) != alarm.presence:
                self.add(alarm, wall=alarm.t + ahead_s, boot=boot)

    def _write(self) -> None:
        with self._db:
            if self._moved_s:
                self._move(self._waiting[-1][3], self._moved_s)
            for one in self._waiting:
                self._put(*one)
        self._waiting.clear()
        self._moved_s = 0.0

    def _move(self, boot: str, by_s: float) -> None:
        for statement in _MOVE:
            self._db.execute(statement, {"by_s": by_s, "boot": boot})

    def _date(self, alarm: Alarm, wall: float, boot: str) -> None:
        """A run whose clock was never set is dated by an alarm that stands from then: since when the board knows."""
        first = self._db.execute(
            "select wall, boot, alarm from transition where occurrence = ? order by seq limit 1", (alarm.occurrence,)
        ).fetchone()
        if first is None or first[1] == boot or not first[0] < SET_AFTER < wall:
            return
        then = msgspec.json.decode(first[2])
        self._move(first[1], (wall - alarm.t + alarm.since) - (first[0] - then["t"] + then["since"]))

    def _put(self, alarm: Alarm, blob: bytes, wall: float, boot: str) -> None:
        self._date(alarm, wall, boot)
        # of one whose beginning is not here any more, or never was, the alarm itself knows since when it stands
        raised = wall if alarm.evidence.get("change") == "raised" else wall - alarm.t + alarm.since
        row = (
            alarm.occurrence, alarm.id, alarm.bed, alarm.condition, alarm.kind, alarm.source,
            PRIORITIES.index(alarm.priority), alarm.presence, alarm.text, raised,
            wall if alarm.presence == "off" else None,
        )  # fmt: skip
        self._db.execute(
            "insert into occurrence values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (occurrence) do"
            " update set priority = max(priority, excluded.priority), presence = excluded.presence,"
            " ended = excluded.ended",
            row,
        )
        self._db.execute(
            "insert or replace into transition values (?, ?, ?, ?, ?)", (alarm.occurrence, alarm.seq, wall, boot, blob)
        )
        if self._added % _PRUNE_EVERY == 0:
            self._prune()
        self._added += 1

    def _prune(self) -> None:
        keep = KEPT
        if self._bytes() > MOST_BYTES:  # as many go as can have come since it was last looked at: no more at once
            newest_and_oldest = "select (select max(rowid) from occurrence) - (select min(rowid) from occurrence)"
            there = 1 + self._db.execute(newest_and_oldest).fetchone()[0]
            keep = min(keep, max(there - _PRUNE_EVERY, there // 2))
        going = "rowid <= (select max(rowid) - ? from occurrence)"  # none is missing between: only the oldest ever go
        self._db.execute(
            f"delete from transition where occurrence in (select occurrence from occurrence where {going})", (keep,)
        )
        self._db.execute(f"delete from occurrence where {going}", (keep,))

    def _bytes(self) -> int:
        """What the rows take; the pages of those that went are used again, so that the file grows no further."""
        sizes = [
            self._db.execute(f"pragma {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        ]
        return int(sizes[0] * (sizes[1] - sizes[2]))

    def occurrences(
        self,
        *,
        occurrence: str = "",
        bed: str = "",
        condition: str = "",
        kind: str = "",
        priority: str = "",
        beyond: str = "",
        after: float | None = None,
        limit: int = LIMIT,
    ) -> list[dict[str, Any]]:
        """The newest occurrences first, as asked for: raised and ended are Unix times, s, ended None of what stands and of
        what is over since nobody knows when; beyond: the occurrence after which the list goes on; after bounds
        ``raised``, and what a clock that was never set gave a time is with what came before it; priority is the least."""
        asked: list[tuple[str, Any]] = [
            (f"{column} = ?", value)
            for column, value in (("occurrence", occurrence), ("bed", bed), ("condition", condition), ("kind", kind))
            if value
        ]
        if priority:
            asked.append(("priority >= ?", PRIORITIES.index(priority)))
        if beyond:
            asked.append(("rowid < (select rowid from occurrence where occurrence = ?)", beyond))
        if after is not None:
            asked.append((_AFTER if after > SET_AFTER else "raised >= ?", after))
        where = f" where {' and '.join(clause for clause, _ in asked)}" if asked else ""
        values = [value for clause, value in asked for _ in range(clause.count("?"))]
        with self._read():
            rows = self._db.execute(
                f"select {', '.join(_SUMMARY)} from occurrence{where} order by rowid desc limit ?",
                (*values, max(1, min(limit, LIMIT))),
            ).fetchall()
        found = [dict(zip(_SUMMARY, row, strict=True)) for row in rows]
        return [{**row, "priority": PRIORITIES[row["priority"]]} for row in found]

    def transitions(self, occurrence: str) -> list[Mapping[str, Any]]:
        """All of one occurrence, in order, each the fields of an ``Alarm`` with ``wall`` (Unix time, s) and ``boot``."""
        with self._read():
            rows = self._db.execute(
                "select wall, boot, alarm from transition where occurrence = ? order by seq", (occurrence,)
            ).fetchall()
        return [{"wall": wall, "boot": boot, **msgspec.json.decode(alarm)} for wall, boot, alarm in rows]

    def conditions(self) -> list[str]:
        """The conditions that ever raised an alarm here."""
        with self._read():
            return [row[0] for row in self._db.execute("select distinct condition from occurrence order by condition")]

    @contextlib.contextmanager
    def _read(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise sqlite3.OperationalError("the disk does not answer")
        try:
            yield
        finally:
            self._lock.release()

    def close(self) -> None:
        """Write what waits and let go of the file; calling twice is harmless."""
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self._write()
            self._db.close()


def _make_tables(db: sqlite3.Connection) -> None:
    with db:
        db.executescript(_SCHEMA)


# the outbox is what survives a power cut to the last transition
_connect = partial(connection, synchronous="normal", prepare=_make_tables)
