"""What the broker tells us: commands, what it kept of an earlier run, another monitor of our name, Home Assistant anew.

``message`` is called in the client's thread, under locks that publishing wants too: it takes none of ours and only ever
appends and wakes. ``look`` is for the sink's own thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from edge.clock import Clock
from edge.mqtt.connection import Connection, Message
from edge.sinks._mqtt.announcement import Announcement
from edge.sinks._mqtt.commands import CommandInbox
from edge.sinks._mqtt.live import Live
from edge.sinks._mqtt.namesake import Namesake
from edge.sinks._mqtt.payloads import Topics
from edge.sinks._mqtt.replies import ReplyRules
from edge.sinks._mqtt.retained import Retained
from edge.types import Command

log = logging.getLogger(__name__)

HOME_ASSISTANT: Final = "homeassistant"
_HA_STATUS: Final = f"{HOME_ASSISTANT}/status"


class Incoming:
    """See the module. broker: for the log. online: what we say of ourselves. on_fault: told when a namesake comes or goes;
    wake: called when there is something to be said."""

    def __init__(
        self,
        topics: Topics,
        clock: Clock,
        live: Live,
        retained: Retained,
        announcement: Announcement,
        *,
        broker: object,
        boot: str,
        replies: ReplyRules,
        online: Callable[[], Message],
        on_command: Callable[[Command], None],
        on_fault: Callable[[str, bool, str], None] | None,
        wake: Callable[[], None],
    ) -> None:
        self._topics, self._clock, self._live, self._retained = topics, clock, live, retained
        self._announcement, self._broker, self._on_fault, self._wake = announcement, broker, on_fault, wake
        self._online = online
        self._namesake, self._clash = Namesake(boot), False
        self._connection: Connection | None = None
        self.commands = CommandInbox(
            topics, clock, on_command, self._answer, boot=boot, replies=replies, mixed=lambda: self._clash
        )

    def begin(self, connection: Connection, *, live_only: bool) -> None:
        """Subscribe on a new connection. live_only: what the broker kept of others' messages is not asked for."""
        self._connection = connection
        self._namesake.connected(self._clock.now())
        self._announcement.connected()
        connection.subscribe(self._topics.status, self._topics.heartbeat)  # first: it decides what may be cleared
        connection.subscribe(self._topics.commands, as_published=True, live_only=live_only)
        connection.subscribe(_HA_STATUS, live_only=live_only)
        connection.subscribe(*self._topics.retained, self._announcement.topic)

    def end(self) -> None:
        """The connection is over; nothing here holds its files open."""
        self._connection = None

    def message(self, message: Any) -> None:
        """One message of the broker's."""
        if message.topic == _HA_STATUS:
            if message.payload == b"online":
                self._announcement.asked(live=not message.retain)
                self._wake()
        elif message.topic == self._announcement.topic:
            if message.retain:
                self._announcement.left(message.payload)
                self._namesake.left(message.topic)
                self._wake()
            elif not message.payload:
                self._announcement.emptied(self._clock.now())
        elif self._topics.is_command(message.topic):
            self.commands.message(message)
        elif message.topic == self._topics.status:
            self._namesake.status(message.payload, self._clock.now(), kept=bool(message.retain))
            self._wake()
        elif message.topic == self._topics.heartbeat:
            self._namesake.heartbeat(message.payload, self._clock.now())
        elif not message.payload:
            self._retained.erased(message.topic)
            self._wake()
        elif message.retain:
            self._namesake.left(message.topic)  # an alarm that no longer stands, a source or bed that is no more?
            self._wake()

    def look(self) -> None:
        """Say what we cannot hear and whether another monitor has our name, and clear what an earlier run of ours left."""
        now = self._clock.now()
        self._say_what_is_not_heard(now)
        self._announcement.look(now)
        if self._namesake.denied():
            self._live.add_first(self._online())
        for topic in self._namesake.ours(now):
            if topic == self._announcement.topic:
                for message in self._announcement.taken_back():
                    self._live.add(message)
            else:
                self._retained.found(topic)
        clash = self._namesake.there(now)
        if clash != self._clash:
            self._clash = clash
            self._say_clash()

    def _say_what_is_not_heard(self, now: float) -> None:
        if self._namesake.unheard(now):
            log.warning(
                "%s: nothing that we say on %s comes back: it may keep commands from this monitor, too; "
                "edge-vitals doctor tells", self._broker, self._topics.status,
            )  # fmt: skip
        deaf = dict(self._connection.deaf_to()) if self._connection is not None else {}
        if deaf:
            matters = ": nobody can command this monitor there" if self._topics.commands in deaf else ""
            whys = ", ".join(sorted(set(deaf.values())))
            log.warning("%s does not let us hear %s (%s)%s", self._broker, ", ".join(deaf), whys, matters)

    def _say_clash(self) -> None:
        """Another monitor of our name came, or went: what it said in our name is then still there."""
        name = self._topics.device
        text = f"Another monitor is called {name!r}, too: both are mixed; give each its own device.name"
        level = logging.ERROR if self._clash else logging.INFO
        log.log(level, "%s: %s", self._broker, text if self._clash else "alone again")
        if self._on_fault is not None:
            self._on_fault("name_clash", self._clash, text if self._clash else "")
        if not self._clash and self._connection is not None:
            self._retained.all_again()
            self._connection.subscribe(*self._topics.retained)

    def _answer(self, topic: str, payload: bytes, correlation: bytes | None) -> None:
        """A command's answer; any thread."""
        self._live.add(Message(topic, payload, 1, correlation=correlation))
        self._wake()
