"""Which beds' events may still have nobody to hear them, soon after a return to the broker.

A broker that has lost its sessions answers "no matching subscribers" until the subscribers are back. So for a while each
bed's first row goes alone: those behind it wait until somebody has it, as who came back in their midst would hear the
later ones first. To a bed of whose events nobody wants to know the others are not tied.
"""

from __future__ import annotations

import math

from edge.clock import Clock

LISTENERS_BACK_S = 30.0
_AGAIN_S = 0.5


class Listeners:
    """Belongs to one connection after another; rows are those of the outbox.

    doubted: whether some may not be back yet. It ends in ``given_up`` and nowhere else: between what is looked for and
    what is sent nothing may change.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: set[str] = set()
        self._first: dict[str, tuple[int, float]] = {}  # by bed the row that goes alone, and when it goes again, s
        self.begin(returned=False)

    def begin(self, *, returned: bool) -> None:
        """A new connection; returned: subscribers may still be coming back."""
        self._until, self.doubted = self._clock.now() + LISTENERS_BACK_S, returned
        self._heard.clear()
        self._first.clear()

    def lacks(self, bed: str) -> bool:
        """Whether nobody may be there for the bed's events, so that only one of them may be on its way."""
        return self.doubted and bed not in self._heard

    def waits(self, bed: str) -> bool:
        """Whether the bed's rows wait behind its first one."""
        return bed in self._first

    def sent(self, bed: str, row: int) -> None:
        """A row is on its way."""
        if self.lacks(bed):
            self._first[bed] = row, math.inf

    def nobody(self, bed: str) -> bool:
        """The broker gave the bed's row to nobody; whether it is sent again for that, soon."""
        if self.lacks(bed):
            self._again(bed, self._clock.now() + _AGAIN_S)
        return self.waits(bed)

    def refused(self, bed: str) -> None:
        """The broker did not take the bed's row."""
        self._again(bed, self._clock.now())

    def heard(self, bed: str) -> int | None:
        """The broker has the bed's row: the one behind which others of the bed waited for that, None where none did."""
        self._heard.add(bed)
        first, _ = self._first.pop(bed, (None, 0.0))
        return first

    def due(self) -> list[int]:
        """First rows that are to go again now, that first which has waited longest."""
        now = self._clock.now()
        return [row for at, row in sorted((at, row) for row, at in self._first.values()) if at <= now]

    def given_up(self) -> int | None:
        """The first row behind which others waited for so long that nobody is believed to come; once."""
        if self._clock.now() < self._until:
            return None
        self.doubted = False
        first = min((row for row, _ in self._first.values()), default=None)
        self._first.clear()
        return first

    def _again(self, bed: str, at: float) -> None:
        if bed in self._first:
            self._first[bed] = self._first[bed][0], at
