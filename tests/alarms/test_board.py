"""The board: exact transitions of whole stories."""

import json

import pytest

from edge.alarms.auscultation import Place
from edge.alarms.board import Board
from edge.alarms.conditions import rules_from
from edge.types import Command, Fault, Reading, SourceStatus

QUICK = {
    "brady": {"on_delay_s": 2, "severe_on_delay_s": 0, "off_delay_s": 1, "realarm_s": 100},
    "af": {"k": 1, "n": 1, "off_delay_s": 0},
    "murmur": {"k": 1, "n": 1, "off_delay_s": 0},
    "sensor_off": {"on_delay_s": 1, "off_delay_s": 0},
}


def board(rules=None, beds=("bed1",), boot="boot", **kw):
    return Board({bed: rules_from(QUICK if rules is None else rules) for bed in beds}, boot=boot, **kw)


def hr(t, value, *, bed="bed1", source="node", metric="ppg.hr", reason="", **detail):
    quality = 0.0 if value is None else 0.9
    return Reading(metric, t, value, "bpm", quality, reason, detail, bed, source)


def rates(one, values, start=0.0, **kw):
    """Feed one rate a second (None = poor signal); (t, presence, what changed) of every transition."""
    told = []
    for i, value in enumerate(values):
        told += one.update(hr(start + i, value, reason="low_quality" if value is None else "", **kw))
    return [(a.t, a.presence, a.evidence["change"]) for a in told if a.kind == "physiological"]


def say(name, t=100.0, bed="bed1", **kw):
    say.count += 1
    return Command(name, bed, t, kw.pop("command_id", f"c{say.count}"), "nurse", **kw)


say.count = 0


def what(alarms):
    return [(a.id, a.presence, a.evidence["change"]) for a in alarms]


def test_an_occurrence_from_raise_to_end_and_the_next_one_is_new():
    one = board()
    assert rates(one, [43] * 4 + [70] * 3) == [(2.0, "on", "raised"), (5.0, "off", "cleared")]
    told = [a for i in range(3) for a in one.update(hr(10.0 + i, 43))]
    assert [a.occurrence for a in told] == ["boot.bed1.brady.2"]
    assert (told[0].since, told[0].value, told[0].limit, told[0].seq, told[0].priority) == (10.0, 43, 45.0, 3, "medium")


def test_an_alarm_carries_its_evidence():
    one = board()
    for t in range(3):
        told = one.update(hr(float(t), 43, brady_bpm=42.0))
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
        "detail": {"brady_bpm": 42.0},
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


def test_poor_signal_pauses_and_neither_raises_nor_clears():
    one = board()
    assert rates(one, [43, 43, None, None, 43, 43]) == [(5.0, "on", "raised")]
    assert rates(one, [None] * 50, 6.0) == []
    assert one.state_of("bed1/brady") == "on"


def test_a_standing_alarm_sounds_again_acknowledged_or_not():
    one = board()
    rates(one, [43] * 3)
    assert one.tick(101.9) == []
    assert [(a.t, a.evidence["realarms"]) for a in one.tick(102.5)] == [(102.0, 1)]
    one.command(say("ack", 150.0))
    assert one.tick(249.9) == []
    assert what(one.tick(250.0)) == [("bed1/brady", "on", "realarmed")]


def test_acknowledging_one_leaves_the_others():
    one = board(beds=("bed1", "bed2"))
    one.update(Reading("ppg.rhythm", 0.0, "af", quality=0.9, bed="bed1", source="node"))
    one.update(Reading("pcg.murmur", 0.0, 0.9, quality=0.9, bed="bed1", source="node"))
    one.update(Reading("ppg.rhythm", 0.0, "af", quality=0.9, bed="bed2", source="other"))
    result, told = one.command(say("ack", 1.0))
    assert not result.ok
    assert result.text == "several alarms stand, name one: bed1/af, bed1/murmur"
    assert told == []
    result, told = one.command(say("ack", 1.0, id="bed1/af"))
    assert what(told) == [("bed1/af", "ack", "acknowledged")]
    assert {a.id: a.presence for a in one.active()} == {"bed1/af": "ack", "bed1/murmur": "on", "bed2/af": "on"}


