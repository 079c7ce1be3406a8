"""Every command in a row of others: whether it was done, in which words, and what was told because of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from board_told import board, hr, rates, say, standing, through_json, what
from edge import inference
from edge.alarms.auscultation import Place
from edge.alarms.delivery import Chain, Role
from edge.dsp.pcg.decision import Calibration
from edge.types import Reading, SourceStatus

AF = Reading("ppg.rhythm", 3.0, "af", quality=0.9, bed="bed1", source="node")


def ill():
    """Brady and AF stand, and so do two lost sources."""
    one = board(beds=("bed1", "bed2"))
    rates(one, [43] * 3)
    one.update(AF)
    for source in ("cam", "mic"):
        one.update(SourceStatus(source, "bed1", 3.0, "offline", "unplugged"))
    one.tick(10.0)
    assert set(standing(one)) == {"bed1/brady", "bed1/af", "bed1/source_lost/cam", "bed1/source_lost/mic"}
    return one


def latched():
    """Two lines that ended unseen and are kept."""
    kept = {"off_delay_s": 0, "latching": True}
    one = board({"brady": {"on_delay_s": 0, **kept}, "af": {"k": 1, "n": 1, **kept}, "tachy": {"on_delay_s": 0}})
    one.update(hr(1.0, 38.0))
    one.update(AF)
    one.update(hr(4.0, 70.0))
    one.update(Reading("ppg.rhythm", 5.0, "sinus", quality=0.9, bed="bed1", source="node"))
    return one


ON, OFF, ACK = "on", "off", "ack"
BRADY, AF_ID, CAM, MIC = "bed1/brady", "bed1/af", "bed1/source_lost/cam", "bed1/source_lost/mic"
NOTHING_LISTENS = "nothing listens to a heart in bed1: site none, with a person, is all that can be said"
SEVERAL = f"several alarms stand, name one: {AF_ID}, {BRADY}, {CAM}, {MIC}"
ROWS = {
    "a pause is ended early, once": [
        (say("pause", 20.0, seconds=0), True, "was not paused", []),
        (say("pause", 21.0, seconds=0.5), True, "sound paused for 0.5 s", [(i, ON, "paused") for i in (AF_ID, BRADY, CAM, MIC)]),
        (say("pause", 21.2, seconds=600), True, "sound paused for 600 s", [(i, ON, "paused") for i in (AF_ID, BRADY, CAM, MIC)]),
        (say("pause", 30.0, seconds=0), True, "pause ended", [(i, ON, "resumed") for i in (AF_ID, BRADY, CAM, MIC)]),
        (say("pause", 31.0, seconds=0), True, "was not paused", []),
        (say("pause", 31.0, bed="bed2", seconds=0), True, "was not paused", []),
    ],
    "a shelf is ended early, once": [
        (say("shelve", 20.0, id=AF_ID, seconds=0), True, f"{AF_ID} was not shelved", []),
        (say("shelve", 20.0, id=AF_ID), False, "shelve needs an end: seconds, 0 to 3600", []),
        (say("shelve", 21.0, id=AF_ID, seconds=0.5), True, f"{AF_ID} shelved", [(AF_ID, ON, "shelved")]),
        (say("shelve", 21.2, id=AF_ID, seconds=0), True, f"{AF_ID} unshelved", [(AF_ID, ON, "unshelved")]),
        (say("shelve", 21.3, id=AF_ID, seconds=0), True, f"{AF_ID} was not shelved", []),
        (say("shelve", 21.4, id=AF_ID, seconds=3601), False, "shelve of 3601 s is too long: at most 3600 s", []),
        (say("shelve", 21.5, id="bed1/none", seconds=1), False, "no alarm 'bed1/none' to shelve", []),
    ],
    "standby is lengthened and ended, once": [
        (say("standby", 20.0, seconds=0), True, "was not in standby", []),
        (say("standby", 21.0, seconds=100), True, "standby for 100 s", [(BRADY, OFF, "standby"), (AF_ID, OFF, "standby")]),
        (say("standby", 30.0, seconds=28800), True, "standby for 28800 s", []),
        (say("standby", 40.0, seconds=0), True, "standby ended", []),
        (say("standby", 41.0, seconds=0), True, "was not in standby", []),
    ],
    "who names no alarm means the only one unseen": [
        (say("ack", 20.0), False, SEVERAL, []),
        (say("ack", 21.0, id="bed1/source_lost"), False, f"several alarms stand, name one: {CAM}, {MIC}", []),
        (say("ack", 22.0, id=CAM), True, f"{CAM} acknowledged", [(CAM, ACK, "acknowledged")]),
        (say("ack", 23.0, id="bed1/source_lost"), True, f"{MIC} acknowledged", [(MIC, ACK, "acknowledged")]),
        (say("ack", 24.0, id="bed1/source_lost"), False, "no alarm stands unacknowledged", []),
        (say("ack", 24.0, id=CAM), True, f"{CAM} was acknowledged already", []),
        (say("ack", 24.0, id="bed1"), False, "bed1 does not stand", []),
        (say("ack", 25.0, id=AF_ID), True, f"{AF_ID} acknowledged", [(AF_ID, ACK, "acknowledged")]),
        (say("ack", 26.0), True, f"{BRADY} acknowledged", [(BRADY, ACK, "acknowledged")]),
        (say("ack", 27.0), False, "no alarm stands unacknowledged", []),
        (say("ack", 27.0, occurrence="boot.bed1.brady.1", id=AF_ID), False, "occurrence boot.bed1.brady.1 does not stand", []),
    ],
    "what was seen makes no sound that a pause could keep away": [
        (say("ack", 20.0, id=AF_ID), True, f"{AF_ID} acknowledged", [(AF_ID, ACK, "acknowledged")]),
        (say("pause", 21.0, seconds=60), True, "sound paused for 60 s", [(i, ON, "paused") for i in (BRADY, CAM, MIC)]),
    ],
    "what nobody listens to has no site": [
        (say("site", 20.0, site="MV"), False, NOTHING_LISTENS, []),
        (say("site", 20.0, site="MV", person="p2"), False, NOTHING_LISTENS, []),
        (say("site", 20.0, site="none"), False, NOTHING_LISTENS, []),
        (say("received", 20.0, role="x"), False, "no role 'x' here; roles: none", []),
    ],
    "a drill has an end": [
        (say("drill", 20.0, seconds=0), True, "bed1/drill is over", []),
        (say("drill", 21.0), True, "bed1/drill raised", [("bed1/drill", ON, "raised")]),
        (say("drill", 22.0), True, "bed1/drill stands already", []),
        (say("drill", 23.0, seconds=0), True, "bed1/drill over", [("bed1/drill", OFF, "cleared")]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_what_is_done_and_told(rows):
    one = ill()
    for command, ok, text, told in rows:
        result, alarms = one.command(command)
        assert (result.ok, result.text) == (ok, text)
        assert sorted(what(alarms)) == sorted(told)
        assert all(alarm.evidence["by"] == "nurse" and alarm.t == command.t for alarm in alarms)
        assert {alarm.evidence["command_id"] for alarm in alarms} <= {command.command_id}


def test_standby_lasts_until_the_end_that_was_said_last():
    one = ill()
    for t, seconds, until in ((20.0, 100, 120.0), (50.0, 100, 150.0), (60.0, 0, None), (70.0, 10, 80.0)):
        one.command(say("standby", t, seconds=seconds))
        assert one.standby_until("bed1", t) == until
    saved = through_json(one)["beds"]["bed1"]
    assert (
        board(state={**through_json(one), "beds": {"bed1": {**saved, "standby": [20.0, 80.0]}}}).standby_until(
            "bed1", 79.0
        )
        == 80.0
    ), "what was kept before held its beginning, too"


def test_a_pause_and_a_shelf_end_to_the_second_they_were_given():
    one = ill()
    one.command(say("pause", 20.0, seconds=0.5))
    assert one.paused_until("bed1") == 20.5
    _, (told,) = one.command(say("shelve", 20.0, id=AF_ID, seconds=30))
    assert told.evidence["shelved_until"] == 50.0
    one.command(say("pause", 20.1, seconds=0))
    assert one.paused_until("bed1") is None


@pytest.mark.parametrize(
    ("named", "ok", "text", "gone"),
    [
        ({}, True, "2 latched reset", {BRADY, AF_ID}),
        ({"id": AF_ID}, True, "1 latched reset", {AF_ID}),
        ({"occurrence": "boot.bed1.brady.1"}, True, "1 latched reset", {BRADY}),
        ({"id": BRADY, "occurrence": "boot.bed1.brady.1"}, True, "1 latched reset", {BRADY}),
        ({"id": AF_ID, "occurrence": "boot.bed1.brady.1"}, False, f"{AF_ID} does not stand", set()),
        ({"occurrence": "boot.bed1.brady.2"}, False, "boot.bed1.brady.2 does not stand", set()),
        ({"id": "bed1/tachy"}, False, "bed1/tachy is still present: acknowledge it instead", set()),
        (
            {"occurrence": "boot.bed1.tachy.1"},
            False,
            "boot.bed1.tachy.1 is still present: acknowledge it instead",
            set(),
        ),
    ],
)
def test_a_reset_ends_what_it_names_of_what_is_latched(named, ok, text, gone):
    one = latched()
    one.update(hr(6.0, 150.0))
    assert standing(one) == {BRADY: "latched", AF_ID: "latched", "bed1/tachy": "on"}
    result, told = one.command(say("reset", 7.0, **named))
    assert (result.ok, result.text) == (ok, text)
    assert {alarm.id for alarm in told} == gone
    assert set(standing(one)) == {BRADY, AF_ID, "bed1/tachy"} - gone


def test_a_reset_where_nothing_stands_is_done():
    result, told = board().command(say("reset", 7.0))
    assert (result.ok, result.text, told) == (True, "0 latched reset", [])


PLACES = {"bed1": Place("p1", "MV", Calibration.from_card(inference.load("murmur").card))}


def listening():
    one = board(places=PLACES)
    rates(one, [43] * 3)
    one.update(SourceStatus("cam", "bed1", 3.0, "offline", "unplugged"))
    one.tick(10.0)
    return one


@pytest.mark.parametrize(
    ("site", "person", "ok", "text", "gone"),
    [
        ("mv", "", True, "listening at MV", set()),
        ("None", "", True, "listening at no named site", set()),
        ("AV", "p1", True, "listening at AV", set()),
        ("AV", "p" * 64, True, "listening at AV, to another person", {BRADY}),
        ("none", "p2", True, "listening at no named site, to another person", {BRADY}),
        ("AV", "p" * 65, False, "'person' has at most 64 printable characters", set()),
        ("AV", "p\n2", False, "'person' has at most 64 printable characters", set()),
        ("AV", "  ", False, "'person' is blank", set()),
        ("AV", " p1 ", True, "listening at AV", set()),
        ("XV", "p2", False, "site needs 'site', one of AV, MV, PV, TV or none, not 'XV'", set()),
        ("", "", False, "site needs 'site', one of AV, MV, PV, TV or none, not ''", set()),
    ],
)
def test_another_person_ends_what_was_said_of_the_one_before_and_nothing_else(site, person, ok, text, gone):
    one = listening()
    result, told = one.command(say("site", 20.0, site=site, person=person))
    assert (result.ok, result.text) == (ok, text)
    assert what(told) == [(alarm_id, "off", "person") for alarm_id in gone]
    assert set(standing(one)) == {BRADY, CAM} - gone


@pytest.mark.parametrize("restarted", [False, True])
def test_a_bed_without_a_microphone_is_told_of_another_person_and_keeps_it(restarted):
    places = {"bed1": Place("p1", "MV")}
    one = board(places=places)
    rates(one, [43] * 3)
    one.update(SourceStatus("cam", "bed1", 3.0, "offline", "unplugged"))
    one.tick(10.0)
    same, told = one.command(say("site", 19.0, site="none", person="p1"))
    assert (same.ok, same.text, told) == (True, "the same person lies there", [])
    result, told = one.command(say("site", 20.0, site="none", person="p2"))
    assert (result.ok, result.text, what(told)) == (True, "another person lies there", [(BRADY, "off", "person")])
    if restarted:
        one = board(state=through_json(one), shift_s=0.0, places=places)
    (status,) = (status for status in one.statuses(21.0) if status.bed == "bed1")
    assert (status.person, status.by, status.site, status.site_since) == ("p2", "nurse", "MV", None)
    assert what(one.update(replace(AF, t=23.0))) == []
    assert what(one.update(replace(AF, t=23.5))) == [(AF_ID, "on", "raised")]


@pytest.mark.parametrize(("late_s", "raised"), [(-15.0, []), (0.0, []), (3.0, []), (3.5, [(AF_ID, "on", "raised")])])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_reading_on_its_way_when_another_person_came_raises_nothing(late_s, raised, restarted):
    one = listening()
    one.command(say("site", 20.0, site="MV", person="p2"))
    if restarted:
        one = board(state=through_json(one), shift_s=0.0, places=PLACES)
    told = one.update(replace(AF, t=20.0 + late_s))
    assert what([alarm for alarm in told if alarm.kind == "physiological"]) == raised


def test_what_is_wrong_with_a_sensor_is_told_whoever_lies_there():
    one = listening()
    one.command(say("site", 20.0, site="MV", person="p2"))
    told = []
    for t in (20.5, 21.5):
        told += one.update(hr(t, None, reason="sensor_off"))
    assert what(told) == [("bed1/sensor_off/node", "on", "raised")]


@pytest.mark.parametrize(("site", "kept"), [("MV", True), ("none", False)])
def test_another_person_is_not_silenced_by_a_pause_or_by_standby_for_the_one_before(site, kept):
    one = board(places=PLACES if kept else {"bed1": Place("p1")})
    one.update(SourceStatus("cam", "bed1", 3.0, "offline", "unplugged"))
    one.tick(10.0)
    one.command(say("pause", 11.0, seconds=600))
    one.command(say("shelve", 11.0, id=CAM, seconds=600))
    one.command(say("standby", 12.0, seconds=600))
    same, told = one.command(say("site", 13.0, site=site, person="p1"))
    assert (same.ok, told, one.paused_until("bed1"), one.standby_until("bed1", 13.0)) == (True, [], 611.0, 612.0)
    result, told = one.command(say("site", 14.0, site=site, person="p2"))
    assert (result.ok, what(told)) == (True, [(CAM, "on", "unshelved"), (CAM, "on", "resumed")])
    assert not [key for alarm in told for key in ("paused_until", "shelved_until") if key in alarm.evidence]
    assert (one.paused_until("bed1"), one.standby_until("bed1", 14.0)) == (None, None)
    assert what(one.update(replace(AF, t=18.0))) == [(AF_ID, "on", "raised")]


@pytest.mark.parametrize("what_ends", ["pause", "site"])
def test_an_end_of_a_pause_that_waited_while_more_was_told_is_told_after_it(what_ends):
    """Else the last event says that the bed is paused, and a bell goes by that."""
    one = board(chain=Chain((Role("station", 5.0),)), places=PLACES)
    one.command(say("pause", 1.0, seconds=600))
    one.update(SourceStatus("cam", "bed1", 3.0, "offline", "unplugged"))
    told = one.tick(6.0) + one.tick(11.0)
    assert [a.evidence["change"] for a in told] == ["raised", "unconfirmed"]
    assert told[-1].evidence["paused_until"] == 601.0
    ended = say("pause", 10.5, seconds=0) if what_ends == "pause" else say("site", 10.5, site="MV", person="p2")
    ((_, last),) = [one.command(ended)]
    assert [(a.id, a.t, a.evidence["change"], "paused_until" in a.evidence) for a in last] == [
        (CAM, 11.0, "resumed", False)
    ]


def test_an_alarm_that_came_in_silence_while_the_end_of_the_pause_waited_sounds():
    one = board({"brady": {"on_delay_s": 0, "severe_on_delay_s": 0}})
    one.command(say("pause", 1.0, seconds=600))
    (raised,) = one.update(hr(10.6, 38.0))
    assert raised.evidence["paused_until"] == 601.0
    _, told = one.command(say("pause", 10.5, seconds=0))
    assert [(a.id, a.t, a.evidence["change"]) for a in told] == [(BRADY, 10.6, "resumed")]
    assert "paused_until" not in told[0].evidence


@pytest.mark.parametrize(("name", "fields"), [("ack", {}), ("received", {"role": "station"})])
def test_an_answer_given_before_an_alarm_sounded_is_not_taken_for_one_to_it(name, fields):
    one = board({"brady": {"on_delay_s": 0, "severe_on_delay_s": 0}}, chain=Chain((Role("station", 5.0),)))
    (raised,) = one.update(hr(10.0, 43.0))
    occurrence = {"occurrence": raised.occurrence}
    early, told = one.command(say(name, 9.9, **occurrence, **fields))
    assert (early.ok, early.text, told) == (False, f"{BRADY} has sounded since: look at it as it is now", [])
    one.update(hr(12.0, 38.0))
    early, told = one.command(say(name, 11.9, **occurrence, **fields))
    assert (early.ok, told) == (False, [])
    assert one.command(say(name, 12.0, **occurrence, **fields))[0].ok


def test_the_device_itself_is_never_in_standby_and_nobody_lies_in_it():
    one = board()
    result, told = one.command(say("standby", 1.0, bed="_device", seconds=60))
    assert (result.ok, result.text, told) == (False, "the device itself is no bed that can be empty", [])
    result, told = one.command(say("site", 2.0, bed="_device", site="none", person="p2"))
    assert (result.ok, result.text, told) == (False, "nobody lies in the device itself", [])


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_read_ahead_of_the_clock_sounded_when_it_was_told(restarted):
    """Files are read as fast as they can be, and nobody who answers has seen the future."""
    one = board({"brady": {"on_delay_s": 0, "severe_on_delay_s": 0}})
    one.tick(10.0)
    one.update(hr(500.0, 43.0))
    if restarted:
        one = board({"brady": {"on_delay_s": 0}}, state=through_json(one), shift_s=0.0)
    early, _ = one.command(say("ack", 9.0, id=BRADY))
    assert (early.ok, one.command(say("ack", 12.0, id=BRADY))[0].ok) == (False, True)


def test_an_alarm_told_at_its_severe_limit_is_told_so_to_its_end():
    one = board({"brady": {"on_delay_s": 0, "severe_on_delay_s": 0, "off_delay_s": 0}})
    texts = [alarm.text for alarm in one.update(hr(1.0, 30.0))]
    texts += [alarm.text for alarm in one.command(say("standby", 2.0, seconds=60))[1]]
    assert texts == ["Heart rate 30 below 40 bpm"] * 2


def test_an_alarm_told_at_its_severe_limit_names_a_rate_past_it():
    """The severe alarm lasts within the hysteresis, where a rate is past the other limit only."""
    one = board({"brady": {"on_delay_s": 0, "severe_on_delay_s": 0, "off_delay_s": 0}})
    told = [*one.update(hr(1.0, 38.0)), *one.update(hr(2.0, 42.0))]
    told += one.command(say("pause", 2.5, seconds=60))[1]
    told += [*one.update(hr(3.0, 44.0)), *one.update(hr(4.0, 42.0))]
    told += one.command(say("pause", 4.5, seconds=0))[1]
    assert [(alarm.evidence["change"], alarm.text, alarm.value, alarm.limit) for alarm in told] == [
        ("raised", "Heart rate 38 below 40 bpm", 38.0, 40.0),
        ("paused", "Heart rate 38 below 40 bpm", 38.0, 40.0),
        ("deescalated", "Heart rate 44 below 45 bpm", 44.0, 45.0),
        ("resumed", "Heart rate 42 below 45 bpm", 42.0, 45.0),
    ]
