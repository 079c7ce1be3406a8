"""Home Assistant's discovery message: when it is said, and what an earlier one said that is no more is taken back.

It is by far the longest message, and the one that nobody's life hangs on: it goes last, and a broker that hangs up on it
does not get it again before Home Assistant comes back or a connection that lasted is over. A component that is merely
left out stays in Home Assistant; one that is named with its platform alone goes. Who deletes a single entity there empties
the message and so loses all of them, alarms too, without a word: while we run it is said again.
"""

from __future__ import annotations

from typing import Any, Final

from edge.mqtt.connection import Message
from edge.plain import encode, object_of

ORIGIN: Final = "edge-vitals"
_TRIES: Final = 2
_GONE_S: Final = 5.0  # Home Assistant empties it several times over, and has forgotten all by then


class Announcement:
    """See the module. content: the message, None where the configuration wants none. Any thread may call.

    due: whether it should be said on this connection.
    """

    def __init__(self, topic: str, content: bytes | None) -> None:
        self.topic = topic
        self._message = None if content is None else Message(topic, content, 1, retain=True)
        self._left = b""
        self._hung_up = 0
        self._gone_s: float | None = None  # since when somebody has taken it away
        self.due = False

    def connected(self) -> None:
        """A new connection, whose broker may have lost it."""
        self._left, self._gone_s = b"", None
        self.due = self._message is not None and not self.refused

    def asked(self, *, live: bool) -> None:
        """Home Assistant has begun anew and knows nothing. live: just now; then its broker may have, too, and is worth one
        more try."""
        if live:
            self.lasted()
        self.due = self._message is not None and not self.refused

    def emptied(self, now: float) -> None:
        """Somebody has taken it away just now, s."""
        self._gone_s = now

    def look(self, now: float) -> None:
        """Whether it has been gone for so long that it is to be said again; now: s."""
        if self._gone_s is not None and now - self._gone_s >= _GONE_S:
            self._gone_s = None
            self.asked(live=False)

    def lasted(self) -> None:
        """A connection that was not short is over: what hung up may have been a bad link, and one more try is due."""
        self._hung_up = min(self._hung_up, _TRIES - 1)

    @property
    def refused(self) -> bool:
        """Whether connections ended over it again and again."""
        return self._hung_up >= _TRIES

    def ended(self, *, snubbed: bool) -> bool:
        """The connection is over soon after it began; snubbed: it was refused on it, or on its way. Whether it is given up
        by that."""
        before, self._hung_up = self.refused, self._hung_up + 1 if snubbed else self._hung_up
        return self.refused and not before

    def answered(self) -> None:
        """The broker takes it."""
        self._hung_up = 0

    def take(self) -> Message | None:
        """What is to be said now, once."""
        self.due = False
        return self._message

    def left(self, payload: bytes) -> None:
        """The broker has this from before."""
        self._left = payload

    def taken_back(self) -> list[Message]:
        """What makes Home Assistant forget what an earlier run of ours announced and this one does not."""
        was, self._left = object_of(self._left) or {}, b""
        if _of(was, "origin").get("name") != ORIGIN:
            return []
        if self._message is None:
            return [Message(self.topic, b"", 1, retain=True)]
        now = object_of(self._message.payload) or {}
        gone = {
            key: {"platform": one["platform"]}
            for key, one in _of(was, "components").items()
            if key not in now["components"] and isinstance(one, dict) and "platform" in one
        }
        if not gone:
            return []
        farewell = encode({**now, "components": {**now["components"], **gone}})
        return [self._message._replace(payload=farewell), self._message]


def _of(fields: dict[str, Any], key: str) -> dict[str, Any]:
    found = fields.get(key)
    return found if isinstance(found, dict) else {}
