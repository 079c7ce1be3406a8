"""What the broker refused is not delivered, and what is behind it waits its turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sinks._mqtt.flight import LEFT_S, UNANSWERED_S, Answer, Flight
from edge.sinks._mqtt.listeners import LISTENERS_BACK_S

WINDOW = 50
TAKEN, QUOTA, NOBODY = Answer(), Answer("quota exceeded"), Answer(nobody=True)


@pytest.fixture
def flight(clock):
    one = Flight(clock)
    one.begin(window=WINDOW, returned=False)
    return one


def send(flight, *rows):
    for row in rows:
        flight.sent(row, row)


def test_rows_that_the_broker_took_are_done_and_there_is_room_again(flight):
    room = flight.room_for_rows()
    send(flight, 1, 2, 3)
    assert (flight.room_for_rows(), flight.after, len(flight)) == (room - 3, 3, 3)
    flight.answered(1, TAKEN)
    flight.answered(2, TAKEN)
    assert flight.settle() == ([1, 2], [], [])
    assert (flight.room_for_rows(), len(flight)) == (room - 1, 1)


def test_a_broker_that_answers_nothing_for_long_is_told_of_until_it_does(clock, flight):
    assert flight.ignored == ""
    send(flight, 1)
    clock.advance(UNANSWERED_S)
    send(flight, 2)
    assert flight.ignored == ""
    clock.advance(0.1)
    assert flight.ignored == "connected, but no message was answered for 30 s"
    flight.answered(1, TAKEN)
    flight.settle()
    assert flight.ignored == ""


def test_one_that_answers_nothing_at_all_is_of_no_use_after_two_minutes(clock, flight):
    clock.advance(1000.0)
    assert not flight.hopeless
    send(flight, 1, 2)
    clock.advance(100.0)
    flight.answered(2, TAKEN)
    flight.settle()
    clock.advance(LEFT_S)
    assert (flight.hopeless, flight.heard) == (False, True)
    clock.advance(0.1)
    assert flight.hopeless
    flight.end()
    flight.begin(window=20, returned=True)
    assert (flight.hopeless, flight.heard) == (False, False)


def test_the_window_of_the_broker_holds_for_everything_on_its_way(clock):
    flight = Flight(clock)
    flight.begin(window=3, returned=False)
    flight.sent(1, 1)
    flight.sent(2, "vitals/dev/bed1/alarm/af")
    flight.sent(3, None)
    assert (flight.room(), flight.room_for_rows()) == (0, 0)
    flight.answered(3, TAKEN)
    assert flight.settle() == ([], [], [])
    assert (flight.room(), flight.room_for_rows()) == (1, 1)


def test_a_refused_row_and_what_is_behind_it_wait_and_then_go_one_at_a_time(flight, clock):
    room = flight.room_for_rows()
    send(flight, 1, 2, 3)
    for mid, answer in ((1, TAKEN), (2, QUOTA), (3, QUOTA)):
        flight.answered(mid, answer)
    assert flight.settle().rows == [1]
    assert (flight.after, flight.refusal, flight.room_for_rows()) == (1, "quota exceeded", 0)
    clock.advance(1.0)
    assert flight.room_for_rows() == 1
    send(flight, 2)
    assert flight.room_for_rows() == 0
    flight.answered(2, TAKEN)
    assert flight.settle().rows == [2]
    assert (flight.refusal, flight.room_for_rows()) == ("", room)


def test_waits_between_tries_grow_and_end_at_ten_seconds(flight, clock):
    waits = []
    for _ in range(6):
        send(flight, 1)
        flight.answered(1, QUOTA)
        flight.settle()
        begin = clock.now()
        while not flight.room_for_rows():
            clock.advance(0.5)
        waits.append(clock.now() - begin)
    assert waits == [1.0, 2.0, 5.0, 10.0, 10.0, 10.0]


def test_a_retained_topic_that_was_refused_is_said_again_later(flight, clock):
    flight.sent(7, "vitals/dev/bed1/alarm/af")
    flight.answered(7, QUOTA)
    assert flight.settle() == ([], ["vitals/dev/bed1/alarm/af"], [])
    clock.advance(0.9)
    assert flight.held
    clock.advance(0.1)
    assert not flight.held
    flight.sent(8, "vitals/dev/bed1/alarm/af")
    flight.answered(8, TAKEN)
    assert flight.settle() == ([], [], []), "taken, and nothing is left to say of it"
    assert not flight.held


def test_nobody_listening_is_delivered_unless_the_subscribers_may_be_on_their_way_back(flight, clock):
    send(flight, 1)
    flight.answered(1, NOBODY)
    assert flight.settle().rows == [1]
    flight.begin(window=WINDOW, returned=True)
    send(flight, 2)
    flight.answered(2, NOBODY)
    assert flight.settle().rows == []
    assert (flight.refusal, flight.held) == ("", False)
    clock.advance(LISTENERS_BACK_S)
    assert flight.settle().rows == []
    assert flight.after == 1
    send(flight, 2)
    flight.answered(2, NOBODY)
    assert flight.settle().rows == [2]


def test_another_message_that_was_refused_holds_nothing_back_and_is_named(flight):
    flight.sent(7, None)
    flight.sent(8, None)
    flight.answered(7, QUOTA)
    flight.answered(8, TAKEN)
    assert flight.settle() == ([], [], [7])
    assert not flight.held


def test_a_new_connection_forgets_what_was_on_its_way_but_not_that_the_broker_refuses(flight):
    send(flight, 5, 6)
    flight.answered(5, QUOTA)
    flight.settle()
    flight.answered(6, TAKEN)
    flight.begin(window=WINDOW, returned=True)
    assert (flight.settle(), flight.after, len(flight)) == (([], [], []), 0, 0)
    assert flight.refusal == "quota exceeded"
    assert flight.room_for_rows() == 1


def test_an_answer_of_the_connection_before_is_none_of_this_one(flight):
    """Each connection counts its messages anew: this would be an alarm that nobody got."""
    send(flight, 1)
    flight.answered(1, TAKEN)
    flight.begin(window=WINDOW, returned=True)
    send(flight, 1)
    assert (flight.settle().rows, len(flight)) == ([], 1)


def answered(flight, clock, rows, took_s):
    send(flight, *rows)
    clock.advance(took_s)
    for row in rows:
        flight.answered(row, TAKEN)
    flight.settle()


def test_quick_answers_let_more_be_on_their_way_up_to_what_the_broker_takes(flight, clock):
    rooms, row = [], 0
    for _ in range(4):
        rooms.append(flight.room_for_rows())
        answered(flight, clock, range(row, row + rooms[-1]), 0.01)
        row += rooms[-1]
    assert rooms == list(range(rooms[0], rooms[0] + 4)), "one more at once for each round of answers"
    for _ in range(200):
        answered(flight, clock, range(row, row + flight.room_for_rows()), 0.01)
        row += WINDOW
    assert flight.room_for_rows() == WINDOW


def test_few_on_their_way_say_nothing_of_how_many_the_network_would_carry(flight, clock):
    room = flight.room_for_rows()
    for row in range(100):
        answered(flight, clock, [row], 0.01)
    assert flight.room_for_rows() == room


def test_slow_answers_halve_what_is_on_its_way_once_a_round_and_never_to_nothing(flight, clock):
    rooms, row = [], 0
    for _ in range(8):
        rooms.append(flight.room_for_rows())
        answered(flight, clock, range(row, row + rooms[-1]), 3.0)
        row += rooms[-1]
    assert rooms[1:] == [max(1, room // 2) for room in rooms[:-1]]
    assert rooms[-1] == 1


def test_no_more_may_go_while_more_are_on_their_way_than_a_slow_network_carries(flight, clock):
    send(flight, *range(flight.room_for_rows()))
    clock.advance(3.0)
    flight.answered(0, TAKEN)
    flight.settle()
    assert (flight.room(), flight.room_for_rows()) == (0, 0)


def test_a_broker_that_hangs_up_on_a_row_gets_the_next_one_alone_and_later_each_time(flight, clock):
    waits, room = [], flight.room_for_rows()
    for _ in range(5):
        send(flight, 1, 2)
        flight.end()
        flight.begin(window=WINDOW, returned=True)
        assert (flight.held, flight.room() > 1) == (False, True)  # what stands can be said
        begin = clock.now()
        while not flight.room_for_rows():
            clock.advance(0.5)
        waits.append(clock.now() - begin)
        assert flight.room_for_rows() == 1
        flight.begin(window=WINDOW, returned=True)
    assert waits == [1.0, 2.0, 5.0, 10.0, 10.0]
    send(flight, 1)
    flight.answered(1, TAKEN)
    flight.settle()
    flight.end()
    flight.begin(window=WINDOW, returned=True)
    assert flight.room_for_rows() == room, "at once"


def test_a_row_the_broker_took_ends_the_count_of_hang_ups(flight, clock):
    for rows in ((1,), (1, 2)):
        send(flight, *rows)
        flight.end()
        flight.begin(window=WINDOW, returned=True)
    clock.advance(2.0)
    send(flight, 1)
    flight.answered(1, TAKEN)
    assert flight.settle().rows == [1]
    send(flight, 2)
    flight.end()
    flight.begin(window=WINDOW, returned=True)
    clock.advance(1.0)
    assert flight.room_for_rows() == 1, "after the first wait again"


def test_a_connection_that_lasted_did_not_end_because_of_what_was_on_its_way(flight, clock):
    at_once = flight.room_for_rows()
    for lasted_s, room in ((60.0, at_once), (1.0, 0), (60.0, at_once)):
        clock.advance(lasted_s)
        send(flight, 1)
        flight.end()
        flight.begin(window=WINDOW, returned=True)
        assert flight.room_for_rows() == room, "at once"


def may_go(flight, waiting):
    """Rows as they are taken from the outbox: (row, bed), a bed's in order and alone where nobody may be back."""
    going, alone = [], set()
    for row, bed in waiting:
        if row > flight.after and not flight.listeners.waits(bed) and bed not in alone:
            going.append((row, bed))
            if flight.listeners.lacks(bed):
                alone.add(bed)
    first = flight.listeners.due()
    return ([one for one in waiting if one[0] in first] + going)[: flight.room_for_rows()]


@given(
    st.lists(st.sampled_from([TAKEN, QUOTA, NOBODY]), max_size=60),
    st.lists(st.sampled_from(["bed1", "bed2", "_device"]), min_size=1, max_size=40),
)
def test_whatever_the_broker_answers_every_row_is_delivered_and_none_before_it_was_taken(answers, beds):
    clock = ManualClock()
    flight = Flight(clock)
    flight.begin(window=WINDOW, returned=True)
    waiting, delivered, mid = list(enumerate(beds, start=1)), [], 0
    for _ in range(2000):
        if not waiting:
            break
        for row, bed in may_go(flight, waiting):
            mid += 1
            flight.sent(mid, row, bed)
            answer = answers.pop(0) if answers else TAKEN
            flight.answered(mid, answer)
        for row in flight.settle().rows:
            waiting.remove((row, beds[row - 1]))
            delivered.append(row)
        clock.advance(0.5)
    assert sorted(delivered) == list(range(1, len(beds) + 1))
    assert (len(flight), flight.refusal) == (0, "")
