"""What the page shows now, and what changed since it was last asked: small, bounded, safe between two threads.

The main thread tells it events; the server's thread asks for the whole (a new viewer) or for the changes (everybody
else). Changes of alarms are kept one by one, in order; of everything else only the newest counts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from edge.clock import Clock
from edge.plain import encode
from edge.sinks.web.receipt import receipt
from edge.types import ASIDE, Alarm, BedStatus, CommandResult, Event, Reading, SourceStatus, Stats

Watching = Callable[[float], Mapping[str, Any]]
"""Per bed: paused_until, standby_until (s or None), coverage (see ``Board.coverage``); for the main thread only."""

_LOG: Final = 60
_WATCHING_EVERY_S: Final = 5.0
_BLIND_SHOWN: Final = 20
_URGENT_KEPT: Final = 2000
_DETAILS: Final = {
    "ppg.rhythm": ("p_SR", "p_PVC", "p_PAC", "p_VT", "p_SVT", "p_AF", "threshold"),
    "pcg.murmur": ("decision", "unknown", "recording", "site", "patient"),
    "fused.hr": ("lanes", "agree"),
}
Changes = tuple[list[bytes], dict[str, bytes]]


class Picture:
    """See the module. about: what never changes (device, beds, versions)."""

    def __init__(
        self,
        *,
        clock: Clock,
        about: Mapping[str, Any],
        standing: Sequence[Alarm] = (),
        watching: Watching | None = None,
    ) -> None:
        self._clock, self._about, self._watching = clock, dict(about), watching
        self._lock = threading.Lock()
        self._latest: dict[str, dict[str, Any]] = {}
        self._verdicts: dict[str, tuple[str, float]] = {}
        self._alarms = {alarm.id: _alarm(alarm) for alarm in standing}
        self._log: deque[dict[str, Any]] = deque(maxlen=_LOG)
        self._urgent: deque[dict[str, Any]] = deque(maxlen=_URGENT_KEPT)
        self._changed: set[str] = set()
        self._watched_at: float | None = None
        self.watched = False
        self.last_event = clock.now()

    def take(self, event: Event) -> None:
        """Main thread: one event."""
        now = self._clock.now()
        due = self._watched_at is None or now - self._watched_at >= _WATCHING_EVERY_S
        with self._lock:
            self.last_event = now
            match event:
                case Reading() if not event.metric.endswith(ASIDE):
                    self._put(f"r/{event.bed}/{event.source}/{event.metric}", self._reading(event, now))
                case SourceStatus():
                    self._put(f"s/{event.source}", _source(event))
                case BedStatus():
                    self._put(
                        f"p/{event.bed}", {"k": "p", "bed": event.bed, "site": event.site, "person": event.person}
                    )
                case Stats():
                    self._put("t", {"k": "t", "t": event.t, "figures": event.figures})
                case Alarm():
                    self._take_alarm(event)
                case CommandResult():
                    due = True
                    self._tell(_result(event))
        if due and self._watching is not None:
            self._watched_at = now
            told = _watched(self._watching(now))
            with self._lock:
                self._put("b", told)

    def snapshot(self) -> dict[str, Any]:
        """Server's thread: everything, for a new viewer."""
        with self._lock:
            return {
                "k": "hello",
                **self._about,
                "latest": list(self._latest.values()),
                "alarms": list(self._alarms.values()),
                "log": list(self._log),
            }

    def changes(self) -> Changes:
        """Server's thread: alarms and answers in order, and the newest of everything else by key; encoded once."""
        with self._lock:
            urgent, self._urgent = self._urgent, deque(maxlen=_URGENT_KEPT)
            changed, self._changed = self._changed, set()
            latest = {key: self._latest[key] for key in changed}
        return [encode(item) for item in urgent], {key: encode(item) for key, item in latest.items()}

    def _put(self, key: str, item: dict[str, Any]) -> None:
        self._latest[key] = item
        if self.watched:
            self._changed.add(key)

    def _tell(self, item: dict[str, Any]) -> None:
        if self.watched:
            self._urgent.append(item)

    def _take_alarm(self, alarm: Alarm) -> None:
        told = _alarm(alarm)
        if alarm.presence == "off":
            self._alarms.pop(alarm.id, None)
        else:
            self._alarms[alarm.id] = told
        self._log.append(told)
        self._tell(told)

    def _reading(self, reading: Reading, now: float) -> dict[str, Any]:
        key = f"{reading.bed}/{reading.source}/{reading.metric}"
        verdict = reading.detail.get("decision") if reading.metric == "pcg.murmur" else reading.value
        if reading.value is None or not isinstance(verdict, str):
            verdict = ""
        since = self._verdicts.get(key, ("", 0.0))
        if since[0] != verdict:
            since = self._verdicts[key] = (verdict, reading.t)
        value = round(reading.value, 4) if isinstance(reading.value, float) else reading.value
        return {
            "k": "r",
            "bed": reading.bed,
            "src": reading.source,
            "m": reading.metric,
            "t": round(min(reading.t, now), 3),  # of a file played fast, whose time runs ahead, it grows old as well
            "v": value,
            "u": reading.unit,
            "q": round(reading.quality, 2),
            "why": reading.reason,
            "model": reading.model,
            "since": round(since[1], 3) if verdict else None,
            "d": {k: _short(reading.detail[k]) for k in _DETAILS.get(reading.metric, ()) if k in reading.detail},
        }


