"""Readings, silence and faults become occurrences, from raise to end."""

from __future__ import annotations

import json

import pytest

from board_told import board, hr, rates, say, what
from edge.types import Fault, Reading, SourceStatus


def test_an_occurrence_from_raise_to_end_and_the_next_one_is_new():
    one = board()
    assert rates(one, [43] * 4 + [70] * 3) == [(2.0, "on", "raised"), (5.0, "off", "cleared")]
    told = [a for i in range(3) for a in one.update(hr(10.0 + i, 43))]
    assert [a.occurrence for a in told] == ["boot.bed1.brady.2"]
    assert (told[0].since, told[0].value, told[0].limit, told[0].seq, told[0].priority) == (10.0, 43, 45.0, 3, "medium")


def test_a_standing_alarm_says_the_last_value_that_was_past_the_limit():
    one = board()
    rates(one, [43, 43, 43, 44, None, 41])
    (alarm,) = one.active()
    assert (alarm.value, alarm.since) == (41, 0.0)
    rates(one, [46], start=6.0)  # inside the hysteresis
    (_, (acknowledged,)) = one.command(say("ack", 7.0))
    assert (acknowledged.value, acknowledged.text) == (41, "Heart rate 41 below 45 bpm")


@pytest.mark.parametrize(("bpm", "shown"), [(44.4, "44"), (44.7, "44.7"), (44.96, "44.96")])
def test_a_value_is_told_on_the_side_of_the_limit_on_which_it_is(bpm, shown):
    one = board()
    rates(one, [bpm] * 3)
    assert [a.text for a in one.active()] == [f"Heart rate {shown} below 45 bpm"]


@pytest.mark.parametrize(
    ("value", "quality", "reason", "why"),
    [(None, 0.0, "gap", " (gap)"), (None, 0.1, "out_of_distribution", " (out of distribution)"), (70.0, 0.25, "", "")],
)
def test_a_signal_too_poor_to_judge_says_why_where_that_is_known(value, quality, reason, why):
    one = board()
    for t in range(62):
        one.update(Reading("ppg.rhythm", float(t), value, "", quality, reason, {}, "bed1", "node"))
    assert [a.text for a in one.active()] == [f"Signal too poor to judge: node{why}"]


def test_an_alarm_carries_its_evidence():
    one = board()
    for t in range(3):
        told = one.update(hr(float(t), 43, brady_bpm=42.0, tachy_bpm=None, still=True, ibi_s=[1.4]))
    (alarm,) = told
    evidence = json.loads(json.dumps(alarm.evidence))
    assert evidence["reading"] == {
        "metric": "ppg.hr",
        "source": "node",
        "t": 2.0,
        "value": 43,
        "quality": 0.9,
        "reason": "",
        "model": "",
        "detail": {"brady_bpm": 42.0, "tachy_bpm": None, "still": True},
    }
    assert evidence["rule"]["limit"] == 45.0
    assert evidence["rule"]["on_delay_s"] == 2.0
    assert evidence["span"] == [0.0, 2.0]
    assert alarm.text == "Heart rate 42 below 45 bpm"


def test_escalation_sounds_again_and_deescalation_does_not():
    one = board()
    rates(one, [43] * 3)
    one.command(say("ack", 2.5, id="bed1/brady"))
    escalated = one.update(hr(3.0, 38))
    assert what(escalated) == [("bed1/brady", "on", "escalated")]
    assert (escalated[0].priority, escalated[0].limit) == ("high", 40.0)
    one.command(say("ack", 3.5, id="bed1/brady"))
    assert rates(one, [44, 44, 44], 4.0) == [(5.0, "ack", "deescalated")]
    assert one.active()[0].priority == "medium"


def test_what_was_high_latches_and_an_acknowledgement_ends_it():
    one = board()
    assert rates(one, [38, 70, 70, 70]) == [(0.0, "on", "raised"), (2.0, "latched", "latched")]
    assert what(one.command(say("ack", 5.0))[1]) == [("bed1/brady", "off", "acknowledged")]
    assert one.active() == []


def test_what_was_high_and_acknowledged_does_not_latch():
    one = board()
    rates(one, [38])
    one.command(say("ack", 0.5))
    assert rates(one, [70, 70, 70], 1.0) == [(2.0, "off", "cleared")]


def test_a_latched_alarm_that_returns_is_the_same_occurrence():
    one = board()
    rates(one, [38, 70, 70])
    assert rates(one, [38], 3.0) == [(3.0, "on", "returned")]
    assert one.active()[0].occurrence == "boot.bed1.brady.1"


def test_a_standing_alarm_sounds_again_acknowledged_or_not():
    one = board()
    rates(one, [43] * 3)
    assert one.tick(101.9) == []
    assert [(a.t, a.evidence["realarms"]) for a in one.tick(102.5)] == [(102.0, 1)]
    one.command(say("ack", 150.0))
    assert one.tick(249.9) == []
    assert what(one.tick(250.0)) == [("bed1/brady", "on", "realarmed")]


