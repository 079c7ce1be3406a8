"""The MQTT sink itself: a thread that connects, drains and publishes, so that ``send`` never waits.

Readings are live or nothing: without a broker they are dropped. A transition stays in the outbox until the broker's
PUBACK. After every connection the retained topics are made to say what is true now.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.clock import Clock
from edge.mqtt.broker import Options, listens
from edge.mqtt.connection import Connection, Message, RefusedError, SilentError, connect
from edge.plain import encode
from edge.sinks._mqtt.announcement import Announcement
from edge.sinks._mqtt.conversation import Conversation
from edge.sinks._mqtt.drain import Drain
from edge.sinks._mqtt.flight import Answer, Flight
from edge.sinks._mqtt.incoming import Incoming
from edge.sinks._mqtt.last_words import LastWords
from edge.sinks._mqtt.live import Live
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.sinks._mqtt.redial import SHORT_LIFE_S, Redial
from edge.sinks._mqtt.replies import ReplyRules
from edge.sinks._mqtt.retained import Retained
from edge.sinks.outbox import Outbox
from edge.types import (
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

_IDLE_S = 0.5
_CLOSE_S = 5.0
_LAST_WORDS_S = 2.0  # what a stop may wait for the broker to take the last states of sources


class MqttSink:
    """See ``edge.sinks.mqtt.build``."""

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
        on_fault: Callable[[str, bool, str], None] | None,
        standing: Sequence[Alarm],
        layout: Mapping[str, Any],
        backlog_per_s: float,
        announcement: Announcement,
        replies: ReplyRules,
    ) -> None:
        self._options, self._topics, self._payloads, self._clock = options, topics, payloads, clock
        self._outbox, self._about = outbox, about
        self._on_link = on_link
        # The client's callbacks run under locks of the client that publish() wants too: they only ever append to a
        # deque and set the event, and never take our lock.
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._flight = Flight(clock)
        self._settled = threading.Condition()
        self._live = Live(topics, payloads, clock, hops)
        self._retained = Retained(
            {topics.bed(bed) for bed in layout} | {topics.source(s) for bed in layout.values() for s in bed["sources"]}
        )
        for alarm in standing:
            self._retained.say(topics.alarm(alarm), alarm)
        self._incoming = Incoming(
            topics, clock, self._live, self._retained, announcement,
            broker=options, boot=boot, replies=replies, online=self._online, on_command=on_command, on_fault=on_fault, wake=self._wake.set,
        )  # fmt: skip
        self._conversation = Conversation(
            options, topics, payloads, outbox, self._flight, self._live, self._retained, announcement,
            Drain(outbox, self._flight, clock, boot=boot, late_per_s=backlog_per_s), boot=boot,
        )  # fmt: skip
        self._served = False
        self._left_for = ""  # why the last connection was given up, until one has an answer
        # somebody's message ended a connection: one that is kept would end each, so none is asked for
        self._garbled = False
        self._connection: Connection | None = None
        self._link: tuple[bool, str] | None = None
        self._last_words = LastWords(topics, payloads, layout)
        self._stopping, self._stop_by = threading.Event(), math.inf  # until when last words may take; inf: none said
        self._thread = threading.Thread(target=self._run, name="edge-mqtt", daemon=True)
        self._thread.start()

    # ---- the sink ------------------------------------------------------------------------------------------

    def send(self, event: Event) -> None:
        """Take an event; never waits."""
        with self._lock:
            match event:
                case Reading():
                    self._live.reading(event, heard=self._connection is not None)
                case Alarm():
                    self._retained.say(self._topics.alarm(event), None if event.presence == "off" else event)
                    if event.condition == "clock_step" and event.presence == "on":
                        self._retained.all_again()  # what stands has its times in the old clock
                        if self._connection is not None:
                            self._live.add(self._online())
                case SourceStatus():
                    self._last_words.heard(event)
                    self._retained.say(self._topics.source(event.source), self._payloads.source(event))
                case BedStatus():
                    self._retained.say(self._topics.bed(event.bed), self._payloads.bed(event))
                case CommandResult():
                    self._incoming.commands.answered(event)
                case Stats() if self._connection is not None:
                    payload = self._payloads.stats(event, self._waiting())
                    self._live.add(Message(self._topics.stats, payload))
                case Heartbeat() if self._connection is not None:
                    payload = self._payloads.heartbeat(event, self._waiting())
                    self._live.add(Message(self._topics.heartbeat, payload, until=event.t + event.interval_s))
        self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the outbox is empty and everything live is out; False at once when there is no broker."""
        self._wake.set()
        with self._settled:
            self._settled.wait_for(lambda: self._connection is None or self._idle(), timeout_s)
        return self._idle()

    def close(self) -> None:
        """Say that no source is watched any more, then ``stopped``, and disconnect; calling twice is harmless."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.set()
        self._thread.join(_CLOSE_S)

    def _idle(self) -> bool:
        return not (self._live or self._retained or len(self._flight) or len(self._outbox))

    def _waiting(self) -> dict[str, Any]:
        oldest_s = self._outbox.oldest_s()
        return {"outbox": {"depth": len(self._outbox), "oldest_s": None if oldest_s is None else round(oldest_s, 1)}}

    # ---- the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        redial = Redial()
        while not self._stopping.is_set():
            try:
                connection = connect(
                    self._options,
                    will=(self._topics.status, self._status("offline", key="connected_at")),
                    on_message=self._incoming.message,
                    on_publish=self._on_publish,
                    on_lost=self._wake.set,
                    patience_s=redial.patience_s,
                )
            except Exception as error:  # a bug must not keep alarms from the next attempt, either
                foreseen = isinstance(error, (RefusedError, ConfigError))  # a password file may be gone for a while
                if not foreseen:
                    log.exception("%s: no connection", self._options)
                self._say_link(False, str(error) if foreseen else f"no connection: {error!r}")
                self._pause(redial.refused(silent=isinstance(error, SilentError)))
                continue
            started = self._clock.now()
            try:
                # one after others that were cut off is believed when it has lasted: else "connected" would come and go
                self._serve(connection, believed_from=started + (SHORT_LIFE_S if redial.suspects else 0.0))
                self._garbled |= connection.garbled
            except Exception:  # a bug must not keep alarms from the next connection
                log.exception("%s: the connection is given up", self._options)
                self._leave(connection)
            if self._stopping.is_set():
                return
            pause_s = redial.ended(
                self._clock.now() - started, taken_over=connection.taken_over, by_nobody=self._cut_off
            )
            reason = self._why_over(connection, suspected=redial.suspects)
            if connection.taken_over or redial.suspects:
                log.error("%s: %s", self._options, reason)
            self._say_link(False, reason)
            self._pause(pause_s)

    def _why_over(self, connection: Connection, *, suspected: bool) -> str:
        if connection.taken_over:
            return f"another program uses {self._who}; not fighting over it"
        if suspected:
            return f"cut off again and again; does another program use {self._who}?"
        if self._flight.refusal:
            return f"alarms refused: {self._flight.refusal}"
        if self._left_for:
            return self._left_for
        return f"connection lost: {connection.reason.lower() or 'no reason given'}"

    @property
    def _who(self) -> str:
        return f"the client id {self._options.client_id!r} (device.name {self._topics.device!r})"

    def _cut_off(self) -> bool:
        return not self._flight.refusal and listens(self._options)

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; events that come meanwhile do not shorten it, stopping does."""
        end = self._clock.now() + seconds
        while not self._stopping.is_set() and (left := end - self._clock.now()) > 0:
            self._wake.wait(min(left, _IDLE_S))
            self._wake.clear()

    def _serve(self, connection: Connection, *, believed_from: float) -> None:
        client = connection.client
        self._incoming.begin(connection, live_only=self._garbled)
        with self._lock:
            self._connection = connection
            self._flight.begin(window=connection.window, returned=self._served or len(self._outbox) > 0)
            self._served = True
        self._retained.all_again()
        self._live.add_first(self._online())
        self._conversation.begin(connection)
        while not connection.lost.is_set():
            self._wake.clear()
            if self._stopping.is_set() and self._stop_by == math.inf:
                self._say_last_words(connection)
            self._incoming.look()
            busy = self._conversation.go_on()
            refusal = self._flight.refusal or self._conversation.refusal
            if self._flight.heard:
                self._left_for = ""
            wrong = f"alarms refused: {refusal}" if refusal else self._flight.ignored or self._left_for
            if wrong or self._clock.now() >= believed_from:
                self._say_link(not wrong, wrong)
            if self._flight.hopeless and not self._stopping.is_set():
                self._left_for = wrong
                self._leave(connection)
                return
            with self._settled:
                self._settled.notify_all()
            if not busy:
                if self._said_all():
                    break
                self._wake.wait(self._conversation.wait_s(_IDLE_S))
        self._conversation.take_answers()  # some brokers refuse and hang up
        if not connection.lost.is_set():
            with contextlib.suppress(RuntimeError, ValueError):
                client.publish(self._topics.status, self._status("stopped"), 1, True).wait_for_publish(2.0)
        self._leave(connection)

    def _say_last_words(self, connection: Connection) -> None:
        connection.unsubscribe()
        now = self._clock.now()
        with self._lock:
            for topic, payload in self._last_words.at(now):
                self._retained.say(topic, payload)
        self._stop_by = now + _LAST_WORDS_S

    def _said_all(self) -> bool:
        """Whether the last words are on their way and the broker takes one more, or that cannot be in time: it may hold them
        back for a while, or answer none."""
        said = not self._retained and self._flight.room() > 0
        return self._stop_by < math.inf and (said or self._clock.now() >= self._stop_by)

    def _leave(self, connection: Connection) -> None:
        self._conversation.end()
        self._incoming.end()
        with self._lock:
            self._connection = None
            self._live.clear()
            self._flight.end()
        with self._settled:
            self._settled.notify_all()
        connection.close()

    # ---- the client's thread -------------------------------------------------------------------------------

    def _on_publish(self, mid: int, refused: str, nobody: bool) -> None:
        self._flight.answered(mid, Answer(refused, nobody))
        self._wake.set()

    def _online(self) -> Message:
        return Message(self._topics.status, self._status("online"), 1, retain=True)

    def _status(self, state: str, *, key: str = "t") -> bytes:
        return encode({**self._payloads.stamp(self._clock.now(), key=key), "state": state, **self._about})

    def _say_link(self, up: bool, reason: str) -> None:
        if self._link != (up, reason):
            self._link = (up, reason)
            log.log(logging.INFO if up else logging.WARNING, "%s %s", self._options, "connected" if up else reason)
            self._on_link(up, reason)
