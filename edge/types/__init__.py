"""The vocabulary of edge-vitals; the first file to read.

A ``Source`` yields ``Block``s. A lane cuts blocks into ``Window``s, asks its ``Analyzer``s and gets
``Reading``s. The board turns readings and ``SourceStatus`` into ``Alarm`` transitions, and ``Sink``s carry
all of them out. Every value here is frozen and checks itself when made, so the parts behind it need not.

Times are host-monotonic seconds (``Clock.now``) unless a name says otherwise; wall time is a label that only
sinks add.
"""

from edge.types.errors import ConfigError, EdgeVitalsError, ModelError, SinkError, SourceError
from edge.types.events import (
    ASIDE,
    DEVICE_BED,
    FUSED,
    HEARTBEAT_EVERY_S,
    KINDS_OF_EVENTS,
    PRESENCES,
    PRIORITIES,
    REASONS,
    SOURCE_STATES,
    Alarm,
    BedStatus,
    Command,
    CommandResult,
    Event,
    Fault,
    Heartbeat,
    Reading,
    SourceStatus,
    Stats,
)
from edge.types.parts import Analyzer, SelfReport, Sink, Source, Transform, self_report
from edge.types.samples import Block, Window

__all__ = [
    "ASIDE",
    "DEVICE_BED",
    "FUSED",
    "HEARTBEAT_EVERY_S",
    "KINDS_OF_EVENTS",
    "PRESENCES",
    "PRIORITIES",
    "REASONS",
    "SOURCE_STATES",
    "Alarm",
    "Analyzer",
    "BedStatus",
    "Block",
    "Command",
    "CommandResult",
    "ConfigError",
    "EdgeVitalsError",
    "Event",
    "Fault",
    "Heartbeat",
    "ModelError",
    "Reading",
    "SelfReport",
    "Sink",
    "SinkError",
    "Source",
    "SourceError",
    "SourceStatus",
    "Stats",
    "Transform",
    "Window",
    "self_report",
]
