"""One bed of the alarm board: its lines, pauses, standby and numbers, and how a transition is told as an ``Alarm``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from edge.alarms.auscultation import NO_PLACE, Auscultation, Place
from edge.alarms.conditions import DRILL, PER_SOURCE, Condition
from edge.alarms.coverage import Coverage
from edge.alarms.delivery import NOBODY, Chain, Deliveries
from edge.alarms.lifecycle import SOUNDS, Change, Lifecycle
from edge.alarms.rules import AlarmRules
from edge.types import FUSED, Alarm, Command, Reading

_NESTED: Final = ("overruled", "patient", "lanes", "models")
"""What of a reading's detail goes with an alarm although it is no plain figure or word."""
SETTLED_S: Final = 3.0
"""Heart sound, heard anew, has its first answer after so long, all else later; and fusion carries no reading for longer."""
_FROM_READINGS: Final = ("sensor_off", "low_quality", "model_fault")
NOTHING_WATCHED: Final = AlarmRules(
    MappingProxyType({name: replace(rule, enabled=False) for name, rule in AlarmRules().conditions.items()}),
    silent_s=0.0,
    coverage_limit=0.0,
)


class Answered(NamedTuple):
    """What came of a command. asked: which one it was, as ``asked_by`` says; "" in states that did not keep it."""

    ok: bool
    text: str
    asked: str = ""


