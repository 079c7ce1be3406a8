"""Judges a device by what it publishes, against the public contract. Pure: messages in, findings out."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edge.types import PRESENCES, REASONS, SOURCE_STATES

MAX_AGE_S = 30.0  # a reading older than this when it arrives is stale
MAX_SKEW_S = 5.0
_STAMP = ("v", "t", "mono", "boot", "clock_synced")
_READING = ("value", "unit", "quality", "source", "model", "seq")
_ALARM = ("id", "occurrence", "kind", "priority", "presence", "since", "text", "seq")
_DISCOVERY = ("device", "origin", "components", "availability")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check: ``ok``, ``FAIL`` or ``skip`` (nothing to judge it by)."""

    check: str
    state: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.state:<4} {self.check:<28} {self.text}".rstrip()


@dataclass(slots=True)
class Grader:
    """Feed it every message of a device; ``verdicts`` at the end."""

    root: str
    discovery_topic: str
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _reading_seq: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    _event_seq: dict[str, tuple[str, int]] = field(default_factory=dict)
    _events: set[tuple[str, int]] = field(default_factory=set)
    _standing: dict[str, str] = field(default_factory=dict)
    answers: dict[str, bool] = field(default_factory=dict)

    def feed(self, topic: str, payload: bytes, *, retain: bool, qos: int, arrival: float) -> None:
        """Take one message; arrival: Unix time, s."""
        if topic == self.discovery_topic:
            self._discovery(payload)
            return
        if not topic.startswith(f"{self.root}/"):
            return
        parts = topic.removeprefix(f"{self.root}/").split("/")
        if not payload:
            if len(parts) >= 3 and parts[1] == "alarm":
                self._standing.pop("/".join((parts[0], *parts[2:])), None)
            return
        fields = self._load(topic, payload)
        if fields is None:
            return
        live = not retain
        if parts == ["status"]:
            self._status(fields, qos)
        elif parts[0] == "source" and parts[-1] == "status":
            self._note("source status", fields.get("state") in SOURCE_STATES, f"state {fields.get('state')!r}")
        elif len(parts) == 3 and parts[1] == "reading":
            self._reading(parts[0], parts[2], fields, retain=retain, arrival=arrival)
        elif len(parts) >= 3 and parts[1] == "alarm":
            self._alarm("/".join((parts[0], *parts[2:])), fields)
        elif len(parts) == 2 and parts[1] == "event":
            self._event(parts[0], fields, retain=retain, qos=qos)
        elif parts[-2:] == ["cmd", "result"] and live:
            self.answers[str(fields.get("command_id"))] = bool(fields.get("ok"))

    def verdicts(self, *, asked: str = "", replied: bool = False) -> list[Verdict]:
        """All checks. asked: id of a command sent; replied: it was answered on its response topic."""
        names = (
            "payload", "status", "source status", "reading", "reading value", "reading age", "reading seq",
            "alarm", "event", "event seq", "discovery",
        )  # fmt: skip
        found = []
        for name in names:
            faults, seen = self.faults.get(name, []), self.seen.get(name, 0)
            if faults:
                more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
                found.append(Verdict(name, "FAIL", faults[0] + more))
            elif seen:
                found.append(Verdict(name, "ok", f"{seen} judged"))
            else:
                must = name in ("payload", "status", "reading", "discovery")
                found.append(Verdict(name, "FAIL" if must else "skip", "nothing was published"))
        if asked:
            ok = self.answers.get(asked) is False and replied
            text = "" if ok else "no answer" if asked not in self.answers else "an unknown alarm was acknowledged"
            text = text or ("" if replied else "no answer on the response topic")
            found.append(Verdict("command answered", "ok" if ok else "FAIL", text))
        return found

    def _note(self, check: str, ok: bool, text: str) -> None:
        self.seen[check] += 1
        if not ok:
            self.faults[check].append(text)

    def _load(self, topic: str, payload: bytes) -> dict[str, Any] | None:
        try:
            fields = json.loads(payload)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            self._note("payload", False, f"{topic}: not a JSON object")
            return None
        wanted = [k for k in _STAMP if k not in fields and not (k == "t" and "connected_at" in fields)]
        if topic.endswith("/cmd/ack"):
            return fields
        self._note("payload", not wanted, f"{topic}: without {', '.join(wanted)}")
        return fields

    def _status(self, fields: dict[str, Any], qos: int) -> None:
        state = fields.get("state")
        ok = state in ("online", "stopped", "offline") and "version" in fields and "models" in fields and qos == 1
        self._note("status", ok and state == "online", f"state {state!r}, QoS {qos}, keys {', '.join(sorted(fields))}")

    def _reading(self, bed: str, metric: str, fields: dict[str, Any], *, retain: bool, arrival: float) -> None:
        lacking = [k for k in _READING if k not in fields]
        self._note(
            "reading",
            not lacking and not retain,
            f"{bed}/{metric}: " + ("retained" if retain else f"without {lacking}"),
        )
        value, reason = fields.get("value"), fields.get("reason")
        known = value is not None or reason in REASONS
        self._note("reading value", known, f"{bed}/{metric}: null with reason {reason!r}")
        age_s = arrival - _unix(fields.get("t"))
        self._note("reading age", -MAX_SKEW_S <= age_s <= MAX_AGE_S, f"{bed}/{metric}: {age_s:.1f} s old on arrival")
        seq, boot, key = fields.get("seq"), str(fields.get("boot")), (bed, metric)
        if isinstance(seq, int):
            before = self._reading_seq.get(key)
            if before is not None and before[0] == boot:
                self._note("reading seq", seq == before[1] + 1, f"{bed}/{metric}: {before[1]} then {seq}")
            self._reading_seq[key] = (boot, seq)

    def _alarm(self, alarm_id: str, fields: dict[str, Any]) -> None:
        lacking = [k for k in _ALARM if k not in fields]
        standing = fields.get("presence") in PRESENCES and fields.get("presence") != "off"
        self._note(
            "alarm", not lacking and standing, f"{alarm_id}: presence {fields.get('presence')!r} without {lacking}"
        )
        self._standing[alarm_id] = str(fields.get("occurrence"))

    def _event(self, bed: str, fields: dict[str, Any], *, retain: bool, qos: int) -> None:
        lacking = [k for k in (*_ALARM, "published", "delay_s", "historical") if k not in fields]
        ok = not lacking and not retain and qos == 1 and fields.get("presence") in PRESENCES
        self._note("event", ok, f"{bed}: retained {retain}, QoS {qos}, without {lacking}")
        seq, occurrence = fields.get("seq"), str(fields.get("occurrence"))
        if not isinstance(seq, int) or (occurrence, seq) in self._events:
            return  # at least once: the same again is allowed
        self._events.add((occurrence, seq))
        before = self._event_seq.get(bed)
        if before is not None:
            self._note("event seq", seq == before[1] + 1, f"{bed}: {before[1]} then {seq}")
        self._event_seq[bed] = (occurrence, seq)

    def _discovery(self, payload: bytes) -> None:
        try:
            fields = json.loads(payload)
            lacking = [k for k in _DISCOVERY if k not in fields]
            parts = fields.get("components", {}).values()
            whole = all("platform" in c and "unique_id" in c for c in parts) and isinstance(
                fields["availability"], list
            )
        except (ValueError, KeyError, AttributeError, TypeError):
            self._note("discovery", False, "not parseable")
            return
        self._note(
            "discovery", not lacking and whole, f"without {lacking}, or a component without platform or unique_id"
        )


def _unix(t: Any) -> float:
    try:
        return datetime.fromisoformat(t).timestamp()
    except (TypeError, ValueError):
        return float("-inf")
