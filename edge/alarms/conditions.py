"""What can go wrong, when it counts, and how urgent it is: every alarm rule of the product in one frozen table.

A ``Condition`` says which readings feed it, its limit with hysteresis, its delays, how many windows must agree and its
priority. ``rules_from`` turns a plain mapping (one per device or bed) into ``AlarmRules``, naming the nearest valid key
for each mistake. Words follow HL7 FHIR DeviceAlert, OPC UA Part 9 and ISA-18.2; no conformity is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final

from edge.nearest import nearest
from edge.types import PRIORITIES, ConfigError

PER_SOURCE: Final = frozenset({"sensor_off", "low_quality", "source_lost"})
OF_DEVICE: Final = frozenset(
    {"clock_step", "overload", "outbox_full", "recording_lost", "broker_lost", "name_clash", "annunciator_lost"}
)
DEVICE_BED: Final = "_device"
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
    # 5 of 7: measured (7 of 28 people, 4 of 188 ICU records ever falsely alerted); one 10 s window proves nothing
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
_RATE: Final = (20.0, 250.0)  # 1/min; wider than the rates that are ever said
_REACH: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        **dict.fromkeys(("ppg.hr", "pcg.hr", "camera.hr", "fused.hr"), _RATE),
        "fused.spread": (0.0, _RATE[1]),
    }
)
_REACH_OF: Final = MappingProxyType(
    {**dict.fromkeys(("af", "murmur", "low_quality"), (0.0, 1.0)), "asystole": (0.0, 60.0)}
)
"""Within what a reading lies, or of a condition, what is judged instead: a probability, a share, seconds without a beat.
An alarm whose limit lies outside would never come, or never end."""
_DAY_S: Final = 86_400.0
_LONGEST_S: Final = MappingProxyType({"standby_max_s": 31 * _DAY_S})
"""Of all other times, a day."""
_FIXED: Final = frozenset({"name", "kind"})
SETTABLE: Final = tuple(f.name for f in fields(Condition) if f.name not in _FIXED)


@dataclass(frozen=True, slots=True)
class AlarmRules:
    """All rules of one bed.

    pause_max_s, standby_max_s, shelve_max_s: the longest that may be asked for, s.
    silent_s: a stream that gave readings and gives none for so long is lost, whatever else its source sends, and so is a
        source that is there and gives none at all, s (0 = only the source itself says so).
    coverage_limit: share of the last hour that must have been watched, under it ``low_quality``; 0 = never.
    """

    conditions: Mapping[str, Condition] = field(default_factory=lambda: DEFAULTS)
    pause_max_s: float = 600.0
    standby_max_s: float = 28_800.0
    shelve_max_s: float = 3_600.0
    silent_s: float = 15.0
    coverage_limit: float = 0.5

    def __getitem__(self, name: str) -> Condition:
        return self.conditions[name]


_BED_KEYS: Final = tuple(f.name for f in fields(AlarmRules) if f.name != "conditions")


def rules_from(
    mapping: Mapping[str, Any], *, base: AlarmRules | None = None, fused: bool = False, where: str = "alarms"
) -> AlarmRules:
    """Rules of one bed from a plain mapping such as ``{"brady": {"limit": 40}, "pause_max_s": 120}``.

    base: what the mapping changes (a device's rules for a bed); the shipped rules by default.
    fused: brady, tachy and asystole listen to ``fused.hr`` (several lanes) unless the mapping says otherwise.
    where: how the mapping is called in messages. Raises ConfigError naming the key and the nearest valid one.
    """
    start = base or AlarmRules()
    conditions = dict(start.conditions)
    if fused:
        for name in RATE_CONDITIONS:
            conditions[name] = replace(conditions[name], metrics=("fused.hr",))
    changed: dict[str, float] = {}
    for key, given in mapping.items():
        if key in conditions:
            conditions[key] = _condition_from(f"{where}.{key}", conditions[key], given)
        elif key in _BED_KEYS:
            changed[key] = _time(f"{where}.{key}", key, _number(f"{where}.{key}", given))
        else:
            raise ConfigError(f"{where}.{key}: unknown{nearest(key, (*DEFAULTS, *_BED_KEYS))}")
    if changed.get("coverage_limit", 0.0) > 1.0:
        raise ConfigError(f"{where}.coverage_limit: a share, 0 to 1")
    return replace(start, conditions=MappingProxyType(conditions), **changed)


def _condition_from(where: str, start: Condition, given: object) -> Condition:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: a table of settings such as {{on_delay_s = 10}}, not {given!r}")
    changed = {}
    for key, value in given.items():
        if key not in SETTABLE:
            raise ConfigError(f"{where}.{key}: unknown{nearest(key, SETTABLE)}")
        changed[key] = _setting(f"{where}.{key}", key, value)
    rule = replace(start, **changed)
    for key in {"limit", "severe_limit"} & changed.keys():
        _must_be_reached(f"{where}.{key}", rule, changed[key])
    if rule.k > rule.n:
        raise ConfigError(f"{where}.k: {rule.k} of {rule.n} windows cannot agree; k is at most n")
    if rule.n > 1 and rule.spacing_s <= 0:
        raise ConfigError(f"{where}.spacing_s: confirmation over {rule.n} windows needs their distance in s")
    if "on_delay_s" in changed and "severe_on_delay_s" not in changed:
        rule = replace(rule, severe_on_delay_s=min(rule.severe_on_delay_s, rule.on_delay_s))
    if rule.severe_limit is None or rule.limit is None or _beyond(rule.name, rule.severe_limit, rule.limit):
        return rule
    if "severe_limit" in changed:
        raise ConfigError(f"{where}.severe_limit: {rule.severe_limit:g} is not beyond the limit {rule.limit:g}")
    # who moves the limit past the severe one has not asked for a heart that no longer raises a high alarm
    follows = math.nan
    if start.limit is not None and start.severe_limit is not None:
        follows = rule.limit + start.severe_limit - start.limit
    if not follows > 0:  # nor where none follows
        raise ConfigError(f"{where}.severe_limit: needed, since the limit {rule.limit:g} is past {rule.severe_limit:g}")
    return replace(rule, severe_limit=follows)


def _beyond(name: str, severe_limit: float, limit: float) -> bool:
    return severe_limit < limit if name in BELOW else severe_limit > limit


def _setting(where: str, key: str, value: object) -> Any:
    if key in ("priority", "severe_priority"):
        if value not in PRIORITIES:
            raise ConfigError(f"{where}: one of {', '.join(PRIORITIES)}, not {value!r}")
        return value
    if key == "text":
        return _text(where, value)
    if key == "metrics":
        if not isinstance(value, list | tuple) or not value or not all(isinstance(m, str) for m in value):
            raise ConfigError(f'{where}: a list of metrics such as ["ppg.hr"], not {value!r}')
        return tuple(value)
    if key == "enabled" or (key == "latching" and value is not None):
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: true or false, not {value!r}")
        return value
    if value is None and key in ("limit", "severe_limit", "realarm_s", "latching"):
        return None
    number = _number(where, value)
    if key in ("k", "n"):
        if number < 1 or number != int(number):
            raise ConfigError(f"{where}: a whole number from 1, not {value!r}")
        return int(number)
    if key == "min_quality" and number > 1:
        raise ConfigError(f"{where}: a quality, 0 to 1, not {value!r}")
    return _time(where, key, number)


def _time(where: str, key: str, number: float) -> float:
    longest = _LONGEST_S.get(key, _DAY_S)
    if key.endswith("_s") and number > longest:
        raise ConfigError(f"{where}: at most {longest:g} s, not {number:g}")
    return number


def _must_be_reached(where: str, rule: Condition, limit: float | None) -> None:
    """Raise ConfigError where nothing that feeds a rule can pass its limit, as with a digit too many."""
    own = _REACH_OF.get(rule.name)
    reaches = [own] if own else [_REACH.get(metric, (0.0, math.inf)) for metric in rule.metrics or ("",)]
    low, high = min(reach[0] for reach in reaches), max(reach[1] for reach in reaches)
    if limit is not None and not low <= limit <= high:
        raise ConfigError(f"{where}: {limit:g} must lie in {low:g} to {high:g}: no reading is beyond it")


def _text(where: str, value: object) -> str:
    try:
        if isinstance(value, str):
            value.format(value="", limit="", source="")
            return value
    except (KeyError, IndexError, ValueError, AttributeError):
        pass
    raise ConfigError(f"{where}: a text with no fields but {{value}}, {{limit}} and {{source}}, not {value!r}")


def _number(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ConfigError(f"{where}: a number from 0, not {value!r}")
    return float(value)
