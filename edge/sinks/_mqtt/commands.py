"""Commands from MQTT: checked, refused with a reason or handed on, and answered where they asked to be."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from edge.alarms.commands import COMMANDS
from edge.alarms.conditions import DRILL
from edge.clock import SET_AFTER, Clock
from edge.sinks._command_fields import RefusedCommandError, Said, read
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.sinks._mqtt.replies import Reply, ReplyRules, asked
from edge.types import Command, CommandResult

log = logging.getLogger(__name__)

STALE_S = 30.0
_NEEDS = ("command_id", "by")
_MAY = ("id", "occurrence", "site", "role", "person")
_KEPT = 1000  # as many as there may be answers behind a slow broker


class CommandInbox:
    """Turns messages into Commands and remembers where each wants its answer.

    publish: is given a topic, a payload and the correlation data. replies: where an answer may go. mixed: whether another
    monitor hears the same commands; then only what names an occurrence, which is one monitor's, may silence anything.
    """

    def __init__(
        self,
        topics: Topics,
        clock: Clock,
        on_command: Callable[[Command], None],
        publish: Callable[[str, bytes, bytes | None], None],
        *,
        boot: str = "",
        replies: ReplyRules | None = None,
        mixed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._topics, self._clock, self._on_command, self._publish = topics, clock, on_command, publish
        self._payloads, self._mixed = Payloads(clock, boot), mixed
        self._replies = replies or ReplyRules(topics.root)
        # By the command itself, not by its id: two senders may use the same id, and each is answered for its own.
        self._waiting: OrderedDict[int, tuple[Command, Reply]] = OrderedDict()
        self._told = False

    def message(self, message: Any) -> None:
        """One message on a command topic."""
        bed, _, name = message.topic.removeprefix(f"{self._topics.root}/").split("/", 2)
        if name == "result":
            return
        reply, said = self._reply_to(bed, name, message), read(message.payload)
        try:
            command = self._obeyed(bed, name, said, retained=message.retain)
        except RefusedCommandError as refused:
            log.warning("command %s for %s refused: %s", name, bed, refused)
            command_id, by = (said.text(key) for key in _NEEDS)
            known = Command(name, bed, self._clock.now(), command_id, by)
            self._tell(CommandResult(known, self._clock.now(), False, str(refused)), reply)
            return
        if reply.topic:
            self._keep(command, reply)
        self._on_command(command)

    def answered(self, result: CommandResult) -> None:
        """What came of a command: to the bed's topic, and to the one it asked for."""
        _, reply = self._waiting.pop(id(result.command), (None, Reply()))
        self._tell(result, reply)

    def _keep(self, command: Command, reply: Reply) -> None:
        self._waiting[id(command)] = (command, reply)
        if len(self._waiting) <= _KEPT:
            return
        self._waiting.popitem(last=False)
        if not self._told:
            self._told = True  # once: whoever sends commands so fast would fill the log, too
            log.warning(
                "more than %d commands wait for their turn; the oldest are answered on the bed's topic only", _KEPT
            )

    def _tell(self, result: CommandResult, reply: Reply) -> None:
        payload, topic = self._payloads.result(result), self._topics.result(result.command.bed)
        self._publish(topic, payload, reply.correlation if reply.topic == topic else None)
        if reply.topic not in ("", topic):
            self._publish(reply.topic, payload, reply.correlation)

    def _reply_to(self, bed: str, name: str, message: Any) -> Reply:
        """What it asks for, where that may be given; the command is obeyed and answered for all either way."""
        reply = asked(message.properties)
        refusal = self._replies.refusal(reply, self._topics.result(bed)) if reply.topic else ""
        if refusal:
            log.warning("command %s for %s is answered on the bed's topic only: %s", name, bed, refusal)
        return Reply() if refusal else reply

    def _obeyed(self, bed: str, name: str, said: Said, *, retained: bool) -> Command:
        if retained:
            raise RefusedCommandError("a retained command is never obeyed")
        if name not in COMMANDS:
            raise RefusedCommandError(f"unknown command; commands: {', '.join(COMMANDS)}")
        fields = said.fields(needs=_NEEDS, may=_MAY)
        self._check_age(said.names.get("t"))
        if self._mixed() and not fields["occurrence"] and fields["seconds"] != 0.0 and name != DRILL:
            raise RefusedCommandError(
                "another monitor has this name and hears this, too: name the occurrence, or give each its own device.name"
            )
        return Command(name, bed, self._clock.now(), **fields)

    def _check_age(self, t: Any) -> None:
        try:
            sent = datetime.fromisoformat(t)
            age_s = self._clock.wall() - sent.timestamp()
        except (TypeError, ValueError, OverflowError):
            sent, age_s = None, math.inf
        if sent is None or sent.tzinfo is None:
            raise RefusedCommandError("needs 't', ISO 8601 with a time zone")
        doubt = "" if self._clock.synced() else "; no time server keeps this monitor's clock"
        if age_s < -STALE_S:
            if self._clock.wall() <= SET_AFTER:
                raise RefusedCommandError("this monitor's clock is not set: nobody can tell how old that is")
            raise RefusedCommandError(
                f"'t' is {-age_s:.0f} s ahead of this monitor's clock: is one of both wrong?{doubt}"
            )
        if age_s > STALE_S:
            raise RefusedCommandError(f"stale: sent {age_s:.0f} s ago; at most {STALE_S:.0f} s{doubt}")
