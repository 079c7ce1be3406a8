"""A subscriber for commands: broker options, a connection, and messages that wait in order for whoever takes them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from edge.cli._options import prefix
from edge.clock import iso
from edge.types import ConfigError, SinkError

PASSWORD_ENV: Final = "EDGE_VITALS_MQTT_PASSWORD"
ANSWER_S: Final = 5.0
AT_ONCE_S: Final = 0.5  # retained messages come at once
_FORM: Final = "write mqtt://host:port or mqtts://host:port"
_NAMES_IT: Final = "--broker mqtt://HOST[:PORT] names it"
_REMEDIES: Final = {
    "broker_unreachable": f"is a broker running there? {_NAMES_IT}",
    "broker_name": f"is the name right? {_NAMES_IT}",
    "broker_timeout": f"is it the right machine and port, and does a firewall stand between? {_NAMES_IT}",
    "broker_not_authorised": f"give the user as --broker mqtt://USER@HOST and the password in {PASSWORD_ENV}",
    "broker_needs_tls": "use --broker mqtts://HOST and --ca-file PEM",
    "tls_client": "give one that its authority signed as --cert-file and --key-file",
}
_OPTIONS: Final = {
    "mqtt.ca_file:": "--ca-file",
    "mqtt.cert_file, key_file:": "--cert-file, --key-file",
    "mqtt.cert_file:": "--cert-file",
    "mqtt.key_file: the key of a certificate: set cert_file, too": "--key-file: the key of --cert-file, which is missing",
    "mqtt.host:": "--broker",
}


def add_options(command: argparse.ArgumentParser) -> None:
    """How to reach the broker, the same for every command that does."""
    command.add_argument(
        "--broker",
        default="mqtt://127.0.0.1:1883",
        metavar="URL",
        help="mqtt://[user@]host[:port], or mqtts://; by default %(default)s",
    )
    command.add_argument("--ca-file", metavar="PEM", help="the authority that signed the broker's certificate")
    command.add_argument("--cert-file", metavar="PEM", help="your own certificate, where the broker asks for one")
    command.add_argument("--key-file", metavar="PEM", help="its key, where that is not in the same file")
    command.add_argument(
        "--prefix", type=prefix, default="vitals", help="first part of every topic; by default %(default)s"
    )


class Client:
    """Connected when made; raises ConfigError for a bad URL and SinkError when the broker does not want us."""

    def __init__(
        self, url: str, ca_file: str | None, cert_file: str | None = None, key_file: str | None = None
    ) -> None:
        from edge.mqtt.broker import Options
        from edge.mqtt.connection import RefusedError, connect

        try:
            parts = urlsplit(url if "://" in url else f"mqtt://{url}")
        except ValueError:  # half an IPv6 address
            raise ConfigError(f"--broker {url}: {_FORM}") from None
        if parts.password is not None:
            raise ConfigError(f"--broker: everybody can read a password there; set {PASSWORD_ENV} instead")
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ConfigError(f"--broker {url}: {_FORM}")
        try:
            port = parts.port
        except ValueError:
            raise ConfigError(f"--broker {url}: the port is a number from 1 to 65535") from None
        if ca_file is not None and not os.access(ca_file, os.R_OK):
            raise ConfigError(f"--ca-file {ca_file}: cannot be read")
        self._messages: list[tuple[float, Any]] = []
        self._changed = threading.Condition()
        self._heard = 0  # topics that were asked for and not refused, so far
        try:
            options = Options(
                host=parts.hostname,
                port=port or 0,
                client_id=f"edge-vitals-watch-{uuid.uuid4().hex[:8]}",
                username=parts.username,
                password_env=PASSWORD_ENV if PASSWORD_ENV in os.environ else None,
                ca_file=ca_file,
                cert_file=cert_file,
                key_file=key_file,
                tls=parts.scheme == "mqtts",
            )
            self._connection = connect(options, on_message=self._take, on_lost=self._wake)
        except ConfigError as error:
            raise ConfigError(_by_option(str(error))) from None
        except RefusedError as error:
            asks = str(error).endswith("?")  # what to look at is said already
            remedy = None if asks else _REMEDIES.get(error.fault)
            raise SinkError("; ".join(filter(None, (f"{parts.hostname}:{options.port}: {error}", remedy)))) from None
        self.version = self._connection.version

    def subscribe(self, *topics: str) -> None:
        self._heard += len(topics)
        self._connection.subscribe(*topics)

    def command(self, topic: str, by: str, *, response: str = "", **fields: Any) -> str:
        """Send a command; returns its id."""
        properties = None
        if response and self.version == 5:
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties

            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic = response
        command_id = uuid.uuid4().hex[:12]
        stamp = {"command_id": command_id, "by": by, "t": iso(time.time())}
        self._connection.client.publish(topic, json.dumps({**stamp, **fields}), 1, False, properties)
        return command_id

    def take(self, timeout_s: float) -> list[tuple[float, Any]]:
        """(Unix time of arrival, message) since the last call, after waiting at most so long for one; raises SinkError
        when cut off, and when the broker lets us hear nothing of what was asked for."""
        with self._changed:
            if not self._messages:
                self._changed.wait(timeout_s)
            found, self._messages = self._messages, []
        if self._connection.lost.is_set() and not found:
            raise SinkError("the broker closed the connection")
        self._say_deaf()
        return found

    def heard(self, for_s: float) -> Iterator[Any]:
        """Messages of the next ``for_s``, as they come."""
        end = time.monotonic() + for_s
        while (left := end - time.monotonic()) > 0:
            for _, message in self.take(left):
                yield message

    def close(self) -> None:
        self._connection.close()

    def _say_deaf(self) -> None:
        """Without a word, a device that is there would be said not to be."""
        deaf = self._connection.deaf_to()
        if not deaf:
            return
        self._heard -= len(deaf)
        whys = ", ".join(sorted({why for _, why in deaf}))
        text = f"the broker does not let us hear {', '.join(topic for topic, _ in deaf)} ({whys})"
        if self._heard <= 0:
            raise SinkError(text)
        print(f"edge-vitals: {text}", file=sys.stderr)

    def _take(self, message: Any) -> None:
        with self._changed:
            self._messages.append((time.time(), message))
            self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()


def _by_option(text: str) -> str:
    """A message about the configuration's keys, by what was written instead of them."""
    for key, option in _OPTIONS.items():
        text = text.replace(key, option)
    return text


def client_of(args: argparse.Namespace) -> Client:
    """The client that the options of ``add_options`` ask for."""
    return Client(args.broker, args.ca_file, args.cert_file, args.key_file)


def known_devices(client: Client, prefix: str) -> str:
    """In words, which devices a broker tells of within a moment."""
    client.subscribe(f"{prefix}/+/status")
    return named({name for message in client.heard(AT_ONCE_S) if (name := of_status(message.topic, prefix))})


def of_status(topic: str, prefix: str) -> str:
    """The device whose own status is said on a topic; "" for any other topic."""
    name, _, rest = topic.removeprefix(f"{prefix}/").partition("/")
    return name if rest == "status" and topic.startswith(f"{prefix}/") else ""


def named(devices: Collection[str]) -> str:
    """Which devices there are, in words."""
    return f"devices there: {', '.join(sorted(devices))}" if devices else "no device is known there"


def first_device(client: Client, prefix: str) -> str:
    """The first device that a broker knows of; raises SinkError."""
    client.subscribe(f"{prefix}/+/status")
    for message in client.heard(ANSWER_S):
        if found := of_status(message.topic, prefix):
            return found
    raise SinkError(f"no device below {prefix}/ at this broker; name one with --device")
