"""Whether anybody got an alarm, and whom it goes to when nobody says so: pure, driven by transitions and ticks.

A ``Chain`` names roles, such as a nurse station. Whenever an alarm sounds, the first role is asked to confirm that it
has it (``cmd/received``: a program that shows alarms says so, which is less than a person's acknowledgement). What is
not confirmed in time goes to the next role as well and to the local annunciator, and every such step is an event of the
alarm. A confirmation by any role of the chain, late or early, an acknowledgement or the end of the occurrence stops it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge.alarms.conditions import DRILL
from edge.alarms.lifecycle import SOUNDS, Change
from edge.names import RULE, is_name
from edge.nearest import nearest
from edge.types import PRIORITIES, ConfigError

CONFIRM_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody who gets alarms; confirm_within_s: after so long without a word the next one is asked."""

    name: str
    confirm_within_s: float = CONFIRM_WITHIN_S


@dataclass(frozen=True, slots=True)
class Chain:
    """Who is asked, in order. minimum: the lowest priority that must be confirmed; a drill always must.

    last_resort: the local annunciator waits for the end of the chain instead of joining in at the first silence. bell:
    whether there is one.
    """

    roles: tuple[Role, ...] = ()
    minimum: str = "medium"
    last_resort: bool = False
    bell: bool = True

    def __bool__(self) -> bool:
        return bool(self.roles)

    def covers(self, priority: str, condition: str) -> bool:
        """Whether an alarm of this priority must be confirmed."""
        return bool(self) and (condition == DRILL or PRIORITIES.index(priority) >= PRIORITIES.index(self.minimum))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(role.name for role in self.roles)


NOBODY: Final = Chain()


class _Post:
    """One alarm on its way. asked: how many roles so far, 0 = the first is next; due: when the next step is, s; local: the
    annunciator's turn."""

    __slots__ = ("asked", "by", "due", "local", "received")

    def __init__(self) -> None:
        self.asked = 0
        self.due: float | None = None
        self.local = False
        self.received = ""
        self.by = ""

    @property
    def open(self) -> bool:
        """Whether somebody still is asked, or nobody answered."""
        return self.due is not None or self.local

    @property
    def nobody(self) -> bool:
        """Whether the last role of the chain kept silent, too, and nobody has acknowledged the alarm since."""
        return self.local and self.due is None


class Deliveries:
    """The alarms of one bed that stand, by id, and how far each has got."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._posts: dict[str, _Post] = {}

    def follow(self, alarm_id: str, change: Change, priority: str, by: str = "") -> dict[str, Any]:
        """Take a transition; what an event of the alarm says of its delivery: nothing where none is asked for."""
        condition = alarm_id.split("/")[1]
        post = self._posts.get(alarm_id)
        if change.what in SOUNDS and self.chain.covers(priority, condition) and not (post and post.open):
            post = self._posts[alarm_id] = _Post()
            self._ask(post, change.t)
        if post is None:
            return {}
        if change.what == "acknowledged":
            post.due, post.local = None, False
            post.by = post.by or by
        if change.presence == "off":
            post.due, post.local = None, False
            del self._posts[alarm_id]
        return self._told(post)

    def says(self, alarm_id: str) -> dict[str, Any]:
        """What a standing alarm says of its delivery."""
        post = self._posts.get(alarm_id)
        return {} if post is None else self._told(post)

    def overdue(self, now: float) -> Iterator[tuple[str, float]]:
        """Take each alarm whose role kept silent one step on: its id and the time that ran out, s."""
        for alarm_id, post in self._posts.items():
            if post.due is None or now < post.due:
                continue
            if not post.asked:
                self._ask(post, now)
                yield alarm_id, now
                continue
            role = self.chain.roles[post.asked - 1]
            due = post.due if now - post.due < role.confirm_within_s else now  # the program was away meanwhile
            if post.asked < len(self.chain.roles):
                self._ask(post, due)
            else:
                post.due = None
            post.local = not self.chain.last_resort or post.due is None
            yield alarm_id, due

    def join(self, alarm_id: str, priority: str, t: float) -> None:
        """An alarm that sounds since before there was such a chain, or so long a one, is asked after from ``t``, s, on."""
        post = self._posts.get(alarm_id)
        if post is None and self.chain.covers(priority, alarm_id.split("/")[1]):
            post = self._posts[alarm_id] = _Post()
            post.due = t
        elif post is not None and post.nobody and post.asked < len(self.chain.roles):
            post.due = t

    def receive(self, alarm_id: str, role: str, by: str) -> bool:
        """A role has the alarm; False where nobody is waited for."""
        post = self._posts.get(alarm_id)
        if post is None or not post.open:
            return False
        post.received, post.by, post.due, post.local = role, by, None, False
        return True

    def unconfirmed(self) -> int:
        """How many alarms wait for a confirmation, or found nobody to give one."""
        return sum(post.open for post in self._posts.values())

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types."""
        return {
            alarm_id: {
                "asked": post.asked,
                "asked_roles": list(self.chain.names[: post.asked]),
                "due": post.due,
                "local": post.local,
                "received": post.received,
                "by": post.by,
            }
            for alarm_id, post in self._posts.items()
        }

    def restore(self, saved: Mapping[str, Any], shift_s: float = 0.0) -> None:
        """Go on from ``snapshot()``, its times moved by ``shift_s``: a shorter chain is at its end sooner, and of another
        one who was not asked is the next."""
        self._posts = {}
        if not self.chain:
            return
        for alarm_id, state in saved.items():
            post = self._posts[alarm_id] = _Post()
            post.asked = _asked_already(state.get("asked_roles", state["asked"]), self.chain.names)
            post.due = None if state["due"] is None else state["due"] + shift_s
            post.local, post.received, post.by = state["local"], state["received"], state["by"]

    def _ask(self, post: _Post, t: float) -> None:
        post.due = t + self.chain.roles[post.asked].confirm_within_s
        post.asked += 1

    def _told(self, post: _Post) -> dict[str, Any]:
        return {
            "asked": list(self.chain.names[: max(1, post.asked)]),  # by this very event, where none was before
            "received": post.received,
            "by": post.by,
            "nobody": post.nobody,
            "annunciator": post.local and self.chain.bell,
        }


