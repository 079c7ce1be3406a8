"""``edge-vitals watch``: a subscriber that shows what devices publish, or judges one against the contract."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from edge.cli._grade import Grader
from edge.types import ConfigError, SinkError

PASSWORD_ENV = "EDGE_VITALS_MQTT_PASSWORD"
_ANSWER_S = 5.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "watch",
        help="show what devices publish, or grade one against the contract",
        description="Subscribe to a broker and show readings and alarms as they come. With --grade, judge one device "
        "against the public contract and exit with 3 when it fails. A password is read from the environment variable "
        f"{PASSWORD_ENV}, never from the command line.",
        epilog="example: edge-vitals watch --broker mqtt://127.0.0.1:1883 --device ward-3 --grade 60",
    )
    command.add_argument(
        "--broker", default="mqtt://127.0.0.1:1883", metavar="URL", help="mqtt://[user@]host[:port], or mqtts://"
    )
    command.add_argument("--ca-file", metavar="PEM", help="the authority that signed the broker's certificate")
    command.add_argument("--prefix", default="vitals", help="first part of every topic")
    command.add_argument("--device", default="", help="one device; by default all, or the first one seen with --grade")
    command.add_argument("--seconds", type=float, metavar="N", help="stop after so long")
    command.add_argument("--grade", type=float, metavar="SECONDS", help="judge one device for so long")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Show or grade."""
    client = _Client(args.broker, args.ca_file)
    try:
        return _grade(client, args) if args.grade is not None else _show(client, args)
    finally:
        client.close()


class _Client:
    """A subscriber; messages wait in order for whoever takes them."""

    def __init__(self, url: str, ca_file: str | None) -> None:
        from edge.sinks._connection import Options, RefusedError, connect

        parts = urlsplit(url if "://" in url else f"mqtt://{url}")
        if parts.password is not None:
            raise ConfigError(f"--broker: everybody can read a password there; set {PASSWORD_ENV} instead")
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ConfigError(f"--broker {url}: write mqtt://host:port or mqtts://host:port")
        tls = parts.scheme == "mqtts" or ca_file is not None
        options = Options(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            client_id=f"edge-vitals-watch-{uuid.uuid4().hex[:8]}",
            username=parts.username,
            password_env=PASSWORD_ENV if PASSWORD_ENV in os.environ else None,
            ca_file=ca_file,
            tls=tls,
        )
        self.messages: list[Any] = []
        self._changed = threading.Condition()
        try:
            self._connection = connect(options, on_message=self._take, on_lost=self._wake)
        except RefusedError as error:
            raise SinkError(f"{parts.hostname}:{options.port}: {error}") from None
        self.version = self._connection.version

    def subscribe(self, *topics: str) -> None:
        self._connection.client.subscribe([(topic, 1) for topic in topics])

    def publish(self, topic: str, fields: dict[str, Any], *, response: str = "") -> None:
        properties = None
        if response and self.version == 5:
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties

            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic = response
        self._connection.client.publish(topic, json.dumps(fields), 1, False, properties)

    def take(self, timeout_s: float) -> list[Any]:
        """Messages since the last call, after waiting at most so long for one; raises SinkError when cut off."""
        with self._changed:
            if not self.messages:
                self._changed.wait(timeout_s)
            found, self.messages = self.messages, []
        if self._connection.lost.is_set() and not found:
            raise SinkError("the broker closed the connection")
        return found

    def close(self) -> None:
        self._connection.close()

    def _take(self, message: Any) -> None:
        with self._changed:
            self.messages.append((time.time(), message))
            self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()


def _show(client: _Client, args: argparse.Namespace) -> int:
    root = f"{args.prefix}/{args.device or '+'}"
    client.subscribe(f"{root}/#")
    end = None if args.seconds is None else time.monotonic() + args.seconds
    shown: dict[str, str] = {}
    while end is None or time.monotonic() < end:
        for _, message in client.take(0.5):
            line = _line(message.topic.removeprefix(f"{args.prefix}/"), message.payload)
            if line and shown.get(message.topic) != line:
                shown[message.topic] = line
                print(f"{datetime.now():%H:%M:%S}  {line}", flush=True)
    return 0


