"""What ``doctor`` finds on the way to the broker: name, port, TLS, credentials, and whether our topics are taken."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edge.cli.doctor.faults import Finding, fault, fine
from edge.types import ConfigError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.mqtt.broker import Options
    from edge.mqtt.connection import Connection, RefusedError

_ANSWER_S = 2.0


def broker(config: Config) -> Iterator[Finding]:
    """Connect as the service would, under a client id of its own, and publish one message that nobody keeps."""
    from edge.mqtt.broker import Options
    from edge.mqtt.connection import RefusedError, connect

    given = config.sinks["mqtt"]
    known: dict[str, Any] = {k: v for k, v in given.items() if k in Options.__dataclass_fields__}
    # beside that of a monitor which may be running: a broker has room for one of a name, and throws the first one out
    known["client_id"] = f"{known.get('client_id', f'edge-vitals-{config.device}')}-doctor"
    try:
        options = Options(**{"port": 0, **known})
    except ConfigError as error:
        yield fault("broker", "broker_name", str(error))
        return
    where = f"{options.host}:{options.port}"
    try:
        options.password()
        options.context()
    except ConfigError as error:
        yield fault("broker", "broker_credentials", str(error))
        return
    try:
        socket.getaddrinfo(options.host, options.port)
    except OSError as error:
        yield fault("broker", "broker_name", f"{options.host}: {error.strerror}")
        return
    root = f"{given.get('prefix', 'vitals')}/{config.device}"
    topic = f"{root}/doctor"
    try:
        connection = connect(options, will=(topic, b""))  # as the service's: a broker may not take a retained one
    except RefusedError as error:
        yield fault("broker", _word(error, options), f"{where}: {error}")
        return
    try:
        refused, deaf = _refused(connection.client, topic), _deaf(connection, root)
    finally:
        connection.close()
    if refused:
        yield fault("broker", "broker_acl", f"{topic}: {refused}")
    elif deaf:
        yield fault("broker", "broker_deaf", f"{root}/+/cmd/+: {deaf}")
    else:
        yield fine("broker", f"{where}, MQTT {'5' if connection.version == 5 else '3.1.1'}")


def _word(error: RefusedError, options: Options) -> str:
    from edge.mqtt.broker import listens, speaks_tls

    cut_off = options.encrypted and error.fault == "broker_unreachable"  # so many a plain port takes a TLS greeting
    return "broker_not_tls" if cut_off and listens(options) and not speaks_tls(options) else error.fault


def _refused(client: Any, topic: str) -> str:
    answered = threading.Event()
    answer: list[Any] = []

    def published(_client: Any, _user: Any, _mid: int, reason: Any, _properties: Any) -> None:
        answer.append(reason)
        answered.set()

    client.on_publish = published
    client.publish(topic, b'{"v":1}', qos=1, retain=False)
    if not answered.wait(_ANSWER_S):
        return "not confirmed"
    return str(answer[0]) if answer[0].is_failure else ""


def _deaf(connection: Connection, root: str) -> str:
    """Why no command reaches this user, or ""; where rules in a file let nothing through, the broker does not say so
    itself, and the answer of a bed that is none must come back."""
    heard = threading.Event()
    connection.client.on_message = lambda *_: heard.set()
    connection.subscribe(f"{root}/+/cmd/+", live_only=True)
    refused = connection.deaf_to(first_within_s=_ANSWER_S)
    if refused:
        return refused[0][1]
    if _refused(connection.client, f"{root}/doctor/cmd/result") or heard.wait(_ANSWER_S):
        return ""
    return "it takes the subscription, and nothing that is said there comes"