def _asked_already(asked: Sequence[str] | int, names: Sequence[str]) -> int:
    """How many roles of the chain, from its first on, were asked; older states kept their number alone."""
    if isinstance(asked, int):
        return min(asked, len(names))
    return next((n for n, name in enumerate(names) if name not in asked), len(names))


def chain_from(mapping: Mapping[str, Any]) -> Chain:
    """The chain of a plain mapping: ``roles`` (names, or tables of name and confirm_within_s), ``confirm_within_s``,
    ``minimum`` (priority), ``annunciator`` ("first" or "last"). Raises ConfigError naming the key."""
    known = ("roles", "confirm_within_s", "minimum", "annunciator")
    for key in mapping:
        if key not in known:
            raise ConfigError(f"delivery.{key}: unknown{nearest(key, known)}")
    within_s = _seconds("delivery.confirm_within_s", mapping.get("confirm_within_s", CONFIRM_WITHIN_S))
    roles = mapping.get("roles", ())
    if not isinstance(roles, Sequence) or isinstance(roles, str):
        raise ConfigError(f'delivery.roles: a list of names such as ["nurse-station"], not {roles!r}')
    minimum = mapping.get("minimum", "medium")
    if minimum not in PRIORITIES:
        raise ConfigError(f"delivery.minimum: one of {', '.join(PRIORITIES)}, not {minimum!r}")
    joins = mapping.get("annunciator", "first")
    if joins not in ("first", "last"):
        raise ConfigError(f'delivery.annunciator: "first" (when the first role is silent) or "last", not {joins!r}')
    found = tuple(_role(f"delivery.roles[{i}]", given, within_s) for i, given in enumerate(roles))
    if len({role.name for role in found}) < len(found):
        raise ConfigError("delivery.roles: each role once")
    if mapping and not found:
        raise ConfigError('delivery.roles: who is to confirm? for example roles = ["nurse-station"]')
    return Chain(found, minimum, joins == "last")


def _role(where: str, given: object, within_s: float) -> Role:
    table: Mapping[str, Any] = given if isinstance(given, Mapping) else {"name": given}
    for key in table:
        if key not in ("name", "confirm_within_s"):
            raise ConfigError(f"{where}.{key}: unknown{nearest(key, ('name', 'confirm_within_s'))}")
    name = table.get("name")
    if not is_name(name):
        raise ConfigError(f"{where}: names {RULE}, not {name!r}")
    return Role(name, _seconds(f"{where}.confirm_within_s", table.get("confirm_within_s", within_s)))


def _seconds(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 3600:
        raise ConfigError(f"{where}: seconds, 1 to 3600, not {value!r}")
    return float(value)


def in_words(delivery: Mapping[str, Any]) -> str:
    """What an alarm's ``delivery`` says, for people: "" where nothing was asked."""
    if not delivery:
        return ""
    if delivery["received"]:
        return f"received by {delivery['received']}"
    asked = f"asked: {', '.join(delivery['asked'])}"
    rings = ", ringing at the bed" if delivery["annunciator"] else ""
    return f"not confirmed{rings}; {asked}" if rings or delivery["nobody"] else asked
