"""What stands is told once to a listener that came late, and never beside the event that tells the same."""

from __future__ import annotations

import json

import pytest

from edge.cli.watch.standing import WAIT_S, Standing

ALARM, EVENT = "vitals/dev/bed1/alarm/af", "vitals/dev/bed1/event"
LINE = "dev STANDING ALARM on       medium  bed1/af: AF, since 2026-01-02T03:04:05.000Z"
OVER = "dev ALARM off      medium  bed1/af: AF (no event of its end was heard)"


def alarm(seq=1, presence="on", occurrence="o1", **more):
    fields = {"id": "bed1/af", "occurrence": occurrence, "presence": presence, "priority": "medium", "seq": seq}
    return json.dumps({**fields, "text": "AF", "since": "2026-01-02T03:04:05.000Z", **more}).encode()


def told(standing, topic, payload, now=0.0, *, retained=False, until=None):
    standing.take(topic, payload, retained=retained, now=now)
    return standing.due(now if until is None else until)


def test_what_the_broker_kept_is_told_at_once_and_once():
    standing = Standing("vitals")
    assert told(standing, ALARM, alarm(), retained=True) == [LINE]
    assert told(standing, ALARM, alarm(), retained=True, until=60.0) == [], "after a new connection"
    acknowledged = told(standing, ALARM, alarm(2, "ack"), retained=True)
    assert acknowledged == [LINE.replace("on ", "ack")], "what happened while it was away"


def test_an_alarm_of_one_source_is_one_of_its_own():
    standing = Standing("vitals")
    lost = alarm(id="bed1/source_lost/node")
    assert len(told(standing, ALARM, alarm(), retained=True)) == 1
    assert len(told(standing, "vitals/dev/bed1/alarm/source_lost/node", lost, retained=True)) == 1


def test_what_an_event_told_stands_in_no_line_of_its_own():
    standing = Standing("vitals")
    assert told(standing, EVENT, alarm()) == []
    assert told(standing, ALARM, alarm(), until=60.0) == []
    assert told(standing, ALARM, alarm(2, "ack"), now=60.0) == []
    assert told(standing, EVENT, alarm(2, "ack"), now=61.0, until=120.0) == [], "in the other order"


def test_what_a_device_says_again_after_its_start_is_told_without_an_event():
    standing = Standing("vitals")
    assert told(standing, ALARM, alarm(7), until=WAIT_S - 0.1) == []
    assert standing.due(WAIT_S) == [LINE]
    assert told(standing, ALARM, alarm(8, occurrence="o2"), now=5.0, until=5.0 + WAIT_S) == [LINE]


@pytest.mark.parametrize("state", ["offline", "stopped"])
def test_what_a_device_said_before_it_went_is_told_as_such(state):
    def status(standing, state):
        standing.take("vitals/dev/status", json.dumps({"state": state}).encode(), retained=True, now=0.0)

    standing = Standing("vitals")
    status(standing, state)
    assert told(standing, ALARM, alarm(), retained=True) == [f"{LINE} [before dev was {state}]"]
    status(standing, "online")
    assert told(standing, ALARM, alarm(2), retained=True) == [LINE]


def test_what_is_over_before_it_was_told_is_not_told():
    standing = Standing("vitals")
    assert told(standing, ALARM, alarm()) == []
    assert told(standing, ALARM, b"", now=1.0, until=60.0) == []
    assert told(standing, EVENT, alarm(2, "off"), now=61.0, until=120.0) == []


def beats(standing, *times):
    lines = []
    for now in times:
        standing.take("vitals/dev/heartbeat", b"{}", retained=False, now=now)
        lines += standing.due(now)
    return lines


def test_what_a_device_does_not_say_again_on_a_new_connection_is_over():
    standing = Standing("vitals")
    assert told(standing, EVENT, alarm()) == []
    assert beats(standing, 5.0, 10.0) == [], "it was said on this one"
    standing.connected()
    assert beats(standing, 20.0, 20.0 + WAIT_S - 0.1) == [], "it may still be on its way"
    assert beats(standing, 20.0 + WAIT_S, 30.0) == [OVER]
    assert told(standing, ALARM, alarm(), now=31.0, until=31.0 + WAIT_S) == [LINE], "said again after all"


def test_what_is_said_again_on_a_new_connection_stands():
    standing = Standing("vitals")
    for topic in (EVENT, ALARM):
        standing.take(topic, alarm(), retained=False, now=0.0)
    standing.connected()
    assert told(standing, ALARM, alarm(), 20.0, retained=True) == []
    assert beats(standing, 20.0, 25.0, 30.0) == []


def test_what_was_over_before_a_new_connection_is_not_told_again():
    standing = Standing("vitals")
    assert told(standing, EVENT, alarm(historical=True)) == []
    assert told(standing, EVENT, alarm(2, "off")) == []
    standing.connected()
    assert beats(standing, 20.0, 25.0) == []


def test_of_a_device_that_does_not_beat_nothing_is_known_to_be_over():
    standing = Standing("vitals")
    assert told(standing, EVENT, alarm()) == []
    standing.connected()
    standing.take("vitals/other/heartbeat", b"{}", retained=False, now=20.0)
    standing.take("vitals/other/heartbeat", b"{}", retained=False, now=25.0)
    assert standing.due(60.0) == []


def test_what_is_emptied_without_an_event_is_over():
    standing = Standing("vitals")
    assert told(standing, EVENT, alarm(historical=True)) == []
    assert told(standing, ALARM, b"", now=1.0, until=WAIT_S + 0.9) == []
    assert standing.due(WAIT_S + 1.0) == [OVER]
    assert told(standing, ALARM, b"", now=10.0, until=60.0) == []


def test_what_is_emptied_and_said_again_stands():
    standing = Standing("vitals")
    assert told(standing, EVENT, alarm()) == []
    standing.take(ALARM, b"", retained=False, now=1.0)
    assert told(standing, ALARM, alarm(), now=1.5, until=60.0) == []


def test_delivery_and_drills_are_told():
    standing = Standing("vitals")
    delivery = {"asked": ["station"], "received": "", "by": "", "nobody": True, "annunciator": False}
    (line,) = told(standing, ALARM, alarm(delivery=delivery, drill=True), retained=True)
    assert line == LINE.replace("ALARM on", "DRILL on").replace("AF", "AF (not confirmed; asked: station)")


@pytest.mark.parametrize(
    "payload", [b"{", b"5", b"null", b"{}", alarm(presence=[]), alarm(delivery=[1]), alarm(id=None, text=None)[:9]]
)
def test_what_is_no_alarm_is_passed_over(payload):
    standing = Standing("vitals")
    assert told(standing, ALARM, payload, retained=True) == []
    assert told(standing, EVENT, payload) == []
    assert told(standing, "vitals/dev/status", payload, retained=True) == []
