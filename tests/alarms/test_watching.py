"""Streams that fall silent, sources that never say anything."""

from __future__ import annotations

import pytest

from board_told import QUICK, board, hr, say, standing, through_json
from edge.alarms.auscultation import Place
from edge.types import Reading, SourceStatus

LOST = "bed1/source_lost/node"


def sound(t):
    return Reading("pcg.murmur", t, 0.1, "", 0.9, bed="bed1", source="node")


def status(t, state, reason="", announced=()):
    return SourceStatus("node", "bed1", t, state, reason, announced=announced)


def told(alarms):
    return [(a.t, a.presence, a.evidence["change"], a.text) for a in alarms if a.id == LOST]


def seconds(one, start, end, *, ppg=False, pcg=False):
    """Let the seconds pass, with a reading of each stream that is there; what was told of the source."""
    found = []
    for t in range(start, end):
        found += one.update(hr(t + 0.1, 70)) if ppg else []
        found += one.update(sound(t + 0.1)) if pcg else []
        found += one.tick(t + 0.5)
    return told(found)


def test_a_stream_that_falls_silent_is_missed_while_the_source_sends_another():
    one = board()
    one.update(status(0.0, "online"))
    assert seconds(one, 0, 10, ppg=True, pcg=True) == []
    assert seconds(one, 10, 60, pcg=True) == [(28.5, "on", "raised", "No ppg readings from node for 15 s")]
    assert seconds(one, 60, 70, ppg=True, pcg=True) == [(63.1, "off", "cleared", "No ppg readings from node for 15 s")]


def test_streams_that_fall_silent_together_are_one_alarm_that_names_them():
    one = board()
    seconds(one, 0, 10, ppg=True, pcg=True)
    one.update(sound(10.1))
    assert seconds(one, 10, 60) == [(28.5, "on", "raised", "No pcg, ppg readings from node for 15 s")]


def test_a_second_lost_stream_does_not_hide_behind_the_acknowledged_first():
    one = board()
    seconds(one, 0, 10, ppg=True, pcg=True)
    seconds(one, 10, 40, ppg=True)
    one.command(say("ack", 40.0))
    assert standing(one) == {LOST: "ack"}
    assert seconds(one, 40, 70) == [(55.5, "on", "widened", "No pcg, ppg readings from node for 15 s")]
    one.command(say("ack", 70.0))
    assert seconds(one, 70, 80, ppg=True) == [(70.5, "ack", "narrowed", "No pcg readings from node for 15 s")]
    assert [(t, presence) for t, presence, *_ in seconds(one, 80, 90, ppg=True, pcg=True)] == [(83.1, "off")]


def test_what_a_lost_source_does_not_send_is_told_once():
    one = board()
    one.update(status(0.0, "online"))
    seconds(one, 0, 10, ppg=True, pcg=True)
    one.update(status(12.0, "offline", "unplugged"))
    assert [t[1:3] for t in seconds(one, 12, 50)] == [("on", "raised")]
    one.update(status(50.0, "online"))
    assert [t[1:] for t in seconds(one, 51, 70, ppg=True)] == [
        ("on", "narrowed", "No pcg readings from node for 15 s")
    ], "back without its microphone"


@pytest.mark.parametrize("back", [24.6, 25.0, 25.4])
def test_a_source_that_is_back_just_when_it_was_silent_for_too_long_is_not_missed_once_more(back):
    one = board()
    one.update(status(0.0, "online"))
    seconds(one, 0, 10, ppg=True, pcg=True)
    one.update(status(12.0, "offline", "unplugged"))
    assert [t[1:3] for t in seconds(one, 12, 24)] == [("on", "raised")]
    one.command(say("ack", 24.0))
    one.update(status(back, "online"))
    assert seconds(one, 25, 26) == [], "its first reading is still to come"
    assert [presence for _, presence, *_ in seconds(one, 26, 35, ppg=True, pcg=True)] == ["off"]


def test_a_source_that_is_back_and_says_nothing_is_named_by_what_is_missing():
    one = board()
    one.update(status(0.0, "online"))
    seconds(one, 0, 10, ppg=True, pcg=True)
    one.update(status(12.0, "offline", "unplugged"))
    seconds(one, 12, 25)
    one.update(status(25.0, "online"))
    assert seconds(one, 25, 40) == [(29.5, "on", "narrowed", "No pcg, ppg readings from node for 15 s")]


