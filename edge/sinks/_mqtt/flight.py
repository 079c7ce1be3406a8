"""What is on its way to the broker: sent in order, held back when refused, done only when the broker took it.

A broker may answer a PUBLISH with a refusal (quota exceeded, not authorized); such a message has not been delivered.
Then everything behind it waits, and one message at a time tries whether the broker takes it now, so that order is kept.
"No matching subscribers" is no refusal; soon after a return it is no delivery either (see ``listeners``). A broker that
hangs up on what it refuses may take its answer with it: rows on their way when a connection ended soon after it began
count as refused.

How many may be on their way follows the answers' time, as TCP's window does (additive increase, multiplicative
decrease; Chiu & Jain 1989): what waits in the buffers of a slow network makes the readings behind it stale.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edge.clock import Clock
from edge.sinks._mqtt.listeners import Listeners
from edge.sinks._mqtt.redial import SHORT_LIFE_S

UNANSWERED_S = 30.0
"""A broker that answers nothing for so long may be there and not work; a slow network needs some ten seconds."""
LEFT_S = 120.0
"""After so long without any answer it is left: behind the same address another one may work, or the same one again."""
_MOST = 200
_RETRY_S = (1.0, 2.0, 5.0, 10.0)
_PACE = 20  # on their way at once, to begin with
_QUICK_S, _SLOW_S = 0.5, 1.0  # until the answer: one more at once, half as many


class Answer(NamedTuple):
    """A PUBACK. refused: why the broker did not take it, in words; nobody: it did, and gave it to nobody."""

    refused: str = ""
    nobody: bool = False


class _Sent(NamedTuple):
    what: int | str | None = None
    bed: str = ""
    at: float = 0.0


class Settled(NamedTuple):
    """Rows of the outbox that are delivered, retained topics that must be said again, and ids of other messages that were
    refused."""

    rows: list[int]
    topics: list[str]
    others: list[int]


class Flight:
    """The messages of one connection after the other. ``answered`` may be called from any thread and never waits.

    after: the last row of the outbox that was sent or passed over. refusal: why the broker takes nothing now, "" when it
    does. heard: whether this connection had an answer. listeners: who may not be back yet.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: deque[tuple[int, Answer, float]] = deque()
        self._sent: dict[int, _Sent] = {}
        self._tries = self._hung_up = 0
        self.listeners = Listeners(clock)
        self.refusal = ""
        self.begin(window=1, returned=False)

    def begin(self, *, window: int, returned: bool) -> None:
        """A new connection: nothing is on its way. window: how many messages the broker takes at once; returned: its
        subscribers may still be coming back."""
        now = self._clock.now()
        self._window, self._pace = min(window, _MOST), min(window, _PACE)
        self._began = self._slowed_at = self._heard_at = now
        self.heard = False
        self._sent.clear()
        self._answers.clear()
        self.after = 0
        self._held_until = 0.0
        self._rows_held_until = now + (_RETRY_S[min(self._hung_up, len(_RETRY_S)) - 1] if self._hung_up else 0.0)
        self.listeners.begin(returned=returned)

    @property
    def short(self) -> bool:
        """Whether the connection began so short ago that its end may come of what was sent."""
        return self._clock.now() - self._began < SHORT_LIFE_S

    def end(self) -> None:
        """The connection is over. Where it was short and rows had no answer, they may be why: the next one waits with
        rows, so that readings and what stands get through."""
        unanswered = bool(self.rows())
        if unanswered and self.short:
            self._hung_up += 1
        else:
            self._hung_up = 0

    @property
    def held(self) -> bool:
        """Whether nothing at all should be sent now."""
        return self._clock.now() < self._held_until

    def room(self) -> int:
        """How many messages may be on their way beside those that are."""
        return max(0, self._pace - len(self._sent))

    def room_for_rows(self) -> int:
        """How many rows may be sent now."""
        if self.held or self._clock.now() < self._rows_held_until:
            return 0
        return int(not self._sent) if self._tries or self._hung_up else self.room()

    def sent(self, mid: int, what: int | str | None, bed: str = "") -> None:
        """A row of the outbox, of a bed, the topic of a retained message, or something else with QoS 1 is on its way as
        ``mid``."""
        self._sent[mid] = _Sent(what, bed, self._clock.now())
        if isinstance(what, int):
            if not self.listeners.waits(bed):  # else it goes again, and others before it may still have to go
                self.pass_over(what)
            self.listeners.sent(bed, what)

    def waits_for(self, mid: int) -> bool:
        """Whether ``mid`` has no answer so far."""
        return mid in self._sent

    def rows(self) -> set[int]:
        """Rows of the outbox that are on their way."""
        return {sent.what for sent in self._sent.values() if isinstance(sent.what, int)}

    def topics(self) -> set[str]:
        """Retained topics whose message is on its way."""
        return {sent.what for sent in self._sent.values() if isinstance(sent.what, str)}

    def pass_over(self, row: int) -> None:
        """Look no more for rows up to this one."""
        self.after = max(self.after, row)

    def go_back(self, after: int) -> None:
        """Look again for rows behind ``after``."""
        self.after = min(self.after, after)

    @property
    def ignored(self) -> str:
        """What is wrong where the oldest message has had no answer for too long, in words; else ""."""
        oldest = next(iter(self._sent.values()), None)
        if oldest is None or self._clock.now() - oldest.at <= UNANSWERED_S:
            return ""
        return f"connected, but no message was answered for {UNANSWERED_S:g} s"

    @property
    def hopeless(self) -> bool:
        """Whether nothing at all was answered for so long that this connection is of no use."""
        oldest = next(iter(self._sent.values()), None)
        return oldest is not None and self._clock.now() - max(oldest.at, self._heard_at) > LEFT_S

    def answered(self, mid: int, answer: Answer) -> None:
        """The broker's answer to ``mid``."""
        self._answers.append((mid, answer, self._clock.now()))

    def settle(self) -> Settled:
        """Go through the answers since the last call."""
        settled = Settled([], [], [])
        refused: dict[int, str] = {}
        taken = False
        while self._answers:
            mid, answer, answered_at = self._answers.popleft()
            self.heard, self._heard_at = True, answered_at
            full = len(self._sent) >= self._pace
            what, bed, sent_at = self._sent.pop(mid, _Sent(at=answered_at))
            self._keep_pace(sent_at, answered_at, full=full)
            if isinstance(what, str):
                if answer.refused:
                    settled.topics.append(what)
            elif what is None:
                if answer.refused:
                    settled.others.append(mid)
            elif answer.refused:
                refused[what] = answer.refused
                self.listeners.refused(bed)
            else:
                taken = True
                if not (answer.nobody and self.listeners.nobody(bed)):
                    settled.rows.append(what)
                    self._go_on_behind(self.listeners.heard(bed))
        if taken:
            self._tries, self._hung_up, self.refusal = 0, 0, ""
        if refused:
            first = min(refused)
            self.go_back(first - 1)
            self.refusal = refused[first]
            self._tries += 1
        if refused or settled.topics:
            tries = min(max(self._tries, 1), len(_RETRY_S))
            self._held_until = self._clock.now() + _RETRY_S[tries - 1]
        self._go_on_behind(self.listeners.given_up())
        return settled

    def _go_on_behind(self, row: int | None) -> None:
        if row is not None:
            self.go_back(row - 1)

    def _keep_pace(self, sent_at: float, answered_at: float, *, full: bool) -> None:
        took_s = answered_at - sent_at
        if took_s > _SLOW_S and sent_at >= self._slowed_at:  # once for all that was on its way then
            self._slowed_at = answered_at
            self._pace = max(1, self._pace // 2)
        elif took_s < _QUICK_S and full:
            self._pace = min(self._pace + 1, self._window)

    def __len__(self) -> int:
        return len(self._sent)
