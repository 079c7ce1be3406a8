"""Another monitor with our name at the same broker: its readings, alarms and retained topics would mix with ours. Pure.

Only a heartbeat, or an ``online`` that comes live, of another run proves it. A kept ``online`` of another run may be our
own before a power cut, or a monitor that still runs: until a heartbeat would have come, what it left is nobody's to clear.
Our own must come back, too: brokers with rules in a file grant a subscription and let nothing through. And whoever says on
our topic that we are gone, as its Last Will or good-bye does in our name, must be contradicted: listeners believe it.
"""

from __future__ import annotations

import math
from collections import deque

from edge.plain import object_of
from edge.types import HEARTBEAT_EVERY_S

HEARD_FOR_S = 3.0 * HEARTBEAT_EVERY_S
ECHO_WITHIN_S = 30.0
"""A slow network needs some ten seconds."""


class Namesake:
    """See the module. boot: the id of our run. Messages may come in one thread while another asks."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._there_until = self._maybe_until = -math.inf
        self._left: deque[str] = deque()
        self._echo_by = math.inf
        self._denied = False

    def connected(self, now: float) -> None:
        """A new connection at ``now``, s: the broker tells again what it has kept, and we say that we are online."""
        self._left.clear()
        self._denied = False
        self._echo_by = now + ECHO_WITHIN_S

    def unheard(self, now: float) -> bool:
        """Whether nothing that we said since comes back to us; true once a connection."""
        if now < self._echo_by:
            return False
        self._echo_by = math.inf
        return True

    def status(self, payload: bytes, now: float, *, kept: bool) -> None:
        """What stands on our own status topic at ``now``, s. kept: the broker had it from before."""
        if not kept and _said(payload)[1] != "online":
            self._denied = True
        boot, state = self._of_another(payload)
        if not boot:
            return
        if state != "online":
            self._there_until = self._maybe_until = -math.inf
        elif kept:
            self._maybe_until = now + HEARD_FOR_S
        else:
            self._there_until = now + HEARD_FOR_S

    def denied(self) -> bool:
        """Whether somebody said that we are not online, or took it away, since this was last asked."""
        denied, self._denied = self._denied, False
        return denied

    def heartbeat(self, payload: bytes, now: float) -> None:
        """A heartbeat with our name, live, at ``now``, s."""
        if self._of_another(payload)[0]:
            self._there_until = now + HEARD_FOR_S

    def there(self, now: float) -> bool:
        """Whether another monitor uses our name."""
        return now < self._there_until

    def left(self, topic: str) -> None:
        """Somebody has left something on this topic of ours: an earlier run, or a namesake."""
        self._left.append(topic)

    def ours(self, now: float) -> list[str]:
        """Topics with what an earlier run of ours has left, each once; none while it may be a namesake's."""
        if now < max(self._there_until, self._maybe_until):
            return []
        return [self._left.popleft() for _ in range(len(self._left))]

    def _of_another(self, payload: bytes) -> tuple[str, str]:
        """Run and state of another run; "" for what is ours, or nobody's."""
        boot, state = _said(payload)
        if boot != self._boot:
            return boot, state
        self._echo_by = math.inf
        return "", ""


def _said(payload: bytes) -> tuple[str, str]:
    """Run and state that a payload tells; "" for what it does not."""
    fields = object_of(payload) or {}
    return str(fields.get("boot", "")), str(fields.get("state", ""))
