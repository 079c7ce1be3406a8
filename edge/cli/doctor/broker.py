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
PATIENCE_S = 3.5  # for each of both versions: ten seconds are all there are


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
        # with a will as the service's: a broker may not take a retained one
        connection = connect(options, will=(topic, b""), patience_s=PATIENCE_S)
    except RefusedError as error:
        yield fault("broker", _word(error, options), f"{where}: {error}")
        return
    try:
        refused, unheard = _refused(connection.client, topic), _unheard(connection, root)
    finally:
        connection.close()
    if refused:
        yield fault("broker", "broker_acl", f"{topic}: {refused}")
    elif unheard:
        yield fault("broker", *unheard)
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


def _unheard(connection: Connection, root: str) -> tuple[str, str] | None:
    """What is wrong with that which comes back from the broker, and the words for it: no command reaches this user, or
    what is said on a topic with a dot comes on another one.

    Where rules in a file let nothing through, the broker does not say so itself, and the answer of a bed that is none must
    come back. What was sent before it has come by then, or never does.
    """
    commands, plain, dotted = f"{root}/+/cmd/+", f"{root}/doctor/cmd/result", f"{root}/doctor/cmd/result/a.b"
    told: list[str] = []
    heard = threading.Event()

    def hear(_client: Any, _user: Any, message: Any) -> None:
        told.append(message.topic)
        if message.topic == plain:
            heard.set()

    connection.client.on_message = hear
    connection.subscribe(commands, dotted, live_only=True)
    for topic, why in connection.deaf_to(first_within_s=_ANSWER_S):
        if topic == commands:
            return "broker_deaf", f"{commands}: {why}"
    connection.client.publish(dotted, b'{"v":1}', qos=1, retain=False)
    if not _refused(connection.client, plain) and not heard.wait(_ANSWER_S):
        return "broker_deaf", f"{commands}: it takes the subscription, and nothing that is said there comes"
    for topic in told:
        if topic.startswith(f"{plain}/") and topic != dotted:
            return "broker_topics", f"{dotted} comes as {topic}"
    return None