def test_an_acknowledgement_is_of_its_occurrence_only():
    one = board()
    rates(one, [43] * 3 + [70] * 2 + [43] * 3)
    for named in ({"occurrence": "boot.bed1.brady.1"}, {"occurrence": "boot.bed1.brady.2", "id": "bed1/af"}):
        result, told = one.command(say("ack", 10.0, **named))
        assert (result.ok, told) == (False, [])
    assert one.command(say("ack", 10.0, occurrence="boot.bed1.brady.2"))[0].ok
    assert one.state_of("bed1/brady") == "ack"
    result, told = one.command(say("ack", 11.0, occurrence="boot.bed1.brady.2"))
    assert (result.ok, told) == (True, [])


def test_a_repeated_command_is_answered_again_and_not_done_again():
    one = board()
    rates(one, [43] * 3)
    first, told = one.command(say("ack", 5.0, command_id="same"))
    assert len(told) == 1
    rates(one, [70] * 2 + [43] * 3, 6.0)
    again, told = one.command(say("ack", 20.0, command_id="same"))
    assert (again.ok, again.text, told) == (first.ok, first.text, [])
    assert one.state_of("bed1/brady") == "on"


def test_pause_has_an_end_and_changes_no_presence():
    one = board()
    rates(one, [43] * 3)
    result, told = one.command(say("pause", 10.0, seconds=60))
    assert (result.text, what(told)) == ("sound paused for 60 s", [("bed1/brady", "on", "paused")])
    assert told[0].evidence["paused_until"] == 70.0
    assert one.paused_until("bed1") == 70.0
    assert one.update(Reading("ppg.rhythm", 20.0, "af", quality=0.9, bed="bed1"))[0].evidence["paused_until"] == 70.0
    assert one.tick(69.9) == []
    assert sorted(what(one.tick(75.0))) == [("bed1/af", "on", "resumed"), ("bed1/brady", "on", "resumed")]
    assert one.paused_until("bed1") is None


def test_a_pause_holds_the_re_alarm_back():
    one = board()
    rates(one, [43] * 3)
    one.command(say("pause", 100.0, seconds=60))
    assert one.tick(150.0) == []
    assert [c for _, _, c in what(one.tick(165.0))] == ["resumed"]
    assert [(a.t, a.evidence["change"]) for a in one.tick(261.0)] == [(260.0, "realarmed")]


def test_a_pause_that_is_over_says_nothing_of_what_came_after_it():
    one = board()
    one.command(say("pause", 0.0, seconds=5))
    (raised,) = one.update(Reading("ppg.rhythm", 7.0, "af", quality=0.9, bed="bed1"))
    assert "paused_until" not in raised.evidence
    assert one.tick(8.0) == []


def test_shelving_is_of_one_line():
    one = board()
    rates(one, [43] * 3)
    one.update(Reading("ppg.rhythm", 3.0, "af", quality=0.9, bed="bed1"))
    result, told = one.command(say("shelve", 5.0, id="bed1/af", seconds=30))
    assert result.ok
    assert what(told) == [("bed1/af", "on", "shelved")]
    assert what(one.tick(40.0)) == [("bed1/af", "on", "unshelved")]
    assert not one.command(say("shelve", 5.0, id="bed1/none", seconds=30))[0].ok


def test_standby_ignores_readings_ends_what_they_raised_and_has_an_end():
    one = board()
    rates(one, [38] * 3)
    result, told = one.command(say("standby", 5.0, seconds=100))
    assert (result.text, what(told)) == ("standby for 100 s", [("bed1/brady", "off", "standby")])
    assert told[0].evidence["by"] == "nurse"
    assert rates(one, [38] * 90, 6.0) == []
    assert what(one.update(SourceStatus("node", "bed1", 96.0, "offline"))) == []
    assert what(one.tick(99.5)) == [("bed1/source_lost/node", "on", "raised")]
    assert one.standby_until("bed1", 100.0) == 105.0
    assert rates(one, [38], 104.9) == []
    assert rates(one, [38], 105.0) == [(105.0, "on", "raised")]
    assert one.standby_until("bed1", 105.0) is None


