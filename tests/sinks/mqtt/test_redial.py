"""When a broker is tried again, and when another program with our client id is left alone."""

from __future__ import annotations

import pytest

from edge.sinks._mqtt.redial import TRUCE_S, Redial


def redial():
    return Redial(jitter=lambda low, _high: low / 0.8)


def ended(one, lived_s, *, taken_over=False, by_nobody=True):
    return one.ended(lived_s, taken_over=taken_over, by_nobody=lambda: by_nobody)


def test_the_pause_grows_to_ten_seconds_and_begins_anew_after_a_connection_that_lasted():
    one = redial()
    assert [one.refused() for _ in range(8)] == [0.5, 1.0, 2.0, 5.0, 10.0, 10.0, 10.0, 10.0]
    assert ended(one, 60.0) == 0.5
    assert one.refused() == 0.5


def test_patience_grows_with_silence_alone():
    one = redial()
    assert one.patience_s == 5.0
    assert [(one.refused(silent=True), one.patience_s)[1] for _ in range(3)] == [10.0, 20.0, 20.0]
    assert (ended(one, 60.0), one.patience_s) == (0.5, 20.0)
    assert (one.refused(), one.patience_s) == (0.5, 5.0)


def test_pauses_of_many_devices_are_not_the_same():
    assert len({Redial().refused() for _ in range(20)}) == 20
    assert [Redial(jitter).refused() for jitter in (min, max)] == [0.4, 0.6]


def test_a_session_that_was_taken_over_is_a_truce_at_once():
    assert ended(redial(), 60.0, taken_over=True) == TRUCE_S


def test_three_connections_cut_off_soon_by_a_broker_that_is_there_are_suspicious_and_delay_no_alarm_further():
    one = redial()
    assert [ended(one, 1.0) for _ in range(2)] == [1.0, 2.0]
    assert not one.suspects
    assert ended(one, 1.0) == 5.0
    assert one.suspects
    assert [ended(one, 1.0) for _ in range(4)] == [10.0, 10.0, 10.0, 10.0]
    assert ended(one, 6.0) == 0.5
    assert not one.suspects


@pytest.mark.parametrize("how", [{"lived_s": 6.0}, {"by_nobody": False}, {"taken_over": True}], ids=str)
def test_a_connection_that_lasted_or_ended_for_a_reason_is_none_of_the_three(how):
    one = redial()
    for end in ({}, {}, how, {}, {}):
        ended(one, **{"lived_s": 1.0, **end})
        assert not one.suspects
