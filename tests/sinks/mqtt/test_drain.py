"""A backlog goes out in order and at its rate; what happens now goes out as it happens."""

from __future__ import annotations

import pytest

from edge.clock import ManualClock
from edge.sinks._mqtt.drain import LATE_S, Drain
from edge.sinks._mqtt.flight import Answer, Flight
from edge.sinks.outbox import Outbox
from edge.types import Alarm

IDLE_S = 0.5


def alarm(seq, t):
    return Alarm("bed1/af", f"o{seq}", "physiological", "medium", "on", t, "AF", "af", "bed1", seq=seq)


class Link:
    """A drain whose broker answers at once, or as the test says."""

    def __init__(self, tmp_path, *, late_per_s=200.0, window=1000):
        self.clock = ManualClock(1000.0, wall=1_800_000_000.0)
        self.box = Outbox(tmp_path / "outbox.sqlite", clock=self.clock, boot="b")
        self.flight = Flight(self.clock)
        self.flight.begin(window=window, returned=False)
        self.drain = Drain(self.box, self.flight, self.clock, boot="b", late_per_s=late_per_s)
        self.sent, self.seq = [], 0
        self.turns = self.read = 0
        self.box.look = self._look

    def raised(self, count):
        self.box.append([alarm(self.seq + n, self.clock.now()) for n in range(1, count + 1)])
        self.seq += count

    def _look(self, after, most):
        found = Outbox.look(self.box, after, most)
        self.read += len(found.rows)
        return found

    def turn(self):
        """One turn of the sink's loop; (seq, late) of what went out."""
        self.turns += 1
        gone = [(row.row, row.alarm.seq, self.drain.is_late(row)) for row in self.drain.due()]
        for row, _, _ in gone:
            self.flight.sent(row, row)
            self.flight.answered(row, Answer())
        self.box.remove(self.flight.settle().rows)
        self.sent += [seq for _, seq, _ in gone]
        return [(seq, late) for _, seq, late in gone]

    def run(self, seconds, *, raised_per_s=0):
        """Turns as the loop makes them, with nothing else to wake it but alarms that are raised ten times a second."""
        end, due = self.clock.now() + seconds, self.clock.now()
        while self.clock.now() < end:
            if raised_per_s and self.clock.now() >= due:
                due += 0.1
                self.raised(raised_per_s // 10)
            if not self.turn():
                wait_s = self.drain.wait_s(IDLE_S)
                assert 0.0 < wait_s <= IDLE_S
                self.clock.advance(min(wait_s, max(0.001, due - self.clock.now())) if raised_per_s else wait_s)


@pytest.fixture
def link(tmp_path):
    made = []

    def maker(**kw):
        made.append(Link(tmp_path, **kw))
        return made[-1]

    yield maker
    for one in made:
        one.box.close()


@pytest.mark.parametrize("late_per_s", [1.0, 20.0, 200.0])
def test_a_backlog_goes_out_in_order_and_never_faster_than_its_rate(link, late_per_s):
    one = link(late_per_s=late_per_s)
    one.raised(500)
    one.clock.advance(3600.0)
    assert [len(one.turn()), len(one.turn())] == [max(1, late_per_s // 10), 0], "a tenth of a second's worth at once"
    for _ in range(4):
        before = len(one.sent)
        one.run(1.0)
        assert len(one.sent) - before <= late_per_s * 1.1 + 1
    assert len(one.sent) >= min(500, 0.9 * 4 * late_per_s)
    assert one.sent == list(range(1, len(one.sent) + 1))
    assert one.read <= len(one.sent) + one.turns + 100, "no more is read again and again than may go"
    assert one.turns <= 4 * 50, "and it does not look for it more often than it helps"


@pytest.mark.parametrize("late_per_s", [1.0, 200.0])
def test_when_the_last_of_a_backlog_is_out_the_loop_rests(link, late_per_s):
    one = link(late_per_s=late_per_s)
    assert one.drain.wait_s(IDLE_S) == IDLE_S
    one.raised(3)
    one.clock.advance(60.0)
    one.run(5.0)
    assert one.sent == [1, 2, 3]
    before = one.turns
    one.run(10.0)
    assert one.turns - before == 10.0 / IDLE_S


def test_what_happens_just_behind_the_last_of_a_backlog_goes_out_at_once(link):
    one = link(late_per_s=1.0)
    one.raised(1)
    one.clock.advance(60.0)
    assert one.turn() == [(1, True)]
    one.raised(2)
    assert one.turn() + one.turn() == [(2, False), (3, False)]


def test_what_happens_now_is_not_bounded(link):
    one = link(late_per_s=5.0)
    one.run(4.0, raised_per_s=500)
    one.turn()
    assert one.sent == list(range(1, one.seq + 1))
    assert len(one.sent) >= 2000


def test_what_happens_now_keeps_its_place_behind_what_was_and_then_flows_freely(link):
    one = link(late_per_s=100.0)
    one.raised(100)
    one.clock.advance(60.0)
    one.run(3.0, raised_per_s=500)
    assert one.sent == list(range(1, len(one.sent) + 1))
    assert len(one.sent) == one.seq
    before = one.seq
    one.run(1.0, raised_per_s=500)
    assert len(one.sent) >= before + 450


def test_what_is_late_is_said_and_what_another_run_left_is(link, tmp_path):
    one = link()
    one.raised(1)
    one.clock.advance(LATE_S)
    one.raised(1)
    assert one.turn() == [(1, False), (2, False)]
    one.raised(1)
    one.clock.advance(LATE_S + 0.5)
    assert one.turn() == [(3, True)]
    one.raised(1)
    other = Drain(one.box, one.flight, one.clock, boot="other", late_per_s=10.0)
    assert [other.is_late(row) for row in other.due()] == [True]


def test_the_window_of_the_broker_still_holds(link):
    one = link(window=3)
    one.raised(10)
    assert len(one.drain.due()) == 3


def test_a_refused_row_is_taken_again_and_costs_the_rate_nothing_it_did_not_send(link):
    one = link(late_per_s=10.0)
    one.raised(30)
    one.clock.advance(100.0)
    first = one.drain.due()
    for row in first:
        one.flight.sent(row.row, row.row)
        one.flight.answered(row.row, Answer("quota exceeded"))
    assert one.flight.settle().rows == []
    assert one.drain.wait_s(0.5) == 0.5
    one.clock.advance(1.1)
    assert one.turn() == [(1, True)]


def test_what_a_disk_could_not_give_for_a_while_follows_and_what_is_on_its_way_is_not_sent_twice(link, monkeypatch):
    one = link(window=2)
    one.raised(4)
    monkeypatch.setattr(one.box._store, "read", lambda after, limit: None)
    monkeypatch.setattr(one.box._store, "commit", lambda *what: None)
    one.raised(1)
    (row,) = one.drain.due()
    assert row.alarm.seq == 5
    one.flight.sent(9999, row.row)
    monkeypatch.undo()
    assert [row.alarm.seq for row in one.drain.due()] == [1]
    one.run(1.0)
    assert one.sent == [1, 2, 3, 4]
    one.flight.answered(9999, Answer())
    one.run(1.0)
    assert (one.sent, len(one.box)) == ([1, 2, 3, 4], 0)


def test_behind_a_disk_that_gives_nothing_nothing_is_passed_over_twice(link, monkeypatch):
    one = link()
    one.raised(2)
    one.run(1.0)
    for _ in range(3):
        with monkeypatch.context() as dead:
            dead.setattr(one.box._store, "read", lambda after, limit: None)
            one.turn()
        one.raised(1)
        one.run(1.0)
    assert one.sent == [1, 2, 3, 4, 5]
