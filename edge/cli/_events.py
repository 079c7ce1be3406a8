"""Events as JSON lines and as lines for people: one form each, shared by every command that prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType

import msgspec

from edge.alarms.delivery import in_words
from edge.plain import plain
from edge.types import KINDS_OF_EVENTS, Alarm, Event, Reading

READINGS_HELP = """\
JSON lines: one object an event, keys as in the types of edge.types, times in monotonic seconds, and "type":
  reading  metric, t, value or null with reason, unit, quality 0..1, detail, bed, source, model"""
JSONL_HELP = f"""\
{READINGS_HELP}
  alarm    id, occurrence, condition, bed, source, kind, priority, presence (on, ack, latched, off), t, since, text,
           value, limit, seq, epoch, evidence, delivery (roles asked, received, by, annunciator; empty where nobody is
           asked), drill
  source   source, bed, t, state (online, degraded, offline, disabled), reason, since, blind_s, coverage, announced
  command  command (name, bed, t, command_id, by, id, occurrence, seq, seconds, site, role, person), t, ok, text"""


def jsonl(event: Event, more: Mapping[str, object] = MappingProxyType({})) -> str:
    """One event as one line of JSON, without a line end; more: further keys."""
    fields = {"type": KINDS_OF_EVENTS[type(event)], **more, **asdict(event)}
    return msgspec.json.encode(fields, enc_hook=plain).decode()


def clock_text(t_s: float) -> str:
    """Seconds as ``m:ss.s``, from an hour on as ``h:mm:ss.s``."""
    minutes, seconds = divmod(t_s, 60)
    hours, rest = divmod(int(minutes), 60)
    return f"{hours}:{rest:02d}:{seconds:04.1f}" if hours else f"{rest}:{seconds:04.1f}"


def value_text(reading: Reading) -> str:
    """A reading's value in words, or why there is none."""
    from edge.sinks.console import in_short

    return in_short(reading.value, reading.unit, reading.reason)


def alarm_text(alarm: Alarm) -> str:
    """``ON  medium  bed1/af  Atrial fibrillation likely``, and whether somebody has it where that is asked after."""
    words = in_words(alarm.delivery) if alarm.presence != "off" else ""
    return f"{alarm.presence.upper():<7} {alarm.priority:<6} {alarm.id:<24} {alarm.text}" + (
        f" ({words})" if words else ""
    )


_Key = tuple[str, str, str]  # bed, source, metric


class Summary:
    """Counts what a run said, for the table at its end: of each bed by itself, since each is another person."""

    def __init__(self) -> None:
        self._values: dict[_Key, list[float]] = {}
        self._words: dict[_Key, dict[str, int]] = {}
        self._none: dict[_Key, dict[str, int]] = {}
        self._order: list[_Key] = []

    def add(self, reading: Reading) -> None:
        key = (reading.bed, reading.source, reading.metric)
        if key not in self._order:
            self._order.append(key)
        if reading.value is None:
            reasons = self._none.setdefault(key, {})
            reasons[reading.reason] = reasons.get(reading.reason, 0) + 1
        elif isinstance(reading.value, str):
            words = self._words.setdefault(key, {})
            words[reading.value] = words.get(reading.value, 0) + 1
        else:
            self._values.setdefault(key, []).append(float(reading.value))

    def lines(self) -> list[str]:
        """One line a metric: how much was answered, the middle and the range, and the reasons for the rest. The bed is
        named where there are several."""
        import numpy as np

        several = len({bed for bed, _, _ in self._order}) > 1
        lines = []
        for key in self._order:
            values, words, none = self._values.get(key, []), self._words.get(key, {}), self._none.get(key, {})
            answered = len(values) + sum(words.values())
            total = answered + sum(none.values())
            said = ""
            if values:
                low, middle, high = np.percentile(values, (5, 50, 95))
                digits = 0 if math.fabs(middle) >= 10 else 2
                said = f"median {middle:.{digits}f} (5 to 95 %: {low:.{digits}f} to {high:.{digits}f})"
            elif words:
                said = ", ".join(f"{w} {n}" for w, n in sorted(words.items(), key=lambda i: -i[1]))
            why = ", ".join(f"{r.replace('_', ' ')} {n}" for r, n in sorted(none.items(), key=lambda i: -i[1]))
            name = " ".join(filter(None, key if several else key[1:]))
            lines.append(f"{name:<28} {answered:>5} of {total:<5} {said}" + (f"   not known: {why}" if why else ""))
        return lines
