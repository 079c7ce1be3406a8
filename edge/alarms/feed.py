"""What one reading metric, source state or fault has said of a condition, and whether the condition is present by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge.alarms.conditions import Condition
from edge.alarms.detector import Detector
from edge.alarms.judge import Finding

RECENT: Final = 8
"""So many of the readings that decided go with an alarm."""


class Feed:
    """One voice of an alarm line. clocked: a state, which the clock runs on, and no series of readings.

    doubt: restored, and not said again since. value, text, evidence: of what it said last for the condition;
    recent: ``[t, value, quality, verdict]`` of the last readings that decided.
    """

    __slots__ = ("_lasts_s", "clocked", "doubt", "evidence", "limit", "recent", "severe", "text", "value")

    def __init__(self, rule: Condition, clocked: bool) -> None:
        self._lasts_s = rule.lasts_s
        self.clocked = clocked
        self.doubt = False
        self.value: float | str | None = None
        self.text = ""
        self.evidence: dict[str, Any] = {}
        self.recent: list[list[Any]] = []
        self.limit = Detector(rule, clocked=clocked)
        self.severe = None if rule.severe is None else Detector(rule.severe, clocked=clocked)

    @property
    def present(self) -> bool:
        return self.limit.present or self.is_severe

    @property
    def is_severe(self) -> bool:
        return self.severe is not None and self.severe.present

    @property
    def since(self) -> float | None:
        """When what is present began, s; None where nothing is."""
        starts = [d.since for d in (self.limit, self.severe) if d is not None and d.present and d.since is not None]
        return min(starts, default=None)

    @property
    def changed_at(self) -> float:
        """When a state came or ended, s; states have no severe limit."""
        return self.limit.changed_at

    def take(
        self, t: float, finding: Finding, severe: Finding | None, evidence: dict[str, Any] | None, text: str
    ) -> None:
        """Take what it says at ``t``, s; severe: at the severe limit, where the rule has one; evidence: of what decides."""
        self.doubt = False
        self.limit.feed(t, finding.verdict)
        if self.severe is not None and severe is not None:
            self.severe.feed(t, severe.verdict)
        if evidence is not None:
            self.evidence = evidence
            if not self.clocked:
                told = [t, evidence["value"], evidence["quality"], finding.verdict]
                self.recent = [*self.recent[1 - RECENT :], told]
        if finding.verdict == "yes":
            self.value, self.text = finding.value, text

    def tick(self, now: float) -> bool:
        """Let the clock run for a state; whether it made the condition present or ended it."""
        was = self.present
        self.limit.tick(now)
        if self._lasts_s and self.limit.present and now >= self.limit.changed_at + self._lasts_s:
            self.limit.feed(now, "no")
        return self.present != was

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types."""
        return {
            "clocked": self.clocked,
            "doubt": self.doubt,
            "value": self.value,
            "text": self.text,
            "evidence": self.evidence,
            "recent": self.recent,
            "limit": self.limit.snapshot(),
            "severe": None if self.severe is None else self.severe.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any], shift_s: float, *, doubt: bool) -> None:
        """Go on from ``snapshot()``, its times moved by ``shift_s``; doubt: it must be said anew."""
        self.doubt = saved["doubt"] or doubt
        self.value, self.text, self.evidence = saved["value"], saved["text"], dict(saved["evidence"])
        self.recent = [list(told) for told in saved.get("recent", [])]
        self.limit.restore(saved["limit"], shift_s)
        if self.severe is not None and saved["severe"] is not None:
            self.severe.restore(saved["severe"], shift_s)
