"""The degradation ladder: what is given up, in which order, when this machine cannot keep up or the board is throttled.

One rung at a time: after ``DOWN_AFTER_S`` of stress the first, after ``NEXT_AFTER_S`` more of it the next; after
``UP_AFTER_S`` of calm the last one is given back. A rung that had to be taken again soon after it was given back is held
twice as long, up to ``HOLD_MOST`` times. Pure: no clock, no thread; whoever owns a rung says what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

DOWN_AFTER_S = 5.0
NEXT_AFTER_S = 10.0
UP_AFTER_S = 60.0
HOLD_MOST = 16


@dataclass(frozen=True, slots=True)
class Rung:
    """One thing to give up. take: does it, given the cause; whether there was anything to give up. undo: gives it back."""

    name: str
    text: str
    take: Callable[[str], bool]
    undo: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Move:
    """A rung was taken (down) or given back."""

    rung: Rung
    down: bool
    cause: str


class Ladder:
    """The state of the ladder. ``update`` is told, often, what weighs on the machine."""

    def __init__(self, rungs: Sequence[Rung]) -> None:
        self._left = list(rungs)
        self._taken: list[Rung] = []
        self._stressed_since: float | None = None
        self._calm_since: float | None = None
        self._moved_at = float("-inf")
        self._given_back_at = float("-inf")
        self._hold = 1

    @property
    def taken(self) -> tuple[str, ...]:
        """Names of what is given up now, first one first."""
        return tuple(rung.name for rung in self._taken)

    @property
    def text(self) -> str:
        """What is given up now, in words."""
        return "; ".join(rung.text for rung in self._taken)

    def update(self, now: float, cause: str) -> list[Move]:
        """Note what weighs on the machine at ``now`` ("" for nothing); the moves made because of it."""
        if cause:
            self._calm_since = None
            if self._stressed_since is None:
                self._stressed_since = now
            after_s = NEXT_AFTER_S if self._taken else DOWN_AFTER_S
            waited_s = now - max(self._stressed_since, self._moved_at)
            return self._down(now, cause) if waited_s >= after_s else []
        self._stressed_since = None
        if self._calm_since is None:
            self._calm_since = now
        if self._taken and now - max(self._calm_since, self._moved_at) >= UP_AFTER_S * self._hold:
            return [self._up(now)]
        return []

    def _down(self, now: float, cause: str) -> list[Move]:
        while self._left:
            rung = self._left.pop(0)
            if rung.take(cause):
                soon = now - self._given_back_at < 2 * UP_AFTER_S * self._hold
                self._hold = min(2 * self._hold, HOLD_MOST) if soon else self._hold if self._taken else 1
                self._taken.append(rung)
                self._moved_at = now
                return [Move(rung, True, cause)]
        return []

    def _up(self, now: float) -> Move:
        rung = self._taken.pop()
        rung.undo()
        self._left.insert(0, rung)
        self._moved_at = self._given_back_at = now
        return Move(rung, False, "")
