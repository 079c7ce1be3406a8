"""What parts of the program say of themselves when they are asked, told as faults when it changes.

For parts that must not speak up on their own: whoever notices that a disk refuses may be the main thread, which cannot
wait for room in the queue that it empties itself.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from edge.clock import Clock
from edge.types import Fault


class Asked(NamedTuple):
    """A part of the program. why: what is wrong with it now, in words; "" = nothing. source: its name among others."""

    condition: str
    source: str
    why: Callable[[], str]


class SelfWatch:
    """Asks every part whenever the main loop says so."""

    def __init__(self, asked: Sequence[Asked], clock: Clock, mailbox: queue.Queue[Any]) -> None:
        self._asked, self._clock, self._mailbox = asked, clock, mailbox
        self._said: dict[Asked, str] = {}

    def look(self) -> None:
        """Called by the main loop, whose own queue may be full: then another time."""
        with contextlib.suppress(queue.Full):
            for one in self._asked:
                if (why := one.why()) != self._said.get(one, ""):
                    self._mailbox.put_nowait(Fault(one.condition, self._clock.now(), bool(why), why, source=one.source))
                    self._said[one] = why
