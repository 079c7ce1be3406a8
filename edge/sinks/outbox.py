"""The durable outbox: alarm transitions on disk before anybody hears of them, removed only when the broker has them.

The main thread appends, one commit for all transitions of a tick together with the board's state; the sink's thread reads
in order and removes on PUBACK. What the disk refuses, or does not answer for a second, is held in memory, in order; it is
sent from there, and written when the disk takes it. The board's state, with the numbers of events, is also in a second
copy, which is used where it is newer, and in a third one in the machine's memory, where there is a place for it: a card
that has failed takes neither of the others, and the next run must not give the same numbers again. Readings never enter,
and nothing that waits is ever dropped to make room.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from edge.clock import Clock, wall_offset
from edge.sinks._outbox.copy import Copied, StateCopy
from edge.sinks._outbox.row import Row, to_disk
from edge.sinks._outbox.store import Store
from edge.storage.disk_thread import DiskThread, Gathered
from edge.types import Alarm

log = logging.getLogger(__name__)

_CLOSE_S: Final = 3.0
_UNKNOWN: Final = b"{}"


class Waiting(NamedTuple):
    """Rows that wait. whole: the disk was read, so that none is left out between them."""

    rows: list[Row]
    whole: bool


class Outbox:
    """See the module. Safe to use from several threads; none of them waits for the disk for more than a second, but at
    the start.

    lent: why the disk is not even tried before somebody writes, as one that hangs at the start; the outbox then lies in
    memory until it is there. ours: asked before that, whether this program may have the file.

    spare: a copy that outlives the program and no power cut.

    faults: what was wrong with the file when it was opened. full: why the disk takes nothing, or "". doubtful: the
    state is not surely the last one there was, so that its numbers must not be counted on. copied: what the second copy
    held at the start, for whoever cannot make sense of the state.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Clock,
        boot: str = "",
        copy: StateCopy | None = None,
        spare: StateCopy | None = None,
        lent: str = "",
        ours: Callable[[], bool] = lambda: True,
    ) -> None:
        self.path = Path(path)
        self._clock, self._boot = clock, boot
        self._lock = threading.Lock()  # of what follows; never held while the disk is waited for
        self._held: list[tuple[Row, bytes]] = []  # what is not on disk, in order
        self._gone: set[int] = set()  # what the broker has and the disk has not let go
        self._writing: frozenset[int] = frozenset()  # held, and perhaps on disk in a moment
        self._entries: dict[str, bytes] = {}  # of the state, not on disk
        self._taken: bytes | None = None  # the state of a copy that the disk did not take, until there is a newer one
        self._lasting = False  # they must be there before anybody hears of what led to them
        begun = bool(lent) or self.path.exists()
        self._store, self._ours = Store(self.path, clock, lent), ours
        self._copy, self._spare = copy or StateCopy(self.path.with_suffix(".copy")), spare
        self.full, self.faults, self.doubtful = self._store.full, self._store.faults, self._store.doubtful
        self._turn = self._store.turn()
        self.copied: Copied | None = None
        self._take_newer_copy(hidden=bool(lent), begun=begun)
        self._copied_turn = self._turn
        # beyond any that lies on a disk that cannot be read now
        self._last_row = int(self._clock.wall() * 1000) if self._store.lent else self._store.last_row()
        self._told = self._last_row  # rows up to this one may be read although they are not on disk
        self._stored = self._store.count()
        self._disk = DiskThread("edge-outbox")
        self._write_it = Gathered(self._disk, self._write)

    def append(self, transitions: Sequence[Alarm], state: bytes | None = None) -> bool | None:
        """Write transitions and state in one commit; whether they are on disk, None where it has not said so within a
        second.

        What the disk refuses, or has not taken by then, is kept in memory, in order, and written first next time.
        """
        offset, synced = wall_offset(self._clock), self._clock.synced()
        with self._lock:
            numbered = enumerate(transitions, start=self._last_row + 1)
            new = [Row(n, a, a.t + offset, self._boot, synced) for n, a in numbered]
            self._held += [(row, to_disk(row)) for row in new]
            self._last_row += len(new)
            if state is not None:
                self._turn += 1
                self._entries |= {"board": state, "turn": b"%d" % self._turn}
                self._lasting, self._taken = True, None
            done, turn = self._write_it.ask(), self._turn
        try:
            written = self._disk.wait(done)
        finally:
            # after the disk, so that it is ahead only of one that took nothing
            if self._spare is not None and state is not None:
                self._spare.write(turn, state)
            with self._lock:
                self._told = self._last_row
        return written

    def look(self, after: int = 0, limit: int = 100) -> Waiting:
        """The oldest transitions behind row ``after`` that still wait, in order; of a disk that cannot be read, or does
        not answer, what is not on it."""
        if self._disk.answers:
            found = self._disk.wait(self._disk.ask(partial(self._read, after, limit)))
            if found is not None:
                return found
        with self._lock:
            return Waiting(self._held_behind(after)[:limit], whole=False)

    def waiting(self, after: int = 0, limit: int = 100) -> list[Row]:
        """The rows of ``look``."""
        return self.look(after, limit).rows

    def remove(self, rows: Sequence[int]) -> None:
        """The broker has these."""
        with self._lock:
            taken = set(rows)
            self._gone |= taken - ({row.row for row, _ in self._held} - self._writing)
            self._held = [one for one in self._held if one[0].row not in taken]
            done = self._write_it.ask()
        self._disk.wait(done)

    def keep(self, state: bytes, coverage: bytes) -> None:
        """Write the board's state and the record of watching, both or neither, when the disk gets to it."""
        with self._lock:
            # no new turn: a commit that waits for no disk may be lost, and leave the copy ahead
            self._entries |= {"board": state, "coverage": coverage, "turn": b"%d" % self._turn}
            self._disk.ask(self._copy.sync)
            done = self._write_it.ask()
        self._disk.wait(done)

    def state(self, key: str = "board") -> bytes | None:
        """The board's state as last written, or its ``coverage``, or None; empty where it is not what was written. Waits
        for the disk."""
        if key == "board" and self._taken is not None:
            return self._taken
        try:
            return self._disk.ask(partial(self._store.state, key)).result()
        except CancelledError:
            return None

    def __len__(self) -> int:
        with self._lock:
            return max(0, self._stored - len(self._gone)) + len(self._held)

    def oldest_s(self) -> float | None:
        """Age of the oldest waiting transition, s; 0 when none waits, None where ``age_s`` knows none."""
        first = self.waiting(limit=1)
        return self.age_s(first[0]) if first else 0.0

    def age_s(self, row: Row) -> float | None:
        """Time since the transition, s; a wall clock that was set meanwhile matters only for those of other runs, of which
        only it can tell: None where nobody kept it then or does now, or it says that they are still to come."""
        if row.boot == self._boot:
            return max(0.0, self._clock.now() - row.alarm.t)
        age_s = self._clock.wall() - row.wall
        return age_s if row.synced and self._clock.synced() and age_s >= 0 else None

    def close(self) -> None:
        """Write what is still held, if the disk takes it now; calling twice is harmless."""
        self._write_it.ask()
        self._disk.ask(self._store.close)
        self._disk.ask(self._copy.close)
        if not self._disk.end(_CLOSE_S):
            log.error("%s: the disk does not answer; %d alarms are not on it", self.path.name, len(self._held))
        elif self._spare is not None and not (self._held or self._entries):
            self._spare.forget()
        if self._spare is not None:
            self._spare.close()

    def _held_behind(self, after: int) -> list[Row]:
        """A row whose write is still waited for is nobody's yet."""
        return [row for row, _ in self._held if after < row.row <= self._told]

    def _newest_copy(self, *, hidden: bool, begun: bool) -> Copied | None:
        on_disk = None if hidden else self._copy.read()
        if on_disk is None and not begun:  # whoever emptied the folder wants to begin anew
            return None
        spare = None if self._spare is None else self._spare.read()
        found = [copied for copied in (on_disk, spare) if copied is not None]
        return max(found, key=lambda copied: (copied.turn, copied.certain), default=None)

    def _take_newer_copy(self, *, hidden: bool, begun: bool) -> None:
        """The copy is ahead where the database was damaged or gone, or took nothing for a while; it then counts.
        hidden: what lies on the disk is not known; begun: there was a database."""
        copied = self.copied = self._newest_copy(hidden=hidden, begun=begun)
        if copied is None or (copied.turn <= self._turn and not self.doubtful):
            return
        if copied.turn < self._turn:  # a program that died between both writes is ahead by one, and by no more
            self.doubtful = not (copied.certain and copied.turn + 1 == self._turn)
            return
        if copied.turn > self._turn:
            if not hidden:
                self.faults.append("the alarm state was taken from its second copy; alarms that waited may be missing")
            entries = {"board": copied.state, "turn": b"%d" % copied.turn}
            if self._store.commit((), (), entries) is None:
                self._entries, self._taken = entries, copied.state
        self._turn, self.doubtful = copied.turn, not copied.certain

    # ---- the disk's thread ---------------------------------------------------------------------------------

    def _read(self, after: int, limit: int) -> Waiting:
        with self._lock:
            gone = set(self._gone)
        stored = self._store.read(after, limit + len(gone))
        found = [row for row in stored or () if row.row not in gone]
        with self._lock:
            whole = stored is not None and not self._store.lent
            return Waiting([*found, *self._held_behind(after)][:limit], whole)

    def _write(self) -> bool:
        """What is held, what is gone and what is new of the state, all or nothing; whether it is on disk."""
        if self._store.lent and not self._come_back():
            return False
        with self._lock:
            rows, gone, entries, turn = [*self._held], set(self._gone), self._entries, self._turn
            self._entries, lasting, self._lasting = {}, self._lasting, False
            self._writing = frozenset(row.row for row, _ in rows)
        with contextlib.nullcontext() if rows or lasting else self._store.unsynced():
            more = self._store.commit(rows, gone, entries)
        if turn > self._copied_turn:  # after the database: it is ahead only of one that took nothing
            self._copied_turn = turn
            self._copy.write(turn, entries["board"])
        with self._lock:
            if more is not None:
                self._held = [one for one in self._held if one[0].row not in self._writing]
                self._gone -= gone
                self._stored += more
                self.full = ""
            else:
                self._entries, self._lasting = entries | self._entries, lasting or self._lasting
            self._writing = frozenset()
        return more is not None

    def _come_back(self) -> bool:
        """From memory onto the disk, where what this run says of the state counts; rows get other numbers where theirs are
        taken."""
        if not self._ours() or (there := self._store.come_back()) is None:
            return False
        last, copied = there.last_row, self._copy.read()
        turn = max(there.turn, copied.turn if copied else 0)
        with self._lock:
            if "board" in self._entries:  # nor does the record of watching of before go with it
                self._turn = max(self._turn, turn + 1)
                self._entries = {"coverage": _UNKNOWN, **self._entries, "turn": b"%d" % self._turn}
            hidden = self._last_row - self._told
            if self._held and last >= self._held[0][0].row:  # the clock stands before that of an earlier such run
                renumbered = enumerate(self._held, start=last + 1)
                self._held = [(msgspec.structs.replace(row, row=n), blob) for n, (row, blob) in renumbered]
                self._gone.clear()  # of the old numbers; what is on its way is sent once more
            self._last_row = max(self._last_row, last + len(self._held))
            self._told, self._stored = self._last_row - hidden, there.rows
        return True