def test_of_a_loss_that_somebody_has_seen_only_the_end_is_told():
    one = board()
    one.update(status(0.0, "online"))
    seconds(one, 0, 10, ppg=True, pcg=True)
    one.update(status(12.0, "offline", "unplugged"))
    assert [t[1:3] for t in seconds(one, 12, 20)] == [("on", "raised")]
    one.command(say("ack", 20.0))
    assert told(one.update(status(25.0, "offline", "no such device"))) == [], "still the same loss"
    assert told(one.update(status(30.0, "online"))) == []
    assert [t[:3] for t in seconds(one, 30, 40, ppg=True, pcg=True)] == [(33.0, "off", "cleared")]


def test_the_loss_of_a_source_does_not_hide_behind_a_stream_it_lost_before():
    one = board()
    one.update(status(0.0, "online"))
    seconds(one, 0, 10, ppg=True, pcg=True)
    seconds(one, 10, 40, ppg=True)
    one.command(say("ack", 40.0))
    assert standing(one) == {LOST: "ack"}
    assert told(one.update(status(43.0, "offline", "unplugged"))) == [
        (43.0, "on", "widened", "No data from node: unplugged")
    ]
    assert seconds(one, 43, 90) == []
    assert standing(one) == {LOST: "on"}


def test_a_source_that_is_back_for_less_than_the_off_delay_is_still_the_same_loss():
    """A loose plug must not sound again what somebody has acknowledged."""
    one = board()
    seconds(one, 0, 10, ppg=True)
    one.update(status(12.0, "offline", "unplugged"))
    assert [t[1:3] for t in seconds(one, 12, 20)] == [("on", "raised")]
    one.command(say("ack", 20.0))
    for t in range(20, 40, 5):
        assert told(one.update(status(t + 1.0, "online"))) == []
        assert told(one.update(status(t + 3.5, "offline", "unplugged"))) == []
        assert seconds(one, t + 4, t + 6) == []
    assert standing(one) == {LOST: "ack"}


def test_a_source_that_is_there_and_never_says_anything_is_noticed():
    one = board()
    one.update(status(0.0, "online"))
    assert seconds(one, 0, 60) == [(19.5, "on", "raised", "No readings at all from node for 15 s")]
    assert [t[1:3] for t in seconds(one, 60, 70, ppg=True)] == [("off", "cleared")]


@pytest.mark.parametrize(("state", "raised"), [("offline", 33.0), ("disabled", None)])
def test_a_source_that_never_said_anything_and_goes_is_lost_or_off(state, raised):
    one = board()
    one.update(status(0.0, "online"))
    one.tick(0.5)
    one.update(status(10.0, "disabled"))
    assert seconds(one, 10, 30) == []
    one.update(status(30.0, state))
    assert [t[0] for t in seconds(one, 30, 60)] == ([] if raised is None else [raised])


def test_what_is_switched_off_while_it_is_missed_is_missed_no_more():
    one = board()
    one.update(status(0.0, "online"))
    assert [t[1] for t in seconds(one, 0, 40)] == ["on"]
    one.update(status(40.0, "disabled"))
    assert [t[:2] for t in seconds(one, 40, 60)] == [(43.0, "off")]


def test_a_reading_on_its_way_when_its_source_was_switched_off_is_not_waited_for():
    one = board()
    one.update(status(0.0, "online"))
    seconds(one, 0, 10, ppg=True)
    one.update(status(10.0, "disabled", "switched off"))
    two = board(state=through_json(one))
    for each in (one, two):
        each.update(hr(10.1, 70))
    assert seconds(one, 10, 60) == seconds(two, 10, 60) == []
    one.update(status(60.0, "online"))
    assert [t[:2] for t in seconds(one, 60, 90)] == [(79.5, "on")]


def test_a_source_that_says_again_that_it_is_there_is_missed_by_its_streams():
    one = board()
    seconds(one, 0, 10, ppg=True)
    one.update(status(10.0, "online"))
    assert seconds(one, 10, 60) == [(28.5, "on", "raised", "No ppg readings from node for 15 s")]


def test_of_what_is_switched_off_nothing_was_missed():
    one = board()
    seconds(one, 0, 10, ppg=True)
    assert [row["metric"] for row in one.coverage("bed1", 10.0)] == ["ppg.hr"]
    one.update(status(10.0, "disabled"))
    assert one.coverage("bed1", 10.0) == []


def test_what_is_switched_on_again_is_heard_again():
    one = board()
    one.update(status(0.0, "online"))
    one.update(status(10.0, "disabled", "switched off"))
    one.update(status(60.0, "online"))
    assert seconds(one, 60, 90, ppg=True) == []