def _line(topic: str, payload: bytes) -> str:
    """A message in words; "" for those that say nothing to a person."""
    parts = topic.split("/")
    if not payload or len(parts) < 2 or parts[-1] in ("stats", "result") or "cmd" in parts:
        return ""
    try:
        fields = json.loads(payload)
        if parts[-1] == "status":
            reason = f": {fields['reason']}" if fields.get("reason") else ""
            shares = [row["hour"] for row in fields.get("coverage", {}).values() if row["hour"] is not None]
            watched = f", watched {min(shares):.0%} of the last hour" if shares else ""
            return f"{'/'.join(parts[:-1])} {fields['state']}{reason}{watched}"
        if parts[2] == "reading":
            value = fields["value"]
            text = f"{value:.0f} {fields['unit']}" if isinstance(value, float) and value > 10 else str(value)
            return f"{parts[0]}/{parts[1]} {parts[3]:<14} {text if value is not None else '-- ' + fields['reason']}"
        if parts[2] == "event":
            late = " (late)" if fields.get("historical") else ""
            return f"{parts[0]} ALARM {fields['presence']:<8} {fields['priority']:<7} {fields['id']}: {fields['text']}{late}"
    except (ValueError, KeyError, TypeError, IndexError):
        return f"{topic}: not what the contract says"
    return ""


def _grade(client: _Client, args: argparse.Namespace) -> int:
    device = args.device or _first_device(client, args.prefix)
    grader = Grader(f"{args.prefix}/{device}", f"homeassistant/device/{device}/config")
    reply_to = f"edge-vitals-watch/{uuid.uuid4().hex[:8]}"
    client.subscribe(f"{grader.root}/#", grader.discovery_topic, reply_to)
    asked = f"grade-{uuid.uuid4().hex[:8]}"
    end = time.monotonic() + args.grade
    beds: set[str] = set()
    sent = replied = False
    while (left := end - time.monotonic()) > 0:
        for arrival, message in client.take(min(0.5, left)):
            replied |= message.topic == reply_to
            parts = message.topic.removeprefix(f"{grader.root}/").split("/")
            if len(parts) == 3 and parts[1] == "reading":
                beds.add(parts[0])
            grader.feed(message.topic, message.payload, retain=message.retain, qos=message.qos, arrival=arrival)
        if beds and not sent:
            sent = True
            _send_command(client, grader.root, min(beds), asked, reply_to)
            end = max(end, time.monotonic() + _ANSWER_S)
        if sys.stderr.isatty():
            print(f"grading {device}: {left:4.0f} s left ", end="\r", file=sys.stderr)
    verdicts = grader.verdicts(asked=asked if sent else "", replied=replied or client.version != 5)
    print("\n".join(str(v) for v in verdicts))
    failed = sum(v.state == "FAIL" for v in verdicts)
    print(f"{device}: " + (f"{failed} of {len(verdicts)} checks failed" if failed else "keeps the contract"))
    return 3 if failed else 0


def _first_device(client: _Client, prefix: str) -> str:
    client.subscribe(f"{prefix}/+/status")
    end = time.monotonic() + _ANSWER_S
    while time.monotonic() < end:
        for _, message in client.take(0.5):
            return str(message.topic.split("/")[1])
    raise SinkError(f"no device below {prefix}/ at this broker; name one with --device")


def _send_command(client: _Client, root: str, bed: str, asked: str, reply_to: str) -> None:
    """A command that changes nothing: an acknowledgement of an occurrence there is not."""
    fields = {"by": "edge-vitals watch --grade", "t": datetime.now(UTC).isoformat(), "command_id": asked}
    unknown = {"id": f"{bed}/af", "occurrence": "no such occurrence"}
    client.publish(f"{root}/{bed}/cmd/ack", {**fields, **unknown}, response=reply_to)
