"""Whom a bed's first event after a return waits for, and that no other bed waits with it."""

from __future__ import annotations

import pytest

from edge.sinks._mqtt.listeners import LISTENERS_BACK_S, Listeners


@pytest.fixture
def listeners(clock):
    one = Listeners(clock)
    one.begin(returned=True)
    return one


def test_without_a_return_nobody_is_waited_for(clock):
    one = Listeners(clock)
    one.begin(returned=False)
    one.sent("bed1", 1)
    assert (one.doubted, one.lacks("bed1"), one.waits("bed1"), one.nobody("bed1")) == (False, False, False, False)


def test_a_beds_first_row_goes_alone_and_again_every_half_second_until_somebody_has_it(clock, listeners):
    assert listeners.lacks("bed1")
    assert not listeners.waits("bed1")
    for _ in range(3):
        listeners.sent("bed1", 7)
        assert (listeners.waits("bed1"), listeners.due()) == (True, [])
        assert listeners.nobody("bed1")
        assert listeners.due() == []
        clock.advance(0.5)
        assert listeners.due() == [7]
    listeners.sent("bed1", 7)
    assert listeners.heard("bed1") == 7
    assert (listeners.lacks("bed1"), listeners.waits("bed1"), listeners.due()) == (False, False, [])


def test_another_bed_does_not_wait_with_it(listeners):
    listeners.sent("_device", 1)
    listeners.nobody("_device")
    assert (listeners.waits("bed1"), listeners.lacks("bed1")) == (False, True)
    listeners.sent("bed1", 2)
    assert listeners.heard("bed1") == 2
    assert listeners.heard("bed1") is None
    assert listeners.waits("_device")


def test_of_an_event_that_is_heard_the_next_ones_are_taken_as_they_are_answered(listeners):
    listeners.sent("bed1", 1)
    listeners.heard("bed1")
    listeners.sent("bed1", 2)
    assert (listeners.waits("bed1"), listeners.nobody("bed1")) == (False, False)


def test_a_first_row_that_the_broker_refused_goes_again_as_soon_as_rows_may(listeners):
    listeners.sent("bed1", 1)
    listeners.refused("bed1")
    assert (listeners.due(), listeners.waits("bed1")) == ([1], True)


def test_after_half_a_minute_nobody_is_waited_for_any_more(clock, listeners):
    for bed, row in (("bed2", 5), ("bed1", 3)):
        listeners.sent(bed, row)
        listeners.nobody(bed)
    clock.advance(LISTENERS_BACK_S - 0.1)
    assert listeners.given_up() is None
    clock.advance(0.1)
    assert (listeners.given_up(), listeners.given_up()) == (3, None)
    assert (listeners.waits("bed1"), listeners.lacks("bed2"), listeners.due()) == (False, False, [])


def test_the_doubt_ends_only_when_it_is_asked_for_so_that_what_was_passed_over_for_it_is_gone_back_to(clock, listeners):
    clock.advance(LISTENERS_BACK_S)
    listeners.sent("bed1", 1)
    assert (listeners.doubted, listeners.lacks("bed1"), listeners.waits("bed1")) == (True, True, True)
    assert (listeners.given_up(), listeners.doubted, listeners.waits("bed1")) == (1, False, False)


def test_a_new_connection_waits_anew(listeners):
    listeners.sent("bed1", 1)
    listeners.heard("bed1")
    listeners.sent("bed2", 2)
    listeners.begin(returned=True)
    assert (listeners.lacks("bed1"), listeners.waits("bed2")) == (True, False)
