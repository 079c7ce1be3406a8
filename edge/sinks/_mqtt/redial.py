"""How long to wait before the next attempt at a broker, and when not to fight for a client id. Pure.

Two programs with one client id throw each other off for ever. A broker that says so (reason 0x8E) is believed, and the
other is left alone for minutes. Not every broker does: connections cut off again and again, soon after they began and by
a broker that is still there, may mean the same, or a network that comes and goes. That is a suspicion worth saying, but
no reason to keep alarms back for longer than any other failure does.
"""

from __future__ import annotations

import random
from collections.abc import Callable

TRUCE_S = 300.0
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)  # a broker is back: alarms wait no longer than the last
SHORT_LIFE_S = 5.0
"""A connection that ends sooner has not really been one."""
_CUT_OFFS = 3
_JITTER = (0.8, 1.2)
_PATIENCE_S = (5.0, 10.0, 20.0)


class Redial:
    """Counts failures. jitter: a number between two; so that many devices do not come back at once."""

    def __init__(self, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._jitter = jitter
        self._failures = self._cut_off = self._silences = 0

    @property
    def suspects(self) -> bool:
        """Whether the last connections ended as if another program had the client id."""
        return self._cut_off >= _CUT_OFFS

    @property
    def patience_s(self) -> float:
        """How long to wait for an answer: longer for a broker that is there and gave none in time."""
        return _PATIENCE_S[min(self._silences, len(_PATIENCE_S) - 1)]

    def refused(self, *, silent: bool = False) -> float:
        """There was no connection: seconds to wait. silent: somebody was there, and gave no answer."""
        self._silences = self._silences + 1 if silent else 0
        pause_s = self._pause_s()
        self._failures += 1
        return pause_s

    def ended(self, lived_s: float, *, taken_over: bool, by_nobody: Callable[[], bool]) -> float:
        """A connection is over after ``lived_s``: seconds to wait, ``TRUCE_S`` where another program has the client id.

        taken_over: the broker said so. by_nobody: whether it ended without a reason while the broker is there.
        """
        short = lived_s < SHORT_LIFE_S
        self._failures = self._failures + 1 if short else 0
        self._cut_off = self._cut_off + 1 if short and not taken_over and by_nobody() else 0
        return TRUCE_S if taken_over else self._pause_s()

    def _pause_s(self) -> float:
        return _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)] * self._jitter(*_JITTER)