def test_sources_come_and_go():
    one = board()
    assert one.update(SourceStatus("node", "bed1", 10.0, "offline", "unplugged")) == []
    assert one.tick(12.9) == []
    (told,) = one.tick(14.0)
    assert (told.id, told.t, told.text, told.source) == (
        "bed1/source_lost/node",
        13.0,
        "No data from node: unplugged",
        "node",
    )
    one.update(SourceStatus("node", "bed1", 20.0, "online"))
    assert [(a.t, a.presence) for a in one.tick(30.0)] == [(23.0, "off")]


def test_a_source_without_readings_is_lost_even_if_nobody_says_so():
    one = board()
    one.update(hr(0.0, 70))
    one.update(hr(0.0, 70, metric="camera.hr", source="cam"))
    told = []
    for t in range(1, 30):
        told += one.update(hr(float(t), 70)) + one.tick(t + 0.5)
    assert [(a.id, a.text) for a in told] == [("bed1/source_lost/cam", "No camera readings from cam for 15 s")]
    one.update(hr(30.0, 70, metric="camera.hr", source="cam"))
    assert [(a.t, a.presence) for a in one.tick(40.0)] == [(33.0, "off")]


def test_a_disabled_source_is_not_missed():
    one = board()
    one.update(hr(0.0, 70))
    one.update(SourceStatus("node", "bed1", 1.0, "disabled"))
    assert [one.tick(float(t)) for t in range(2, 60)] == [[]] * 58


def test_sensor_off_is_of_the_source_and_of_any_of_its_streams():
    one = board()
    told = []
    for t in range(4):
        told += one.update(hr(float(t), None, reason="sensor_off"))
        told += one.update(hr(t + 0.1, 0.1, metric="pcg.murmur"))
    assert [(a.id, a.t, a.priority, a.kind) for a in told] == [("bed1/sensor_off/node", 1.0, "medium", "technical")]
    assert what(one.update(hr(5.0, 70))) == [("bed1/sensor_off/node", "off", "cleared")]


def test_faults_of_the_device_stand_on_its_own_bed():
    one = board()
    assert what(one.update(Fault("outbox_full", 1.0, True, "disk full", bed="bed1"))) == [
        ("_device/outbox_full", "on", "raised")
    ]
    assert one.active()[0].text == "disk full"
    one.update(Fault("outbox_full", 2.0, False))
    assert what(one.tick(7.0)) == [("_device/outbox_full", "off", "cleared")]
    one.update(Fault("model_fault", 8.0, True, "murmur: golden mismatch", bed="bed1", source="murmur"))
    assert one.active()[0].id == "bed1/model_fault"
    assert what(one.update(Fault("model_fault", 9.0, True, "no model"))) == [("_device/model_fault", "on", "raised")]
    with pytest.raises(ValueError, match="not a technical condition"):
        one.update(Fault("brady", 1.0, True))
    with pytest.raises(ValueError, match="not a technical condition"):
        one.update(Fault("bradi", 1.0, True))
    with pytest.raises(ValueError, match="no bed 'bed9'"):
        one.update(hr(1.0, 70, bed="bed9"))


def test_a_clock_step_ends_by_itself():
    one = board()
    assert what(one.update(Fault("clock_step", 1.0, True))) == [("_device/clock_step", "on", "raised")]
    assert one.tick(300.0) == []
    assert what(one.tick(301.0)) == [("_device/clock_step", "off", "cleared")]


def test_a_condition_that_is_off_says_nothing():
    one = board({"brady": {"enabled": False}, "source_lost": {"enabled": False}})
    assert rates(one, [30] * 60) == []
    one.update(SourceStatus("node", "bed1", 60.0, "offline"))
    assert one.tick(100.0) == []


def test_the_same_input_gives_the_same_alarms():
    def told():
        one = board()
        return [a for t in range(60) for a in one.update(hr(float(t), 38 if t % 20 > 10 else 70)) + one.tick(t + 0.5)]

    assert told() == told()
    assert len(told()) > 2


def test_an_alarm_carries_the_readings_that_decided_its_model_card_and_its_recording():
    one = board(cards={"rhythm": "ab" * 32}, keeps_evidence=True)
    quiet = hr(0.0, 70)
    for t in range(12):
        one.update(hr(float(t), 70))
    rates(one, [44, None, 43, 46], start=12.0)
    (brady,) = [a for t in (16.0, 17.0, 18.0) for a in one.update(hr(t, 42)) if a.condition == "brady"]
    recent = brady.evidence["readings"]
    assert [(t, value, verdict) for t, value, _, verdict in recent[-5:]] == [
        (14.0, 43, "yes"), (15.0, 46, "between"), (16.0, 42, "yes"), (17.0, 42, "yes"), (18.0, 42, "yes"),
    ]  # fmt: skip
    assert [row[2] for row in recent] == [quiet.quality] * 8
    assert brady.evidence["recording"] == "boot.bed1.brady.1.evrec"
    assert "card" not in brady.evidence
    reading = Reading("ppg.rhythm", 20.0, "af", "", 0.9, "", {}, "bed1", "node", "rhythm 1.1.0 onnx-int8")
    (af,) = one.update(reading)
    assert af.evidence["card"] == "ab" * 32
    assert json.loads(json.dumps(af.evidence)) == af.evidence


