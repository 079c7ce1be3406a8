"""The rules of a bed: the shipped conditions, and what a configuration changes of them.

``rules_from`` turns a plain mapping (one per device or bed) into ``AlarmRules``, naming the nearest valid key for each
mistake.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final

from edge.alarms.conditions import BELOW, DEFAULTS, RATE_CONDITIONS, Condition
from edge.nearest import nearest
from edge.types import PRIORITIES, ConfigError

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
_ANYWHERE: Final = (-math.inf, math.inf)
_ENDS_BY_ITS_SOURCE: Final = frozenset({"asystole"})
"""Whose analyzer says that it is over, whatever the limit."""
_DAY_S: Final = 86_400.0
_LONGEST_S: Final = MappingProxyType({"standby_max_s": 31 * _DAY_S})
"""Of all other times, a day."""
_MOST_COVERAGE: Final = 0.99
"""What is watched without a hole reaches it, though its newest seconds are yet to come; a limit above counts as this."""
_FIXED: Final = frozenset({"name", "kind"})
SETTABLE: Final = tuple(f.name for f in fields(Condition) if f.name not in _FIXED)


@dataclass(frozen=True, slots=True)
class AlarmRules:
    """All rules of one bed.

    pause_max_s, standby_max_s, shelve_max_s: the longest that may be asked for, s.
    silent_s: a stream that gave readings and gives none for so long is lost, whatever else its source sends, and so is a
        source that is there and gives none at all, s (0 = only the source itself says so).
    coverage_limit: share of the last hour that must have been watched, under it ``low_quality``; 0 = never, 1 = 0.99.
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
    if "coverage_limit" in changed:
        changed["coverage_limit"] = min(changed["coverage_limit"], _MOST_COVERAGE)
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
    for key in ("limit", "severe_limit"):
        _must_be_reached(f"{where}.{key if key in changed else 'metrics'}", rule, getattr(rule, key))
    _must_end(where, rule, changed)
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
    if not follows > 0 or not _reached(rule, follows):  # nor where none follows
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


def _reaches(rule: Condition) -> list[tuple[float, float]]:
    """Within what each figure that feeds a rule lies; of figures of somebody else nobody knows."""
    own = _REACH_OF.get(rule.name)
    return [own] if own else [_REACH.get(metric, _ANYWHERE) for metric in rule.metrics or ("",)]


def _reached(rule: Condition, limit: float) -> bool:
    return any(low <= limit <= high for low, high in _reaches(rule))


def _must_be_reached(where: str, rule: Condition, limit: float | None) -> None:
    """Raise ConfigError where nothing that feeds a rule can pass its limit, as with a digit too many."""
    if limit is None or _reached(rule, limit):
        return
    reaches = _reaches(rule)
    low, high = min(reach[0] for reach in reaches), max(reach[1] for reach in reaches)
    raise ConfigError(f"{where}: {limit:g} must lie in {low:g} to {high:g}: no reading is beyond it")


def _must_end(where: str, rule: Condition, changed: Mapping[str, Any]) -> None:
    """Raise ConfigError where something that raises a rule can never be back past its limit by the hysteresis, or where a
    thing of a moment, which nothing else ends, would not end by itself."""
    if DEFAULTS[rule.name].lasts_s and not rule.lasts_s:
        raise ConfigError(f"{where}.lasts_s: 0 would never end it: nothing else does")
    if rule.limit is None or rule.name in _ENDS_BY_ITS_SOURCE:
        return
    below = rule.name in BELOW
    over = rule.limit + rule.hysteresis if below else rule.limit - rule.hysteresis
    for low, high in _reaches(rule):
        if over > high if below else over <= low:
            key = next((key for key in ("hysteresis", "limit") if key in changed), "metrics")
            says = f"it ends {'from' if below else 'below'} {over:g}, and readings lie in {low:g} to {high:g}"
            raise ConfigError(f"{where}.{key}: it would never end: {says}")


def _text(where: str, value: object) -> str:
    try:
        if isinstance(value, str):
            value.format(value="", limit="", source="")
            return value
    except (KeyError, IndexError, ValueError, AttributeError):
        pass
    raise ConfigError(f"{where}: a text with no fields but {{value}}, {{limit}} and {{source}}, not {value!r}")


def _number(where: str, value: object) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number of hundreds of digits
            number = float(value)
    if not 0 <= number < math.inf:
        raise ConfigError(f"{where}: a number from 0, not {value!r}")
    return number
