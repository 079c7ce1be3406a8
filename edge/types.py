"""The vocabulary of edge-vitals; the first file to read.

A ``Source`` yields ``Block``s. A lane cuts blocks into ``Window``s, asks its ``Analyzer``s and gets
``Reading``s. The board turns readings and ``SourceStatus`` into ``Alarm`` transitions, and ``Sink``s carry
all of them out. Every value here is frozen and checks itself when made, so the parts behind it need not.

Times are host-monotonic seconds (``Clock.now``) unless a name says otherwise; wall time is a label that only
sinks add.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

REASONS: Final = frozenset(
    {
        *("warming_up", "no_signal", "sensor_off", "saturated", "motion", "low_quality", "gap", "no_face"),
        *("face_moved", "too_dark", "static_image", "speech", "friction", "flicker", "too_short"),
        *("disagreement", "no_pulse", "out_of_distribution", "model_fault", "standby"),
    }
)
"""Why a reading has no value, or why its quality is low: a closed list, part of the public contract."""

PRIORITIES: Final = ("low", "medium", "high")
PRESENCES: Final = ("on", "ack", "latched", "off")
SOURCE_STATES: Final = ("online", "degraded", "offline", "disabled")


class EdgeVitalsError(Exception):
    """Root of every error raised on purpose; the message is one line that says what to do.

    ConfigError: the configuration or the command line is wrong (exit code 2).
    ModelError: a model is missing, altered or does not do what its card says (exit code 2).
    SourceError: a device or file cannot be read; the runtime retries a device, a file ends the command.
    SinkError: the far end of a sink is gone or refuses.
    """


class ConfigError(EdgeVitalsError):
    """The configuration or the command line is wrong."""


class ModelError(EdgeVitalsError):
    """A model is missing, altered, or does not do what its card says."""


class SourceError(EdgeVitalsError):
    """A device or file cannot be read."""


class SinkError(EdgeVitalsError):
    """The far end of a sink is gone or refuses."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive samples of one stream.

    stream: ``"<source>/<kind>"``, kind one of ppg, pcg, acc, ecg, video, roi, ...
    seq: index of the first sample since the start of the epoch: loss is ``seq != previous.next_seq``.
    t0: host-monotonic time of the first sample, s.
    rate: samples per second inside the block, Hz; nominal where blocks hold one sample (camera).
    data: ``(n, channels...)``, made read-only.
    epoch: a reconnect or device reset starts a new one; filters and windows then reset.
    labels: names of the channels, where the source knows them.
    flags: words the device attached to these samples (``saturated``, ``sensor_off``, ``overrun``).
    """

    stream: str
    seq: int
    t0: float
    rate: float
    data: NDArray[Any]
    epoch: int = 0
    labels: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _require("/" in self.stream, f"stream {self.stream!r} is not '<source>/<kind>'")
        _require(self.seq >= 0 and self.epoch >= 0, "seq and epoch count from 0")
        _require(math.isfinite(self.t0), "t0 must be finite")
        _require(math.isfinite(self.rate) and self.rate > 0, "rate must be positive")
        _require(self.data.ndim >= 2 and len(self.data) > 0, "data must be (n, channels...) with n >= 1")
        self.data.flags.writeable = False

    @property
    def next_seq(self) -> int:
        """The ``seq`` of the block that follows without loss."""
        return self.seq + len(self.data)

    @property
    def t_end(self) -> float:
        """Time just after the last sample, s."""
        return self.t0 + len(self.data) / self.rate

    @property
    def source(self) -> str:
        return self.stream.partition("/")[0]

    @property
    def kind(self) -> str:
        return self.stream.partition("/")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The samples of one stream in ``[start, end)``.

    t: ``(n,)`` s; data: ``(n, channels...)``; both hold only samples that arrived, never padding.
    coverage: share of ``[start, end)`` that has samples, 0..1; holes: the spans ``(a, b)`` without; flags: words of the
    device, and until when, s, the last of the samples that carried each.
    """

    stream: str
    start: float
    end: float
    t: NDArray[np.float64]
    data: NDArray[Any]
    rate: float
    coverage: float
    holes: tuple[tuple[float, float], ...]
    epoch: int = 0
    labels: tuple[str, ...] = ()
    flags: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.end > self.start, "a window ends after it starts")
        _require(len(self.t) == len(self.data), "t and data must have one length")
        _require(0.0 <= self.coverage <= 1.0, "coverage is a share, 0..1")

    @property
    def duration_s(self) -> float:
        return self.end - self.start


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
        _require(math.isfinite(self.t), "t must be finite")
        _require(0.0 <= self.quality <= 1.0, f"quality {self.quality} is not within 0..1")
        _require(not self.reason or self.reason in REASONS, f"unknown reason {self.reason!r}")
        if self.value is None:
            _require(bool(self.reason), f"{self.metric}: no value needs a reason")
        elif not isinstance(self.value, str):
            _require(math.isfinite(self.value), f"{self.metric}: a value must be finite")


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source came, went or weakened, or is watched as before.

    since: when the state began, s; blind_s: how long nothing was seen. coverage: by metric, what share of the last
    ``hour`` and ``day`` was watched, and the ``blind`` intervals with ``start``, ``end`` (s) and ``cause``.
    """

    source: str
    bed: str
    t: float
    state: str
    reason: str = ""
    since: float = 0.0
    blind_s: float = 0.0
    coverage: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        _require(self.state in SOURCE_STATES, f"unknown source state {self.state!r}")


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
    delivery: where receipt is asked for, the roles ``asked`` so far, which one has ``received`` it and ``by`` whom, and
    whether the local ``annunciator`` is on. drill: a test of the path; nobody is in danger. epoch: where the bed's numbers
    began; another one means that they were lost and begin anew.
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
        _require(self.kind in ("physiological", "technical"), f"unknown kind {self.kind!r}")
        _require(self.priority in PRIORITIES, f"unknown priority {self.priority!r}")
        _require(self.presence in PRESENCES, f"unknown presence {self.presence!r}")


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody's wish about alarms: ack, pause, standby, reset, site, received or drill.

    t: host-monotonic time of arrival. role: who has received an alarm, one of the configured chain. site, person: where
    the microphone sits now, and who lies there, where that is another one.
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

    beds: by bed, the ``seq`` of its last event and its ``epoch``, and how many alarms are ``standing`` and how many ``unconfirmed``.
    """

    t: float
    interval_s: float
    beds: Mapping[str, Mapping[str, int | str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A technical condition the runtime itself noticed came or went: clock_step, overload, outbox_full, broker_lost,
    name_clash, annunciator_lost, model_fault. source names the part where several can fail apart (a model, a broker)."""

    condition: str
    t: float
    present: bool
    text: str = ""
    bed: str = "_device"
    source: str = ""


Event = Reading | SourceStatus | BedStatus | Fault | Alarm | CommandResult | Stats | Heartbeat


class Source(Protocol):
    """A device or file that is read and stamped, nothing else. One thread calls it."""

    def open(self) -> None:
        """Open the device; raises SourceError with a remedy."""

    def read(self) -> list[Block]:
        """Whatever has arrived, after waiting at most 0.5 s; raises SourceError when lost, EOFError at the end."""

    def close(self) -> None:
        """Let go of the device; calling twice is harmless."""


class Transform(Protocol):
    """Block in, block (of another stream kind) or nothing out; deterministic."""

    def __call__(self, block: Block) -> Block | None: ...

    def reset(self) -> None:
        """Forget everything: a new epoch begins."""


class Analyzer(Protocol):
    """Windows of one moment in, readings out. ``streams`` names kinds, ``"acc?"`` an optional companion;
    the first is the primary. Keys of ``windows`` are kinds; an absent companion has no key. ``metrics`` are the
    metrics it answers for."""

    @property
    def streams(self) -> Sequence[str]: ...

    @property
    def metrics(self) -> Sequence[str]: ...

    @property
    def window_s(self) -> float: ...

    @property
    def hop_s(self) -> float: ...

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]: ...

    def reset(self) -> None:
        """Forget everything: a new epoch begins."""

    def state(self) -> Mapping[str, Any]:
        """What it remembers from window to window, in MessagePack's types; {} for one that remembers nothing."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()`` of another one built alike: the same windows then give the same readings."""


@runtime_checkable
class Sink(Protocol):
    """Carries events out. ``send`` must not block."""

    def send(self, event: Event) -> None: ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was sent is out, at most ``timeout_s``; whether it is."""

    def close(self) -> None: ...
