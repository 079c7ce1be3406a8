"""What is said now or never: numbered whether heard or not, never old, never more than fits."""

from __future__ import annotations

import json

import pytest

from edge.mqtt.connection import Message
from edge.sinks._mqtt.live import Live
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import Reading


@pytest.fixture
def live(clock):
    return Live(Topics("vitals/dev"), Payloads(clock, "boot"), clock, {"ppg.rhythm": 2.0})


def reading(t=100.0, metric="ppg.hr", bed="bed1"):
    return Reading(metric, t, 60.0, "bpm", 0.9, bed=bed, source="node")


def taken(live, room=1):
    """All there is: topics with how long each may still be delivered."""
    found = []
    while (one := live.take(room)) is not None:
        found.append((one[0].topic.removeprefix("vitals/dev/"), one[1]))
    return found


def test_a_reading_is_true_for_three_hops_and_is_not_said_when_they_are_over(live, clock):
    for one in (reading(), reading(metric="ppg.rhythm")):
        live.reading(one, heard=True)
    clock.advance(2.5)
    live.reading(reading(t=102.5), heard=True)
    clock.advance(0.5)
    assert taken(live) == [("bed1/reading/ppg.rhythm", 3.0), ("bed1/reading/ppg.hr", 2.5)]
    assert len(live) == 0


def test_what_is_true_for_half_a_second_more_is_said_for_so_long(live, clock):
    live.reading(reading(), heard=True)
    clock.advance(2.5)
    assert taken(live) == [("bed1/reading/ppg.hr", 0.5)]


def test_of_a_file_played_fast_the_clock_counts(live):
    live.reading(reading(t=5000.0), heard=True)
    assert taken(live) == [("bed1/reading/ppg.hr", 3.0)]


def test_readings_are_numbered_by_bed_and_metric_heard_or_not(live):
    for one, heard in (
        (reading(), True), (reading(), False), (reading(metric="ppg.rhythm"), True),
        (reading(bed="bed2"), True), (reading(), True),
    ):  # fmt: skip
        live.reading(one, heard=heard)
    told = []
    while (one := live.take(1)) is not None:
        told.append(
            (one[0].topic.split("/")[2], json.loads(one[0].payload)["metric"], json.loads(one[0].payload)["seq"])
        )
    assert told == [("bed1", "ppg.hr", 1), ("bed1", "ppg.rhythm", 1), ("bed2", "ppg.hr", 1), ("bed1", "ppg.hr", 3)]


def test_what_must_be_first_is_waited_for(live):
    live.add(Message("figures", b"{}"))
    live.add_first(Message("status", b"1", 1), Message("then", b"2"))
    assert taken(live, room=0) == []
    assert taken(live) == [("status", None), ("then", None), ("figures", None)]


def test_a_flood_of_answers_keeps_no_reading_and_no_heartbeat_back_and_the_log_says_that_some_are_not_given(
    live, caplog
):
    live.add(Message("heartbeat", b"{}"))
    for n in range(1000):
        live.add(Message(f"answer {n}", b"{}", 1))
    live.add(Message("heartbeat", b"{}"))
    assert caplog.messages == []
    for n in range(1000, 1003):
        live.add(Message(f"answer {n}", b"{}", 1))
    live.reading(reading(), heard=True)
    assert len(live) == 1003
    assert taken(live, room=0) == [("heartbeat", None)] * 2 + [("bed1/reading/ppg.hr", 3.0)]
    assert taken(live) == [(f"answer {n}", None) for n in range(3, 1003)]
    told = "more than 1000 answers to commands wait for the broker; the oldest are not given"
    assert caplog.messages == [told]
    live.clear()
    for n in range(1002):
        live.add(Message(f"answer {n}", b"{}", 1))
    assert caplog.messages == [told, told], "once a connection"


def test_the_oldest_go_where_nobody_takes_them_and_all_at_the_end_of_a_connection(live):
    for n in range(1001):
        live.add(Message(str(n), b""))
    assert len(live) == 1000
    assert live.take(0)[0].topic == "1"
    live.clear()
    assert (len(live), live.take(1)) == (0, None)
