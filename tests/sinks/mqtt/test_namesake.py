"""When another monitor has our name, and whose it is what stands below it."""

from __future__ import annotations

import json

import pytest

from edge.sinks._mqtt.namesake import ECHO_WITHIN_S, HEARD_FOR_S, Namesake

TOPIC = "vitals/dev/bed1/alarm/af"


def said(boot, state="online"):
    return json.dumps({"boot": boot, "state": state}).encode()


def test_what_an_earlier_run_left_is_ours_at_once():
    one = Namesake("us")
    one.status(said("before", "offline"), 0.0, kept=True)
    one.left(TOPIC)
    assert one.ours(0.0) == [TOPIC]
    assert one.ours(0.0) == []


def test_our_own_words_prove_nothing():
    one = Namesake("us")
    one.status(said("us"), 0.0, kept=False)
    one.heartbeat(said("us"), 0.0)
    assert not one.there(0.0)


def test_our_own_words_must_come_back_and_that_they_do_not_is_said_once_a_connection():
    one = Namesake("us")
    assert not one.unheard(1e9), "there is no connection"
    one.connected(100.0)
    one.status(said("them"), 101.0, kept=True)
    assert not one.unheard(100.0 + ECHO_WITHIN_S - 0.1)
    assert one.unheard(100.0 + ECHO_WITHIN_S)
    assert not one.unheard(1e9)
    one.connected(200.0)
    one.heartbeat(said("us"), 229.0)
    assert not one.unheard(1e9)
    one.connected(300.0)
    one.status(said("us"), 301.0, kept=False)
    assert not one.unheard(1e9)


def test_a_heartbeat_of_another_run_proves_it_for_three_intervals():
    one = Namesake("us")
    one.heartbeat(said("them"), 5.0)
    one.left(TOPIC)
    assert one.there(5.0 + HEARD_FOR_S - 0.1)
    assert one.ours(5.0 + HEARD_FOR_S - 0.1) == []
    assert not one.there(5.0 + HEARD_FOR_S)
    assert one.ours(5.0 + HEARD_FOR_S) == [TOPIC]


def test_a_kept_online_is_a_doubt_that_ends_without_a_heartbeat():
    one = Namesake("us")
    one.status(said("them"), 0.0, kept=True)
    one.left(TOPIC)
    assert not one.there(1.0)
    assert one.ours(HEARD_FOR_S - 0.1) == []
    assert one.ours(HEARD_FOR_S) == [TOPIC]


@pytest.mark.parametrize("state", ["offline", "stopped"])
def test_whoever_says_good_bye_is_gone(state):
    one = Namesake("us")
    one.status(said("them"), 0.0, kept=False)
    assert one.there(1.0)
    one.status(said("them", state), 2.0, kept=False)
    assert not one.there(2.0)


@pytest.mark.parametrize(
    "payload", [b"", b"{", said("us", "offline"), said("them", "offline"), said("them", "stopped")]
)
def test_whoever_says_that_we_are_gone_denies_us_once(payload):
    one = Namesake("us")
    one.status(payload, 0.0, kept=True)
    assert not one.denied(), "that was before we said that we are there"
    one.status(payload, 1.0, kept=False)
    assert one.denied()
    assert not one.denied()


def test_who_is_online_denies_nobody_and_a_new_connection_says_so_anyway():
    one = Namesake("us")
    one.status(said("us"), 0.0, kept=False)
    one.status(said("them"), 0.0, kept=False)
    assert not one.denied()
    one.status(b"", 1.0, kept=False)
    one.connected(2.0)
    assert not one.denied()


def test_after_a_new_connection_the_broker_tells_again():
    one = Namesake("us")
    one.left(TOPIC)
    one.connected(0.0)
    assert one.ours(0.0) == []


@pytest.mark.parametrize("payload", [b"", b"{", b"5", b"[]", b"{}", b"[" * 100_000])
def test_what_says_nothing_proves_nothing(payload):
    one = Namesake("us")
    one.status(payload, 0.0, kept=False)
    one.heartbeat(payload, 0.0)
    assert not one.there(0.0)
