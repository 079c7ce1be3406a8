"""A transition that waits, and its form on disk."""

from __future__ import annotations

import msgspec

from edge.plain import encode, fields_of
from edge.sinks._outbox.seal import is_broken, sealed
from edge.types import Alarm


class Row(msgspec.Struct, frozen=True):
    """One transition that waits for its PUBACK. wall: Unix time of the transition by the clock as it was set
    when it was written, s; boot: the run that wrote it."""

    row: int
    alarm: Alarm
    wall: float
    boot: str


def to_disk(row: Row) -> bytes:
    """The alarm as it is written, with a checksum; raises TypeError for what has no form in JSON."""
    return sealed(encode(fields_of(row.alarm)), _beside(row.wall, row.boot))


def from_disk(alarm: bytes) -> Alarm:
    """The alarm that was written; raises ValueError, TypeError or AttributeError for what is none."""
    return msgspec.convert(msgspec.json.decode(alarm), Alarm)


def is_readable(alarm: bytes, wall: float, boot: str) -> bool:
    """Whether it is what was written."""
    try:
        from_disk(alarm)
        return not is_broken(alarm, _beside(wall, boot))
    except (ValueError, TypeError, AttributeError):
        return False


def _beside(wall: float, boot: str) -> str:
    """What is written beside an alarm and must not be read as something else."""
    return f"{wall!r} {boot}"
