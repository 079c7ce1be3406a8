"""What one reading says about one condition: yes, no, between (inside the hysteresis) or unknown.

A reading without a value never speaks for or against a physiological condition, with one exception written out here:
the pulse analyzer and the fusion may know of a slow, fast or missing beat while they refuse to name a rate
(``no_pulse``, ``disagreement``); what they put in ``detail`` may then raise, and still never clears.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from edge.alarms.conditions import BELOW, BESIDE, DISPENSABLE, RATE_CONDITIONS, Condition
from edge.types import Reading

Verdict = Literal["yes", "no", "between", "unknown"]
OFF_REASONS: Final = frozenset({"sensor_off", "no_signal"})
SILENT_REASONS: Final = frozenset({"warming_up", "too_short", "standby", "model_fault"})
"""Reasons that tell nothing about the sensor or the signal."""
_FINDING_REASONS: Final = frozenset({"no_pulse", "disagreement"})
_RATE_KEY: Final = {"brady": "brady_bpm", "tachy": "tachy_bpm"}


class Finding(NamedTuple):
    """The verdict and the figure or word it rests on."""

    verdict: Verdict
    value: float | str | None = None


UNKNOWN: Final = Finding("unknown")


def judge(condition: Condition, reading: Reading) -> Finding:
    """What ``reading`` says about ``condition``."""
    if condition.kind == "technical":
        return _technical(condition, reading)
    if reading.value is None:
        if condition.name in RATE_CONDITIONS and reading.reason in _FINDING_REASONS:
            finding = _physiological(condition, reading)
            return finding if finding.verdict == "yes" else UNKNOWN
        return UNKNOWN
    if reading.quality < condition.min_quality:
        return UNKNOWN
    return _physiological(condition, reading)


def _physiological(condition: Condition, reading: Reading) -> Finding:
    if condition.name == "asystole":
        return _asystole(condition, reading.detail)
    if condition.name == "af":
        probability = reading.detail.get("p_AF")
        if isinstance(probability, bool) or not isinstance(probability, int | float):
            return Finding("yes" if reading.value == "af" else "no", reading.value)
        if condition.limit is None:
            return Finding("yes" if reading.value == "af" else "no", float(probability))
        return Finding(_against(condition, float(probability)), float(probability))
    if condition.name == "murmur":
        return _murmur(condition, reading)
    key = _RATE_KEY.get(condition.name, "")
    figure = reading.detail.get(key, reading.value)
    if isinstance(figure, bool) or not isinstance(figure, int | float):
        return UNKNOWN
    return Finding(_against(condition, float(figure)), float(figure))


def _asystole(condition: Condition, detail: Mapping[str, Any]) -> Finding:
    says, gap_s = detail.get("asystole"), detail.get("longest_gap_s")
    if says is None or (condition.limit is not None and gap_s is None):
        return UNKNOWN
    gap_value = None if gap_s is None else float(gap_s)
    if not says:
        return Finding("no", gap_value)
    if condition.limit is None or gap_value is None:
        return Finding("yes", gap_value)
    return Finding(_against(condition, gap_value), gap_value)


def _murmur(condition: Condition, reading: Reading) -> Finding:
    value, decision = reading.value, reading.detail.get("decision")
    patient = reading.detail.get("patient")
    if patient is not None:  # the site is known: what counts is the verdict over all sites of the person
        value, decision = patient["p_present"], patient["decision"]
    if decision == "unknown" or isinstance(value, str) or value is None:
        return UNKNOWN
    if condition.limit is not None:
        return Finding(_against(condition, value), value)
    positive = value >= 0.5 if decision is None else decision == "present"
    return Finding("yes" if positive else "no", value)


def _technical(condition: Condition, reading: Reading) -> Finding:
    reason = reading.reason
    if condition.name == "sensor_off":
        return _by_reason(reason in OFF_REASONS, reason in SILENT_REASONS or reason == "gap", reason)
    if condition.name == "model_fault":
        return _by_reason(reason == "model_fault", reading.value is None, reason)
    starts = reason == "warming_up"  # which a source that starts over and over does for ever
    if reason in OFF_REASONS or (reason in SILENT_REASONS and not starts):
        return UNKNOWN
    if reading.metric in BESIDE:
        return UNKNOWN if starts else Finding("no", reading.quality)
    lacking = reason == "out_of_distribution" and reading.metric in DISPENSABLE  # of the source, not of the signal
    if reading.value is None and not lacking:
        return Finding("yes", reason)
    return Finding(_against(condition, reading.quality), reading.quality)


def _by_reason(holds: bool, silent: bool, reason: str) -> Finding:
    if holds:
        return Finding("yes", reason)
    return UNKNOWN if silent else Finding("no")


def _against(condition: Condition, figure: float) -> Verdict:
    limit = condition.limit
    if limit is None:
        return "unknown"
    if condition.name in BELOW:
        if figure < limit:
            return "yes"
        return "no" if figure >= limit + condition.hysteresis else "between"
    if figure >= limit:
        return "yes"
    return "no" if figure < limit - condition.hysteresis else "between"
