"""What a command may say, whoever sends it, by MQTT or from the page: one JSON object, or a refusal in words."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.nearest import nearest
from edge.plain import json_of

LONGEST_BYTES: Final = 4096
"""Of a command as JSON."""
READ_BYTES: Final = 4 * LONGEST_BYTES
"""Of one that is refused as too long, and read for who asked: as much work a byte as the commands that are obeyed."""
_TEXT_MAX: Final = 200
"""Characters of each text; what is answered is kept with the alarms' state."""

_STAMPS: Final = frozenset({"v", "t", "mono", "boot", "clock_synced"})
_SEQ_MAX: Final = 2**53
"""What JSON surely carries whole."""


class RefusedCommandError(ValueError):
    """A command that is not obeyed; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a payload says, read once, for the command and for the answer that refuses it.

    names: those of its JSON object; refusal: why it is no command at all, "" where it may be one.
    """

    names: Mapping[str, Any]
    refusal: str = ""

    def fields(self, *, needs: Collection[str], may: Collection[str]) -> dict[str, Any]:
        """The texts of these names, "" where one that may be there is not, with ``seconds`` and ``seq``, None where
        they are not; raises RefusedCommandError for the first that cannot be so.

        A name that nobody knows is refused as well, for without the one that was meant a command may mean more; but not
        one with a ``_`` in front, as programs mark what is their own, nor what every message of ours is stamped with.
        """
        if self.refusal:
            raise RefusedCommandError(self.refusal)
        known = (*needs, *may, "seconds", "seq")
        for key in self.names:
            if key not in known and key not in _STAMPS and not key.startswith("_"):
                raise RefusedCommandError(f"unknown field {key[:_TEXT_MAX]!r}{nearest(key, known)}")
        for key in needs:
            if not isinstance(self.names.get(key), str) or not self.names[key]:
                raise RefusedCommandError(f"needs {key!r}, a text")
        for key in may:
            if not isinstance(self.names.get(key, ""), str):
                raise RefusedCommandError(f"{key!r} must be a text")
        texts = {key: self.names.get(key, "") for key in (*needs, *may)}
        for key, text in texts.items():
            if not _is_plain(text):
                raise RefusedCommandError(f"{key!r} has at most {_TEXT_MAX} characters, all of them printable")
        return {**texts, "seconds": _seconds(self.names.get("seconds")), "seq": _seq(self.names.get("seq"))}

    def text(self, key: str) -> str:
        """One text, so that the sender of what is refused knows the answer; "" where it cannot be told."""
        value = self.names.get(key)
        return value if isinstance(value, str) and _is_plain(value) else ""


def read(payload: str | bytes) -> Said:
    """What a payload says. A name that stands twice has no meaning that all agree on."""
    long = f"too long: at most {LONGEST_BYTES} bytes" if len(payload) > LONGEST_BYTES else ""
    if len(payload) > READ_BYTES:
        return Said({}, f"{long}; of more than {READ_BYTES} the command_id is not read")
    try:
        found = json_of(payload, names_once=True)
    except ValueError:
        return Said({}, long or "not JSON")
    return Said(found, long) if isinstance(found, dict) else Said({}, long or "not a JSON object")


def _is_plain(text: str) -> bool:
    """Whether a text is short and can be written down anywhere: JSON may name halves of characters, and the
    character 0."""
    return len(text) <= _TEXT_MAX and text.isprintable()


def _seconds(value: object) -> float | None:
    """JSON's whole numbers have no end."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedCommandError("'seconds' must be a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _seq(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _SEQ_MAX:
        raise RefusedCommandError("'seq' must be the whole number of an event")
    return value
