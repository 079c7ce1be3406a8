"""A drill acknowledged, as a grader tries it: raised, acknowledged by its occurrence, ended. Pure: messages in,
commands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Ask = tuple[str, dict[str, Any]]
"""A command to send: its name and fields."""


@dataclass(slots=True)
class AckTrial:
    """One bed's round trip. done: how far it got; answer: what the device refused with."""

    bed: str
    done: list[str] = field(default_factory=list)
    answer: str = ""
    occurrence: str = ""

    STEPS = ("raised", "retained", "acknowledged", "shown as acknowledged", "over", "topic emptied")

    def begin(self) -> Ask:
        return "drill", {}

    def feed(self, parts: list[str], fields: dict[str, Any]) -> list[Ask]:
        """One live message below the device, its topic in parts; what to ask for next."""
        if parts[:1] != [self.bed]:
            return []
        ours = fields.get("id") in ("", f"{self.bed}/drill")
        if parts[1:] == ["cmd", "result"] and ours and not fields.get("ok"):
            self.answer = self.answer or str(fields.get("text"))
        presence = fields.get("presence")
        if parts[1:] == ["event"] and fields.get("drill"):
            return self._event(str(fields.get("occurrence")), str(presence))
        if parts[1:] == ["alarm", "drill"] and self.occurrence:
            if not fields and "over" in self.done:
                self._reached("topic emptied")
            elif fields.get("occurrence") == self.occurrence:
                if presence == "ack":
                    self._reached("shown as acknowledged")
                elif presence == "on":
                    self._reached("retained")
        return self._next()

    @property
    def lacking(self) -> list[str]:
        return [step for step in self.STEPS if step not in self.done]

    def _event(self, occurrence: str, presence: str) -> list[Ask]:
        if not self.occurrence and presence == "on":
            self.occurrence = occurrence
            self._reached("raised")
        elif occurrence == self.occurrence and presence == "ack":
            self._reached("acknowledged")
        elif occurrence == self.occurrence and presence == "off":
            self._reached("over")
        return self._next()

    def _next(self) -> list[Ask]:
        if "asked to acknowledge" not in self.done and {"raised", "retained"} <= set(self.done):
            self._reached("asked to acknowledge")
            return [("ack", {"id": f"{self.bed}/drill", "occurrence": self.occurrence})]
        if "asked to end" not in self.done and {"acknowledged", "shown as acknowledged"} <= set(self.done):
            self._reached("asked to end")
            return [("drill", {"seconds": 0})]
        return []

    def _reached(self, step: str) -> None:
        if step not in self.done:
            self.done.append(step)
