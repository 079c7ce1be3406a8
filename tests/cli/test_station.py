"""A listener's duties: confirm what its role is asked for, once, and say what has fallen silent or was missed."""

import json

import pytest

from edge.cli.watch.station import Station

ASKED = {"asked": ["station"], "received": "", "by": "", "annunciator": False}


def event(seq=1, presence="on", delivery=ASKED, occurrence="o1", **more):
    fields = {"id": "bed1/af", "occurrence": occurrence, "presence": presence, "seq": seq, "text": "AF", **more}
    return json.dumps(fields if delivery is None else {**fields, "delivery": delivery}).encode()


def confirmed(station, payload, topic="vitals/dev/bed1/event"):
    return [(one.topic, one.id, one.occurrence, one.seq) for one in station.take(topic, payload, now=0.0)[0]]


def ours(seq=1):
    return [("vitals/dev/bed1/cmd/received", "bed1/af", "o1", seq)]


def test_an_alarm_that_asks_for_the_role_is_confirmed_once():
    station = Station("vitals", "station")
    assert confirmed(station, event(5)) == ours(5)
    assert confirmed(station, event(5)) == []
    assert confirmed(station, event(5), "vitals/dev/bed1/alarm/af") == [], "the same alarm, as it stands"
    assert confirmed(station, event(6, delivery={**ASKED, "received": "station"})) == []
    assert confirmed(station, event(7, priority="high")) == ours(7), "it sounds again and asks again"


def test_after_a_lost_connection_it_confirms_again_what_still_asks():
    station = Station("vitals", "station")
    assert confirmed(station, event(5)) == ours(5)
    station.connected()
    assert confirmed(station, event(5), "vitals/dev/bed1/alarm/af") == ours(5)


def test_only_what_stands_and_asks_for_this_role_is_confirmed():
    assert confirmed(Station("vitals", "charge"), event()) == []
    assert confirmed(Station("vitals"), event()) == []
    station = Station("vitals", "station")
    for other in (
        event(delivery=None),
        event(presence="ack"),
        event(presence="off"),
        event(historical=True),
        event(delivery={**ASKED, "asked": 3}),
        b"{",
        b"[" * 100_000,
        b"",
    ):
        assert confirmed(station, other) == []
    assert confirmed(station, event(), "vitals/dev/bed1/reading/x") == []
    assert confirmed(station, event(presence="latched"), "vitals/dev/bed1/alarm/sensor_off/node") == ours()


def beat(station, now, interval_s=5.0, device="dev"):
    return station.take(f"vitals/{device}/heartbeat", json.dumps({"interval_s": interval_s}).encode(), now=now)[1]


def status(station, state, now, **more):
    fields = {"state": state, "heartbeat_s": 5.0, **more}
    assert station.take("vitals/dev/status", json.dumps(fields).encode(), now=now) == ([], [])


def test_a_heartbeat_that_stays_away_is_said_once_and_its_return_too():
    station = Station("vitals")
    beat(station, 0.0)
    assert station.missing(15.0) == []
    assert station.missing(15.5) == ["dev ALARM SYSTEM SILENT: no heartbeat for 16 s; go and look"]
    assert station.missing(60.0) == []
    assert beat(station, 61.0) == ["dev alarm system is back after 61 s"]
    assert beat(station, 66.0, interval_s=20.0) == []
    assert station.missing(120.0) == [], "the device says how often"


def test_a_device_that_is_online_and_never_beats_is_silent_one_that_stopped_is_not():
    station = Station("vitals")
    status(station, "online", 100.0)
    assert station.missing(115.0) == []
    assert station.missing(116.0) == ["dev ALARM SYSTEM SILENT: no heartbeat for 16 s; go and look"]
    status(station, "stopped", 117.0)
    status(station, "online", 120.0)
    assert station.missing(130.0) == []
    status(station, "offline", 131.0)
    assert station.missing(200.0) == []


def test_a_device_that_never_promised_a_heartbeat_is_not_missed():
    station = Station("vitals")
    status(station, "online", 0.0, heartbeat_s=None)
    assert station.missing(100.0) == []


def test_an_interval_that_is_none_is_not_believed():
    for none in ("0", "-1", "1e999", "1" * 400, '"5"', "null"):
        station = Station("vitals")
        station.take("vitals/dev/heartbeat", f'{{"interval_s": {none}}}'.encode(), now=0.0)
        assert len(station.missing(16.0)) == 1, none


def test_a_role_that_a_device_never_asks_is_said_once():
    def told(station, roles):
        return station.take("vitals/dev/status", json.dumps({"state": "online", "roles": roles}).encode(), now=0.0)[1]

    misspelt = Station("vitals", "staton")
    said = ["dev never asks 'staton' to confirm an alarm: it asks station, charge"]
    assert [told(misspelt, ["station", "charge"]) for _ in range(2)] == [said, []]
    assert told(Station("vitals", "station"), []) == [
        "dev never asks 'station' to confirm an alarm: it has no [delivery]"
    ]
    assert told(Station("vitals", "charge"), ["station", "charge"]) == []
    assert told(Station("vitals"), ["station"]) == [], "who only listens confirms nothing"


