"""One alarm line (one condition of one bed or source) as a state machine over its occurrences.

``inactive -> pending -> on -> ack -> off``, with ``latched`` for what ended unseen. An occurrence begins when a feed's
condition becomes present and is over at ``off``; the next one has a new id and no acknowledgement. A rise in priority
sounds again and takes the acknowledgement away, a fall does neither; so does a standing alarm after its re-alarm time
(OPC UA Part 9). Silence (audio pause, shelving) never changes presence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.alarms.conditions import Condition, priority_of
from edge.alarms.feed import Feed
from edge.alarms.judge import Finding
from edge.types import PRIORITIES
from edge.types.errors import require

SOUNDS: Final = ("raised", "returned", "escalated", "realarmed", "widened")
"""Changes at which an alarm sounds, anew where it was acknowledged."""
CHANGES: Final = (
    *SOUNDS,
    *("deescalated", "narrowed", "acknowledged", "latched", "cleared", "reset", "standby", "person", "unwatched"),
    *("paused", "resumed", "shelved", "unshelved", "unconfirmed", "received", "standing"),
)
"""All that ``evidence.change`` may say, part of the public contract: transitions, then notes that change no presence;
standing is no transition, but what a late listener is told. person: over since another one lies there."""
DOUBT_S: Final = 60.0
"""After a restart, states nobody has confirmed for so long are taken as gone."""


@dataclass(frozen=True, slots=True)
class Change:
    """One transition. what: one of ``CHANGES``; presence: what holds from ``t``, s, on."""

    what: str
    t: float
    presence: str

    def __post_init__(self) -> None:
        require(self.what in CHANGES, f"unknown change {self.what!r}")


class Lifecycle:
    """The state of one alarm line; every method that may change it returns the transition or None."""

    def __init__(self, rule: Condition, alarm_id: str, boot: str) -> None:
        self.rule = rule
        self.id = alarm_id
        self.presence = ""
        self.occurrence = ""
        self.priority = rule.priority
        self.since = 0.0
        self.value: float | str | None = None
        self.text = ""
        self.evidence: dict[str, Any] = {}
        self.recent: list[list[Any]] = []
        self.shelved_until: float | None = None
        self.changed_at = 0.0
        self.realarms = 0
        self.sounded_seq = 0  # number of the event at which it last sounded, and when that was, s
        self.sounded_at = 0.0
        self._boot = boot
        self._number = 0
        self._top = rule.priority
        self._sounded = 0.0
        self._feeds: dict[str, Feed] = {}

    @property
    def standing(self) -> bool:
        """Whether an occurrence is shown: on, ack or latched."""
        return bool(self.presence)

    @property
    def severe(self) -> bool:
        """Whether a feed is past the severe limit."""
        return any(feed.is_severe for feed in self._feeds.values())

    @property
    def told_severe(self) -> bool:
        """Whether the occurrence is told at the severe limit: to its end, whatever a feed says by then."""
        rule = self.rule
        return self.severe or (rule.severe_limit is not None and self.priority == rule.severe_priority != rule.priority)

    def has_not_sounded_since(self, t: float) -> bool:
        """Whether it is shown, unacknowledged, and has not sounded after ``t``: the end of a silence then sounds it."""
        return self.presence in ("on", "latched") and self._sounded <= t

    def says(self, feed: str) -> bool:
        """Whether ``feed`` last said that the condition holds."""
        known = self._feeds.get(feed)
        return known is not None and known.limit.last == "yes"

    def holds(self, feed: str) -> bool:
        """Whether the condition is present by ``feed``, or not yet over."""
        known = self._feeds.get(feed)
        return known is not None and known.present

    def causes(self) -> list[str]:
        """What each feed that says so gives as the cause, in words."""
        return list(dict.fromkeys(f.text for f in self._feeds.values() if f.limit.last == "yes" and f.text))

    def doubts(self, feed: str) -> bool:
        """Whether ``feed`` said so before a restart only."""
        known = self._feeds.get(feed)
        return known is not None and known.doubt

    def observe(
        self,
        feed: str,
        t: float,
        finding: Finding,
        severe: Finding | None = None,
        *,
        evidence: dict[str, Any] | None = None,
        text: str = "",
        clocked: bool = False,
    ) -> Change | None:
        """Take what one feed says at ``t``.

        severe: the finding at the severe limit, where the rule has one. evidence: what it rests on, None of what is unknown.
        """
        known = self._feeds.get(feed)
        if known is None:
            known = self._feeds[feed] = Feed(self.rule, clocked)
        known.take(t, finding, severe, evidence, text)
        if evidence is not None:
            self.evidence = evidence
            if not clocked:
                self.recent = known.recent
        told = finding if severe is None or not self.told_severe else severe  # a rate of 42 is not below 40
        if told.verdict == "yes" and not clocked:
            self.value = told.value
        if not self.presence and not known.present:
            return None  # where no occurrence stands no other feed is present: most readings end here
        return self._settle(known.changed_at if clocked else t)

    def tick(self, now: float, *, silenced: bool = False) -> Change | None:
        """Let the clock run: delays of states, ends of momentary events, doubt after a restart, re-alarm."""
        changed = [feed.changed_at for feed in self._feeds.values() if feed.clocked and feed.tick(now)]
        begun = self.presence in ("on", "ack")  # it began with the first of several, and ends with the last
        change = self._settle(max(changed) if begun else min(changed)) if changed else None
        after_s = self.rule.realarms_after_s(self.priority)
        if change or silenced or self.presence not in ("on", "ack") or not after_s or now < self._sounded + after_s:
            return change
        due = self._sounded + after_s
        self._sounded = due if now - due < after_s else now
        self.presence = "on"
        self.realarms += 1
        return self._change("realarmed", self._sounded)

    def acknowledge(self, t: float) -> Change | None:
        """Somebody has seen this occurrence; ends a latched one."""
        if self.presence == "on":
            self.presence = "ack"
            self._sounded = t
            return self._change("acknowledged", t)
        return self._over("acknowledged", t) if self.presence == "latched" else None

    def reset(self, t: float) -> Change | None:
        """End a latched occurrence."""
        return self._over("reset", t) if self.presence == "latched" else None

    def note(self, what: str, t: float) -> Change | None:
        """Tell of what changes no presence: a silence that came or went, a step of delivery.

        The end of a silence sounds what is unacknowledged again.
        """
        if not self.standing:
            return None
        if what in ("resumed", "unshelved"):
            self._sounded = max(self._sounded, t)
        return self._change(what, t)

    def reword(self, text: str, t: float, *, more: bool) -> Change | None:
        """Tell a standing alarm with another text; where there is ``more`` of it than was seen, it sounds again."""
        if self.presence not in ("on", "ack"):
            return None
        self.text = text
        if not more:
            return self._change("narrowed", t)
        self.presence = "on"
        self._sounded = t
        return self._change("widened", t)

    def end(self, t: float, what: str, *, keep_clocked: bool = False) -> Change | None:
        """Forget what readings said (standby) or everything (no longer watched, another person)."""
        self._feeds = {name: feed for name, feed in self._feeds.items() if keep_clocked and feed.clocked}
        if any(feed.present for feed in self._feeds.values()):
            return None
        return self._over(what, t) if self.presence else None

    def drop_doubtful(self, t: float) -> Change | None:
        """Forget restored states that nothing has confirmed since."""
        self._feeds = {name: feed for name, feed in self._feeds.items() if not feed.doubt}
        return self._settle(t)

    def unwatch(self, gone: Callable[[str], bool], t: float) -> Change | None:
        """Forget feeds that nobody feeds any more; what only they held is over, since nothing could ever end it."""
        self._feeds = {name: feed for name, feed in self._feeds.items() if not gone(name)}
        present = any(feed.present for feed in self._feeds.values())
        return self._over("unwatched", t) if self.presence in ("on", "ack") and not present else None

    def _settle(self, t: float) -> Change | None:
        present = any(feed.present for feed in self._feeds.values())
        if not present:
            return self._no_longer(t) if self.presence in ("on", "ack") else None
        priority = priority_of(self.rule, self.severe)
        if not self.presence:
            self._number += 1
            self.occurrence = ".".join((self._boot, *self.id.split("/"), str(self._number)))
            self.realarms = 0
            self._top = priority
            starts = [f.since for f in self._feeds.values() if f.since is not None]
            self.since = min(starts, default=t)
            return self._sound("raised", t, priority)
        if self.presence == "latched":
            return self._sound("returned", t, priority)
        if _rank(priority) > _rank(self.priority):
            return self._sound("escalated", t, priority)
        if priority != self.priority:
            self.priority = priority
            self.value = self._first(t).value
            return self._change("deescalated", t)
        return None

    def _sound(self, what: str, t: float, priority: str) -> Change:
        first = self._first(t)
        self.value, self.text, self.evidence, self.recent = first.value, first.text, first.evidence, first.recent
        self.presence = "on"
        self.priority = priority
        if _rank(priority) > _rank(self._top):
            self._top = priority
        self._sounded = t
        return self._change(what, t)

    def _first(self, t: float) -> Feed:
        """Of several voices the severe one is told, else the one that has lasted longest."""
        present = [feed for feed in self._feeds.values() if feed.present]
        return min(present, key=lambda feed: (not feed.is_severe, t if feed.since is None else feed.since))

    def _no_longer(self, t: float) -> Change:
        if self.presence == "on" and self.rule.latches(self._top):
            self.presence = "latched"
            return self._change("latched", t)
        return self._over("cleared", t)

    def _over(self, what: str, t: float) -> Change:
        self.presence = ""
        return self._change(what, t)

    def _change(self, what: str, t: float) -> Change:
        self.changed_at = t if what == "raised" else max(t, self.changed_at)
        return Change(what, self.changed_at, self.presence or "off")

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types."""
        return {
            "presence": self.presence,
            "occurrence": self.occurrence,
            "priority": self.priority,
            "since": self.since,
            "changed_at": self.changed_at,
            "value": self.value,
            "text": self.text,
            "evidence": self.evidence,
            "recent": self.recent,
            "shelved_until": self.shelved_until,
            "realarms": self.realarms,
            "sounded_seq": self.sounded_seq,
            "sounded_at": self.sounded_at,
            "number": self._number,
            "top": self._top,
            "sounded": self._sounded,
            "feeds": {name: feed.snapshot() for name, feed in self._feeds.items()},
        }

    def restore(self, saved: Mapping[str, Any], shift_s: float = 0.0, *, doubt: bool = False) -> None:
        """Go on from ``snapshot()``, its times moved by ``shift_s``; doubt: technical states must be confirmed anew.

        Not events of a moment: nobody says those twice, and they end by themselves.
        """
        self.presence, self.occurrence = saved["presence"], saved["occurrence"]
        self.priority, self._top = (PRIORITIES[_rank(saved[key])] for key in ("priority", "top"))
        self.value, self.text, self.evidence = saved["value"], saved["text"], dict(saved["evidence"])
        self.recent = [list(told) for told in saved.get("recent", [])]
        self.realarms, self._number = int(saved["realarms"]), int(saved["number"])
        self.since, self.changed_at = saved["since"] + shift_s, saved["changed_at"] + shift_s
        self._sounded = saved["sounded"] + shift_s
        self.sounded_seq = saved.get("sounded_seq", 0)  # absent in states of older versions, as the next
        self.sounded_at = saved.get("sounded_at", saved["since"]) + shift_s
        until = saved["shelved_until"]
        self.shelved_until = None if until is None else until + shift_s
        for name, state in saved["feeds"].items():
            feed = self._feeds[name] = Feed(self.rule, state["clocked"])
            feed.restore(state, shift_s, doubt=doubt and self.rule.kind == "technical" and not self.rule.lasts_s)


_rank: Final = PRIORITIES.index
