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
    from edge.sinks._mqtt.broker import Options
    from edge.sinks._mqtt.connection import Connection

_ANSWER_S = 2.0
_WORDS = (
    ("hostname mismatch", "tls_name"),
    ("ip address mismatch", "tls_name"),
    ("has expired", "tls_expired"),
    ("not yet valid", "tls_expired"),
    ("self-signed", "tls_untrusted"),
    ("self signed", "tls_untrusted"),
    ("unable to get local issuer", "tls_untrusted"),
    ("certificate_required", "tls_client"),
    ("wrong_version_number", "broker_not_tls"),
    ("record_layer_failure", "broker_not_tls"),
    ("name or service not known", "broker_name"),
    ("temporary failure in name resolution", "broker_name"),
    ("no address associated", "broker_name"),
    ("timed out", "broker_timeout"),
    ("not reachable", "broker_unreachable"),
    ("not supported", "broker_limits"),
    ("refused:", "broker_not_authorised"),
)


def broker(config: Config) -> Iterator[Finding]:
    """Connect as the service would, under a client id of its own, and publish one message that nobody keeps."""
    from edge.sinks._mqtt.broker import Options
    from edge.sinks._mqtt.connection import RefusedError, connect

    given = config.sinks["mqtt"]
    known: dict[str, Any] = {k: v for k, v in given.items() if k in Options.__dataclass_fields__}
    # beside that of a monitor which may be running: a broker has room for one of a name, and throws the first one out
    known["client_id"] = f"{known.get('client_id', f'edge-vitals-{config.device}')}-doctor"
    options = Options(**{"port": 0, **known})
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
    topic, commands = f"{root}/doctor", f"{root}/+/cmd/+"
    try:
        connection = connect(options, will=(topic, b""))  # as the service's: a broker may not take a retained one
    except RefusedError as error:
        yield fault("broker", _word(str(error), options), f"{where}: {error}")
        return
    try:
        refused, deaf = _refused(connection.client, topic), _deaf(connection, commands)
    finally:
        connection.close()
    if refused:
        yield fault("broker", "broker_acl", f"{topic}: {refused}")
    elif deaf:
        yield fault("broker", "broker_deaf", f"{commands}: {deaf}")
    else:
        yield fine("broker", f"{where}, MQTT {'5' if connection.version == 5 else '3.1.1'}")


def _word(text: str, options: Options) -> str:
    low = text.lower()
    word = next((word for sign, word in _WORDS if sign in low), "")
    where = options.host, options.port
    if options.encrypted and word in ("broker_unreachable", "") and _listens(*where) and not _speaks_tls(*where):
        return "broker_not_tls"
    if word in ("broker_not_authorised", "") and not options.encrypted:
        return "broker_needs_tls" if _speaks_tls(*where) else word or "broker_timeout"
    if not word or (word == "broker_not_authorised" and "unspecified" in low):
        return "tls_client" if options.ca_file and not options.cert_file else "broker_timeout"
    return word


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _ANSWER_S).close()
    except OSError:
        return False
    return True


def _speaks_tls(host: str, port: int) -> bool:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), _ANSWER_S) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False


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


def _deaf(connection: Connection, topic: str) -> str:
    """Why the broker does not let us hear what a topic says; "" where it does, as far as it tells."""
    answered = threading.Event()
    answer: list[Any] = []

    def subscribed(_client: Any, _user: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        answer.extend(reasons)
        answered.set()

    connection.client.on_subscribe = subscribed
    connection.subscribe(topic, live_only=True)
    return str(answer[0]).lower() if answered.wait(_ANSWER_S) and answer[0].is_failure else ""
