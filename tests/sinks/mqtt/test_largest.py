"""What a broker takes at most is learnt from connections that end over the same, and from nothing else."""

from __future__ import annotations

from edge.sinks._mqtt.largest import Largest


def test_two_connections_that_end_over_an_alarm_larger_than_any_before_set_the_limit_below_it():
    one = Largest()
    one.taken(700)
    assert not one.hung_up([1300, 1200])
    assert one.bytes is None
    assert one.hung_up([1300])
    assert one.bytes == 1199


def test_a_size_that_was_taken_before_is_not_what_a_connection_ended_over():
    one = Largest()
    one.taken(1300)
    assert [one.hung_up([1300, 200]) for _ in range(5)] == [False] * 5
    assert one.bytes is None


def test_ends_with_nothing_on_the_way_and_ends_of_before_a_success_do_not_count():
    one = Largest()
    assert not one.hung_up([])
    assert not one.hung_up([900])
    one.taken(800)
    assert not one.hung_up([900])
    assert one.hung_up([900])


def test_what_still_ends_them_sets_a_lower_limit():
    one = Largest()
    assert [one.hung_up([n]) for n in (1300, 1300, 1200, 1200)] == [False, True, False, True]
    assert one.bytes == 1199


def test_the_limit_holds_until_a_connection_that_lasted_is_over_and_what_was_taken_is_remembered():
    one = Largest()
    one.taken(700)
    assert [one.hung_up([900]) for _ in range(2)] == [False, True]
    one.lasted()
    assert one.bytes is None
    assert [one.hung_up([700]) for _ in range(3)] == [False] * 3
    assert [one.hung_up([900]) for _ in range(2)] == [False, True]