class Bed:
    """The state of one bed.

    seq: number of its last event; epoch: where the numbers began. silent_since: per source and stream (a metric's part
    before the dot; "" = whatever comes first) the tick that first found it silent, s; None = it spoke since.
    ticked: the last moment of the clock that it was told of, s, inf before the first: files are read ahead of it.
    off: sources that are switched off or have ended, of which nothing is missed. announced: by source, streams that the
    device says it sends.
    """

    def __init__(
        self,
        name: str,
        rules: AlarmRules,
        boot: str,
        chain: Chain = NOBODY,
        cards: Mapping[str, str] = MappingProxyType({}),
        *,
        keeps_evidence: bool = False,
        place: Place = NO_PLACE,
    ) -> None:
        self.name = name
        self.rules = rules
        self.seq, self.epoch = 0, boot
        self.paused_until: float | None = None
        self.standby_until: float | None = None
        self.lines: dict[str, Lifecycle] = {}
        self.silent_since: dict[str, dict[str, float | None]] = {}
        self.off: set[str] = set()
        self.coverage = Coverage()
        self.coverage_due = 0.0
        self.ticked = math.inf
        self.answered: dict[str, Answered] = {}
        self.deliveries = Deliveries(chain)
        self.auscultation = Auscultation(place)
        self.watches, self._place = place.sources, place
        self.announced: dict[str, frozenset[str]] = {}
        self._boot, self._cards, self._keeps_evidence = boot, cards, keeps_evidence
        self._readers: dict[str, tuple[tuple[Condition, Condition | None], ...]] = {}

    def conditions_of(self, metric: str) -> tuple[tuple[Condition, Condition | None], ...]:
        """The enabled conditions that a reading of ``metric`` feeds, each with its severe form."""
        known = self._readers.get(metric)
        if known is None:
            technical = () if metric.startswith(FUSED) else _FROM_READINGS
            known = self._readers[metric] = tuple(
                (rule, rule.severe)
                for rule in self.rules.conditions.values()
                if rule.enabled and (metric in rule.metrics or rule.name in technical)
            )
        return known

    def line(self, rule: Condition, source: str = "") -> Lifecycle:
        """The alarm line of ``rule``, of its own for each source where the contract says so."""
        alarm_id = f"{self.name}/{rule.name}/{source}" if rule.name in PER_SOURCE else f"{self.name}/{rule.name}"
        found = self.lines.get(alarm_id)
        if found is None:
            found = self.lines[alarm_id] = Lifecycle(rule, alarm_id, self._boot)
        return found

    def standing(self) -> Iterator[Lifecycle]:
        """Lines whose occurrence is on, acknowledged or latched."""
        return (line for line in self.lines.values() if line.standing)

    def ignores(self, t: float) -> bool:
        """Whether the bed was in standby at ``t``, or that is older: a reading late by then would stand until its end."""
        return self.standby_until is not None and t < self.standby_until

    def of_the_one_before(self, t: float) -> bool:
        """Whether a reading of ``t`` may be of who lay there before: on its way when another came, or fused of such."""
        came = self.auscultation.person_since
        return came is not None and t <= came + SETTLED_S

    def promised(self, source: str) -> frozenset[str]:
        """Streams that must come: of those somebody looks at all where the configuration says who, else what is
        announced."""
        looked_at = self._place.streams.get(source, frozenset())
        return looked_at if source in self._place.named else looked_at & self.announced.get(source, frozenset())

    def unfed(self, line: Lifecycle, feed: str) -> bool:
        """Whether nothing of the configuration feeds it: the rule goes by other metrics, or no source tells this one."""
        source, _, metric = feed.partition("/")
        if metric not in line.rule.metrics:
            return True
        if self._place.metrics is None:
            return False
        told = self._place.metrics.get(source, frozenset())
        return told is not None and metric not in told

    def tell(self, line: Lifecycle, change: Change | None, command: Command | None = None) -> list[Alarm]:
        """The event of a transition, numbered; none without a transition."""
        if change is None:
            return []
        self.seq += 1
        if change.what in SOUNDS:
            line.sounded_seq, line.sounded_at = self.seq, min(change.t, self.ticked)
        delivery = self.deliveries.follow(line.id, change, line.priority, command.by if command else "")
        return [self.alarm(line, change, command, delivery)]

    def tell_unseen(self, what: str, t: float, command: Command | None = None) -> list[Alarm]:
        """An event for every line that sounds, since its silence has changed at ``t`` and its presence has not. Without a
        command that is the end of a silence, which a line that sounded later needs not be told of; a command may come
        behind what sounded while it was on its way, and is told of by every line."""
        found: list[Alarm] = []
        for line in self.lines.values():
            if line.has_not_sounded_since(math.inf if command else t):
                found += self.tell(line, line.note(what, t), command)
        return found

    def begin_with_person(self, t: float, command: Command | None = None) -> list[Alarm]:
        """Another person lies there: what was raised for the one before is over, and so is every silence."""
        found: list[Alarm] = []
        paused, self.paused_until = self.paused_until is not None, None
        if self.ignores(t):
            self.standby_until = t
        for line in self.lines.values():
            shelved, line.shelved_until = line.shelved_until is not None, None
            if line.rule.kind == "physiological":
                found += self.tell(line, line.end(t, "person"), command)
            elif shelved:
                found += self.tell(line, line.note("unshelved", t), command)
        return found + (self.tell_unseen("resumed", t, command) if paused else [])

    def tell_unconfirmed(self, now: float) -> list[Alarm]:
        """An event for every alarm that nobody confirmed in time."""
        found: list[Alarm] = []
        for alarm_id, due in list(self.deliveries.overdue(now)):
            line = self.lines[alarm_id]
            found += self.tell(line, line.note("unconfirmed", due))
        return found

    def alarm(
        self,
        line: Lifecycle,
        change: Change,
        command: Command | None = None,
        delivery: Mapping[str, Any] | None = None,
    ) -> Alarm:
        """The alarm as it is from ``change`` on, with the bed's last number."""
        rule = line.rule
        limit = rule.severe_limit if line.told_severe else rule.limit
        source = line.id.split("/")[2] if rule.name in PER_SOURCE else ""
        optional = {
            "paused_until": _later(self.paused_until, change.t),
            "shelved_until": _later(line.shelved_until, change.t),
            "realarms": line.realarms or None,
            "by": command and command.by,
            "command_id": command and command.command_id,
            "card": self._card(line.evidence.get("model", "")),
            "cards": self._cards_of(line.evidence.get("detail", {}).get("models", {})),
            "recording": recording_of(line.occurrence) if self._keeps_evidence else None,
        }
        evidence: dict[str, Any] = {
            "change": change.what,
            "reading": line.evidence,
            "readings": line.recent,
            "rule": _rule_evidence(rule, limit),
            "span": [line.since, change.t],
            **{key: figure for key, figure in optional.items() if figure is not None},
        }
        return Alarm(
            id=line.id,
            occurrence=line.occurrence,
            kind=rule.kind,
            priority=line.priority,
            presence=change.presence,
            t=change.t,
            text=_text(line, limit, source),
            condition=rule.name,
            bed=self.name,
            source=source,
            since=line.since,
            value=line.value,
            limit=limit,
            seq=self.seq,
            evidence=evidence,
            delivery=self.deliveries.says(line.id) if delivery is None else delivery,
            drill=rule.name == DRILL,
            epoch=self.epoch,
        )

    def _card(self, identity: str) -> str | None:
        return self._cards.get(identity.partition(" ")[0])

    def _cards_of(self, models: Mapping[str, str]) -> dict[str, str] | None:
        """The card of each lane's model, where several lanes made a reading."""
        cards = {lane: card for lane, identity in models.items() if (card := self._card(identity)) is not None}
        return cards or None

    def snapshot(self, *, coverage: bool = True) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types."""
        return {
            "seq": self.seq,
            "epoch": self.epoch,
            "paused_until": self.paused_until,
            "standby": None if self.standby_until is None else [self.standby_until] * 2,  # as all versions read it
            "heard": {source: dict(streams) for source, streams in self.silent_since.items()},
            "analyzers": {source: list(names) for source, names in (self.watches or {}).items()},
            "off": sorted(self.off),
            "announced": {source: sorted(streams) for source, streams in self.announced.items()},
            "coverage": self.coverage.snapshot() if coverage else None,
            "coverage_due": self.coverage_due,
            "ticked": None if self.ticked == math.inf else self.ticked,
            "answered": {name: list(answer) for name, answer in self.answered.items()},
            "lines": {name: line.snapshot() for name, line in self.lines.items()},
            "deliveries": self.deliveries.snapshot(),
            "auscultation": self.auscultation.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any], shift_s: float = 0.0, *, doubt: bool = False) -> None:
        """Go on from ``snapshot()``, its times moved by ``shift_s``; doubt: what the device said must be said anew."""
        self.seq, self.epoch = int(saved["seq"]), saved.get("epoch", "")
        until, standby = saved["paused_until"], saved["standby"]
        self.paused_until = None if until is None else until + shift_s
        self.standby_until = None if standby is None else standby[1] + shift_s
        self.silent_since, self.off = {}, set(saved.get("off", ())) if not doubt else set()
        said = saved.get("announced", {}) if not doubt else {}
        self.announced = {source: frozenset(streams) for source, streams in said.items()}
        analyzed = saved.get("analyzers", {})
        for source, streams in saved["heard"].items():
            if not isinstance(streams, Mapping):  # recordings of older versions know no streams
                continue
            if not doubt:
                self.silent_since[source] = dict(streams)
            elif source in analyzed and list((self.watches or {}).get(source, ())) == analyzed[source]:
                self.silent_since[source] = dict.fromkeys(filter(None, streams))  # what spoke before is missed still
        self.answered = {name: Answered(*answer) for name, answer in saved["answered"].items()}
        if saved["coverage"] is not None:
            self.coverage.restore(saved["coverage"], shift_s, restarted=doubt)
        if not doubt:
            self.coverage_due = saved["coverage_due"]
            ticked = saved.get("ticked")  # absent in states of older versions
            self.ticked = math.inf if ticked is None else ticked + shift_s
        for alarm_id, state in saved["lines"].items():
            _, name, *source = alarm_id.split("/")
            if name in self.rules.conditions:
                self.line(self.rules[name], *source).restore(state, shift_s, doubt=doubt)
        waiting = saved.get("deliveries", {})  # absent in states of before there were any
        self.deliveries.restore({name: post for name, post in waiting.items() if name in self.lines}, shift_s)
        if "auscultation" in saved:
            self.auscultation.restore(saved["auscultation"], shift_s)


def recording_of(occurrence: str) -> str:
    """The file that holds the waveform around an occurrence."""
    return f"{occurrence}.evrec"


def evidence_of(reading: Reading) -> dict[str, Any]:
    """What of a reading goes with an alarm, in JSON's types."""
    plain = {k: v for k, v in reading.detail.items() if v is None or isinstance(v, bool | int | float | str)}
    told: dict[str, Any] = {key: dict(reading.detail[key]) for key in _NESTED if key in reading.detail}
    if "agree" in reading.detail:
        told["agree"] = list(reading.detail["agree"])
    return {
        "metric": reading.metric,
        "source": reading.source,
        "t": reading.t,
        "value": reading.value,
        "quality": reading.quality,
        "reason": reading.reason,
        "model": reading.model,
        "detail": {**plain, **told},
    }


