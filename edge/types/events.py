"""What is said: readings, states, alarms, commands and the program's own figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from edge.types.errors import require

REASONS: Final = frozenset(
    {
        *("warming_up", "no_signal", "sensor_off", "saturated", "motion", "low_quality", "gap", "no_face"),
        *("face_moved", "too_dark", "static_image", "speech", "friction", "flicker", "too_short"),
        *("disagreement", "no_pulse", "out_of_distribution", "model_fault", "standby"),
    }
)
"""Why a reading has no value, or why its quality is low: a closed list, part of the public contract."""

DEVICE_BED: Final = "_device"
"""Where alarms of the device itself stand; no bed of a configuration can have this name."""

ASIDE: Final = (".quality", ".spread")
"""Ends of metrics that tell of other readings, every second anew: no line of their own where people read along."""

FUSED: Final = "fused."
"""Begins the names of metrics that the lanes of a bed say together, which no lane makes (``edge.fusion``)."""

PRIORITIES: Final = ("low", "medium", "high")
PRESENCES: Final = ("on", "ack", "latched", "off")
SOURCE_STATES: Final = ("online", "degraded", "offline", "disabled")


@dataclass(frozen=True, slots=True)
class Reading:
    """What an analyzer says of one window: a value, or ``None`` and why there is none.

    ``None`` means "not known": never normal, never 0, never NaN, never the last value.
    bed and source are filled in by the lane; model is ``"name version variant"`` where one took part.
    """

    metric: str
    t: float
    value: float | str | None
    unit: str = ""
    quality: float = 0.0
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    bed: str = ""
    source: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        require(math.isfinite(self.t), "t must be finite")
        require(0.0 <= self.quality <= 1.0, f"quality {self.quality} is not within 0..1")
        require(not self.reason or self.reason in REASONS, f"unknown reason {self.reason!r}")
        if self.value is None:
            require(bool(self.reason), f"{self.metric}: no value needs a reason")
        elif not isinstance(self.value, str):
            require(math.isfinite(self.value), f"{self.metric}: a value must be finite")


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source came, went or weakened, or is watched as before.

    since: when the state began, of offline: when the last block came, s; blind_s: how long nothing was seen. coverage:
    by metric, what share of the last ``hour`` and ``day`` was watched, and the ``blind`` intervals with ``start``,
    ``end`` (s) and ``cause``. announced: kinds of streams that the device itself says it sends.
    """

    source: str
    bed: str
    t: float
    state: str
    reason: str = ""
    since: float = 0.0
    blind_s: float = 0.0
    coverage: Mapping[str, Mapping[str, Any]] | None = None
    announced: Sequence[str] = ()

    def __post_init__(self) -> None:
        require(self.state in SOURCE_STATES, f"unknown source state {self.state!r}")
        object.__setattr__(self, "announced", tuple(self.announced))


@dataclass(frozen=True, slots=True)
class BedStatus:
    """A bed as it is from now on, whenever that changes.

    person, site: who lies there and where the microphone sits, "" = not said; site_since: from when on, s (None: the
    configuration says so), by: who said it. paused_until, standby_until: ends of what silences the bed, s, or None.
    """

    bed: str
    t: float
    person: str = ""
    site: str = ""
    site_since: float | None = None
    by: str = ""
    paused_until: float | None = None
    standby_until: float | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One transition of one alarm, complete in itself.

    id: ``<bed>/<condition>`` or, for conditions of one source, ``<bed>/<condition>/<source>``.
    occurrence: unique to this occurrence; seq: counts the events of the bed without gaps.
    presence: ``on`` present, not acknowledged; ``ack`` present, acknowledged; ``latched`` no longer present, not
    acknowledged; ``off`` over (words of HL7 FHIR DeviceAlert). since: when the condition began, s.
    delivery: where receipt is asked for, the roles ``asked`` so far, which one has ``received`` it and ``by`` whom,
    whether ``nobody`` of them answered, and whether the local ``annunciator`` is on. drill: a test of the path; nobody is
    in danger. epoch: where the bed's numbers began; another one means that they were lost and begin anew.
    """

    id: str
    occurrence: str
    kind: str
    priority: str
    presence: str
    t: float
    text: str
    condition: str
    bed: str
    source: str = ""
    since: float = 0.0
    value: float | str | None = None
    limit: float | None = None
    seq: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    delivery: Mapping[str, Any] = field(default_factory=dict)
    drill: bool = False
    epoch: str = ""

    def __post_init__(self) -> None:
        require(self.kind in ("physiological", "technical"), f"unknown kind {self.kind!r}")
        require(self.priority in PRIORITIES, f"unknown priority {self.priority!r}")
        require(self.presence in PRESENCES, f"unknown presence {self.presence!r}")


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody's wish about alarms: ack, pause, standby, reset, site, shelve, received or drill.

    t: host-monotonic time of arrival. seq: number of the event it answers, None = of the alarm as it stands now. role: who
    has received an alarm, one of the configured chain. site, person: where the microphone sits now, and who lies there,
    where that is another one.
    """

    name: str
    bed: str
    t: float
    command_id: str
    by: str
    id: str = ""
    occurrence: str = ""
    seconds: float | None = None
    site: str = ""
    role: str = ""
    person: str = ""
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What came of a command: ok, or why not."""

    command: Command
    t: float
    ok: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Stats:
    """The runtime's own figures, every 10 s: plain numbers by name, grouped by part."""

    t: float
    figures: Mapping[str, Any]


HEARTBEAT_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The part that makes alarms is alive, every ``interval_s``; its absence is for listeners to alarm on.

    beds: by bed, the ``seq`` of its last event and its ``epoch``, and how many alarms are ``standing``,
    ``drills`` among them, and how many ``unconfirmed``.
    """

    t: float
    interval_s: float
    beds: Mapping[str, Mapping[str, int | str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A technical condition the runtime itself noticed came or went: clock_step, overload, outbox_full,
    recording_lost, broker_lost, name_clash, annunciator_lost, model_fault. source names the part where several can
    fail apart (a model, a broker)."""

    condition: str
    t: float
    present: bool
    text: str = ""
    bed: str = DEVICE_BED
    source: str = ""


Event = Reading | SourceStatus | BedStatus | Fault | Alarm | CommandResult | Stats | Heartbeat

KINDS_OF_EVENTS: Final[Mapping[type, str]] = {
    Reading: "reading",
    SourceStatus: "source",
    BedStatus: "bed",
    Fault: "fault",
    Alarm: "alarm",
    CommandResult: "command",
    Stats: "stats",
    Heartbeat: "heartbeat",
}
"""What each is called where events stand in lines: the journal, ``--jsonl``."""