def envelope(now: float, wall: float, last_event: float, items: Sequence[bytes], *, synced: bool) -> bytes:
    """One message: the time it was made, by the monotonic clock and by the wall's, whether that is kept, that of the
    program's last sign of life, and its items. The wall's is in each, since it may be set at any time."""
    stamp = (now, wall, b"true" if synced else b"false", last_event)
    return b'{"now":%.3f,"wall":%.3f,"synced":%b,"alive":%.3f,"m":[%b]}' % (*stamp, b",".join(items))


def greeting(snapshot: Mapping[str, Any], **more: Any) -> bytes:
    """A snapshot as a message's item."""
    return encode({**snapshot, **more})


def waves(chunks: Sequence[Mapping[str, Any]], faces: Mapping[str, Any]) -> list[bytes]:
    """Traces and faces as items of a message; none where there is nothing."""
    items = [msgspec.json.encode({"k": "w", "w": chunks})] if chunks else []
    return [*items, msgspec.json.encode({"k": "f", "f": faces})] if faces else items


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {k: _short(v) for k, v in value.items()}
    return list(value) if isinstance(value, tuple | list | set | frozenset) else value


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "k": "a",
        **{key: getattr(alarm, key) for key in ("id", "occurrence", "kind", "priority", "presence", "text")},
        **{key: getattr(alarm, key) for key in ("condition", "bed", "source", "seq")},
        "value": _short(alarm.value),
        "limit": alarm.limit,
        "t": round(alarm.t, 3),
        "since": round(alarm.since, 3),
        "what": str(alarm.evidence.get("change", "")),
        "drill": alarm.drill,
        "receipt": receipt(alarm.delivery),
    }


def _source(status: SourceStatus) -> dict[str, Any]:
    fields = ("source", "bed", "state", "reason", "t", "since", "blind_s")
    return {"k": "s", **{key: _short(getattr(status, key)) for key in fields}}


def _result(result: CommandResult) -> dict[str, Any]:
    command = result.command
    fields = {"command_id": command.command_id, "command": command.name, "by": command.by, "bed": command.bed}
    return {"k": "c", **fields, "id": command.id, "ok": result.ok, "text": result.text}


def _watched(beds: Mapping[str, Any]) -> dict[str, Any]:
    told = {}
    for name, bed in beds.items():
        rows = [
            {
                **row,
                **{key: _short(row[key]) for key in ("hour", "day")},
                "minutes": [[_short(part) for part in minute] for minute in row["minutes"]],
                "blind": row["blind"][-_BLIND_SHOWN:],
            }
            for row in bed["coverage"]
            if not row["metric"].endswith(ASIDE)
        ]
        told[name] = {**bed, "coverage": rows}
    return {"k": "b", "beds": told}
