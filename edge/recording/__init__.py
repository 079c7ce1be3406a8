"""An append-only file of what the lanes were fed and what came of it; a torn end is dropped, damage a gap: both are said.

Layout: the magic ``EVREC1\\n``, then records ``length u32, crc32 u32, payload``, little-endian, payload MessagePack
``[kind, fields]``. Kinds: ``header`` first (device, boot, configuration text, model variants, both clocks) and again
every 4 MB, since without it nothing can be made again, then ``block``, ``status``, ``fault``, ``command``, ``tick`` in
the order the program took them, and ``reading`` and ``alarm`` as it made them; ``clock`` says which wall time a
monotonic one was, ``lost`` that the disk was too slow.
``lane_state`` and ``main_state``, some seconds apart, say what was remembered there: from any of them on an exact
replay can begin.
A ``batch`` holds many of them, compressed: what a flash card likes. Frames of a camera never enter: only the region
traces that the transform makes of them. A folder ``NAME.evrec`` of numbered files is one recording, too.
"""

from edge.recording.entries import (
    STATE_EVERY_S,
    ClockMark,
    Damage,
    Entry,
    LaneState,
    Lost,
    MainState,
    Tick,
    time_of,
)
from edge.recording.packing import pack
from edge.recording.reader import PARTS, Recording
from edge.recording.wall import set_marks, wall_at
from edge.recording.writer import RecordingWriter

__all__ = [
    "PARTS",
    "STATE_EVERY_S",
    "ClockMark",
    "Damage",
    "Entry",
    "LaneState",
    "Lost",
    "MainState",
    "Recording",
    "RecordingWriter",
    "Tick",
    "pack",
    "set_marks",
    "time_of",
    "wall_at",
]
