"""Commands from MQTT: checked, refused with a reason or handed on, and answered where they asked to be."""

from __future__ import annotations

import json
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from edge.clock import Clock
from edge.sinks._payloads import COMMANDS, Payloads, Topics
from edge.types import Command, CommandResult

log = logging.getLogger(__name__)

STALE_S = 30.0
_TEXT = ("command_id", "by")
_OPTIONAL_TEXT = ("id", "occurrence", "site", "role", "person")
_KEPT = 256
_MAX_BYTES = 4096
_TEXT_MAX = 200  # of each text; what is answered is kept with the alarms' state


class RefusedCommandError(ValueError):
    """A command that is not obeyed; the message says why."""


class CommandInbox:
    """Turns messages into Commands and remembers where each wants its answer."""

    def __init__(
        self,
        topics: Topics,
        clock: Clock,
        on_command: Callable[[Command], None],
        publish: Callable[[str, bytes], None],
        *,
        boot: str = "",
    ) -> None:
        self._topics, self._clock, self._on_command, self._publish = topics, clock, on_command, publish
        self._payloads = Payloads(clock, boot)
        self._reply: OrderedDict[str, tuple[str, bytes | None]] = OrderedDict()

    def message(self, message: Any) -> None:
        """One message on a command topic."""
        bed, _, name = message.topic.removeprefix(f"{self._topics.root}/").split("/", 2)
        if name == "result":
            return
        try:
            command = self._parse(bed, name, message)
        except RefusedCommandError as refused:
            log.warning("command %s for %s refused: %s", name, bed, refused)
            known = Command(
                name, bed, self._clock.now(), _said(message.payload, "command_id"), _said(message.payload, "by")
            )
            self._tell(CommandResult(known, self._clock.now(), False, str(refused)), _reply_topic(message))
            return
        self._reply[command.command_id] = (_reply_topic(message), None)
        while len(self._reply) > _KEPT:
            self._reply.popitem(last=False)
        self._on_command(command)

    def answered(self, result: CommandResult) -> None:
        """What came of a command: to its response topic and to the bed's."""
        topic, _ = self._reply.get(result.command.command_id, ("", None))
        self._tell(result, topic)

    def _tell(self, result: CommandResult, reply_topic: str) -> None:
        payload = self._payloads.result(result)
        self._publish(self._topics.result(result.command.bed), payload)
        if reply_topic and self._may_answer_on(reply_topic):
            self._publish(reply_topic, payload)

    def _may_answer_on(self, topic: str) -> bool:
        """A response topic is somebody else's: never one of ours, on which it would be taken for what we say."""
        return not (set("+#\0") & set(topic) or topic == self._topics.root or topic.startswith(f"{self._topics.root}/"))

    def _parse(self, bed: str, name: str, message: Any) -> Command:
        if message.retain:
            raise RefusedCommandError("a retained command is never obeyed")
        if name not in COMMANDS:
            raise RefusedCommandError(f"unknown command; commands: {', '.join(COMMANDS)}")
        if len(message.payload) > _MAX_BYTES:
            raise RefusedCommandError("too long")
        try:
            fields = json.loads(message.payload)
        except (ValueError, RecursionError):
            raise RefusedCommandError("not JSON") from None
        if not isinstance(fields, dict):
            raise RefusedCommandError("not a JSON object")
        for key in _TEXT:
            if not isinstance(fields.get(key), str) or not fields[key]:
                raise RefusedCommandError(f"needs {key!r}, a text")
        for key in _OPTIONAL_TEXT:
            if not isinstance(fields.get(key, ""), str):
                raise RefusedCommandError(f"{key!r} must be a text")
        for key in (*_TEXT, *_OPTIONAL_TEXT):
            if not plain_text(fields.get(key, "")):
                raise RefusedCommandError(f"{key!r} has at most {_TEXT_MAX} characters, all of them printable")
        try:
            seconds = seconds_of(fields.get("seconds"))
        except ValueError:
            raise RefusedCommandError("'seconds' must be a number") from None
        self._check_age(fields.get("t"))
        texts = {key: fields.get(key, "") for key in _OPTIONAL_TEXT}
        return Command(
            name, bed, self._clock.now(), fields["command_id"], fields["by"],
            seconds=seconds, **texts,
        )  # fmt: skip

    def _check_age(self, t: Any) -> None:
        try:
            sent = datetime.fromisoformat(t)
            age_s = self._clock.wall() - sent.timestamp()
        except (TypeError, ValueError, OverflowError):
            sent, age_s = None, math.inf
        if sent is None or sent.tzinfo is None:
            raise RefusedCommandError("needs 't', ISO 8601 with a time zone")
        if abs(age_s) > STALE_S:
            raise RefusedCommandError(f"stale: sent {age_s:.0f} s ago; at most {STALE_S:.0f} s")


def plain_text(text: str) -> bool:
    """Whether a text is short and can be written down anywhere: JSON may name halves of characters, and the character 0."""
    return len(text) <= _TEXT_MAX and text.isprintable()


def seconds_of(value: object) -> float | None:
    """A command's ``seconds``, or None; raises ValueError for what is no number. JSON's whole numbers have no end."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _said(payload: bytes, key: str) -> str:
    try:
        value = json.loads(payload)[key]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return ""
    return value if isinstance(value, str) and plain_text(value) else ""


def _reply_topic(message: Any) -> str:
    return str(getattr(message.properties, "ResponseTopic", "") or "")