def test_a_reading_of_before_standby_that_comes_late_raises_nothing_that_would_stand_until_its_end():
    one = board()
    one.command(say("standby", 5.0, seconds=100))
    assert what(one.update(hr(4.9, 70.0, asystole=1))) == []
    assert what(one.update(hr(105.0, 70.0, asystole=1))) == [("bed1/asystole", "on", "raised")]


def test_after_a_restart_without_the_source_that_raised_it_an_alarm_is_over_and_with_it_it_stands():
    one = board()
    rates(one, [43] * 4)
    one.update(hr(4.0, None, reason="sensor_off"))
    one.update(hr(6.0, None, reason="sensor_off"))
    state = through_json(one)
    for sources, ended in ((["node", "cam"], []), (["cam"], [("bed1/brady", "off", "unwatched")]), (None, [])):
        places = {"bed1": Place(sources=None if sources is None else frozenset(sources))}
        two = board(boot="next", state=state, shift_s=0.0, places=places)
        assert [w for w in what(two.tick(7.0)) if w[0] == "bed1/brady"] == ended


def test_one_command_id_is_one_command():
    one = board()
    rates(one, [43] * 4)
    one.command(say("ack", 5.0, command_id="same", id="bed1/brady"))
    result, told = one.command(say("pause", 6.0, command_id="same", seconds=60))
    assert (result.ok, told) == (False, [])
    assert result.text == "command_id 'same' was used for another command; nothing was done"
    assert one.paused_until("bed1") is None
    two = board(boot="next", state=through_json(one))
    assert two.command(say("ack", 7.0, command_id="same", id="bed1/brady"))[0].text == "bed1/brady acknowledged"
    assert not two.command(say("ack", 8.0, command_id="same"))[0].ok


def test_standby_can_be_ended_early():
    one = board()
    one.command(say("standby", 5.0, seconds=100))
    assert one.command(say("standby", 10.0, seconds=0))[0].text == "standby ended"
    assert rates(one, [38], 9.0) == []
    assert rates(one, [38], 10.0) == [(10.0, "on", "raised")]


def test_reset_ends_only_what_is_latched():
    one = board()
    rates(one, [38] * 2)
    assert not one.command(say("reset", 2.0, id="bed1/brady"))[0].ok
    assert one.command(say("reset", 2.0))[0].text == "0 latched reset"
    rates(one, [70] * 2, 3.0)
    assert what(one.command(say("reset", 6.0))[1]) == [("bed1/brady", "off", "reset")]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (say("ack"), "no alarm stands unacknowledged"),
        (say("ack", id="bed1/brady"), "bed1/brady does not stand"),
        (say("ack", occurrence="x"), "occurrence x does not stand"),
        (say("ack", bed="bed9"), "no bed 'bed9' here"),
        (say("pause"), "pause needs an end: seconds, 0 to 600"),
        (say("pause", seconds=-1), "pause needs an end: seconds, 0 to 600"),
        (say("pause", seconds=float("inf")), "pause needs an end: seconds, 0 to 600"),
        (say("pause", seconds=601), "pause of 601 s is too long: at most 600 s"),
        (say("standby", seconds=1e6), "standby of 1e+06 s is too long: at most 28800 s"),
        (say("shelve", seconds=1), "no alarm '' to shelve"),
        (say("reset", id="bed1/brady"), "bed1/brady does not stand"),
        (say("mute"), "'mute' is not one of ack, pause, shelve, standby, reset, site, received, drill"),
    ],
)
def test_refusals_say_why(command, says):
    result, told = board().command(command)
    assert (result.ok, result.text, told) == (False, says, [])


