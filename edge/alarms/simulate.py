"""What would have alarmed: two sets of rules over one sequence of readings, compared.

A bed is in standby, and another person lies in it, when that was so: what had been raised is over then, as it was live.
Nobody acknowledges in a simulation, so nothing latches and nothing is re-alarmed: an occurrence lasts as long as its
condition. Measures follow ISA-18.2 and EEMUA 191: a flood is more than 10 new alarms within 10 minutes, a chattering
alarm comes 3 times or more within a minute, a standing alarm lasts longer than ``STANDING_S``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from edge.alarms.auscultation import Place
from edge.alarms.board import Board
from edge.alarms.rules import AlarmRules
from edge.types import Alarm, Command, Fault, Reading, SourceStatus

FLOOD_ALARMS: Final = 10
FLOOD_S: Final = 600.0
CHATTER_ALARMS: Final = 3
CHATTER_S: Final = 60.0
STANDING_S: Final = 3600.0
SAME_S: Final = 30.0
"""Two alarms of one id are the same when they are within so much of each other."""
DAY_S: Final = 86400.0
_TICK_S: Final = 1.0
_OF_THE_BED: Final = ("standby", "site")
Happening = Reading | SourceStatus | Fault | Command | float
"""What a board is told; a number is a moment, s, at which its clock was let run."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One alarm that would have been: from raised to ended (None: still standing at the end), s. wall: of ``raised``, Unix
    time, s, where it is known."""

    id: str
    condition: str
    bed: str
    priority: str
    since: float
    raised: float
    ended: float | None
    text: str
    wall: float | None = None

    def line(self) -> str:
        """In words, with the time of day here where it is known: a night's monotonic seconds tell nobody anything."""
        at = f"{self.raised:.1f} s" if self.wall is None else f"{datetime.fromtimestamp(self.wall):%Y-%m-%d %H:%M:%S}"
        return f"{at} {self.id} {self.priority}: {self.text}"


