"""What somebody sees who subscribes to the broker, as lines; and what the demo counts of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from edge.clock import Clock
from edge.mqtt.connection import hang_up
from edge.sinks.console import in_short
from edge.types import ASIDE

READING_EVERY_S = 5.0


class Subscriber:
    """Subscribes to everything below ``prefix`` and prints a line an event; readings at most every 5 s a metric.

    alarms: ``(condition, presence)`` in the order received; metrics: those seen with a value.
    """

    def __init__(self, *, port: int, prefix: str, clock: Clock, say: Callable[[str, str], None]) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.alarms: list[tuple[str, str]] = []
        self.metrics: set[str] = set()
        self._say, self._clock, self._prefix = say, clock, prefix
        self._shown: dict[str, float] = {}
        self._states: dict[str, str] = {}
        self._connected = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._connected.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._connected.wait(5.0)

    def close(self) -> None:
        hang_up(self._client)

    def _on_connect(self, client: Any, *_: Any) -> None:
        client.subscribe(f"{self._prefix}/#", qos=1)

    def _on_message(self, _client: Any, _user: Any, message: Any) -> None:
        topic = message.topic.removeprefix(f"{self._prefix}/")
        if not message.payload:
            return
        payload = json.loads(message.payload)
        parts = topic.split("/")
        if len(parts) >= 3 and parts[1] == "reading":
            self._reading(parts[2], payload)
        elif len(parts) == 2 and parts[1] == "event":
            self._event(payload)
        elif parts[-1] == "status":
            self._status("/".join(parts[:-1]) or "device", payload["state"])

    def _status(self, name: str, state: str) -> None:
        if self._states.get(name) != state:
            self._states[name] = state
            self._say("status", f"{name} is {state}")

    def _reading(self, metric: str, payload: dict[str, Any]) -> None:
        value = payload.get("value")
        if value is not None:
            self.metrics.add(metric)
        now = self._clock.now()
        if metric.endswith(ASIDE) or now - self._shown.get(metric, -READING_EVERY_S) < READING_EVERY_S:
            return
        self._shown[metric] = now
        text = in_short(value, payload["unit"], payload["reason"])
        quality = "" if value is None else f"   quality {payload['quality']:.2f}"
        self._say("reading", f"{metric:<14} {text}{quality}")

    def _event(self, payload: dict[str, Any]) -> None:
        condition = str(payload.get("condition") or payload["id"].split("/")[1])
        self.alarms.append((condition, payload["presence"]))
        self._say("ALARM", f"{payload['presence']:<8} {payload['priority']:<7} {payload['id']:<22} {payload['text']}")
