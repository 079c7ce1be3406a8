"""Conditions: one table, as the contract names them."""

from dataclasses import replace

from edge.alarms.conditions import CONDITIONS, DEFAULTS, priority_of

CONTRACT = (
    "af brady tachy asystole murmur hr_disagree"
    " sensor_off low_quality source_lost clock_step overload outbox_full model_fault broker_lost"
)
ADDED = {"annunciator_lost", "name_clash", "recording_lost"}


def test_the_conditions_are_those_of_the_contract():
    assert set(CONDITIONS) == set(CONTRACT.split()) | ADDED
    assert [c for c in CONDITIONS if DEFAULTS[c].kind == "physiological"] == CONTRACT.split()[:6]


def test_priority_and_latching():
    brady = DEFAULTS["brady"]
    assert [priority_of(brady, s) for s in (False, True)] == ["medium", "high"]
    assert [brady.latches(p) for p in ("low", "medium", "high")] == [False, False, True]
    always = replace(brady, latching=True)
    assert always.latches("low")
    assert always.realarms_after_s("low") == 0