@pytest.mark.parametrize(("lost", "text"), [("stream", "No ppg readings from node for 15 s"), ("source", "")])
def test_without_a_delay_a_loss_is_told_at_once_and_once(lost, text):
    one = board({**QUICK, "source_lost": {"on_delay_s": 0, "off_delay_s": 0}})
    seconds(one, 0, 10, ppg=True, pcg=True)
    found = told(one.update(status(10.0, "offline"))) if lost == "source" else seconds(one, 10, 60, pcg=True)
    assert [row[1:3] for row in found] == [("on", "raised")]
    assert [a.seq for a in one.active()] == [1]
    assert found[0][3] == (text or "No data from node")


def test_a_source_without_analyzers_is_recorded_and_not_missed():
    one = board(places={"bed1": Place(sources={})})
    one.update(status(0.0, "online"))
    assert seconds(one, 0, 60) == []


PROMISED = {
    "bed1": Place(
        sources={"node": ("pulse", "murmur")}, streams={"node": frozenset({"ppg", "pcg"})}, named=frozenset({"node"})
    )
}


def test_a_promised_stream_that_never_came_is_missed_once_another_comes():
    one = board(places=PROMISED)
    one.update(status(0.0, "online"))
    assert seconds(one, 0, 10) == []
    assert seconds(one, 10, 60, ppg=True) == [(29.5, "on", "raised", "No pcg readings from node for 15 s")]
    two = board(boot="next", state=through_json(one), shift_s=0.0, places=PROMISED)
    two.update(status(60.0, "online"))
    assert seconds(two, 60, 120, ppg=True) == []
    assert standing(two) == {LOST: "on"}
    assert [t[:3] for t in seconds(two, 120, 130, ppg=True, pcg=True)] == [(123.1, "off", "cleared")]


SENDS_ANYTHING = {"bed1": Place(sources={"node": ("pulse", "murmur")}, streams={"node": frozenset({"ppg", "pcg"})})}


def test_a_stream_that_the_device_announces_is_missed_like_one_that_the_configuration_names():
    one = board(places=SENDS_ANYTHING)
    one.update(status(0.0, "online", announced=("acc", "pcg", "ppg")))
    assert seconds(one, 0, 60, ppg=True) == [(19.5, "on", "raised", "No pcg readings from node for 15 s")]
    two = board(state=through_json(one), places=SENDS_ANYTHING)
    assert [t[:3] for t in seconds(two, 60, 70, ppg=True, pcg=True)] == [(63.1, "off", "cleared")]


def test_of_what_is_neither_announced_nor_named_nothing_is_missed():
    one = board(places=SENDS_ANYTHING)
    one.update(status(0.0, "online", announced=("ppg",)))
    assert seconds(one, 0, 60, ppg=True) == []


@pytest.mark.parametrize("again", [False, True])
def test_what_a_device_announces_after_its_first_readings_is_missed_from_then_on(again):
    one = board(places=SENDS_ANYTHING)
    one.update(status(0.0, "online", announced=("ppg",)))
    seconds(one, 0, 20, ppg=True)
    if again:
        one = board(state=through_json(one), places=SENDS_ANYTHING)
    one.update(status(20.0, "online", announced=("pcg", "ppg")))
    assert seconds(one, 20, 60, ppg=True) == [(39.5, "on", "raised", "No pcg readings from node for 15 s")]


def test_what_was_announced_before_its_first_reading_is_kept():
    one = board(places=SENDS_ANYTHING)
    one.update(status(0.0, "online", announced=("pcg", "ppg")))
    two = board(state=through_json(one), places=SENDS_ANYTHING)
    assert seconds(two, 0, 30, ppg=True) == [(19.5, "on", "raised", "No pcg readings from node for 15 s")]


def test_a_word_of_the_source_that_announces_nothing_takes_nothing_back():
    one = board(places=SENDS_ANYTHING)
    one.update(status(0.0, "online", announced=("pcg", "ppg")))
    one.update(status(1.0, "degraded", "half the samples"))
    assert seconds(one, 1, 60, ppg=True) == [(20.5, "on", "raised", "No pcg readings from node for 15 s")]


def test_another_run_goes_by_what_the_device_announces_to_it_and_not_by_what_it_did_before():
    one = board(places=SENDS_ANYTHING)
    one.update(status(0.0, "online", announced=("pcg", "ppg")))
    two = board(state=through_json(one), places=SENDS_ANYTHING, boot="next", shift_s=0.0)
    assert seconds(two, 0, 60, ppg=True) == []


