"""A device that keeps the public contract with a few lines of its own, or breaks it in one named respect.

Run as ``python contract_device.py PORT BROKEN``; it says "ready" when it is connected. It shares no code with the
program, so that the grader is tried against somebody else's reading of the contract.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

ROOT = "vitals/other"
EVERY_S = 0.1


class Device:
    def __init__(self, port: int, broken: str) -> None:
        self.broken = broken
        self.seq = {"reading": 0, "event": 0}
        self.alarm: dict[str, object] | None = None
        self.cycled = False
        self.ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, "other-device", protocol=MQTTProtocolVersion.MQTTv5)
        if broken != "no will":
            key = "t" if broken == "will with t" else "connected_at"
            self.client.will_set(f"{ROOT}/status", self.status("offline", key), 1, broken != "will not retained")
        self.client.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/+/cmd/+", 1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self.command
        self.client.connect("127.0.0.1", port, keepalive=0 if broken == "dies silently" else 5)
        self.client.loop_start()
        self.ready.wait(10.0)

    def stamp(self, key: str = "t", shift_s: float = 0.0) -> dict[str, object]:
        shift_s += {"clock behind": -60.0, "clock ahead": 60.0, "clock not set": -1e8}.get(self.broken, 0.0)
        wall = datetime.fromtimestamp(time.time() + shift_s, UTC).isoformat()
        synced = self.broken != "clock not set"
        return {"v": 1, key: wall, "mono": time.monotonic(), "boot": "b1", "clock_synced": synced}

    def status(self, state: str, key: str = "t") -> str:
        return json.dumps({**self.stamp(key), "state": state, "version": "1", "models": {}})

    def say(self, topic: str, fields: object, qos: int = 0, retain: bool = False) -> MQTTMessageInfo:
        payload = fields if isinstance(fields, (str, bytes)) else json.dumps(fields)
        return self.client.publish(f"{ROOT}/{topic}", payload, qos, retain)

    def begin(self) -> None:
        """All of it is at the broker before this device is called ready."""
        if self.broken == "reading retained":
            self.reading()  # one that whoever comes now is given as retained
        self.say("status", self.status("online"), 1, self.broken != "status not retained")
        if self.broken == "stale command":
            self.say("bed1/cmd/pause", {"by": "x"}, 1, True)
        if self.broken != "no discovery":
            self.client.publish("homeassistant/device/other/config", json.dumps(self.discovery()), 1, True)
        told = self.say("source/node/status", {**self.stamp(), "state": "online"}, 1, True)
        told.wait_for_publish(10.0)
        print("ready", flush=True)

    def discovery(self) -> dict[str, object]:
        sensor = {"platform": "sensor", "unique_id": "s", "state_topic": f"{ROOT}/bed1/reading/ppg.hr"}
        event = {
            "platform": "event",
            "unique_id": "e",
            "state_topic": f"{ROOT}/bed1/event",
            "event_types": ["on", "off"],
        }
        ack = {"platform": "button", "unique_id": "a", "command_topic": f"{ROOT}/bed1/cmd/ack"}
        pause = {"platform": "button", "unique_id": "p", "command_topic": f"{ROOT}/bed1/cmd/pause"}
        if self.broken == "discovery without unique_id":
            del ack["unique_id"]
        if self.broken != "discovery without expire_after":
            sensor["expire_after"] = "5"
        return {
            "device": {"identifiers": ["other"]},
            "origin": {"name": "other"},
            "availability": [{"topic": f"{ROOT}/status"}],
            "components": {"s": sensor, "e": event, "a": ack, "p": pause},
        }

    def reading(self) -> None:
        self.seq["reading"] += 2 if self.broken == "reading gap" and self.seq["reading"] == 5 else 1
        fields = {
            **self.stamp(shift_s=-120.0 if self.broken == "stale" else 0.0),
            "value": 61.0,
            "unit": "bpm",
            "quality": 0.9,
            "source": "node",
            "model": "",
            "reason": "",
            "seq": self.seq["reading"],
        }
        if self.broken == "no reason":
            fields |= {"value": None, "reason": "because"}
        self.say("bed1/reading/ppg.hr", fields, 0, self.broken == "reading retained")
        if self.broken == "repeated":
            self.say("bed1/reading/ppg.hr", {**fields, "seq": fields["seq"]})
        self.say("stats", self.stamp())

    def event(self, presence: str, condition: str, occurrence: str) -> None:
        self.seq["event"] += 2 if self.broken == "event gap" and self.seq["event"] == 1 else 1
        fields = {
            **self.stamp(), "id": f"bed1/{condition}", "occurrence": occurrence, "kind": "technical",
            "priority": "low", "presence": presence, "since": self.stamp()["t"], "text": condition,
            "seq": self.seq["event"],
        }  # fmt: skip
        if condition == "drill":
            fields["drill"] = True
        more = {"published": self.stamp()["t"], "delay_s": 0.01, "historical": False}
        self.say("bed1/event", {**fields, **more}, 1, self.broken == "event retained")
        over = presence == "off"
        if not (over and self.broken == "alarm left behind"):
            self.say(f"bed1/alarm/{condition}", b"" if over else fields, 1, self.broken != "alarm not retained" or over)
        self.alarm = None if over else fields

    def command(self, _client: object, _user: object, message: object) -> None:
        name = message.topic.rpartition("/")[2]
        if name == "result" or message.retain or self.broken == "deaf":
            return
        fields = json.loads(message.payload)
        if "command_id" not in fields:
            return
        ok, text = self.obey(name, fields)
        answer = {**self.stamp(), "command_id": fields["command_id"], "ok": ok, "text": text, "command": name}
        answer["id"] = fields.get("id", "")
        self.say("bed1/cmd/result", answer, 1)
        reply = getattr(message.properties, "ResponseTopic", None)
        if reply and self.broken != "no reply":
            self.client.publish(reply, json.dumps(answer), 1)
        if not self.cycled:
            self.cycled = True
            for presence in ("on", "ack", *(() if self.broken == "alarm not retained" else ("off",))):
                self.event(presence, "low_quality", "o1")

    def obey(self, name: str, fields: dict[str, object]) -> tuple[bool, str]:
        if name == "drill":
            self.event("off" if fields.get("seconds") == 0 else "on", "drill", "d1")
            return True, "drill"
        if self.broken == "yes to all":
            return True, "done"
        if self.alarm is None or fields.get("occurrence") != self.alarm["occurrence"]:
            return False, "does not stand"
        if self.broken != "ack forgotten":
            self.event("ack", "drill", "d1")
        return True, "acknowledged"


def main() -> None:
    port, broken = int(sys.argv[1]), sys.argv[2]
    device = Device(port, broken)
    device.begin()
    for number in range(1_000_000):
        device.reading()
        if broken == "dies silently" and number == 10:
            threading.Event().wait()  # hangs with its connection open, and its broker was not told to miss it
        threading.Event().wait(EVERY_S)


if __name__ == "__main__":
    main()
