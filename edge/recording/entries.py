"""What a recording holds, in the order in which the program took or made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.types import Alarm, Block, Command, Fault, Reading, SourceStatus

STATE_EVERY_S: Final = 15.0
"""So often it is told what lanes, fusion and board remember."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The moment at which the main thread let the alarm board's clock run on."""

    t: float


@dataclass(frozen=True, slots=True)
class ClockMark:
    """At monotonic time t the wall clock said wall (Unix, s): from here on, wherever it was before."""

    t: float
    wall: float


@dataclass(frozen=True, slots=True)
class Lost:
    """From here back to the entry before, ``entries`` could not be kept: the disk was full or too slow."""

    t: float
    entries: int


@dataclass(frozen=True, slots=True)
class Damage:
    """From here back by ``seconds``, to the entry before, ``size`` bytes of the file cannot be read; it is never written."""

    t: float
    seconds: float
    size: int


@dataclass(frozen=True, slots=True)
class LaneState:
    """What a lane remembered after the blocks before this entry: see ``Lane.state``."""

    source: str
    primary: str
    t: float
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MainState:
    """What board and fusion remembered at this place: their own states, by bed. shift_s: see ``Board``."""

    t: float
    board: Mapping[str, Any]
    fusion: Mapping[str, Any]
    shift_s: float | None = None


Entry = (
    Block | SourceStatus | Fault | Command | Reading | Alarm | Tick | ClockMark | Lost | Damage | LaneState | MainState
)


def time_of(entry: Entry) -> float:
    """When it was, monotonic s: of samples, their end."""
    return entry.t_end if isinstance(entry, Block) else entry.t
