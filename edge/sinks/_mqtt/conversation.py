"""What is said to the broker over one connection after another, and in which order.

Transitions first, as many as may be on their way, then what is retained, then what is live, and Home Assistant's
discovery behind all that. A broker that says how large a packet it takes is not sent a larger one: it would hang up. What
one takes that does not say so, or takes less than it says, is learnt from that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from edge.mqtt.broker import Options
from edge.mqtt.connection import Connection, Message
from edge.sinks._mqtt.announcement import Announcement
from edge.sinks._mqtt.drain import Drain
from edge.sinks._mqtt.flight import Flight
from edge.sinks._mqtt.largest import Largest
from edge.sinks._mqtt.live import Live
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.sinks._mqtt.retained import Retained
from edge.sinks._outbox.row import Row
from edge.sinks.outbox import Outbox
from edge.types import Alarm

log = logging.getLogger(__name__)


class Conversation:
    """Belongs to the sink's thread; ``begin`` and ``end`` with a connection. boot: of this run.

    refusal: why alarms are not even tried now, "" when they are.
    """

    def __init__(
        self,
        options: Options,
        topics: Topics,
        payloads: Payloads,
        outbox: Outbox,
        flight: Flight,
        live: Live,
        retained: Retained,
        announcement: Announcement,
        drain: Drain,
        *,
        boot: str,
    ) -> None:
        self._options, self._topics, self._payloads, self._boot = options, topics, payloads, boot
        self._outbox, self._flight, self._live, self._retained = outbox, flight, live, retained
        self._announcement, self._drain = announcement, drain
        self._connection: Connection | None = None
        self._announced: int | None = None
        self._snubbed = False
        self._too_large: set[str] = set()  # topics of what a broker would not take
        self._largest = Largest()
        self._alarms: dict[int, int] = {}  # sizes of those on their way, by message id
        self.refusal = ""

    def begin(self, connection: Connection) -> None:
        """Say what must be first: what is live holds it."""
        self._connection, self.refusal, self._snubbed = connection, "", False
        self._alarms.clear()
        self._drain_live()

    def go_on(self) -> bool:
        """Take what was answered and say what may be said; whether there was anything."""
        busy = self.take_answers() | self._drain_outbox() | self._drain_retained() | self._drain_live()
        return busy or self._announce()

    def wait_s(self, longest_s: float) -> float:
        """After so long there may be more to say although nothing happened, s."""
        return self._drain.wait_s(longest_s)

    def take_answers(self) -> bool:
        """Forget what the broker has; whether there was any."""
        settled = self._flight.settle()
        if self._announced is not None and not self._flight.waits_for(self._announced):
            self._snubbed = self._announced in settled.others
            if not self._snubbed:
                self._announcement.answered()
            self._announced = None
        if settled.rows:
            self._outbox.remove(settled.rows)
        self._retained.again(settled.topics)
        for mid in [mid for mid in self._alarms if not self._flight.waits_for(mid)]:
            size = self._alarms.pop(mid)
            if not self._flight.refusal and not settled.topics:
                self._largest.taken(size)
        return bool(settled.rows)

    def end(self) -> None:
        """The connection is over; before the flight's end is told.

        Of a topic that was emptied nothing stands any more that a new connection would say again: where the broker may
        not have taken that, it must be said once more.
        """
        self._retained.again(self._flight.topics())
        if self._flight.short:
            self._was_hung_up()
        else:
            self._announcement.lasted()
            self._largest.lasted()
        self._announced = self._connection = None

    def _was_hung_up(self) -> None:
        """So soon that something it was sent may be why."""
        unanswered = self._announced is not None and self._flight.waits_for(self._announced)
        if self._announcement.ended(snubbed=self._snubbed or unanswered):
            log.error("%s hangs up on Home Assistant's discovery message; it is sent again later", self._options)
        if self._largest.hung_up(self._alarms.values()):
            most = self._largest.bytes
            log.error(
                "%s hangs up on alarms of more than %d bytes; such go without their evidence", self._options, most
            )

    def _announce(self) -> bool:
        if not self._announcement.due or not self._flight.room():
            return False
        if (message := self._announcement.take()) is not None and self._takes(message):
            self._announced = self._publish(message)
        return True

    def _drain_live(self) -> bool:
        some = False
        while (taken := self._live.take(self._flight.room())) is not None:
            message, left_s = taken
            if self._takes(message):
                self._publish(message, expiry_s=left_s)
            some = True
        return some

    def _drain_outbox(self) -> bool:
        some = False
        for row in self._drain.due():
            message = Message(self._topics.event(row.alarm.bed), self._event(row), 1)
            fitting = self._fitting(message, partial(self._event, row, brief=True))
            if fitting is None:
                self.refusal = f"the broker takes {self._most} bytes at most, and no alarm is so short"
                break
            self._publish(fitting, row.row, bed=row.alarm.bed, alarm=True)
            self.refusal, some = "", True
        return some

    def _event(self, row: Row, *, brief: bool = False) -> bytes:
        age_s = self._outbox.age_s(row)
        return self._payloads.alarm(
            row.alarm,
            brief=brief,
            wall=None if row.boot == self._boot else row.wall,
            synced=row.synced,
            boot=row.boot,
            historical=self._drain.is_late(row),
            published=self._payloads.now(),
            delay_s=None if age_s is None else round(age_s, 3),
        )

    def _drain_retained(self) -> bool:
        if self._flight.held:
            return False
        taken = self._retained.take(self._flight.room())
        for topic, content in taken.items():
            if isinstance(content, Alarm):
                message = Message(topic, self._payloads.alarm(content), 1, retain=True)
                fitting = self._fitting(message, partial(self._payloads.alarm, content, brief=True))
                if fitting is not None:
                    self._publish(fitting, topic, alarm=True)
            elif self._takes(message := Message(topic, content or b"", 1, retain=True)):
                self._publish(message, topic)
        return bool(taken)

    def _fitting(self, message: Message, brief: Callable[[], bytes]) -> Message | None:
        """An alarm's message, with its brief payload where the whole is more than the broker takes; None where the broker
        itself said that even that is too much."""
        if self._takes(message):
            return message
        message = message._replace(payload=brief())
        return None if self._most is not None and message.size > self._most else message

    @property
    def _most(self) -> int | None:
        """Bytes that the broker says it takes at most; None where it does not say."""
        assert self._connection is not None  # this thread alone sets it
        return self._connection.largest

    def _takes(self, message: Message) -> bool:
        """Whether the broker takes so large a message, as far as is known; what it does not is said once."""
        # what it says may be of packets, and its limit of messages smaller: mosquitto since 2.1 always names the former
        most = min((each for each in (self._most, self._largest.bytes) if each is not None), default=None)
        if most is None or message.size <= most:
            return True
        if message.topic not in self._too_large:
            self._too_large.add(message.topic)
            size = len(message.payload)
            log.warning("%s takes %s bytes at most, and %s has %d", self._options, most, message.topic, size)
        return False

    def _publish(
        self,
        message: Message,
        what: int | str | None = None,
        *,
        bed: str = "",
        expiry_s: float | None = None,
        alarm: bool = False,
    ) -> int | None:
        """Hand a message to the client; its id where it will be answered."""
        assert self._connection is not None
        mid = self._connection.publish(message, expiry_s=expiry_s)
        if not message.qos:
            return None
        self._flight.sent(mid, what, bed)
        if alarm:
            self._alarms[mid] = message.size
        return mid
