"""One MQTT client: the Last Will, MQTT 5 with fall-back to 3.1.1, and reasons in words."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from edge.mqtt.broker import ENDED, Options, fault_of, in_words, why_silent

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
_INFLIGHT = 20  # what a broker surely takes that does not say how many
_TOO_NEW = ("Unsupported protocol version", "Protocol error")
_TAKEN_OVER = "Session taken over"
_NO_REASON = "Unspecified error"  # the client's word for a connection that just ended
_GARBLED = ("Malformed packet", "Protocol error")
_NO_SUBSCRIBERS = 0x10
_LIMITS = (0x9A, 0x9B)  # MQTT 5, 3.2.2.2: retained messages, this QoS: not supported
_CLOCK = "is this machine's clock right?"
_TLS_THERE = "does that port speak TLS?"
# A handshake that was cut short: some brokers, mosquitto since 2.1, read a greeting that is not for them before they close.
_CUT_OFF = (ConnectionResetError, *ENDED)
_UNLIMITED = 65_535  # MQTT 5, 3.2.2.3.3
_HEADER_BYTES = 32  # of a packet beside topic, payload and correlation data, at most


class Message(NamedTuple):
    """One to be published. until: it may be said until then, monotonic s (None: always); correlation: MQTT 5's, to whom it
    answers."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    until: float | None = None
    correlation: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of its packet, at most."""
        parts = (self.topic.encode(), self.payload, self.correlation or b"")
        return _HEADER_BYTES + sum(map(len, parts))


class RefusedError(Exception):
    """The broker cannot be reached or does not want us; the message says why, in words, and ``fault`` in a word of
    ``edge-vitals doctor``."""

    def __init__(self, message: str, fault: str = "broker_timeout") -> None:
        super().__init__(message)
        self.fault = fault


class SilentError(RefusedError):
    """Somebody is there and gives no answer."""


class Connection:
    """A connected client. Made by ``connect``; callbacks run in the client's own thread.

    window: how many QoS 1 messages the broker takes at once; whoever publishes keeps to it. largest: bytes of a packet
    that it takes, None where it does not say. garbled: it ended over a message that the client could not read.
    """

    def __init__(self, options: Options, client: Any, version: int, on_lost: Callable[[], None] | None) -> None:
        self._options, self.client, self.version, self._on_lost = options, client, version, on_lost
        self.lost = threading.Event()
        self.reason = ""
        self.window = _INFLIGHT
        self.largest: int | None = None
        self.garbled = False
        self._answered = threading.Event()
        self._answer: Any = None
        self._heard: list[str] = []
        self._asked: dict[int, tuple[str, ...]] = {}  # topics, by the id of their SUBSCRIBE
        self._granted: dict[int, list[Any]] = {}  # the broker's answers, which may come before that id is known here
        self._one_granted = threading.Event()

    def hear(
        self, on_message: Callable[[Any], None] | None, on_publish: Callable[[int, str, bool], None] | None
    ) -> None:
        """Set the client's callbacks; see ``connect``."""
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda _client, _user, _flags, reason, _properties: self._over(str(reason))
        self.client.on_subscribe = self._subscribed
        if on_message is not None:
            self.client.on_message = lambda _client, _user, message: _taken(on_message, message)
        if on_publish is not None:
            self.client.on_publish = lambda _client, _user, mid, reason, _properties: on_publish(mid, *_judged(reason))
        loop = self.client.loop_forever

        def loop_and_say_its_end(*args: Any, **settings: Any) -> Any:
            """Some versions of the client let go of the connection over what they cannot read, and tell nobody."""
            try:
                return loop(*args, **settings)
            except Exception:
                log.exception("%s: the client failed", self._options)
                self._over(_GARBLED[0])

        self.client.loop_forever = loop_and_say_its_end

    def begin(self, patience_s: float) -> str | None:
        """Start the client's thread and wait so long for the broker's answer: None when it takes us, else why not, ""
        where it did not say."""
        self.client.loop_start()
        self._answered.wait(patience_s)
        if self._answer is None:
            return ""
        return str(self._answer) if self._answer.is_failure else None

    @property
    def refused_with(self) -> int | None:
        """The broker's own code for why it does not take us, None where it gave none."""
        return self._answer.value if self._answer is not None and self._answer.is_failure else None

    def _connected(self, _client: Any, _user: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if self.version == 5:
            self.window = getattr(properties, "ReceiveMaximum", _UNLIMITED)
            self.largest = getattr(properties, "MaximumPacketSize", None)
        self._answer = reason
        self._answered.set()

    def _subscribed(self, _client: Any, _user: Any, mid: int, reasons: list[Any], _properties: Any) -> None:
        self._granted[mid] = reasons
        self._one_granted.set()

    def _over(self, reason: str) -> None:
        self.reason = self.reason or ("" if reason == _NO_REASON else reason)
        self.garbled |= reason in _GARBLED
        self._answered.set()
        self.lost.set()
        if self._on_lost is not None:
            self._on_lost()

    @property
    def taken_over(self) -> bool:
        """Another program uses our client id."""
        return self.reason == _TAKEN_OVER

    def subscribe(self, *topics: str, as_published: bool = False, live_only: bool = False) -> None:
        """With QoS 1. as_published: a message that was published as retained says so although it comes live; live_only:
        what the broker has kept is not asked for (both MQTT 5)."""
        wanted: list[tuple[str, Any]] = [(topic, 1) for topic in topics]
        if self.version == 5:
            from paho.mqtt.subscribeoptions import SubscribeOptions

            kept = SubscribeOptions.RETAIN_DO_NOT_SEND if live_only else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            options = SubscribeOptions(qos=1, retainAsPublished=as_published, retainHandling=kept)
            wanted = [(topic, options) for topic in topics]
        _, mid = self.client.subscribe(wanted)
        self._heard += topics
        if mid is not None:
            self._asked[mid] = topics

    def unsubscribe(self) -> None:
        """From all, before the end. A broker that still has something to tell us when we hang up finds the connection
        broken, and one that finds that before it has read our good-bye says the Last Will."""
        if self._heard:
            self.client.unsubscribe(self._heard)
            self._heard = []

    def deaf_to(self, first_within_s: float = 0.0) -> list[tuple[str, str]]:
        """Topics that the broker does not let us hear, with its reason; each is told once. For one thread.

        first_within_s: wait so long for its first answer.
        """
        self._one_granted.wait(first_within_s)
        found: list[tuple[str, str]] = []
        for mid in [mid for mid in self._asked if mid in self._granted]:
            topics, reasons = self._asked.pop(mid), self._granted.pop(mid)
            found += [(topic, str(why).lower()) for topic, why in zip(topics, reasons, strict=False) if why.is_failure]
        return found

    def publish(self, message: Message, *, expiry_s: float | None = None) -> int:
        """Hand a message to the client; its id. expiry_s: after so long the broker need not deliver it (MQTT 5)."""
        properties = None
        if self.version == 5 and (expiry_s, message.correlation) != (None, None):
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties

            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if expiry_s is not None:
                properties.MessageExpiryInterval = max(1, round(expiry_s))
            if message.correlation is not None:
                properties.CorrelationData = message.correlation
        sent = self.client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        return int(sent.mid)

    def close(self) -> None:
        """Say good-bye and end the client's thread; calling twice is harmless.

        Client and callbacks are parted: else its files stay open until Python looks for such rings, and a broker that is
        away or refuses for hours is asked again and again.
        """
        hang_up(self.client)
        for name in ("on_connect", "on_disconnect", "on_subscribe", "on_message", "on_publish"):
            setattr(self.client, name, None)
        vars(self.client).pop("loop_forever", None)
        self._on_lost = None


def hang_up(client: Any) -> None:
    """Say good-bye and end the client's thread.

    In its last moment that thread takes itself off the client, which may be just when the client is about to wait for it.
    """
    client.disconnect()
    with contextlib.suppress(AttributeError):  # of None: it has ended
        client.loop_stop()


def connect(
    options: Options,
    *,
    will: tuple[str, bytes] | None = None,
    on_message: Callable[[Any], None] | None = None,
    on_publish: Callable[[int, str, bool], None] | None = None,
    on_lost: Callable[[], None] | None = None,
    patience_s: float | None = None,
) -> Connection:
    """Connect, MQTT 5 first; raises RefusedError. patience_s: how long to wait for an answer, in each version.

    on_publish: called with each message's id, why the broker refused it ("" when it did not), and whether it took it
    but had nobody to give it to. A broker that speaks 3.1.1 cannot say either.
    """
    patience_s = CONNECT_TIMEOUT_S if patience_s is None else patience_s
    try:
        return _connect(options, 5, will, on_message, on_publish, on_lost, patience_s)
    except _UnsupportedError:
        return _connect(options, 4, will, on_message, on_publish, on_lost, patience_s)


def _judged(reason: Any) -> tuple[str, bool]:
    return (str(reason).lower() if reason.is_failure else ""), reason.value == _NO_SUBSCRIBERS


def _taken(on_message: Callable[[Any], None], message: Any) -> None:
    """No message, whoever sent it, may end the client's thread: nobody would notice."""
    try:
        on_message(message)
    except Exception:
        log.exception("a message on %s could not be taken", message.topic)


class _UnsupportedError(Exception):
    """The broker does not speak this version."""


def _connect(
    options: Options,
    version: int,
    will: tuple[str, bytes] | None,
    on_message: Callable[[Any], None] | None,
    on_publish: Callable[[int, str, bool], None] | None,
    on_lost: Callable[[], None] | None,
    patience_s: float,
) -> Connection:
    connection = Connection(options, _client(options, version, will), version, on_lost)
    connection.hear(on_message, on_publish)
    with contextlib.ExitStack() as unless_taken:
        unless_taken.callback(connection.close)
        _reach(connection.client, options)
        why = connection.begin(patience_s)
        if why is None:
            unless_taken.pop_all()
            return connection
        hung_up = connection.lost.is_set()
    if version == 5 and (not why or why in _TOO_NEW):
        raise _UnsupportedError  # an old broker answers in 3.1.1, or just closes, or says nothing
    if why:
        limits = connection.refused_with in _LIMITS
        raise RefusedError(f"refused: {why.lower()}", "broker_limits" if limits else "broker_not_authorised")
    told, fault = why_silent(options)
    if hung_up:
        raise RefusedError(f"hung up without an answer{told}", fault)
    raise SilentError(f"no answer{told}", fault)


def _client(options: Options, version: int, will: tuple[str, bytes] | None) -> Any:
    """A client of the library, not connected; raises ConfigError over files it needs."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    client = Client(
        CallbackAPIVersion.VERSION2,
        options.client_id,
        clean_session=None if version == 5 else True,
        protocol=MQTTProtocolVersion(version),
        reconnect_on_failure=False,  # when and whether is decided by the sink
    )
    client.max_inflight_messages_set(0)  # the client does not know what the broker allows
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.on_socket_open = _send_at_once
    if options.username is not None:
        client.username_pw_set(options.username, options.password())
    context = options.context()
    if context is not None:
        client.tls_set_context(context)
    if will is not None:
        client.will_set(will[0], will[1], qos=1, retain=True)
    return client


def _send_at_once(_client: Any, _userdata: object, opened: Any) -> None:
    """An alarm behind a reading must not wait for the broker to say that it has the reading: 40 ms on Linux."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reach(client: Any, options: Options) -> None:
    """Connect and greet; raises RefusedError in words."""
    try:
        try:
            client.connect(options.host, options.port, options.keepalive_s)
        except _CUT_OFF:  # a broker that is only just up may cut the first handshake off
            client.connect(options.host, options.port, options.keepalive_s)
    except ssl.SSLCertVerificationError as error:
        fault = fault_of(error)
        hint = _CLOCK if fault == "tls_expired" else "check ca_file and the host's name"
        raise RefusedError(f"TLS: {error.verify_message.rstrip('.')}; {hint}", fault) from None
    except ssl.SSLError as error:
        hint = f"; {_TLS_THERE}" if isinstance(error, ENDED) else ""
        raise RefusedError(f"TLS: {in_words(error)}{hint}", fault_of(error)) from None
    except OSError as error:
        hint = f"; {_TLS_THERE}" if options.encrypted and isinstance(error, ConnectionResetError) else ""
        raise RefusedError(f"not reachable: {error.strerror or error}{hint}", fault_of(error)) from None
