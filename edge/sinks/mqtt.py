"""MQTT: readings as they come, alarms as they stand, every transition from the outbox, commands in.

A thread of its own connects, drains and publishes, so ``send`` never waits. Readings are live or nothing: without a
broker they are dropped. A transition stays in the outbox until the broker's PUBACK. After every connection the
retained topics are made to say what is true now.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.clock import Clock
from edge.sinks._commands import CommandInbox
from edge.sinks._connection import Connection, Options, RefusedError, connect, listens
from edge.sinks._discovery import discovery
from edge.sinks._drain import Drain
from edge.sinks._flight import Answer, Flight
from edge.sinks._payloads import Payloads, Topics, encode
from edge.sinks.outbox import Outbox, Row
from edge.types import (
    HEARTBEAT_EVERY_S,
    Alarm,
    BedStatus,
    Command,
    CommandResult,
    ConfigError,
    Event,
    Heartbeat,
    Reading,
    SourceStatus,
    Stats,
)

log = logging.getLogger(__name__)

_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SHORT_LIFE_S = 5.0
_CUT_OFFS = 3  # connections cut off so soon, one after the other: not every broker says 0x8E, session taken over
_TRUCE_S = 300.0
_IDLE_S = 0.5
_WAITING_READINGS = 1000
_HOPS_KEPT = 3.0
_HA_STATUS = "homeassistant/status"


def build(
    *,
    device_name: str,
    clock: Clock,
    outbox: Outbox,
    boot: str,
    on_command: Callable[[Command], None],
    on_link: Callable[[bool, str], None],
    host: str,
    version: str = "",
    identities: Mapping[str, str] | None = None,
    hops: Mapping[str, float] | None = None,
    standing: Sequence[Alarm] = (),
    metrics: Mapping[str, Sequence[str]] | None = None,
    port: int = 0,
    username: str | None = None,
    password_file: str | None = None,
    password_env: str | None = None,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    tls: bool = False,
    prefix: str = "vitals",
    client_id: str | None = None,
    keepalive_s: int = 15,
    discovery_prefix: str = "homeassistant",
    backlog_per_s: float = 500.0,
) -> MqttSink:
    """An MQTT broker.

    host: the broker's name or address. port: 0 = 1883, or 8883 with TLS. username: who we are there. password_file: a
    file with the password. password_env: the name of an environment variable with it; the password itself is no key.
    ca_file: the authority that signed the broker's certificate. cert_file, key_file: our own certificate, where the
    broker asks for one; any of these PEM files turns TLS on. tls: TLS without them, by the system's authorities.
    prefix: first part of every topic. client_id: by default ``edge-vitals-<device>``; unique at the broker. keepalive_s:
    a connection silent for so long is tried. discovery_prefix: Home Assistant's; "" = none.
    backlog_per_s: after a time without a broker, so many late events a second; what happens now is not bounded.
    """
    if not 1.0 <= backlog_per_s <= 100_000.0:
        raise ConfigError(f"mqtt.backlog_per_s: events a second, 1 to 100000, not {backlog_per_s:g}")
    options = Options(
        host=host,
        port=port or (8883 if tls or ca_file or cert_file else 1883),
        client_id=client_id or f"edge-vitals-{device_name}",
        username=username,
        password_file=password_file,
        password_env=password_env,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        tls=tls,
        keepalive_s=keepalive_s,
    )
    options.password()
    options.context()
    about = {"version": version, "models": dict(identities or {}), "heartbeat_s": HEARTBEAT_EVERY_S}
    root, hops = f"{prefix}/{device_name}", dict(hops or {})
    found = discovery(device_name, root, metrics or {}, version, hops) if discovery_prefix else None
    return MqttSink(
        options=options,
        topics=Topics(root),
        payloads=Payloads(clock, boot),
        clock=clock,
        outbox=outbox,
        boot=boot,
        about=about,
        hops=hops,
        on_command=on_command,
        on_link=on_link,
        standing=standing,
        backlog_per_s=backlog_per_s,
        discovery_message=(f"{discovery_prefix}/device/{device_name}/config", found) if found else None,
    )


def probe(*, host: str, port: int = 0, **settings: Any) -> str:
    """Why a broker cannot be used, in words; empty when it can. For ``doctor``."""
    known = {k: v for k, v in settings.items() if k in Options.__dataclass_fields__}
    tls = any(known.get(k) for k in ("tls", "ca_file", "cert_file"))
    options = Options(host=host, port=port or (8883 if tls else 1883), **{"client_id": "edge-vitals-doctor", **known})
    try:
        connect(options).close()
    except RefusedError as error:
        return str(error)
    return ""


class MqttSink:
    """See ``build``."""

    def __init__(
        self,
        *,
        options: Options,
        topics: Topics,
        payloads: Payloads,
        clock: Clock,
        outbox: Outbox,
        boot: str,
        about: Mapping[str, Any],
        hops: Mapping[str, float],
        on_command: Callable[[Command], None],
        on_link: Callable[[bool, str], None],
        standing: Sequence[Alarm],
        backlog_per_s: float,
        discovery_message: tuple[str, bytes] | None,
    ) -> None:
        self._options, self._topics, self._payloads, self._clock = options, topics, payloads, clock
        self._outbox, self._boot, self._about, self._hops = outbox, boot, about, hops
        self._on_link, self._discovery = on_link, discovery_message
        self._commands = CommandInbox(topics, clock, on_command, self._answer, boot=boot)
        # The client's callbacks run under locks of the client that publish() wants too: they only ever append to a
        # deque and set the event, and never take our lock.
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._flight = Flight(clock)
        self._drain = Drain(outbox, self._flight, clock, boot=boot, late_per_s=backlog_per_s)
        self._settled = threading.Condition()
        self._live: deque[tuple[str, bytes, int, bool, float | None]] = deque(maxlen=_WAITING_READINGS)
        # topic, payload, QoS, retained, and until when it may still be said (None: always)
        self._said: dict[str, bytes] = {}  # by retained topic, of sources and beds
        self._alarms: dict[str, Alarm | None] = {topics.alarm(a): a for a in standing}
        self._dirty: set[str] = set(self._alarms)
        self._seq: dict[tuple[str, str], int] = {}
        self._served = False
        self._connection: Connection | None = None
        self._link: tuple[bool, str] | None = None
        self._stopping = threading.Event()
        self.sent_events = 0
        self._thread = threading.Thread(target=self._run, name="edge-mqtt", daemon=True)
        self._thread.start()

    # ---- the sink ------------------------------------------------------------------------------------------

    def send(self, event: Event) -> None:
        """Take an event; never waits."""
        with self._lock:
            match event:
                case Reading():
                    self._take_reading(event)
                case Alarm():
                    topic = self._topics.alarm(event)
                    self._alarms[topic] = None if event.presence == "off" else event
                    self._dirty.add(topic)
                case SourceStatus():
                    self._say(self._topics.source(event.source), self._payloads.source(event))
                case BedStatus():
                    self._say(self._topics.bed(event.bed), self._payloads.bed(event))
                case CommandResult():
                    self._commands.answered(event)
                case Stats() if self._connection is not None:
                    payload = self._payloads.stats(event, self._waiting())
                    self._live.append((self._topics.stats, payload, 0, False, None))
                case Heartbeat() if self._connection is not None:
                    payload = self._payloads.heartbeat(event, self._waiting())
                    self._live.append((self._topics.heartbeat, payload, 0, False, event.t + event.interval_s))
        self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the outbox is empty and everything live is out; False at once when there is no broker."""
        self._wake.set()
        with self._settled:
            self._settled.wait_for(lambda: self._connection is None or self._idle(), timeout_s)
        return self._idle()

    def close(self) -> None:
        """Say ``stopped`` and disconnect; calling twice is harmless."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(5.0)

    def _idle(self) -> bool:
        return not (self._live or self._dirty or len(self._flight) or len(self._outbox))

    def _waiting(self) -> dict[str, Any]:
        return {"outbox": {"depth": len(self._outbox), "oldest_s": round(self._outbox.oldest_s(), 1)}}

    def _take_reading(self, reading: Reading) -> None:
        key = (reading.bed, reading.metric)
        self._seq[key] = self._seq.get(key, 0) + 1
        if self._connection is None:
            return
        payload = self._payloads.reading(reading, self._seq[key])
        kept_s = _HOPS_KEPT * self._hops.get(reading.metric, 1.0)
        until = min(reading.t, self._clock.now()) + kept_s  # of a file played fast, time runs ahead of the clock
        self._live.append((self._topics.reading(reading.bed, reading.metric), payload, 0, False, until))

    def _say(self, topic: str, payload: bytes) -> None:
        """Retained: now, and after every connection."""
        self._said[topic] = payload
        if self._connection is not None:
            self._live.append((topic, payload, 1, True, None))

    def _answer(self, topic: str, payload: bytes) -> None:
        """A command's answer, or discovery once more; any thread."""
        self._live.append((topic, payload, 1, topic.endswith("/config"), None))
        self._wake.set()

    # ---- the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = cut_off = 0
        while not self._stopping.is_set():
            try:
                connection = connect(
                    self._options,
                    will=(self._topics.status, self._status("offline", key="connected_at")),
                    on_message=self._on_message,
                    on_publish=self._on_publish,
                    on_lost=self._on_lost,
                )
            except RefusedError as error:
                self._say_link(False, str(error))
                pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)
                failures += 1
                self._pause(pause_s)
                continue
            started = self._clock.now()
            self._serve(connection)
            if self._stopping.is_set():
                return
            short = self._clock.now() - started < _SHORT_LIFE_S
            failures = failures + 1 if short else 0
            refusal = self._flight.refusal
            cut_off = cut_off + 1 if short and not refusal and listens(self._options) else 0
            if connection.taken_over or cut_off >= _CUT_OFFS:
                reason = f"another program seems to use the client id {self._options.client_id!r}; not fighting over it"
                log.error("%s: %s", self._options, reason)
                self._say_link(False, reason)
                cut_off = 0
                self._pause(_TRUCE_S)
            else:
                lost = f"connection lost: {connection.reason.lower() or 'no answer'}"
                self._say_link(False, f"alarms refused: {refusal}" if refusal else lost)
                self._pause(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)] * random.uniform(0.8, 1.2))

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; events that come meanwhile do not shorten it, stopping does."""
        end = self._clock.now() + seconds
        while not self._stopping.is_set() and (left := end - self._clock.now()) > 0:
            self._wake.wait(min(left, _IDLE_S))
            self._wake.clear()

    def _serve(self, connection: Connection) -> None:
        client = connection.client
        client.subscribe([(self._topics.commands, 1), (self._topics.alarms, 1), (_HA_STATUS, 1)])
        with self._lock:
            self._connection = connection
            self._flight.begin(window=connection.window, returned=self._served or len(self._outbox) > 0)
            self._served = True
            self._dirty |= set(self._alarms)
            said = dict(self._said)
        first = [(self._topics.status, self._status("online")), *said.items()]
        if self._discovery is not None:
            first.append(self._discovery)
        self._live.extendleft((topic, payload, 1, True, None) for topic, payload in reversed(first))
        self._drain_live()
        while not connection.lost.is_set():
            self._wake.clear()
            busy = self._take_answers() | self._drain_outbox() | self._drain_alarms() | self._drain_live()
            refusal = self._flight.refusal
            self._say_link(not refusal, refusal and f"alarms refused: {refusal}")
            with self._settled:
                self._settled.notify_all()
            if not busy:
                if self._stopping.is_set():
                    break
                self._wake.wait(self._drain.wait_s(_IDLE_S))
        self._take_answers()  # some brokers refuse and hang up
        if not connection.lost.is_set():
            with contextlib.suppress(RuntimeError, ValueError):
                client.publish(self._topics.status, self._status("stopped"), 1, True).wait_for_publish(2.0)
        with self._lock:
            self._connection = None
            self._live.clear()
        with self._settled:
            self._settled.notify_all()
        connection.close()

    def _take_answers(self) -> bool:
        settled = self._flight.settle()
        if settled.rows:
            self._outbox.remove(settled.rows)
        with self._lock:
            for topic in settled.topics:
                self._alarms.setdefault(topic, None)
                self._dirty.add(topic)
        return bool(settled.rows)

    def _drain_live(self) -> bool:
        some = False
        while self._live and (self._live[0][2] == 0 or self._flight.room()):
            topic, payload, qos, retain, until = self._live.popleft()
            left_s = None if until is None else until - self._clock.now()
            if left_s is None or left_s > 0:  # else stale: it waited too long on its way through this program
                self._publish(topic, payload, qos, retain, left_s)
            some = True
        return some

    def _drain_outbox(self) -> bool:
        rows = self._drain.due()
        for row, _ in rows:
            self._publish(self._topics.event(row.alarm.bed), self._event(row), 1, False, what=row.row)
            self.sent_events += 1
        return bool(rows)

    def _event(self, row: Row) -> bytes:
        return self._payloads.alarm(
            row.alarm,
            wall=None if row.boot == self._boot else row.wall,
            boot=row.boot,
            historical=self._drain.is_late(row),
            published=self._payloads.now(),
            delay_s=round(self._outbox.age_s(row), 3),
        )

    def _drain_alarms(self) -> bool:
        if self._flight.held:
            return False
        with self._lock:
            dirty = sorted(self._dirty)[: self._flight.room()]
            self._dirty.difference_update(dirty)
            standing = {topic: self._alarms.get(topic) for topic in dirty}
        for topic, alarm in standing.items():
            payload = b"" if alarm is None else self._payloads.alarm(alarm)
            self._publish(topic, payload, 1, True, what=topic)
            if alarm is None:
                with self._lock:
                    if self._alarms.get(topic) is None:
                        self._alarms.pop(topic, None)
        return bool(dirty)

    def _publish(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        expiry_s: float | None = None,
        what: int | str | None = None,
    ) -> None:
        connection = self._connection
        assert connection is not None  # this thread alone sets it
        properties = None
        if expiry_s is not None and connection.version == 5:
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties

            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = max(1, round(expiry_s))
        mid = int(connection.client.publish(topic, payload, qos, retain, properties).mid)
        if qos:
            self._flight.sent(mid, what)

    # ---- the client's thread -------------------------------------------------------------------------------

    def _on_publish(self, mid: int, refused: str, nobody: bool) -> None:
        self._flight.answered(mid, Answer(refused, nobody))
        self._wake.set()

    def _on_lost(self) -> None:
        self._wake.set()

    def _on_message(self, message: Any) -> None:
        if message.topic == _HA_STATUS:
            if message.payload == b"online" and self._discovery is not None:
                self._answer(*self._discovery)
        elif "/cmd/" in message.topic:
            self._commands.message(message)
        elif message.retain and message.payload:
            with self._lock:  # a standing alarm of an earlier run: is it still true?
                if self._alarms.get(message.topic) is None:
                    self._alarms[message.topic] = None
                    self._dirty.add(message.topic)
            self._wake.set()

    def _status(self, state: str, *, key: str = "t") -> bytes:
        return encode({**self._payloads.stamp(self._clock.now(), key=key), "state": state, **self._about})

    def _say_link(self, up: bool, reason: str) -> None:
        if self._link != (up, reason):
            self._link = (up, reason)
            log.log(logging.INFO if up else logging.WARNING, "%s %s", self._options, "connected" if up else reason)
            self._on_link(up, reason)
