"""Delays and confirmation of one feed of one condition, by the time of its readings: is the condition present?

Unknown readings pause the on-delay and the off-delay and reset neither; a reading inside the hysteresis pauses the
on-delay and keeps a present condition present. Only time between two readings that say the same counts, and never more
than ``LONGEST_HOP_S`` of it, so a hole in the data is no evidence. A clocked feed (a source, a fault) is a state instead:
it holds until told otherwise and the clock runs its delays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge.alarms.conditions import Condition
from edge.alarms.judge import Verdict
from edge.ranges import LONGEST_HOP_S

_EPS_S: Final = 1e-6


class Detector:
    """Follows the verdicts of one feed. present: after delays and confirmation; since: when it began, s."""

    __slots__ = ("_clocked", "_held_s", "_last", "_over_s", "_rule", "_t", "_votes", "changed_at", "present", "since")

    def __init__(self, rule: Condition, *, clocked: bool = False) -> None:
        self._rule = rule
        self._clocked = clocked
        self._votes: list[tuple[float, bool]] = []
        self._t: float | None = None
        self._last: Verdict = "unknown"
        self._held_s: float | None = None
        self._over_s: float | None = None
        self.present = False
        self.since: float | None = None
        self.changed_at = 0.0

    @property
    def last(self) -> Verdict:
        return self._last

    def feed(self, t: float, verdict: Verdict) -> bool:
        """Take one verdict at ``t``; returns ``present``.

        A reading that is not newer than the last is ignored; a state is taken however late the word of it comes.
        """
        if self._t is not None and t <= self._t:
            if not self._clocked:
                return self.present
            t = self._t
        confirmed = verdict if verdict == "unknown" else self._confirmed(t, verdict)
        elapsed = 0.0 if self._t is None else t - self._t
        counts = confirmed == self._last and (self._clocked or elapsed <= LONGEST_HOP_S + _EPS_S)
        step = elapsed if counts else 0.0
        if self.present:
            self._while_present(t, confirmed, step)
        else:
            self._while_absent(t, confirmed, step)
        self._t = t
        self._last = confirmed
        return self.present

    def tick(self, now: float) -> bool:
        """Let the clock run, for a clocked feed that was told something."""
        return self.feed(now, self._last)

    def _confirmed(self, t: float, verdict: Verdict) -> Verdict:
        rule = self._rule
        if rule.n == 1:
            return verdict
        if verdict != "between" and (not self._votes or t >= self._votes[-1][0] + rule.spacing_s - 1e-3):
            oldest = t - 2 * rule.n * rule.spacing_s
            self._votes = [vote for vote in self._votes[-(rule.n - 1) :] if vote[0] >= oldest]
            if not self._votes and not self.present:
                self._held_s = self.since = None  # what began before the hole is forgotten with its votes
            self._votes.append((t, verdict == "yes"))
        in_favour = sum(yes for _, yes in self._votes)
        if in_favour >= rule.k:
            return "yes"
        return "no" if len(self._votes) - in_favour >= rule.k else "between"

    def _while_absent(self, t: float, verdict: Verdict, step: float) -> None:
        if verdict == "no":
            self._held_s = self.since = None
        elif verdict == "yes":
            if self._held_s is None:
                self._held_s = 0.0
                self.since = next((vote_t for vote_t, yes in self._votes if yes), t)
            else:
                self._held_s += step
            late_s = self._held_s - self._rule.on_delay_s
            if late_s >= -_EPS_S:
                self.present = True
                self.changed_at = t - max(0.0, late_s) if self._clocked else t

    def _while_present(self, t: float, verdict: Verdict, step: float) -> None:
        if verdict in ("yes", "between"):
            self._over_s = None
        elif verdict == "no":
            self._over_s = 0.0 if self._over_s is None else self._over_s + step
            late_s = self._over_s - self._rule.off_delay_s
            if late_s >= -_EPS_S:
                self.present = False
                self.changed_at = t - max(0.0, late_s) if self._clocked else t
                self._held_s = self._over_s = self.since = None

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types."""
        return {
            "votes": [list(vote) for vote in self._votes],
            "t": self._t,
            "last": self._last,
            "held_s": self._held_s,
            "over_s": self._over_s,
            "present": self.present,
            "since": self.since,
            "changed_at": self.changed_at,
        }

    def restore(self, state: Mapping[str, Any], shift_s: float = 0.0) -> None:
        """Go on from ``snapshot()``, its times moved by ``shift_s``."""
        votes = state["votes"] if self._rule.n > 1 else ()  # the rule may want no confirmation any more
        self._votes = [(float(t) + shift_s, bool(yes)) for t, yes in votes]
        self._t = None if state["t"] is None else float(state["t"]) + shift_s
        self._last = state["last"]
        self._held_s, self._over_s = state["held_s"], state["over_s"]
        self.present = bool(state["present"])
        self.since = None if state["since"] is None else float(state["since"]) + shift_s
        self.changed_at = float(state["changed_at"]) + shift_s