def test_what_there_is_not_is_not_named():
    (af,) = board().update(Reading("ppg.rhythm", 20.0, "af", "", 0.9, "", {}, "bed1", "node"))
    assert set(af.evidence) == {"change", "reading", "readings", "rule", "span"}


def test_times_of_an_occurrence_never_go_back_and_the_next_one_has_its_own():
    one = board()
    rates(one, [43] * 3)
    one.command(say("ack", 50.0))  # by the clock; the readings are older
    assert rates(one, [70] * 2 + [43] * 3, 3.0) == [(50.0, "off", "cleared"), (7.0, "on", "raised")]


def test_of_several_voices_the_severe_one_is_told_else_the_one_that_has_lasted_longest():
    one = board()
    for t in range(4):
        one.update(hr(float(t), 44 if t else 70, source="node"))
        one.update(hr(t + 0.5, 43, source="cam"))
    (standing,) = one.active()
    assert (standing.since, standing.evidence["reading"]["source"]) == (0.5, "cam")
    (escalated,) = one.update(hr(4.0, 38, source="node"))
    assert (escalated.value, escalated.evidence["reading"]["source"], escalated.priority) == (38, "node", "high")
    (realarmed,) = one.tick(105.0)
    assert (realarmed.evidence["change"], realarmed.priority) == ("realarmed", "high")


def test_coverage_is_looked_at_once_a_minute():
    one = board()
    for now in (0.0, 30.0, 59.9):
        one.tick(now)
        assert one.snapshot()["beds"]["bed1"]["coverage_due"] == 60.0
    one.tick(60.0)
    assert one.snapshot()["beds"]["bed1"]["coverage_due"] == 120.0


def test_of_states_that_come_together_the_first_is_told():
    one = board()
    for t, part, present in ((0.5, "a", False), (1.0, "b", True), (3.0, "a", True)):
        one.update(Fault("overload", t, present, f"{part} is slow", source=part))
    (told,) = one.tick(10.0)
    assert (told.t, told.since, told.text) == (6.0, 1.0, "b is slow")


def test_what_several_lanes_say_together_is_no_source_that_could_fall_silent():
    one = board()
    one.update(Reading("fused.hr", 1.0, 70.0, "bpm", 0.9, bed="bed1"))
    assert [alarm for t in range(2, 200) for alarm in one.tick(float(t))] == []


def test_what_is_heard_of_a_bed_in_standby_has_no_value():
    one = board()
    one.command(say("standby", 10.0, seconds=20))
    unknown = Reading("ppg.hr", 15.0, None, "bpm", 0.0, "standby", bed="bed1", source="node")
    assert one.locate(hr(15.0, 43, brady_bpm=40.0)) == unknown
    assert one.locate(hr(30.0, 43)) == hr(30.0, 43)


def test_an_alarm_rests_on_its_reading_without_long_rows_and_on_its_rule():
    nested = {key: {"node": "x"} for key in ("overruled", "patient", "lanes", "models")}
    kept = {**nested, "agree": ["node"], "tachy_bpm": 150.0, "word": "x", "none": None, "yes": True, "count": 3}
    (told,) = board({"tachy": {"on_delay_s": 0}}).update(hr(1.0, 150.0, **kept, ibi_s=[0.4, 0.4], other={"a": 1}))
    assert told.evidence["reading"]["detail"] == kept
    assert told.evidence["rule"] == {
        "limit": 140.0, "hysteresis": 5.0, "on_delay_s": 0.0, "off_delay_s": 10.0, "confirm": [1, 1], "spacing_s": 0.0,
    }  # fmt: skip


def test_a_reading_of_no_bed_here_is_nobodys():
    lost = hr(1.0, 43, bed="bed9")
    assert board().locate(lost) is lost
    with pytest.raises(ValueError, match="no bed 'bed9' on this board; beds: _device, bed1"):
        board().update(lost)


def test_a_fault_of_no_bed_is_the_devices():
    one = board()
    told = one.update(Fault("model_fault", 1.0, True, "murmur: altered", bed="", source="murmur")) + one.tick(60.0)
    assert what(told) == [("_device/model_fault", "on", "raised")]


def test_a_source_tells_of_its_own_watching_and_of_no_other_sources():
    one = board(beds=("bed1", "bed2"))
    for t in range(101):
        one.update(hr(float(t), 70))
        one.update(hr(float(t), 70 if t <= 50 else None, source="cam", metric="camera.hr", reason="no_face"))
        one.update(hr(float(t), None, bed="bed2", source="other", reason="low_quality"))
    whole = {"hour": 1.0, "day": 1.0, "blind": []}
    half = {"hour": 0.5, "day": 0.5, "blind": [{"start": 50.0, "end": 100.0, "cause": "no_face"}]}
    assert one.source_coverage("bed1", "node", 100.0) == {"ppg.hr": whole}
    assert one.source_coverage("bed1", "cam", 100.0) == {"camera.hr": half}
    assert one.source_coverage("bed1", "other", 100.0) == {}
