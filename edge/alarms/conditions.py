"""What can go wrong, when it counts, and how urgent it is: every alarm rule of the product in one frozen table.

A ``Condition`` says which readings feed it, its limit with hysteresis, its delays, how many windows must agree and its
priority; ``edge.alarms.rules`` changes them by configuration. Words follow HL7 FHIR DeviceAlert, OPC UA Part 9 and
ISA-18.2; no conformity is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from edge.types import DEVICE_BED

PER_SOURCE: Final = frozenset({"sensor_off", "low_quality", "source_lost"})
OF_DEVICE: Final = frozenset(
    {"clock_step", "overload", "outbox_full", "recording_lost", "broker_lost", "name_clash", "annunciator_lost"}
)
DRILL: Final = "drill"
"""Raised by command and by nothing else: the whole path of an alarm, tried."""
DISPENSABLE: Final = frozenset({"ppg.perfusion"})
"""Figures that a good signal may lack and no alarm rests on: a source without a steady part has no perfusion index."""
BESIDE: Final = frozenset({"pcg.hr"})
"""Rates that a good signal may lack, for its beats are not always told apart: other readings of the same windows say
whether the signal is good, and where the bed has another rate it is watched by that one."""
BELOW: Final = frozenset({"brady", "low_quality"})
"""Conditions whose limit is a lower one; all others hold at or above theirs."""
RATE_CONDITIONS: Final = ("brady", "tachy", "asystole")
STOPS_TOLD_BY: Final = frozenset({"ppg.hr"})
"""Rates that say, too, whether the beats stopped; a microphone or a camera that hears or sees none may have lost them."""
LATCHING: Final = MappingProxyType({"high": True, "medium": False, "low": False})
"""A high alarm stays until somebody has seen it; the others may end unseen (ISA-18.2 latching by consequence)."""
REALARM_S: Final = MappingProxyType({"high": 600.0, "medium": 1800.0, "low": 0.0})
"""A standing alarm sounds again after so long, acknowledged or not (OPC UA Part 9 ReAlarmTime); 0 = never."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One rule; times in s, limits in the unit of what feeds it.

    metrics: readings that feed it, each on its own; the condition holds while it holds for one of them.
    limit: None = the analyzer's own decision. hysteresis: how far back past the limit counts as over.
    severe_limit: past this one the alarm has ``severe_priority``; a limit that is moved to it or past it takes it along, at
        the same distance, unless it is set, too. severe_on_delay_s: for how long it must hold.
    min_quality: readings below it are taken as "not known".
    on_delay_s, off_delay_s: how long it must hold, or be over; unknown readings pause both and reset neither.
    k, n, spacing_s: k of the last n windows, ``spacing_s`` apart, must agree; k = 1, n = 1 is no confirmation.
    latching, realarm_s: None = by priority. lasts_s: ends by itself so long after it came (events of a moment).
    """

    name: str
    kind: str
    priority: str
    text: str
    metrics: tuple[str, ...] = ()
    limit: float | None = None
    hysteresis: float = 0.0
    severe_limit: float | None = None
    severe_on_delay_s: float = 0.0
    severe_priority: str = "high"
    min_quality: float = 0.2
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    k: int = 1
    n: int = 1
    spacing_s: float = 0.0
    latching: bool | None = None
    realarm_s: float | None = None
    lasts_s: float = 0.0
    enabled: bool = True

    def latches(self, priority: str) -> bool:
        """Whether an occurrence that reached ``priority`` stays shown after its end until acknowledged."""
        return LATCHING[priority] if self.latching is None else self.latching

    def realarms_after_s(self, priority: str) -> float:
        """Seconds after which a standing alarm sounds again; 0 = never."""
        return REALARM_S[priority] if self.realarm_s is None else self.realarm_s

    @property
    def severe(self) -> Condition | None:
        """The same rule at its severe limit, or None where it has none."""
        if self.severe_limit is None:
            return None
        return replace(self, limit=self.severe_limit, on_delay_s=self.severe_on_delay_s, severe_limit=None)


def priority_of(condition: Condition, severe: bool) -> str:
    """The priority of an occurrence: the only place where it is decided."""
    return condition.severe_priority if severe else condition.priority


_PHYSIOLOGICAL = (
    # 5 of 7: measured (4 of 28 people, 6 of 187 ICU records ever falsely alerted); one 10 s window proves nothing
    # (Perez et al., NEJM 2019;381:1909: 5 of 6 tachograms; Lubitz et al., Circulation 2022;146:1415: 11 of 11).
    Condition(
        "af", "physiological", "medium", "Atrial fibrillation likely", ("ppg.rhythm",),
        k=5, n=7, spacing_s=10.0, off_delay_s=20.0,
    ),
    # 45 and 130 bpm: Whalen et al., J Cardiovasc Nurs 2014;29(5):E13 (89 % fewer audible alarms, no harm);
    # 40 and 140 bpm: extreme brady- and tachycardia of Clifford et al., CinC 2015.
    # 14 s: half of the ineffective alarms go (Goerges et al., Anesth Analg 2009;108:1546).
    Condition(
        "brady", "physiological", "medium", "Heart rate {value} below {limit} bpm", ("ppg.hr",),
        limit=45.0, hysteresis=3.0, severe_limit=40.0, severe_on_delay_s=5.0, on_delay_s=14.0, off_delay_s=10.0,
    ),
    Condition(
        "tachy", "physiological", "medium", "Heart rate {value} at or above {limit} bpm", ("ppg.hr",),
        limit=130.0, hysteresis=5.0, severe_limit=140.0, severe_on_delay_s=5.0, on_delay_s=14.0, off_delay_s=10.0,
    ),
    # The analyzer's own decision (no beat for seconds on a good signal, CinC 2015: 4 s); nothing is waited for on top.
    Condition("asystole", "physiological", "high", "No pulse beats", ("ppg.hr",), off_delay_s=5.0),
    Condition(
        "murmur", "physiological", "low", "Heart murmur", ("pcg.murmur",),
        k=3, n=5, spacing_s=5.0, off_delay_s=10.0,
    ),
    # 20 bpm: twice the +-10 bpm that two monitors within +-5 bpm (ANSI/AAMI EC13) of the truth can differ by.
    Condition(
        "hr_disagree", "physiological", "low", "Heart rates differ by {value} bpm", ("fused.spread",),
        limit=20.0, hysteresis=5.0, on_delay_s=20.0, off_delay_s=10.0,
    ),
)  # fmt: skip
_TECHNICAL = (
    Condition("sensor_off", "technical", "medium", "Sensor off: {source}", on_delay_s=5.0, off_delay_s=3.0),
    Condition(
        "low_quality", "technical", "low", "Signal too poor to judge: {source}",
        limit=0.3, hysteresis=0.1, on_delay_s=60.0, off_delay_s=15.0,
    ),
    Condition("source_lost", "technical", "medium", "No data from {source}", on_delay_s=3.0, off_delay_s=3.0),
    Condition("clock_step", "technical", "low", "The clock was set", lasts_s=300.0),
    Condition("overload", "technical", "medium", "Too slow to keep up", on_delay_s=5.0, off_delay_s=30.0),
    Condition("outbox_full", "technical", "medium", "Alarms cannot be stored", off_delay_s=5.0),
    Condition("recording_lost", "technical", "low", "Recordings are not kept", off_delay_s=5.0),
    Condition("model_fault", "technical", "medium", "A model does not work", off_delay_s=10.0),
    Condition("broker_lost", "technical", "low", "Not connected to the broker", on_delay_s=10.0, off_delay_s=5.0),
    Condition("name_clash", "technical", "medium", "Another monitor has the name of this one"),
    Condition("annunciator_lost", "technical", "medium", "The local annunciator does not work"),
)  # fmt: skip
_DRILL = Condition(DRILL, "technical", "medium", "DRILL, nobody is in danger", latching=False, lasts_s=120.0)
CONDITIONS: Final = tuple(c.name for c in (*_PHYSIOLOGICAL, *_TECHNICAL))
DEFAULTS: Final[Mapping[str, Condition]] = MappingProxyType({c.name: c for c in (*_PHYSIOLOGICAL, *_TECHNICAL, _DRILL)})


def conditions_of(bed: str) -> tuple[str, ...]:
    """What may be wrong with a bed; or with the device, as ``_device``: a model can fail for all beds at once."""
    if bed == DEVICE_BED:
        return tuple(name for name in CONDITIONS if name in OF_DEVICE or name == "model_fault")
    return tuple(name for name in CONDITIONS if name not in OF_DEVICE)
