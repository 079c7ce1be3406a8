"""What a field of a payload may hold, by the contract: a name alone keeps no promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from edge.types import PRESENCES, PRIORITIES, REASONS

Holds = Callable[[Any], bool]
_KINDS: Final = ("physiological", "technical")


def unix(t: Any) -> float:
    """Seconds of a time with its zone; minus infinity for what is none."""
    try:
        moment = datetime.fromisoformat(t)
        return -math.inf if moment.tzinfo is None else moment.timestamp()
    except (TypeError, ValueError, OverflowError):
        return -math.inf


def _time(value: Any) -> bool:
    return unix(value) > -math.inf


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _number(value: Any) -> bool:
    """JSON's, which has no infinity, though a parser makes one of 1e999."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _bool(value: Any) -> bool:
    return isinstance(value, bool)


def _value(value: Any) -> bool:
    return value is None or _text(value) or _number(value)


def _one_of(*words: str) -> Holds:
    return lambda value: value in words


STAMP: Final[Mapping[str, Holds]] = {
    "v": lambda value: value == 1 and _count(value),
    "t": _time,
    "mono": _number,
    "boot": _name,
    "clock_synced": _bool,
}
WILL: Final[Mapping[str, Holds]] = {**{k: holds for k, holds in STAMP.items() if k != "t"}, "connected_at": _time}
STATUS: Final[Mapping[str, Holds]] = {"version": _text, "models": lambda value: isinstance(value, dict)}
READING: Final[Mapping[str, Holds]] = {
    "value": _value,
    "unit": _text,
    "quality": lambda value: _number(value) and 0 <= value <= 1,
    "source": _text,
    "model": _text,
    "seq": _count,
}
ALARM: Final[Mapping[str, Holds]] = {
    "id": _name,
    "occurrence": _name,
    "kind": _one_of(*_KINDS),
    "priority": _one_of(*PRIORITIES),
    "presence": _one_of(*PRESENCES),
    "since": _time,
    "text": _name,
    "seq": _count,
}
EVENT: Final[Mapping[str, Holds]] = {
    **ALARM,
    "published": _time,
    "delay_s": lambda value: value is None or (_number(value) and value >= 0),
    "historical": _bool,
}


def known(value: Any, reason: Any) -> bool:
    """Whether a reading says why it has no value, or nothing that is no reason beside one."""
    return (_text(reason) and reason in REASONS) or (value is not None and reason in (None, ""))


def wrong(fields: Mapping[str, Any], wanted: Mapping[str, Holds]) -> str:
    """In words, the fields that are not there or hold what they must not; "" where all is well."""
    lacking = [key for key in wanted if key not in fields]
    if lacking:
        return f"without {', '.join(lacking)}"
    return ", ".join(f"{key} is {str(fields[key])[:40]!r}" for key, holds in wanted.items() if not holds(fields[key]))
