"""What one reading says about one condition."""

import pytest

from edge.alarms.conditions import CONDITIONS, DEFAULTS
from edge.alarms.judge import judge
from edge.alarms.rules import rules_from
from edge.types import REASONS, Reading


def reading(metric, value, quality=0.9, reason="", **detail):
    return Reading(metric, 1.0, value, quality=quality, reason=reason, detail=detail)


def said(condition, *args, rules=None, **kw):
    return judge((rules or rules_from({}))[condition], reading(*args, **kw)).verdict


@pytest.mark.parametrize(
    ("bpm", "brady", "tachy"),
    [
        (44.9, "yes", "no"),
        (45, "between", "no"),
        (47.9, "between", "no"),
        (48, "no", "no"),
        (124.9, "no", "no"),
        (125, "no", "between"),
        (129.9, "no", "between"),
        (130, "no", "yes"),
        (300, "no", "yes"),
    ],
)
def test_rates_against_limits_with_hysteresis(bpm, brady, tachy):
    assert said("brady", "ppg.hr", bpm) == brady
    assert said("tachy", "ppg.hr", bpm) == tachy


@pytest.mark.parametrize(("quality", "verdict"), [(0.2, "yes"), (0.19, "unknown")])
def test_a_reading_counts_from_its_least_quality_on(quality, verdict):
    assert said("tachy", "ppg.hr", 150.0, quality) == verdict


def test_the_beats_count_before_the_rate():
    assert said("brady", "ppg.hr", 70.0, brady_bpm=30.0) == "yes"
    assert said("brady", "ppg.hr", 30.0, brady_bpm=None) == "unknown"
    assert said("tachy", "ppg.hr", 70.0, tachy_bpm=150.0) == "yes"
    assert said("brady", "ppg.hr", 70.0, brady_bpm=True) == "unknown", "a word, no rate"
    assert said("brady", "ppg.hr", 30.0, rules=rules_from({"brady": {"limit": None}})) == "unknown"


def test_asystole_is_the_analyzers_word_unless_a_limit_is_set():
    assert [said("asystole", "ppg.hr", 70.0, asystole=a) for a in (1, 0, None)] == ["yes", "no", "unknown"]
    assert said("asystole", "ppg.hr", 70.0) == "unknown"
    assert said("asystole", "ppg.hr", 70.0, asystole=1, longest_gap_s=1.0) == "yes"
    longer = rules_from({"asystole": {"limit": 4}})
    assert said("asystole", "ppg.hr", 70.0, asystole=1, longest_gap_s=3.0, rules=longer) == "no"
    assert said("asystole", "ppg.hr", 70.0, asystole=1, longest_gap_s=4.0, rules=longer) == "yes"
    assert said("asystole", "ppg.hr", 70.0, asystole=0, longest_gap_s=9.0, rules=longer) == "no"
    assert [said("asystole", "ppg.hr", 70.0, asystole=a, rules=longer) for a in (0, 1)] == ["unknown"] * 2


def test_af_is_the_analyzers_decision_or_a_probability():
    assert said("af", "ppg.rhythm", "af", p_AF=0.4) == "yes"
    assert said("af", "ppg.rhythm", "sinus", p_AF=0.6) == "no"
    told = [judge(DEFAULTS["af"], reading("ppg.rhythm", "af", **detail)).value for detail in ({"p_AF": 0.4}, {})]
    assert told == [0.4, "af"]
    strict = rules_from({"af": {"limit": 0.8, "hysteresis": 0.1}})
    words = [said("af", "ppg.rhythm", "af", p_AF=p, rules=strict) for p in (0.85, 0.75, 0.6)]
    assert words == ["yes", "between", "no"]
    assert said("af", "ppg.rhythm", "af", rules=strict) == "yes", "without a probability the decision"
    assert said("af", "ppg.rhythm", "sinus", p_AF=True, rules=strict) == "no"
    assert said("af", "ppg.rhythm", None, 0.0, "no_pulse", p_AF=0.9, rules=strict) == "unknown"


