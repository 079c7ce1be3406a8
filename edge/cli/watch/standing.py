"""Alarms that stand although no event of them was heard, and those that do not any more although no event said so.

The first are those of before this listener came, or of a device's earlier run; the second ended while it was cut off, or
their event was lost on its way. Pure: messages and times in, lines out. An event and the retained alarm that goes with it
come in either order, so what did not come as the broker's memory waits a moment for its event; what either told is not
told again. An alarm that a device does not say again on a new connection, although its heart has beaten for a while, is
over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge.alarms.delivery import in_words
from edge.plain import json_of, object_of

WAIT_S: Final = 2.0
_Key = tuple[str, str]
_Fields = Mapping[str, Any]


class Standing:
    """What is known to stand below ``prefix``, and of which device it is only what it said before it went."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._told: dict[_Key, _Fields] = {}
        self._waiting: dict[_Key, tuple[float, _Fields, str]] = {}
        self._gone: dict[str, str] = {}
        self._unsaid: set[_Key] = set()
        self._beating: dict[str, float] = {}

    def connected(self) -> None:
        """A new connection: what stands is said again on it, by the broker or by the device."""
        self._unsaid = {key for key, fields in self._told.items() if fields["presence"] != "off"}
        self._beating.clear()

    def take(self, topic: str, payload: bytes, *, retained: bool, now: float) -> None:
        """One message that arrived at ``now``, s. retained: the broker kept it from before."""
        device, _, rest = topic.removeprefix(f"{self._prefix}/").partition("/")
        if rest == "status":
            self._status(device, payload)
        elif rest == "heartbeat":
            self._beat(device, now)
        bed, *parts = rest.split("/")
        if parts[:1] not in (["event"], ["alarm"]):
            return
        if parts[0] == "alarm" and not payload:
            self._over((device, "/".join((bed, *parts[1:]))), now + WAIT_S)
            return
        try:
            fields = json_of(payload)
            key = (device, str(fields["id"]))
            line = f"{alarm_line(device, fields, 'STANDING ')}, since {fields['since']}"
            fresh = _which(self._told.get(key)) != _which(fields)
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # whoever shows events says so, and ``--grade`` judges it
        self._unsaid.discard(key)
        if parts[0] == "event":
            self._know(key, fields)
        elif fresh:
            self._waiting[key] = (now if retained else now + WAIT_S, fields, line)
        else:
            self._waiting.pop(key, None)

    def due(self, now: float) -> list[str]:
        """What stands and nobody told of, and what does not any more, each once."""
        ready = [(key, fields, line) for key, (at, fields, line) in self._waiting.items() if now >= at]
        for key, fields, _ in ready:
            self._know(key, fields)
        return [f"{line}{self.gone(device)}" for (device, _), _, line in ready]

    def gone(self, device: str) -> str:
        """Words that follow what a device is remembered to have said: that it is not there any more, or ""."""
        state = self._gone.get(device)
        return f" [before {device} was {state}]" if state else ""

    def _status(self, device: str, payload: bytes) -> None:
        fields = object_of(payload) or {}
        if fields.get("state") == "online":
            self._gone.pop(device, None)
        elif "state" in fields:
            self._gone[device] = str(fields["state"])

    def _beat(self, device: str, now: float) -> None:
        """Whoever beats has connected, too, and says again at once what stands."""
        if now - self._beating.setdefault(device, now) >= WAIT_S:
            for key in [key for key in self._unsaid if key[0] == device]:
                self._unsaid.discard(key)
                self._over(key, now)

    def _over(self, key: _Key, at: float) -> None:
        """It does not stand any more; to be told at ``at``, s, where no event has told so by then."""
        self._waiting.pop(key, None)
        known = self._told.get(key)
        if known is not None and known["presence"] != "off":
            over = {**known, "presence": "off", "historical": False}
            self._waiting[key] = (at, over, f"{alarm_line(key[0], over)} (no event of its end was heard)")

    def _know(self, key: _Key, fields: _Fields) -> None:
        self._waiting.pop(key, None)
        self._told[key] = fields


def _which(fields: _Fields | None) -> tuple[object, ...] | None:
    return None if fields is None else (fields["occurrence"], fields["seq"], fields["presence"])


def alarm_line(device: str, fields: _Fields, mark: str = "") -> str:
    """An alarm in words; raises KeyError, TypeError or AttributeError for what is none."""
    words = in_words(fields.get("delivery", {})) if fields["presence"] != "off" else ""
    text = f"{fields['text']} ({words})" if words else fields["text"]
    kind = "DRILL" if fields.get("drill") else "ALARM"
    late = " (late)" if fields.get("historical") else ""
    return f"{device} {mark}{kind} {fields['presence']:<8} {fields['priority']:<7} {fields['id']}: {text}{late}"
