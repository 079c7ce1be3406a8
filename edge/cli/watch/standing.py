"""Alarms that stand although no event of them was heard: those of before this listener came, or of a device's earlier run.

Pure: messages and times in, lines out. An event and the retained alarm that goes with it come in either order, so an
alarm that did not come as the broker's memory waits a moment for its event; what either told is not told again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge.alarms.delivery import in_words
from edge.cli._mqtt_client import json_of

WAIT_S: Final = 2.0
_Key = tuple[str, str]
_State = tuple[object, object]


class Standing:
    """What is known to stand below ``prefix``, and of which device it is only what it said before it went."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._told: dict[_Key, _State] = {}
        self._waiting: dict[_Key, tuple[float, _State, str]] = {}
        self._gone: dict[str, str] = {}

    def take(self, topic: str, payload: bytes, *, retained: bool, now: float) -> None:
        """One message that arrived at ``now``, s. retained: the broker kept it from before."""
        device, _, rest = topic.removeprefix(f"{self._prefix}/").partition("/")
        if rest == "status":
            self._status(device, payload)
        bed, *parts = rest.split("/")
        if parts[:1] not in (["event"], ["alarm"]):
            return
        if parts[0] == "alarm" and not payload:
            self._waiting.pop((device, "/".join((bed, *parts[1:]))), None)
            return
        try:
            fields = json_of(payload)
            key, state = (device, str(fields["id"])), (fields["occurrence"], fields["seq"])
            line = f"{alarm_line(device, fields, 'STANDING ')}, since {fields['since']}"
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # whoever shows events says so, and ``--grade`` judges it
        if parts[0] == "event":
            self._know(key, state)
        elif self._told.get(key) != state:
            self._waiting[key] = (now if retained else now + WAIT_S, state, line)

    def due(self, now: float) -> list[str]:
        """What stands and nobody told of, each once."""
        ready = [(key, state, line) for key, (at, state, line) in self._waiting.items() if now >= at]
        for key, state, _ in ready:
            self._know(key, state)
        return [f"{line}{self.gone(device)}" for (device, _), _, line in ready]

    def gone(self, device: str) -> str:
        """Words that follow what a device is remembered to have said: that it is not there any more, or ""."""
        state = self._gone.get(device)
        return f" [before {device} was {state}]" if state else ""

    def _status(self, device: str, payload: bytes) -> None:
        try:
            state = json_of(payload)["state"]
        except (ValueError, KeyError, TypeError):
            return
        if state == "online":
            self._gone.pop(device, None)
        else:
            self._gone[device] = str(state)

    def _know(self, key: _Key, state: _State) -> None:
        self._waiting.pop(key, None)
        self._told[key] = state


def alarm_line(device: str, fields: Mapping[str, Any], mark: str = "") -> str:
    """An alarm in words; raises KeyError, TypeError or AttributeError for what is none."""
    words = in_words(fields.get("delivery", {})) if fields["presence"] != "off" else ""
    text = f"{fields['text']} ({words})" if words else fields["text"]
    kind = "DRILL" if fields.get("drill") else "ALARM"
    late = " (late)" if fields.get("historical") else ""
    return f"{device} {mark}{kind} {fields['presence']:<8} {fields['priority']:<7} {fields['id']}: {text}{late}"
