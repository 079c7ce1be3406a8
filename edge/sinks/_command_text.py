"""What the fields of a command may hold, whoever sends it, by MQTT or from the page."""

from __future__ import annotations

import math
from typing import Final

TEXT_MAX: Final = 200
"""Characters of each text; what is answered is kept with the alarms' state."""

_SEQ_MAX: Final = 2**53
"""What JSON surely carries whole."""


def plain_text(text: str) -> bool:
    """Whether a text is short and can be written down anywhere: JSON may name halves of characters, and the
    character 0."""
    return len(text) <= TEXT_MAX and text.isprintable()


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


def seq_of(value: object) -> int | None:
    """A command's ``seq``, or None; raises ValueError for what is no number of an event."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _SEQ_MAX:
        raise ValueError("no number of an event")
    return value