def test_sources_come_and_go():
    one = board()
    assert one.update(SourceStatus("node", "bed1", 10.0, "offline", "unplugged")) == []
    assert one.state_of("bed1/source_lost/node") == "pending"
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
    assert [(a.id, a.text) for a in told] == [("bed1/source_lost/cam", "No readings from cam for 15 s")]
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
    with pytest.raises(ValueError, match="not a technical condition"):
        one.update(Fault("brady", 1.0, True))
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


def through_json(one):
    return json.loads(json.dumps(one.snapshot()))


def test_after_a_restart_acknowledged_stays_and_numbers_go_on():
    one = board()
    rates(one, [43] * 3)
    one.update(Reading("ppg.rhythm", 3.0, "af", quality=0.9, bed="bed1"))
    one.command(say("ack", 4.0, id="bed1/brady"))
    one.command(say("pause", 4.0, seconds=60))
    two = board(boot="next", state=through_json(one))
    assert {a.id: (a.presence, a.occurrence) for a in two.active()} == {
        "bed1/brady": ("ack", "boot.bed1.brady.1"),
        "bed1/af": ("on", "boot.bed1.af.1"),
    }
    last = one.active()[0].seq
    two.tick(1000.0)  # the monotonic clock of another boot
    assert two.paused_until("bed1") == 1060.0
    told = [a for i in range(3) for a in two.update(hr(1001.0 + i, 70))]
    assert [(a.presence, a.seq, a.occurrence) for a in told] == [("off", last + 1, "boot.bed1.brady.1")]
    told = [a for i in range(3) for a in two.update(hr(1010.0 + i, 43))]
    assert told[0].occurrence == "next.bed1.brady.2"


def test_a_known_shift_of_the_clock_is_used():
    one = board()
    one.command(say("pause", 4.0, seconds=60))
    two = board(boot="next", state=through_json(one), shift_s=-4.0)
    assert two.paused_until("bed1") == 60.0


def test_what_only_the_last_run_knew_is_forgotten_unless_said_again():
    one = board()
    one.update(SourceStatus("node", "bed1", 0.0, "offline"))
    one.update(SourceStatus("cam", "bed1", 0.0, "offline"))
    one.update(Fault("outbox_full", 0.0, True))
    one.tick(5.0)
    two = board(boot="next", state=through_json(one))
    assert two.tick(0.0) == []
    two.update(SourceStatus("node", "bed1", 1.0, "offline"))
    assert sorted(what(two.tick(60.0))) == [
        ("_device/outbox_full", "off", "cleared"),
        ("bed1/source_lost/cam", "off", "cleared"),
    ]


def test_what_is_no_longer_watched_is_ended():
    one = board(beds=("bed1", "bed2"))
    rates(one, [38] * 3)
    rates(one, [38] * 3, bed="bed2")
    two = Board({"bed1": rules_from({"brady": {"enabled": False}})}, boot="next", state=through_json(one))
    assert sorted(what(two.tick(0.0))) == [("bed1/brady", "off", "unwatched"), ("bed2/brady", "off", "unwatched")]
    assert two.active() == []


def test_a_state_of_another_version_is_refused():
    with pytest.raises(ValueError, match="version 9, not 1"):
        board(state={"version": 9})


def test_a_damaged_state_is_refused():
    one = board()
    rates(one, [43] * 3)
    for break_it in (
        lambda state: state.pop("beds"),
        lambda state: state["beds"]["bed1"].pop("seq"),
        lambda state: state["beds"]["bed1"]["lines"]["bed1/brady"].pop("feeds"),
        lambda state: state["beds"]["bed1"].update(standby="soon"),
    ):
        state = through_json(one)
        break_it(state)
        with pytest.raises(ValueError, match="alarm state is damaged"):
            board(state=state)


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


def test_without_recordings_none_is_named():
    (af,) = board().update(Reading("ppg.rhythm", 20.0, "af", "", 0.9, "", {}, "bed1", "node"))
    assert "recording" not in af.evidence
