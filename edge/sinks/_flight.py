"""What is on its way to the broker: sent in order, held back when refused, done only when the broker took it.

A broker may answer a PUBLISH with a refusal (quota exceeded, not authorized); such a message has not been delivered.
Then everything behind it waits, and one message at a time tries whether the broker takes it now, so that order is kept.
A broker that has lost its sessions answers "no matching subscribers" until the subscribers are back; soon after a
return that counts as a refusal, too, later as the truth.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edge.clock import Clock

LISTENERS_BACK_S = 30.0
_MOST = 200
_RETRY_S = (1.0, 2.0, 5.0, 10.0)
_NOBODY_EVERY_S = 0.5


class Answer(NamedTuple):
    """A PUBACK. refused: why the broker did not take it, in words; nobody: it did, and gave it to nobody."""

    refused: str = ""
    nobody: bool = False


class Settled(NamedTuple):
    """Rows of the outbox that are delivered, and retained topics that must be said again."""

    rows: list[int]
    topics: list[str]


class Flight:
    """The messages of one connection after the other. ``answered`` may be called from any thread and never waits.

    after: the last row of the outbox that was sent. refusal: why the broker takes nothing now, "" when it does.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: deque[tuple[int, Answer]] = deque()
        self._sent: dict[int, int | str | None] = {}
        self._window = 1
        self._held_until = self._listeners_due = 0.0
        self._tries = 0
        self.after = 0
        self.refusal = ""

    def begin(self, *, window: int, returned: bool) -> None:
        """A new connection: nothing is on its way. window: how many messages the broker takes at once; returned: its
        subscribers may still be coming back."""
        self._window = min(window, _MOST)
        self._sent.clear()
        self._answers.clear()
        self.after = 0
        self._held_until = 0.0
        self._listeners_due = self._clock.now() + (LISTENERS_BACK_S if returned else 0.0)

    @property
    def held(self) -> bool:
        """Whether nothing at all should be sent now."""
        return self._clock.now() < self._held_until

    def room(self) -> int:
        """How many messages may be on their way beside those that are."""
        return max(0, self._window - len(self._sent))

    def room_for_rows(self) -> int:
        """How many rows may be sent now."""
        if self.held:
            return 0
        return self.room() if not self._tries else int(not self._sent)

    def sent(self, mid: int, what: int | str | None) -> None:
        """A row of the outbox, the topic of a retained message, or something else with QoS 1 is on its way as ``mid``."""
        self._sent[mid] = what
        if isinstance(what, int):
            self.after = what

    def answered(self, mid: int, answer: Answer) -> None:
        """The broker's answer to ``mid``."""
        self._answers.append((mid, answer))

    def settle(self) -> Settled:
        """Go through the answers since the last call."""
        settled = Settled([], [])
        refused: dict[int, Answer] = {}
        while self._answers:
            mid, answer = self._answers.popleft()
            what = self._sent.pop(mid, None)
            if isinstance(what, str):
                if answer.refused:
                    settled.topics.append(what)
            elif what is not None:
                if answer.refused or (answer.nobody and self._clock.now() < self._listeners_due):
                    refused[what] = answer
                else:
                    settled.rows.append(what)
        if settled.rows and not refused:
            self._tries, self.refusal = 0, ""
        if refused:
            first = min(refused)
            self.after = min(self.after, first - 1)
            self.refusal = refused[first].refused
            self._tries += 1
        if refused or settled.topics:
            only_nobody = not settled.topics and not self.refusal
            tries = min(max(self._tries, 1), len(_RETRY_S))
            wait_s = _NOBODY_EVERY_S if only_nobody else _RETRY_S[tries - 1]
            self._held_until = self._clock.now() + wait_s
        return settled

    def __len__(self) -> int:
        return len(self._sent)