def test_murmur_is_a_decision_or_a_probability_and_unknown_is_neither():
    assert said("murmur", "pcg.murmur", 0.4, decision="present") == "yes"
    assert said("murmur", "pcg.murmur", 0.9, decision="absent") == "no"
    assert said("murmur", "pcg.murmur", 0.9, decision="unknown") == "unknown"
    assert [said("murmur", "pcg.murmur", p) for p in (0.5, 0.499)] == ["yes", "no"]
    assert said("murmur", "pcg.murmur", "loud") == "unknown"
    patient = {"p_present": 0.9, "decision": "present"}
    assert judge(DEFAULTS["murmur"], reading("pcg.murmur", 0.1, decision="absent", patient=patient)) == ("yes", 0.9)
    assert said("murmur", "pcg.murmur", 0.9, decision="present", patient=patient | {"decision": "unknown"}) == "unknown"
    assert said("murmur", "pcg.murmur", 0.9, decision="absent", rules=rules_from({"murmur": {"limit": 0.8}})) == "yes"


@pytest.mark.parametrize("condition", [c for c in CONDITIONS if DEFAULTS[c].kind == "physiological"])
@pytest.mark.parametrize("reason", sorted(REASONS))
def test_no_value_says_nothing_about_physiology(condition, reason):
    any_quality = rules_from({condition: {"min_quality": 0}})
    for metric in DEFAULTS[condition].metrics:
        assert said(condition, metric, None, 0.0, reason) == "unknown"
        assert said(condition, metric, None, 0.0, reason, rules=any_quality) == "unknown"


def test_a_missing_beat_is_known_where_a_rate_is_not_and_never_clears():
    assert said("asystole", "ppg.hr", None, 0.0, "no_pulse", asystole=1) == "yes"
    assert said("asystole", "ppg.hr", None, 0.0, "no_pulse", asystole=0) == "unknown"
    assert said("asystole", "ppg.hr", None, 0.0, "low_quality", asystole=1) == "unknown"
    assert said("brady", "fused.hr", None, 0.0, "disagreement", brady_bpm=30.0) == "yes"
    assert said("brady", "fused.hr", None, 0.0, "disagreement", brady_bpm=70.0) == "unknown"


def test_poor_readings_say_nothing_about_physiology():
    assert said("brady", "ppg.hr", 30.0, quality=0.1) == "unknown"


@pytest.mark.parametrize(
    ("reason", "sensor_off", "low_quality", "model_fault"),
    [
        ("sensor_off", "yes", "unknown", "unknown"),
        ("no_signal", "yes", "unknown", "unknown"),
        ("motion", "no", "yes", "unknown"),
        ("gap", "unknown", "yes", "unknown"),
        ("warming_up", "unknown", "yes", "unknown"),
        ("standby", "unknown", "unknown", "unknown"),
        ("model_fault", "unknown", "unknown", "yes"),
    ],
)
def test_reasons_feed_technical_conditions(reason, sensor_off, low_quality, model_fault):
    assert said("sensor_off", "ppg.hr", None, 0.0, reason) == sensor_off
    assert said("low_quality", "ppg.hr", None, 0.0, reason) == low_quality
    assert said("model_fault", "ppg.hr", None, 0.0, reason) == model_fault


def test_a_rate_that_sound_does_not_tell_is_no_poor_sound():
    assert said("low_quality", "pcg.hr", None, 0.1, "low_quality") == "no"
    assert said("low_quality", "pcg.hr", 70.0, 0.1) == "no"
    assert said("low_quality", "pcg.murmur", None, 0.0, "low_quality") == "yes", "the sound itself"
    assert said("low_quality", "ppg.hr", None, 0.0, "low_quality") == "yes"
    assert [said("low_quality", "pcg.hr", None, 0.0, why) for why in ("sensor_off", "warming_up")] == ["unknown"] * 2


def test_a_perfusion_that_a_source_cannot_have_is_no_poor_signal():
    assert said("low_quality", "ppg.perfusion", None, 0.9, "out_of_distribution") == "no"
    assert said("low_quality", "ppg.perfusion", None, 0.1, "out_of_distribution") == "yes", "the signal is poor beside"
    assert said("low_quality", "ppg.perfusion", None, 0.9, "motion") == "yes"
    assert said("low_quality", "ppg.rhythm", None, 0.9, "out_of_distribution") == "yes"


def test_quality_itself_has_a_limit():
    assert [said("low_quality", "ppg.hr", 70.0, quality=q) for q in (0.29, 0.35, 0.4)] == ["yes", "between", "no"]
