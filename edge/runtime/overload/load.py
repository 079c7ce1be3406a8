"""Whether this machine keeps up and its board is well: what the degradation ladder is told, and why.

Three things mean that a machine is late: samples dropped between a reader and its lane, pictures a camera's own thread
had to drop, and readings that arrive long after their window ended. No clock; the board is asked by a thread of its own,
since its firmware may not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from edge.runtime.overload.board_health import Health
from edge.runtime.reader import Reader
from edge.types import Reading, self_report

LATE_READING_S = 3.0
"""A reading so long after the end of its window: a companion's samples are waited for 0.25 s and a block of each only."""
LATE_S = 3.0
"""What happened within so long means that this machine is late now."""
STANDS_S = 10.0
"""An overload is said for so long after the last sign of it."""
_HEALTH_EVERY_S = 10.0
_SUFFERS: Final = frozenset({"throttled", "under_voltage", "hot"})
_SLOW = "this machine cannot keep up"


class Load:
    """For one thread. health: asks the board for its power and heat, now and then; it may take as long as it likes. None
    where nobody can be asked."""

    def __init__(self, health: Callable[[], Health] | None = None) -> None:
        self._ask = health
        self._health_due = 0.0
        self._asked = threading.Semaphore()  # one question at a time, however long the board is silent
        self._dropped = 0
        self._late_until = self._overload_until = float("-inf")
        self._why = ""
        self.health = Health()

    def heard(self, reading: Reading, now: float, *, paced: bool) -> None:
        """A reading reached the main thread. paced: its source cannot wait, so that lateness means something."""
        if paced and now - reading.t > LATE_READING_S:
            self._strained(now, f"{_SLOW}: readings come late")

    def look(self, readers: Iterable[Reader], now: float) -> None:
        """Count what was dropped, and ask the board when it is time."""
        dropped = 0
        for reader in readers:
            dropped += sum(inbox.dropped_blocks for inbox in reader.inboxes)
            dropped += self_report(reader.source).counters.get("dropped", 0)
        if dropped > self._dropped:
            self._dropped = dropped
            self._strained(now, f"{_SLOW}: samples were dropped")
        if self._ask is not None and now >= self._health_due:
            self._health_due = now + _HEALTH_EVERY_S
            self._ask_anew(self._ask)

    def _ask_anew(self, ask: Callable[[], Health]) -> None:
        """Have the board asked; what it said before is not known any more where it is silent since."""
        if not self._asked.acquire(blocking=False):
            self.health = Health()
            return

        def answer() -> None:
            try:
                self.health = ask()
            finally:
                self._asked.release()

        try:
            beside(answer)
        except RuntimeError:  # no thread to be had; there may be one when it is time again
            self._asked.release()

    def cause(self, now: float) -> str:
        """What weighs on the machine now, "" for nothing."""
        if now < self._late_until:
            return _SLOW
        suffers = ", ".join(sorted(self.health.now & _SUFFERS)).replace("_", "-")
        return f"the board is {suffers}" if suffers else ""

    def overload(self, now: float) -> str:
        """What showed within the last while that this machine is too slow, "" for nothing."""
        return self._why if now < self._overload_until else ""

    def _strained(self, now: float, why: str) -> None:
        self._late_until, self._overload_until, self._why = now + LATE_S, now + STANDS_S, why


def beside(task: Callable[[], None]) -> None:
    """Run it in a thread that keeps nobody waiting, not even at the end."""
    threading.Thread(target=task, name="edge-board", daemon=True).start()