def _later(until: float | None, t: float) -> float | None:
    return until if until is not None and until > t else None


def _rule_evidence(rule: Condition, limit: float | None) -> dict[str, Any]:
    return {
        "limit": limit,
        "hysteresis": rule.hysteresis,
        "on_delay_s": rule.on_delay_s,
        "off_delay_s": rule.off_delay_s,
        "confirm": [rule.k, rule.n],
        "spacing_s": rule.spacing_s,
    }


def _text(line: Lifecycle, limit: float | None, source: str) -> str:
    if line.text:
        return line.text
    shown = "" if line.value is None else line.value
    if not isinstance(shown, str):
        shown = _shown(shown, limit)
    text = line.rule.text.format(value=shown, limit="" if limit is None else f"{limit:g}", source=source)
    if line.rule.name == "low_quality" and isinstance(line.value, str):  # why: gaps want another remedy than noise
        text += f" ({shown.replace('_', ' ')})"
    return " ".join(text.split())


def _shown(value: float, limit: float | None) -> str:
    """Whole, unless rounding would put it on the other side of the limit: no heart rate of 45 is below 45."""
    shown = f"{value:.0f}"
    if limit is not None and (float(shown) < limit) != (value < limit):
        shown = f"{value:.3g}" if float(f"{value:.3g}") != limit else f"{value:g}"
    return shown