@pytest.mark.parametrize("none", ["null", "5", '"nurse"', "[1]", "{}"])
def test_nothing_that_a_device_sends_ends_the_listening(none):
    station = Station("vitals", "nurse")
    assert station.take("vitals/dev/status", f'{{"state": "online", "roles": {none}}}'.encode(), now=0.0)[0] == []
    assert told(station, event(7, epoch=json.loads(none))) == []
    for topic in ("bed1/event", "bed1/alarm/af"):
        payload = f'{{"seq": {none}, "epoch": {none}, "delivery": {none}, "occurrence": {none}}}'.encode()
        assert station.take(f"vitals/dev/{topic}", payload, now=0.0) == ([], [])
    beds = f'{{"beds": {{"bed1": {{"seq": {none}, "epoch": {none}}}}}, "outbox": {{"depth": 0}}}}'.encode()
    assert station.take("vitals/dev/heartbeat", beds, now=0.0) == ([], [])


def test_missed_events_are_said():
    station = Station("vitals")

    def told(seq):
        return station.take("vitals/dev/bed1/event", event(seq), now=0.0)[1]

    assert [told(seq) for seq in (3, 4, 4, 2, 5)] == [[]] * 5
    assert told(8) == ["dev/bed1: 2 alarm event(s) missed before number 8"]


def told(station, payload):
    return station.take("vitals/dev/bed1/event", payload, now=0.0)[1]


def test_numbers_that_begin_anew_are_said_once_and_counted_on_from_there():
    station = Station("vitals")
    assert told(station, event(7, epoch="a")) == []
    assert told(station, event(9, epoch="a")) == ["dev/bed1: 1 alarm event(s) missed before number 9"]
    assert told(station, event(1, epoch="b")) == ["dev/bed1: numbers of alarm events begin anew; some may be missing"]
    assert told(station, event(2, epoch="b")) == []
    assert told(station, event(4, epoch="b")) == ["dev/bed1: 1 alarm event(s) missed before number 4"]


def known_to_have(station, now, seq, *, epoch="a", depth=0, **more):
    fields = {"interval_s": 5.0, "beds": {"bed1": {"seq": seq, "epoch": epoch}}, "outbox": {"depth": depth}, **more}
    return station.take("vitals/dev/heartbeat", json.dumps(fields).encode(), now=now)[1]


def test_an_event_that_a_heartbeat_knows_of_and_that_does_not_come_is_said_once():
    station = Station("vitals")
    assert told(station, event(7, epoch="a")) == []
    assert [known_to_have(station, now, 9) for now in (0.0, 5.0, 9.9)] == [[], [], []]
    assert known_to_have(station, 10.0, 9) == ["dev/bed1: 2 alarm event(s) missed up to number 9"]
    assert [known_to_have(station, now, 9) for now in (15.0, 20.0, 25.0, 30.0)] == [[]] * 4
    assert told(station, event(10, epoch="a")) == []


def test_an_event_that_comes_a_little_later_than_the_heartbeat_that_knows_of_it_is_not_missed():
    station = Station("vitals")
    assert told(station, event(7, epoch="a")) == []
    assert [known_to_have(station, now, 8) for now in (0.0, 5.0)] == [[], []]
    assert told(station, event(8, epoch="a")) == []
    assert [known_to_have(station, now, 9) for now in (10.0, 15.0)] == [[], []], "counted from its own heartbeat on"
    assert known_to_have(station, 20.0, 9) == ["dev/bed1: 1 alarm event(s) missed up to number 9"]


def test_what_happened_before_the_first_heartbeat_is_not_missed():
    station = Station("vitals")
    assert [known_to_have(station, now, 40) for now in (0.0, 10.0, 20.0)] == [[]] * 3
    assert told(station, event(43, epoch="a")) == ["dev/bed1: 2 alarm event(s) missed before number 43"]


def test_what_waits_in_the_outbox_is_not_missed():
    station = Station("vitals")
    assert told(station, event(7, epoch="a")) == []
    assert [known_to_have(station, now, 9, depth=2) for now in (0.0, 10.0, 20.0)] == [[]] * 3


def test_numbers_that_a_heartbeat_begins_anew_are_said():
    station = Station("vitals")
    assert told(station, event(7, epoch="a")) == []
    assert [known_to_have(station, now, 2, epoch="b") for now in (0.0, 5.0)] == [[], []]
    assert known_to_have(station, 10.0, 3, epoch="b") == [
        "dev/bed1: numbers of alarm events begin anew; some may be missing"
    ]
    assert told(station, event(3, epoch="b")) == []


def test_a_heartbeat_that_counts_in_another_way_is_passed_over():
    station = Station("vitals")
    assert told(station, event(7, epoch="a")) == []
    for beds in (5, {"bed1": 5}, {"bed1": {"seq": "9"}}, {"bed1": {}}):
        assert [known_to_have(station, now, 9, beds=beds) for now in (0.0, 20.0)] == [[], []]
    assert [known_to_have(station, now, 9, outbox=5) for now in (30.0, 50.0)] == [[], []]
