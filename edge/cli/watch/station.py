"""What a program that shows alarms owes them: to confirm those its role is asked for, and to miss what falls silent.

Pure: messages and times in, confirmations and lines out. A device that promises a heartbeat in its status and gives none
for three intervals may look well and alarm nobody, so this says so; so it does when an event was missed, by the next one or
by a heartbeat that knows of more: the last one before an hour of calm would not be missed otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeGuard

from edge.plain import object_of
from edge.types import HEARTBEAT_EVERY_S

MISSED_BEATS: Final = 3.0
LATE_S: Final = 10.0
"""A slow network needs so long for an event that the broker has."""
_LONGEST_INTERVAL_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Confirm:
    """A command to send: we have this alarm."""

    topic: str
    id: str
    occurrence: str
    seq: int
    text: str


@dataclass(slots=True)
class _Device:
    heard: float
    interval_s: float
    silent: bool = False


class _Promise(NamedTuple):
    """A heartbeat at ``t``, s: the broker has a bed's events up to this number."""

    t: float
    epoch: object
    seq: int


class Station:
    """A listener below ``prefix``. role: what it confirms as; "" = it only listens."""

    def __init__(self, prefix: str, role: str = "") -> None:
        self._prefix, self._role = prefix, role
        self._devices: dict[str, _Device] = {}
        self._confirmed: dict[str, int] = {}
        self._passed_over: set[str] = set()
        self._seqs: dict[tuple[str, str], tuple[object, int]] = {}
        self._promised: dict[tuple[str, str], _Promise] = {}

    def connected(self) -> None:
        """A new connection: what was confirmed on the last one may not have arrived."""
        self._confirmed.clear()

    def take(self, topic: str, payload: bytes, *, now: float) -> tuple[list[Confirm], list[str]]:
        """One message that arrived at ``now``, s: what to confirm, and what to say."""
        parts = topic.removeprefix(f"{self._prefix}/").split("/")
        fields = object_of(payload)
        if fields is None or len(parts) < 2:
            return [], []
        if parts[1:] == ["status"]:
            return [], self._status(parts[0], fields, now)
        if parts[1:] == ["heartbeat"]:
            return [], self._beat(parts[0], fields, now)
        if parts[2:] == ["event"]:
            return self._asked(parts, fields), self._gap(parts, fields)
        return (self._asked(parts, fields), []) if parts[2:3] == ["alarm"] else ([], [])

    def missing(self, now: float) -> list[str]:
        """Devices that have fallen silent since they were last heard, each once."""
        told = []
        for name, device in self._devices.items():
            silent_s = now - device.heard
            if not device.silent and silent_s > MISSED_BEATS * device.interval_s:
                device.silent = True
                told.append(f"{name} ALARM SYSTEM SILENT: no heartbeat for {silent_s:.0f} s; go and look")
        return told

    def _status(self, name: str, fields: dict[str, Any], now: float) -> list[str]:
        promised_s = fields.get("heartbeat_s")
        if fields.get("state") == "online":
            if _is_interval(promised_s):
                self._devices.setdefault(name, _Device(now, float(promised_s)))
        else:
            self._devices.pop(name, None)  # it said good-bye, or the broker did in its name
        return self._never_asked(name, fields.get("roles"))

    def _never_asked(self, name: str, roles: object) -> list[str]:
        """Say so, once, where a device asks others: a misspelt role would confirm nothing and nobody would notice."""
        if not self._role or not isinstance(roles, list) or self._role in roles:
            self._passed_over.discard(name)
            return []
        if name in self._passed_over:
            return []
        self._passed_over.add(name)
        asks = f"it asks {', '.join(map(str, roles))}" if roles else "it has no [delivery]"
        return [f"{name} never asks {self._role!r} to confirm an alarm: {asks}"]

    def _beat(self, name: str, fields: dict[str, Any], now: float) -> list[str]:
        device = self._devices.setdefault(name, _Device(now, HEARTBEAT_EVERY_S))
        told = [f"{name} alarm system is back after {now - device.heard:.0f} s"] if device.silent else []
        device.heard, device.silent = now, False
        interval_s = fields.get("interval_s")
        if _is_interval(interval_s):
            device.interval_s = float(interval_s)
        return told + self._lost(name, fields, now)

    def _lost(self, name: str, fields: dict[str, Any], now: float) -> list[str]:
        """Events that the broker has had for a while, and that have not come."""
        beds, outbox = fields.get("beds"), fields.get("outbox")
        if not isinstance(beds, dict) or not isinstance(outbox, dict) or outbox.get("depth") != 0:
            return []  # some are on their way
        told: list[str] = []
        for bed, fact in beds.items():
            epoch, seq = (fact.get("epoch"), fact.get("seq")) if isinstance(fact, dict) else (None, None)
            if isinstance(seq, int):
                told += self._promise((name, bed), epoch, seq, now)
        return told

    def _promise(self, bed: tuple[str, str], epoch: object, seq: int, now: float) -> list[str]:
        known, before = self._seqs.setdefault(bed, (epoch, seq))
        promise = self._promised.get(bed)
        if promise is None or (promise.epoch == known and promise.seq <= before):
            self._promised[bed] = _Promise(now, epoch, seq)
            return []
        if now - promise.t < LATE_S:
            return []
        del self._promised[bed]
        if promise.epoch != known:
            return self._count(bed, promise.epoch, promise.seq)
        self._seqs[bed] = (known, promise.seq)
        return [f"{'/'.join(bed)}: {promise.seq - before} alarm event(s) missed up to number {promise.seq}"]

    def _gap(self, parts: list[str], fields: dict[str, Any]) -> list[str]:
        seq, epoch = fields.get("seq"), fields.get("epoch")
        return self._count((parts[0], parts[1]), epoch, seq) if isinstance(seq, int) else []

    def _count(self, bed: tuple[str, str], epoch: object, seq: int) -> list[str]:
        known, before = self._seqs.get(bed, (None, None))
        if before is None or epoch != known:
            self._seqs[bed] = (epoch, seq)
            anew = f"{'/'.join(bed)}: numbers of alarm events begin anew; some may be missing"
            return [] if before is None else [anew]
        self._seqs[bed] = (epoch, max(seq, before))
        if seq <= before + 1:
            return []
        return [f"{'/'.join(bed)}: {seq - before - 1} alarm event(s) missed before number {seq}"]

    def _asked(self, parts: list[str], fields: dict[str, Any]) -> list[Confirm]:
        delivery, seq, occurrence = fields.get("delivery"), fields.get("seq"), fields.get("occurrence")
        if not self._role or not isinstance(delivery, dict) or not isinstance(seq, int):
            return []
        asked = delivery.get("asked")
        wanted = isinstance(asked, list) and self._role in asked and not delivery.get("received")
        stands = fields.get("presence") in ("on", "latched") and not fields.get("historical")
        if not (wanted and stands) or seq <= self._confirmed.get(str(occurrence), 0):
            return []
        self._confirmed[str(occurrence)] = seq
        while len(self._confirmed) > 1000:
            del self._confirmed[next(iter(self._confirmed))]
        topic = f"{self._prefix}/{parts[0]}/{parts[1]}/cmd/received"
        return [Confirm(topic, str(fields.get("id")), str(occurrence), seq, str(fields.get("text", "")))]


def _is_interval(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 < value <= _LONGEST_INTERVAL_S
