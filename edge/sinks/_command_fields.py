"""What a command may say, whoever sends it, by MQTT or from the page: one JSON object, or a refusal in words."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

from edge.plain import json_of

LONGEST_BYTES: Final = 4096
"""Of a command as JSON."""
_TEXT_MAX: Final = 200
"""Characters of each text; what is answered is kept with the alarms' state."""

_SEQ_MAX: Final = 2**53
"""What JSON surely carries whole."""


class RefusedCommandError(ValueError):
    """A command that is not obeyed; the message says why."""


def object_said(payload: str | bytes) -> dict[str, Any]:
    """The object that a command is; raises RefusedCommandError. A name that stands twice has no meaning that all agree on."""
    if len(payload) > LONGEST_BYTES:
        raise RefusedCommandError("too long")
    try:
        said = json_of(payload, names_once=True)
    except ValueError:
        raise RefusedCommandError("not JSON") from None
    if not isinstance(said, dict):
        raise RefusedCommandError("not a JSON object")
    return said


def fields_said(said: Mapping[str, Any], *, needs: Collection[str], may: Collection[str]) -> dict[str, Any]:
    """The texts of these names, "" where one that may be there is not, with ``seconds`` and ``seq``, None where they are
    not; raises RefusedCommandError for the first that cannot be so."""
    for key in needs:
        if not isinstance(said.get(key), str) or not said[key]:
            raise RefusedCommandError(f"needs {key!r}, a text")
    for key in may:
        if not isinstance(said.get(key, ""), str):
            raise RefusedCommandError(f"{key!r} must be a text")
    texts = {key: said.get(key, "") for key in (*needs, *may)}
    for key, text in texts.items():
        if not _is_plain(text):
            raise RefusedCommandError(f"{key!r} has at most {_TEXT_MAX} characters, all of them printable")
    return {**texts, "seconds": _seconds(said.get("seconds")), "seq": _seq(said.get("seq"))}


def text_said(payload: str | bytes, key: str) -> str:
    """One text of a command that is refused, so that its sender knows the answer; "" where it cannot be told."""
    try:
        value = object_said(payload).get(key)
    except RefusedCommandError:
        return ""
    return value if isinstance(value, str) and _is_plain(value) else ""


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
