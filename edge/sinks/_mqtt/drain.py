"""Which rows of the outbox may go out now: in order, as many as are not yet on their way, what is late at a bounded rate.

After hours without a broker thousands of transitions wait. They are history: nobody is helped by all of them within a
second, and a program that shows them would be flooded just when it is needed. What happens now is never held back by the
bound itself, but keeps its place behind what happened before; the retained topics tell of it at once. Only where a disk
gives nothing does it go first: what lies there follows when the disk can be read again. Rows of a bed whose listeners may
not be back are passed over, so that other beds' do not wait for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

from edge.clock import Clock
from edge.sinks._mqtt.flight import Flight
from edge.sinks._outbox.row import Row
from edge.sinks.outbox import Outbox

LATE_S = 10.0
"""An event older than this when it is sent is historical."""
_BURST_S = 0.1  # so much of a second's worth at once, so that a slow loop keeps the rate
_TICK_S = 0.001
_EPS = 1e-9
_BATCH = 100  # of what is not late


class Drain:
    """Takes rows for one connection after the other. late_per_s: so many historical ones a second, at most."""

    def __init__(self, outbox: Outbox, flight: Flight, clock: Clock, *, boot: str, late_per_s: float) -> None:
        self._outbox, self._flight, self._clock, self._boot = outbox, flight, clock, boot
        self._per_s, self._most = late_per_s, max(1.0, late_per_s * _BURST_S)
        self._allowed, self._at = self._most, clock.now()
        self._behind = self._repeated = False
        self._unread_from: int | None = None  # rows behind this one may lie on a disk that gave nothing

    def due(self) -> list[Row]:
        """Rows to be sent now. The caller sends all of them."""
        now = self._clock.now()
        self._allowed = min(self._most, self._allowed + (now - self._at) * self._per_s)
        self._at = now
        room = min(_BATCH, self._flight.room_for_rows())
        if not room:
            return []
        found = list(islice(self._again(), room // 2 if self._repeated else -(-room // 2)))
        self._repeated = bool(found)
        room -= len(found)
        if not room:
            return found
        if self._behind:  # at least one is looked at: it may have happened just now, or there may be none
            room = min(room, max(1, math.floor(self._allowed + _EPS)))
        self._behind = False
        for row in islice(self._next(room), room):
            self._behind = late = self.is_late(row)
            if late and self._allowed < 1.0 - _EPS:
                break
            self._allowed -= late
            found.append(row)
        return found

    def _again(self) -> Iterator[Row]:
        """Those that nobody had. They flood nobody, so no rate holds them; and get half of the room, or each other time what
        is too little to be parted, so that they hold nobody's."""
        for first in self._flight.listeners.due():
            yield from (row for row in self._outbox.waiting(first - 1, 1) if row.row == first)

    def _next(self, room: int) -> Iterator[Row]:
        """Those to be sent next for the first time, a bed's in order; none that is on its way."""
        flying, listeners = self._flight.rows(), self._flight.listeners
        after, alone, passing = None, set[str](), True
        page = _BATCH if listeners.doubted else room
        while rows := self._look(after, page):
            for row in rows:
                after, bed = row.row, row.alarm.bed
                if row.row in flying or bed in alone or listeners.waits(bed):
                    if passing:
                        self._flight.pass_over(row.row)
                    continue
                passing = False  # whoever sends the row says so
                if listeners.lacks(bed):
                    alone.add(bed)
                flying.add(row.row)  # a disk that gives something again is read from further before
                yield row

    def _look(self, after: int | None, page: int) -> list[Row]:
        """The next rows of the outbox behind one, or behind those that were sent or passed over."""
        at = self._flight.after if after is None else after
        rows, whole = self._outbox.look(at, page)
        if not whole:
            if self._unread_from is None:
                self._unread_from = at
        elif self._unread_from is not None:
            self._flight.go_back(self._unread_from)
            self._unread_from = None
            return self._look(None, page)
        return rows

    def is_late(self, row: Row) -> bool:
        """Of another run, or older than ``LATE_S``: it tells what was, not what is."""
        age_s = self._outbox.age_s(row)
        return row.boot != self._boot or age_s is None or age_s > LATE_S

    def wait_s(self, longest_s: float) -> float:
        """After so long more may be due, s; ``longest_s`` where no rate holds anything back."""
        if not self._behind or self._flight.room_for_rows() == 0:
            return longest_s
        lacking = max(1.0, self._most / 2) - self._allowed
        return min(longest_s, max(_TICK_S, lacking / self._per_s))
