"""Everybody who looks: a bounded queue each, fed ten times a second, so that one slow viewer costs the others nothing.

When a viewer cannot keep up, traces go first, then all but the newest of every number; alarms and answers never. Should
even those pile up, the viewer is cut off and begins anew with a snapshot, in which every alarm stands that stands.

What waits must wait here, where the newest replaces the old, and not in the buffers of a slow network, which hold half a
minute of it: the page confirms every message, and no more than two are on their way to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from edge.clock import Clock
from edge.sinks.web.picture import Picture, envelope, greeting, waves
from edge.sinks.web.traces import Traces

log = logging.getLogger(__name__)

TICK_S: Final = 0.1
BEAT_S: Final = 1.0
WAVES_KEPT: Final = 20  # messages of traces: two seconds
URGENT_KEPT: Final = 500
ON_THE_WAY: Final = 2  # messages
BEHIND_S: Final = 0.5  # a message that was on its way for so long had no room for traces


class Viewer:
    """What waits for one browser. confirms: it says which messages it has got; one that never does is sent all."""

    def __init__(self, name: str, *, confirms: bool = False) -> None:
        self.name, self._confirms = name, confirms
        self._on_the_way: deque[float] = deque()
        self._confirmed = asyncio.Event()
        self.wake = asyncio.Event()
        self.overflowed = False
        self.dropped_waves = 0
        self._urgent: deque[bytes] = deque()
        self._latest: dict[str, bytes] = {}
        self._waves: deque[bytes] = deque()

    def offer(self, urgent: Sequence[bytes], latest: dict[str, bytes], traces: Sequence[bytes]) -> None:
        """Put items into the queue."""
        self._urgent.extend(urgent)
        self._latest.update(latest)
        self._waves.extend(traces)
        while len(self._waves) > WAVES_KEPT:
            self._waves.popleft()
            self.dropped_waves += 1
        self.overflowed |= len(self._urgent) > URGENT_KEPT
        self.wake.set()

    def cut_off(self) -> None:
        """Something is missing in the queue: the browser begins anew."""
        self.overflowed = True
        self.wake.set()

    async def room(self) -> None:
        """Wait until the viewer has got so much that another message may go out."""
        while len(self._on_the_way) >= ON_THE_WAY:
            self._confirmed.clear()
            await self._confirmed.wait()

    def has(self, t: float) -> None:
        """The viewer has got every message up to the one made at ``t``."""
        while self._on_the_way and self._on_the_way[0] <= t + 0.0005:  # a message says its time in milliseconds
            self._on_the_way.popleft()
        self._confirmed.set()

    def take(self, now: float) -> list[bytes]:
        """Everything that waits, for a message made ``now``: alarms first."""
        if self._on_the_way and now - self._on_the_way[0] > BEHIND_S:
            self.dropped_waves += len(self._waves)
            self._waves.clear()
        if self._confirms:
            self._on_the_way.append(now)
        items = [*self._urgent, *self._latest.values(), *self._waves]
        self._urgent.clear()
        self._latest.clear()
        self._waves.clear()
        return items


class Audience:
    """The viewers, at most ``limit``, and the loop that feeds them."""

    def __init__(self, *, picture: Picture, traces: Traces, clock: Clock, limit: int) -> None:
        self._picture, self._traces, self._clock, self._limit = picture, traces, clock, limit
        self._viewers: set[Viewer] = set()

    def join(self, name: str, *, confirms: bool = False, **more: Any) -> Viewer | None:
        """A new viewer with a snapshot in its queue; None = there are too many already."""
        if len(self._viewers) >= self._limit:
            return None
        if not self._viewers:
            self._picture.changes()  # what those were not told who looked before: it may be over by now
        viewer = Viewer(name, confirms=confirms)
        self._picture.watched = self._traces.watched = True
        viewer.offer([greeting(self._picture.snapshot(), **more)], {}, [])
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Somebody looks no longer."""
        self._viewers.discard(viewer)
        self._picture.watched = self._traces.watched = bool(self._viewers)

    def message(self, viewer: Viewer) -> bytes:
        """The viewer's next message."""
        clock, now = self._clock, self._clock.now()
        return envelope(now, clock.wall(), self._picture.last_event, viewer.take(now), synced=clock.synced())

    async def feed(self) -> None:
        """Spread what changed, until cancelled; at least a beat a second."""
        loop = asyncio.get_running_loop()
        quiet, due = 0, loop.time()
        while True:
            due = max(due + TICK_S, loop.time())
            await asyncio.sleep(due - loop.time())
            if not self._viewers:
                continue
            try:
                urgent, latest = self._picture.changes()
                traces = waves(self._traces.drain(), self._traces.faces())
            except Exception:  # of whatever kind: else nobody would be told anything more
                log.exception("page: what changed could not be told; whoever looks begins anew")
                for viewer in self._viewers:
                    viewer.cut_off()
                continue
            quiet = 0 if urgent or latest or traces else quiet + 1
            if quiet and quiet * TICK_S < BEAT_S:
                continue
            quiet = 0
            for viewer in self._viewers:
                viewer.offer(urgent, latest, traces)

    @contextlib.asynccontextmanager
    async def feeding(self) -> Any:
        """``feed`` for the time of a ``with``."""
        task = asyncio.create_task(self.feed(), name="feed")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