@dataclass(frozen=True, slots=True)
class Load:
    """What one set of rules asks of people. watched_s: span of the readings; flood_minutes: minutes in a flood;
    standing, chattering: ids of alarms that stood too long or came too often."""

    occurrences: tuple[Occurrence, ...]
    watched_s: float
    a_day: float
    by_condition: Mapping[str, int]
    flood_minutes: int
    standing: tuple[str, ...]
    chattering: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A. missed: alarms of A that B would not have given; added: those of B that A did not.
    start: time of the first event, s; readings: how many were judged."""

    start: float
    readings: int
    a: Load
    b: Load
    missed: tuple[Occurrence, ...]
    added: tuple[Occurrence, ...]

    def lines(self) -> list[str]:
        """The comparison in words, one fact a line."""
        told = [f"{self.a.watched_s / 3600:.2f} h of readings"]
        for name, load in (("A", self.a), ("B", self.b)):
            kinds = ", ".join(f"{count} {condition}" for condition, count in sorted(load.by_condition.items()))
            told += [
                f"{name}: {len(load.occurrences)} alarms, {load.a_day:.1f} a day ({kinds or 'none'})",
                f"{name}: {load.flood_minutes} flood minutes; standing: {', '.join(load.standing) or 'none'};"
                f" chattering: {', '.join(load.chattering) or 'none'}",
            ]
        for what, found in (("missed by B", self.missed), ("added by B", self.added)):
            told.append(f"{what}: {len(found)}")
            told += [f"  {one.line()}" for one in found]
        return told


def simulate(
    events: Iterable[Happening],
    a: Mapping[str, AlarmRules],
    b: Mapping[str, AlarmRules],
    *,
    places: Mapping[str, Place] = MappingProxyType({}),
) -> Comparison:
    """Run the rules of each bed, ``a`` and ``b``, over the same events in order of arrival.

    Of commands only those count that say who lies there, and whether anybody: site and standby. Where no moments of the
    clock are among the events it runs with these, a second at a time. places: who lies in each bed when it begins.
    """
    one, two = _Run(a, places), _Run(b, places)
    first: float | None = None
    readings, last, next_tick = 0, 0.0, 0.0
    for event in events:
        t = event if isinstance(event, float) else event.t
        if first is None:
            first, last, next_tick = t, t, t + _TICK_S
        last = max(last, t)
        readings += isinstance(event, Reading)
        for run in (one, two):
            run.take(event)
        if isinstance(event, float):
            next_tick = math.inf
        elif last >= next_tick:
            next_tick = last + _TICK_S
            for run in (one, two):
                run.hear(run.board.tick(last))
    watched_s = 0.0 if first is None else last - first
    of_a, of_b = one.occurrences(), two.occurrences()
    return Comparison(
        0.0 if first is None else first,
        readings,
        load_of(of_a, watched_s, last),
        load_of(of_b, watched_s, last),
        missed=_without(of_a, of_b),
        added=_without(of_b, of_a),
    )


def pooled(parts: Sequence[Comparison]) -> Comparison:
    """Several recordings as one: their spans end to end, so that nothing of one meets anything of another."""
    if len(parts) == 1:
        return parts[0]
    of_a, of_b, missed, added = list[Occurrence](), list[Occurrence](), list[Occurrence](), list[Occurrence]()
    watched_s, at = 0.0, 0.0
    for part in parts:
        shift = at - part.start
        of_a += _moved(part.a.occurrences, shift)
        of_b += _moved(part.b.occurrences, shift)
        missed += _moved(part.missed, shift)
        added += _moved(part.added, shift)
        watched_s += part.a.watched_s
        at += part.a.watched_s + FLOOD_S
    return Comparison(
        0.0,
        sum(part.readings for part in parts),
        load_of(of_a, watched_s, at),
        load_of(of_b, watched_s, at),
        missed=tuple(missed),
        added=tuple(added),
    )


def load_of(occurrences: Sequence[Occurrence], watched_s: float, until: float = 0.0) -> Load:
    """The measures of ISA-18.2 over the occurrences of ``watched_s`` seconds that end at ``until``."""
    raised = sorted(one.raised for one in occurrences)
    minutes: set[int] = set()
    for i in range(FLOOD_ALARMS, len(raised)):
        if raised[i] - raised[i - FLOOD_ALARMS] <= FLOOD_S:
            quiet_again = raised[i - FLOOD_ALARMS] + FLOOD_S
            minutes.update(range(int(raised[i] // 60), int(quiet_again // 60) + 1))
    times: dict[str, list[float]] = {}
    for one in sorted(occurrences, key=lambda one: one.raised):
        times.setdefault(one.id, []).append(one.raised)
    return Load(
        occurrences=tuple(occurrences),
        watched_s=watched_s,
        a_day=len(occurrences) * DAY_S / watched_s if watched_s > 0 else 0.0,
        by_condition=MappingProxyType(dict(Counter(one.condition for one in occurrences))),
        flood_minutes=len(minutes),
        standing=tuple(
            sorted({o.id for o in occurrences if min(_end(o), max(until, o.raised)) - o.raised > STANDING_S})
        ),
        chattering=tuple(sorted(name for name, t in times.items() if _chatters(t))),
    )


class _Run:
    """One set of rules with nobody there."""

    def __init__(self, rules: Mapping[str, AlarmRules], places: Mapping[str, Place]) -> None:
        unattended = {bed: _unattended(bed_rules) for bed, bed_rules in rules.items()}
        self.board = Board(unattended, boot="simulated", places=places)
        self._found: dict[str, Occurrence] = {}

    def take(self, event: Happening) -> None:
        if isinstance(event, float):
            self.hear(self.board.tick(event))
        elif not isinstance(event, Command):
            self.hear(self.board.update(event))
        elif event.name in _OF_THE_BED:
            self.hear(self.board.command(event)[1])

    def hear(self, alarms: Iterable[Alarm]) -> None:
        for alarm in alarms:
            was = self._found.get(alarm.occurrence)
            self._found[alarm.occurrence] = Occurrence(
                alarm.id,
                alarm.condition,
                alarm.bed,
                alarm.priority if was is None or alarm.evidence["change"] == "escalated" else was.priority,
                alarm.since,
                alarm.t if was is None else was.raised,
                alarm.t if alarm.presence == "off" else None,
                alarm.text if was is None else was.text,
            )

    def occurrences(self) -> tuple[Occurrence, ...]:
        return tuple(sorted(self._found.values(), key=lambda one: (one.raised, one.id)))


def _unattended(rules: AlarmRules) -> AlarmRules:
    quiet = {name: replace(rule, latching=False, realarm_s=0.0) for name, rule in rules.conditions.items()}
    return replace(rules, conditions=MappingProxyType(quiet))


def _chatters(times: Sequence[float]) -> bool:
    return any(bisect_right(times, t + CHATTER_S) - i >= CHATTER_ALARMS for i, t in enumerate(times))


def _without(these: Sequence[Occurrence], those: Sequence[Occurrence]) -> tuple[Occurrence, ...]:
    """Those of ``these`` that meet none of ``those`` of their id."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for one in those:
        spans.setdefault(one.id, []).append((one.raised - SAME_S, _end(one) + SAME_S))
    return tuple(one for one in these if not any(a <= _end(one) and one.raised <= b for a, b in spans.get(one.id, ())))


def _moved(occurrences: Sequence[Occurrence], by_s: float) -> list[Occurrence]:
    return [
        replace(
            one, since=one.since + by_s, raised=one.raised + by_s, ended=None if one.ended is None else one.ended + by_s
        )
        for one in occurrences
    ]


def _end(one: Occurrence) -> float:
    return float("inf") if one.ended is None else one.ended
