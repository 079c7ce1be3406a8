"""A transition that waits, and its form on disk."""

from __future__ import annotations

from typing import Final

import msgspec

from edge.clock import SET_AFTER
from edge.plain import encode, fields_of
from edge.sinks._outbox.seal import is_broken, sealed
from edge.types import Alarm

_SYNCED: Final = "clock_synced"


class Row(msgspec.Struct, frozen=True):
    """One transition that waits for its PUBACK. wall: Unix time of the transition by the clock as it was set
    when it was written, s; boot: the run that wrote it; synced: whether a time server kept that clock."""

    row: int
    alarm: Alarm
    wall: float
    boot: str
    synced: bool


def to_disk(row: Row) -> bytes:
    """The alarm as it is written, with a checksum; raises TypeError for what has no form in JSON."""
    return sealed(encode({**fields_of(row.alarm), _SYNCED: row.synced}), _beside(row.wall, row.boot))


def from_disk(row: int, alarm: bytes, wall: float, boot: str) -> Row:
    """The transition that was written; raises ValueError, TypeError or AttributeError for what is none."""
    fields = msgspec.json.decode(alarm)
    synced = fields.pop(_SYNCED, wall > SET_AFTER)  # older versions did not write it
    return Row(row, msgspec.convert(fields, Alarm), wall, boot, synced)


def is_readable(alarm: bytes, wall: float, boot: str) -> bool:
    """Whether it is what was written."""
    try:
        from_disk(0, alarm, wall, boot)
        return not is_broken(alarm, _beside(wall, boot))
    except (ValueError, TypeError, AttributeError):
        return False


def _beside(wall: float, boot: str) -> str:
    """What is written beside an alarm and must not be read as something else."""
    return f"{wall!r} {boot}"
