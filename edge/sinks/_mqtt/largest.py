"""How large an alarm a broker takes that does not say so, or takes less than it says: learnt from what it hangs up on.

Pure.

A connection that ends soon after it began, over and over, with an alarm on its way that is larger than any the broker
ever took, is taken to end over that alarm. The guess makes alarms brief and leaves out what is longer and no alarm; no
alarm is kept back for it. A bad link looks the same for a while, so it holds until a connection that lasted is over.
"""

from __future__ import annotations

from collections.abc import Collection

_TIMES = 2


class Largest:
    """See the module. bytes: what is likely to be taken at most; None = nothing speaks for a limit."""

    def __init__(self) -> None:
        self.bytes: int | None = None
        self._taken = 0
        self._hung_up: list[int] = []

    def taken(self, size: int) -> None:
        """The broker has an alarm of this size."""
        self._taken = max(self._taken, size)
        self._hung_up.clear()

    def lasted(self) -> None:
        """A connection that was not short is over: what follows may be another broker, or a better link."""
        self.bytes = None
        self._hung_up.clear()

    def hung_up(self, sizes: Collection[int]) -> bool:
        """A short connection is over with alarms of these sizes on their way; whether something new was learnt."""
        beyond = [size for size in sizes if size > self._taken]
        if not beyond:
            return False
        self._hung_up.append(min(beyond))
        if len(self._hung_up) < _TIMES:
            return False
        self.bytes = min(self._hung_up) - 1
        self._hung_up.clear()
        return True
