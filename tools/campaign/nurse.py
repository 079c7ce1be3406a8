"""The subscriber: a session that outlives its connections, and a record of everything that arrived, with the time."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from campaign.scaled_clock import ScaledClock
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.mqtt.connection import hang_up

WAIT_S = 20.0
_SESSION_S = 86_400


class Message(NamedTuple):
    """at: when it arrived, on the campaign's clock, s; retain: it stood at the broker before we came."""

    at: float
    topic: str
    fields: dict[str, Any] | None
    retain: bool


class Nurse:
    """Subscribes to everything below ``vitals`` with QoS 1; reconnects by itself.

    arrived: (occurrence, seq) of every alarm event so far. listens_only: sends no PUBACK. Writing one to a broker that
    was just killed would throw away what had arrived from it and was not read yet, and such a broker will not send it
    again.
    """

    def __init__(self, port: int, clock: ScaledClock, *, listens_only: bool = False) -> None:
        self._clock = clock
        self.messages: list[Message] = []
        self.arrived: set[tuple[str, int]] = set()
        self._changed = threading.Condition()
        self.up = threading.Event()
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            f"nurse-{uuid.uuid4().hex[:8]}",
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=listens_only,
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe("vitals/#", qos=1)
        self.client.on_subscribe = lambda *_: self.up.set()
        self.client.on_disconnect = lambda *_: self.up.clear()
        self.client.on_message = self._take
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = _SESSION_S
        self.client.connect("127.0.0.1", port, clean_start=False, properties=session)
        self.client.loop_start()
        if not self.up.wait(WAIT_S):
            raise RuntimeError("the subscriber cannot reach the broker")

    def wait(self, found: Callable[[], bool], timeout_s: float) -> bool:
        """Until ``found``, looked at whenever something arrives; whether it was."""
        with self._changed:
            return self._changed.wait_for(found, timeout_s)

    def events(self) -> list[Message]:
        """Alarm events as they arrived, repetitions too."""
        return [m for m in list(self.messages) if m.fields and m.topic.endswith("/event")]

    def readings(self, metric: str = "") -> list[Message]:
        return [m for m in list(self.messages) if m.fields and f"/reading/{metric}" in m.topic]

    def knows(self, condition: str, presence: str, since: int = 0) -> bool:
        """Whether such an event is among the messages from index ``since`` on."""
        return any(
            m.fields["condition"] == condition and m.fields["presence"] == presence
            for m in self.messages[since:]
            if m.fields and m.topic.endswith("/event")
        )

    def command(self, device: str, bed: str, name: str, **fields: Any) -> None:
        sent = {
            "command_id": uuid.uuid4().hex,
            "by": "nurse",
            "t": datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(),
            **fields,
        }
        self.client.publish(f"vitals/{device}/{bed}/cmd/{name}", json.dumps(sent), qos=1)

    def close(self) -> None:
        hang_up(self.client)

    def _take(self, _client: Any, _user: Any, message: Any) -> None:
        fields = json.loads(message.payload) if message.payload else None
        with self._changed:
            self.messages.append(Message(self._clock.now(), message.topic, fields, message.retain))
            if fields and message.topic.endswith("/event"):
                self.arrived.add((fields["occurrence"], fields["seq"]))
            self._changed.notify_all()


def retained(port: int) -> dict[str, dict[str, Any]]:
    """What the broker keeps below ``vitals`` now, by topic; complete when the last word, our own, has come back."""
    found: dict[str, dict[str, Any]] = {}
    mark, done = f"campaign/{uuid.uuid4().hex}", threading.Event()

    def take(_client: Any, _user: Any, message: Any) -> None:
        if message.topic == mark:
            done.set()
        elif message.retain and message.payload:
            found[message.topic] = json.loads(message.payload)

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda c, *_: c.subscribe([(mark, 1), ("vitals/#", 1)])
    client.on_subscribe = lambda c, *_: c.publish(mark, b"end", 1)
    client.on_message = take
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not done.wait(WAIT_S):
            raise RuntimeError("the broker does not answer")
    finally:
        hang_up(client)
    return found