def test_of_a_source_that_sends_nothing_at_all_nothing_is_said_of_its_streams():
    one = board(places=PROMISED)
    one.update(status(0.0, "online"))
    assert seconds(one, 0, 60) == [(19.5, "on", "raised", "No readings at all from node for 15 s")]
    assert seconds(one, 60, 90, pcg=True) == [
        (63.1, "off", "cleared", "No readings at all from node for 15 s"),
        (79.5, "on", "raised", "No ppg readings from node for 15 s"),
    ]


def test_what_is_announced_of_a_source_that_sent_nothing_so_far_is_waited_for_as_one():
    one = board(places=SENDS_ANYTHING)
    one.update(status(0.0, "online"))
    one.update(status(1.0, "degraded", "half the samples", announced=("pcg", "ppg")))
    assert seconds(one, 0, 60) == [(19.5, "on", "raised", "No readings at all from node for 15 s")]


def test_a_promise_is_over_with_the_source():
    one = board(places=PROMISED)
    seconds(one, 0, 5, ppg=True)
    one.update(status(5.0, "disabled", "switched off"))
    assert seconds(one, 5, 60) == []


@pytest.mark.parametrize("rules", [{"silent_s": 0}, {"source_lost": {"enabled": False}}])
def test_nothing_is_missed_where_the_rules_say_so(rules):
    one = board({**QUICK, **rules})
    one.update(status(0.0, "online"))
    assert seconds(one, 0, 10, ppg=True, pcg=True) + seconds(one, 10, 60, pcg=True) == []


def test_a_pause_and_standby_silence_no_stream():
    one = board()
    seconds(one, 0, 10, ppg=True, pcg=True)
    one.command(say("pause", 10.0, seconds=60))
    one.command(say("standby", 10.0, seconds=60))
    assert seconds(one, 10, 100, ppg=True, pcg=True) == []


def test_a_restored_board_misses_the_same_streams():
    one = board()
    one.update(status(0.0, "online"))
    seconds(one, 0, 10, ppg=True, pcg=True)
    seconds(one, 10, 20, pcg=True)
    two = board(state=through_json(one))
    assert seconds(two, 20, 60, pcg=True) == seconds(one, 20, 60, pcg=True) != []


def test_a_state_that_knows_no_streams_is_taken():
    saved = through_json(board())
    saved["beds"]["bed1"]["heard"] = {"node": None, "cam": 3.0}
    assert seconds(board(state=saved), 0, 60) == []


PLACE = {"bed1": Place(sources={"node": ("pulse", "murmur")})}


def restarted(one, *analyzers):
    return board(boot="next", state=through_json(one), shift_s=0.0, places={"bed1": Place(sources={"node": analyzers})})


def test_a_stream_lost_across_a_restart_is_missed():
    one = board(places=PLACE)
    seconds(one, 0, 10, ppg=True, pcg=True)
    two = restarted(one, "pulse", "murmur")
    two.update(status(10.0, "online"))
    assert seconds(two, 10, 60, ppg=True) == [(29.5, "on", "raised", "No pcg readings from node for 15 s")]


@pytest.mark.parametrize("seen", ["on", "ack"])
def test_what_is_missed_when_the_program_stops_is_missed_on_and_told_once(seen):
    one = board(places=PLACE)
    seconds(one, 0, 10, ppg=True, pcg=True)
    seconds(one, 10, 40, ppg=True)
    if seen == "ack":
        one.command(say("ack", 40.0))
    two = restarted(one, "pulse", "murmur")
    two.update(status(40.0, "online"))
    assert seconds(two, 40, 200, ppg=True) == []
    assert standing(two) == {LOST: seen}
    assert [t[:3] for t in seconds(two, 200, 210, ppg=True, pcg=True)] == [(203.1, "off", "cleared")]


def test_where_it_is_not_known_what_is_analyzed_nothing_of_before_is_missed():
    one = board(places=PLACE)
    seconds(one, 0, 10, ppg=True, pcg=True)
    two = board(boot="next", state=through_json(one), shift_s=0.0)
    assert seconds(two, 10, 60, ppg=True) == []


def test_what_another_configuration_no_longer_analyzes_is_not_missed_after_a_restart():
    one = board(places=PLACE)
    seconds(one, 0, 10, ppg=True, pcg=True)
    seconds(one, 10, 40, ppg=True)
    two = restarted(one, "pulse")
    two.update(status(40.0, "online"))
    assert [t[1:3] for t in seconds(two, 40, 200, ppg=True)] == [("off", "cleared")]
