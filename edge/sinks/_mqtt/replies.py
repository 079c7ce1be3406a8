"""Where a command may have its answer beside the bed's result topic: MQTT 5's response topic and correlation data.

Whoever sends a command chooses the topic, and the answer is published with the device's rights, which may be more than
the sender's. So an answer goes nowhere where somebody would take it for something else: not on what a device says or is
told, not on Home Assistant's or the broker's own topics, and where the configuration names a prefix only below that. One
level below the bed's own result topic is always right: a device may write there by any access rules. Never retained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

MAX_BYTES = 256
"""Of the topic, and of the correlation data: what is kept and sent again for one command is bounded."""
_TAKES_COMMANDS = "cmd"


class Reply(NamedTuple):
    """What a command asked for. correlation: to be given back as it came; None = there was none."""

    topic: str = ""
    correlation: bytes | None = None


def asked(properties: Any) -> Reply:
    """The reply that a message's properties ask for; none by MQTT 3.1.1, which has no properties."""
    return Reply(
        str(getattr(properties, "ResponseTopic", "") or ""),
        getattr(properties, "CorrelationData", None),
    )


class ReplyRules:
    """Which replies may be given. root: of the device's topics; reserved: prefixes of others; below: "" = anywhere else."""

    def __init__(self, root: str, *, reserved: Sequence[str] = (), below: str = "") -> None:
        devices = root.rpartition("/")[0]
        self._reserved = {devices: "a device's", **{prefix: "Home Assistant's" for prefix in reserved if prefix}}
        self._below = below.rstrip("/")

    def refusal(self, reply: Reply, result: str) -> str:
        """Why not, in words; empty when it may be given. result: the topic on which the answer is given anyway."""
        topic = reply.topic
        if len(topic.encode(errors="replace")) > MAX_BYTES:
            return f"the response topic has more than {MAX_BYTES} bytes"
        if reply.correlation is not None and len(reply.correlation) > MAX_BYTES:
            return f"the correlation data has more than {MAX_BYTES} bytes"
        if not topic.isprintable() or set("+#") & set(topic) or topic.startswith("$"):
            return "the response topic holds a wildcard, is not printable or begins with $"
        above, _, name = topic.rpartition("/")
        if topic == result or (above == result and name):
            return ""
        for prefix, whose in self._reserved.items():
            if topic == prefix or topic.startswith(f"{prefix}/"):
                return f"the response topic is {whose}; use {result}/NAME"
        if _TAKES_COMMANDS in topic.split("/"):
            return "commands are taken on the response topic"
        if self._below and not topic.startswith(f"{self._below}/"):
            return f"the response topic is not below {self._below}/, as response_prefix asks for"
        return ""
