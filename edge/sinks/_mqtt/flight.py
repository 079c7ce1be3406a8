"""What is on its way to the broker: sent in order, held back when refused, done only when the broker took it.

A broker may answer a PUBLISH with a refusal (quota exceeded, not authorized); such a message has not been delivered.
Then everything behind it waits, and one message at a time tries whether the broker takes it now, so that order is kept.
A broker that has lost its sessions answers "no matching subscribers" until the subscribers are back; soon after a
return that counts as a refusal, too, later as the truth. One that hangs up on what it refuses may take its answer with
it: rows on their way when a connection ended soon after it began count as refused.

How many may be on their way follows the answers' time, as TCP's window does (additive increase, multiplicative
decrease; Chiu & Jain 1989): what waits in the buffers of a slow network makes the readings behind it stale.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edge.clock import Clock
from edge.sinks._mqtt.redial import SHORT_LIFE_S

LISTENERS_BACK_S = 30.0
UNANSWERED_S = 30.0
"""A broker that answers nothing for so long may be there and not work; a slow network needs some ten seconds."""
LEFT_S = 120.0
"""After so long without any answer it is left: behind the same address another one may work, or the same one again."""
_MOST = 200
_RETRY_S = (1.0, 2.0, 5.0, 10.0)
_NOBODY_EVERY_S = 0.5
_PACE = 20  # on their way at once, to begin with
_QUICK_S, _SLOW_S = 0.5, 1.0  # until the answer: one more at once, half as many


class Answer(NamedTuple):
    """A PUBACK. refused: why the broker did not take it, in words; nobody: it did, and gave it to nobody."""

    refused: str = ""
    nobody: bool = False


class Settled(NamedTuple):
    """Rows of the outbox that are delivered, retained topics that must be said again, and ids of other messages that were
    refused."""

    rows: list[int]
    topics: list[str]
    others: list[int]


class Flight:
    """The messages of one connection after the other. ``answered`` may be called from any thread and never waits.

    after: the last row of the outbox that was sent. refusal: why the broker takes nothing now, "" when it does. heard:
    whether this connection had an answer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: deque[tuple[int, Answer, float]] = deque()
        self._sent: dict[int, tuple[int | str | None, float]] = {}
        self._window = self._pace = 1
        self._began = self._slowed_at = self._heard_at = clock.now()
        self._held_until = self._rows_held_until = self._listeners_due = 0.0
        self._tries = self._hung_up = 0
        self._alone = False
        self.after = 0
        self.refusal = ""
        self.heard = False

    def begin(self, *, window: int, returned: bool) -> None:
        """A new connection: nothing is on its way. window: how many messages the broker takes at once; returned: its
        subscribers may still be coming back, so that until one has, rows go one at a time: who comes back in the middle
        of many would hear the later ones first."""
        now = self._clock.now()
        self._window, self._pace = min(window, _MOST), min(window, _PACE)
        self._began = self._slowed_at = self._heard_at = now
        self.heard = False
        self._sent.clear()
        self._answers.clear()
        self.after = 0
        self._held_until = 0.0
        self._rows_held_until = now + (_RETRY_S[min(self._hung_up, len(_RETRY_S)) - 1] if self._hung_up else 0.0)
        self._listeners_due = now + (LISTENERS_BACK_S if returned else 0.0)
        self._alone = returned

    @property
    def short(self) -> bool:
        """Whether the connection began so short ago that its end may come of what was sent."""
        return self._clock.now() - self._began < SHORT_LIFE_S

    def end(self) -> None:
        """The connection is over. Where it was short and rows had no answer, they may be why: the next one waits with
        rows, so that readings and what stands get through."""
        unanswered = any(isinstance(what, int) for what, _ in self._sent.values())
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
        return int(not self._sent) if self._tries or self._alone else self.room()

    def sent(self, mid: int, what: int | str | None) -> None:
        """A row of the outbox, the topic of a retained message, or something else with QoS 1 is on its way as ``mid``."""
        self._sent[mid] = (what, self._clock.now())
        if isinstance(what, int):
            self.after = what

    def waits_for(self, mid: int) -> bool:
        """Whether ``mid`` has no answer so far."""
        return mid in self._sent

    def rows(self) -> set[int]:
        """Rows of the outbox that are on their way."""
        return {what for what, _ in self._sent.values() if isinstance(what, int)}

    def topics(self) -> set[str]:
        """Retained topics whose message is on its way."""
        return {what for what, _ in self._sent.values() if isinstance(what, str)}

    def go_back(self, after: int) -> None:
        """Rows behind ``after`` were passed over."""
        self.after = min(self.after, after)

    @property
    def ignored(self) -> str:
        """What is wrong where the oldest message has had no answer for too long, in words; else ""."""
        oldest = next(iter(self._sent.values()), None)
        if oldest is None or self._clock.now() - oldest[1] <= UNANSWERED_S:
            return ""
        return f"connected, but no message was answered for {UNANSWERED_S:g} s"

    @property
    def hopeless(self) -> bool:
        """Whether nothing at all was answered for so long that this connection is of no use."""
        oldest = next(iter(self._sent.values()), None)
        return oldest is not None and self._clock.now() - max(oldest[1], self._heard_at) > LEFT_S

    def answered(self, mid: int, answer: Answer) -> None:
        """The broker's answer to ``mid``."""
        self._answers.append((mid, answer, self._clock.now()))

    def settle(self) -> Settled:
        """Go through the answers since the last call."""
        settled = Settled([], [], [])
        refused: dict[int, Answer] = {}
        while self._answers:
            mid, answer, answered_at = self._answers.popleft()
            self.heard, self._heard_at = True, answered_at
            full = len(self._sent) >= self._pace
            what, sent_at = self._sent.pop(mid, (None, answered_at))
            self._keep_pace(sent_at, answered_at, full=full)
            if isinstance(what, str):
                if answer.refused:
                    settled.topics.append(what)
            elif what is None:
                if answer.refused:
                    settled.others.append(mid)
            elif answer.refused or (answer.nobody and self._clock.now() < self._listeners_due):
                refused[what] = answer
            else:
                settled.rows.append(what)
        if settled.rows:
            self._tries, self._hung_up, self.refusal, self._alone = 0, 0, "", False
        if refused:
            first = min(refused)
            self.go_back(first - 1)
            self.refusal = refused[first].refused
            self._tries += 1
        if refused or settled.topics:
            only_nobody = not settled.topics and not self.refusal
            tries = min(max(self._tries, 1), len(_RETRY_S))
            wait_s = _NOBODY_EVERY_S if only_nobody else _RETRY_S[tries - 1]
            self._held_until = self._clock.now() + wait_s
        return settled

    def _keep_pace(self, sent_at: float, answered_at: float, *, full: bool) -> None:
        took_s = answered_at - sent_at
        if took_s > _SLOW_S and sent_at >= self._slowed_at:  # once for all that was on its way then
            self._slowed_at = answered_at
            self._pace = max(1, self._pace // 2)
        elif took_s < _QUICK_S and full:
            self._pace = min(self._pace + 1, self._window)

    def __len__(self) -> int:
        return len(self._sent)
