"""A backlog goes out in order and at its rate; what happens now goes out as it happens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sinks._mqtt.drain import LATE_S, Drain
from edge.sinks._mqtt.flight import Answer, Flight
from edge.sinks._mqtt.listeners import LISTENERS_BACK_S
from edge.sinks.outbox import Outbox
from edge.types import Alarm

IDLE_S = 0.5


def alarm(seq, t, bed="bed1"):
    return Alarm(f"{bed}/af", f"o{seq}", "physiological", "medium", "on", t, "AF", "af", bed, seq=seq)


class Link:
    """A drain whose broker answers at once, or as the test says."""

    def __init__(self, tmp_path, *, late_per_s=200.0, window=1000, returned=False):
        self.clock = ManualClock(1000.0, wall=1_800_000_000.0)
        self.box = Outbox(tmp_path / "outbox.sqlite", clock=self.clock, boot="b")
        self.flight = Flight(self.clock)
        self.flight.begin(window=window, returned=returned)
        self.drain = Drain(self.box, self.flight, self.clock, boot="b", late_per_s=late_per_s)
        self.sent, self.seq = [], 0
        self.absent = set()
        self.turns = self.looks = self.read = 0
        self.box.look = self._look

    def raised(self, count, bed="bed1"):
        self.box.append([alarm(self.seq + n, self.clock.now(), bed) for n in range(1, count + 1)])
        self.seq += count

    def _look(self, after, most):
        found = Outbox.look(self.box, after, most)
        self.looks += 1
        self.read += len(found.rows)
        return found

    def turn(self):
        """One turn of the sink's loop; (seq, late) of what went out."""
        self.turns += 1
        gone = [(row, self.drain.is_late(row)) for row in self.drain.due()]
        for row, _ in gone:
            self.flight.sent(row.row, row.row, row.alarm.bed)
            self.flight.answered(row.row, Answer(nobody=row.alarm.bed in self.absent))
        self.box.remove(self.flight.settle().rows)
        self.sent += [row.alarm.seq for row, _ in gone if row.alarm.bed not in self.absent]
        return [(row.alarm.seq, late) for row, late in gone]

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
    one = link(window=3)
    one.raised(4)
    monkeypatch.setattr(one.box._store, "read", lambda after, limit: None)
    monkeypatch.setattr(one.box._store, "commit", lambda *what: None)
    for seq in (5, 6):
        one.raised(1)
        (row,) = one.drain.due()
        assert row.alarm.seq == seq
        one.flight.sent(9990 + seq, row.row)
    monkeypatch.undo()
    assert [row.alarm.seq for row in one.drain.due()] == [1]
    one.run(1.0)
    assert one.sent == [1, 2, 3, 4]
    one.flight.answered(9995, Answer())
    one.flight.answered(9996, Answer())
    one.run(1.0)
    assert (one.sent, len(one.box)) == ([1, 2, 3, 4], 0)


def test_a_disk_that_gives_something_again_within_one_look_has_nothing_sent_twice(link, monkeypatch):
    one = link()
    one.raised(2)
    monkeypatch.setattr(one.box._store, "commit", lambda *what: None)
    one.raised(1)
    read, answers = one.box._store.read, iter([None])
    monkeypatch.setattr(one.box._store, "read", lambda after, limit: next(answers, read(after, limit)))
    assert [row.alarm.seq for row in one.drain.due()] == [3, 1, 2]


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


def test_a_bed_to_which_nobody_listens_holds_no_other_back(link):
    one = link(returned=True)
    one.absent = {"_device"}
    one.raised(2, "_device")
    one.raised(3)
    one.run(1.0)
    assert one.sent == [3, 4, 5]
    one.raised(1)
    assert (6, False) in one.turn()
    assert len(one.box) == 2
    one.run(LISTENERS_BACK_S)
    assert len(one.box) == 0


def test_what_goes_again_to_nobody_takes_no_part_of_the_rate(link):
    one = link(late_per_s=1.0)
    one.absent = {"_device", "bed1", "bed2"}
    for bed in (*one.absent, "bed3", "bed3"):
        one.raised(1, bed)
    one.clock.advance(60.0)
    one.flight.begin(window=1000, returned=True)
    one.raised(1, "bed3")
    one.run(6.0)
    assert one.sent == [4, 5, 6]


def test_what_goes_again_to_nobody_gets_each_other_place_of_a_slow_network(link):
    one = link(window=1, returned=True)
    for bed in ("bed1", "bed2", "bed3", "bed3", "bed3"):
        one.raised(1, bed)
    gone = []
    while len(gone) < 8:
        for row in one.drain.due():
            gone.append(row.alarm.seq)
            one.flight.sent(row.row, row.row, row.alarm.bed)
            one.clock.advance(0.6)
            one.flight.answered(row.row, Answer(nobody=row.alarm.bed != "bed3"))
        one.box.remove(one.flight.settle().rows)
    assert gone == [1, 2, 1, 3, 2, 4, 1, 5]


def test_what_goes_again_to_nobody_gets_half_of_the_room(link):
    one = link(window=4, returned=True)
    one.absent = {f"bed{n}" for n in range(1, 5)}
    for n in range(1, 5):
        one.raised(1, f"bed{n}")
    assert len(one.turn()) == 4
    one.raised(1, "bed5")
    one.clock.advance(0.6)
    assert one.turn() == [(1, False), (2, False), (5, False)]


def test_in_place_of_a_first_row_that_is_gone_no_other_is_sent(link):
    one = link(returned=True)
    one.absent = {"bed1"}
    one.raised(1, "bed1")
    one.turn()
    one.raised(1, "bed2")
    (row,) = one.drain.due()
    one.flight.sent(row.row, row.row, "bed2")
    one.box.remove([row.row - 1])
    one.clock.advance(0.6)
    assert one.drain.due() == []


def test_who_comes_back_hears_all_of_a_bed_in_order_and_what_others_have_is_not_sent_again(link):
    one = link(returned=True)
    one.absent = {"bed1", "bed2"}
    for bed in ("bed1", "bed2") * 50:
        one.raised(1, bed)
    one.run(2.0)
    assert one.sent == []
    one.absent = {"bed2"}
    one.run(2.0)
    assert one.sent == list(range(1, 101, 2))
    one.absent = set()
    one.run(2.0)
    assert one.sent == [*range(1, 101, 2), *range(2, 101, 2)]
    assert len(one.box) == 0


def test_a_row_behind_its_beds_first_follows_although_the_wait_ended_while_others_were_sent(link):
    one = link(returned=True)
    one.clock.advance(LISTENERS_BACK_S - 0.01)
    one.raised(2, "bed1")
    one.raised(1, "bed2")
    due = one.drain.due()
    one.clock.advance(0.02)
    for row in due:
        one.flight.sent(row.row, row.row, row.alarm.bed)
        one.flight.answered(row.row, Answer())
    one.box.remove(one.flight.settle().rows)
    one.run(1.0)
    assert ([row.alarm.seq for row in due], one.sent, len(one.box)) == ([1, 3], [2], 0)


def test_a_long_backlog_of_a_bed_that_waits_is_read_past_twice_at_most(link):
    one = link(late_per_s=20.0)
    one.absent = {"bed1"}
    one.raised(2000)
    one.clock.advance(60.0)
    one.flight.begin(window=1000, returned=True)
    one.run(3.0)
    one.raised(1, "bed2")
    one.run(2.0)
    assert one.sent == [2001]
    assert one.read <= 2 * 2001 + 100 + one.turns, "and the first of it again and again"
    assert one.looks <= 2 * 2001 // 100 + 3 * one.turns


def test_a_beds_first_row_that_is_refused_goes_again_with_those_behind_it(link):
    one = link(returned=True)
    one.raised(3)
    (first,) = one.drain.due()
    one.flight.sent(first.row, first.row, "bed1")
    one.flight.answered(first.row, Answer("quota exceeded"))
    assert one.flight.settle().rows == []
    one.run(2.0)
    assert (one.sent, len(one.box)) == ([1, 2, 3], 0)


def test_what_was_looked_for_and_not_sent_is_found_again(link):
    one = link(returned=True)
    for bed in ("bed1", "bed1", "bed2"):
        one.raised(1, bed)
    for _ in range(2):
        assert [row.alarm.seq for row in one.drain.due()] == [1, 3]


@settings(deadline=None)
@given(
    beds=st.lists(st.sampled_from(["bed1", "bed2", "_device"]), min_size=1, max_size=30),
    back_after=st.fixed_dictionaries(
        {"bed1": st.integers(0, 8), "bed2": st.integers(0, 8), "_device": st.integers(0, 8)}
    ),
    at_once=st.integers(1, 10),
)
def test_each_bed_is_heard_whole_in_order_and_once_whenever_its_listeners_are_back(
    tmp_path_factory, beds, back_after, at_once
):
    one = Link(tmp_path_factory.mktemp("box"), returned=True, window=at_once)
    try:
        for bed in beds:
            one.raised(1, bed)
        heard, tries = {bed: [] for bed in beds}, dict(back_after)
        for _ in range(200):
            for row in one.drain.due():
                bed = row.alarm.bed
                tries[bed] -= 1
                if tries[bed] < 0:
                    heard[bed].append(row.alarm.seq)
                one.flight.sent(row.row, row.row, bed)
                one.flight.answered(row.row, Answer(nobody=tries[bed] >= 0))
            one.box.remove(one.flight.settle().rows)
            one.clock.advance(0.1)
        assert heard == {bed: [seq for seq, its in enumerate(beds, start=1) if its == bed] for bed in beds}
        assert len(one.box) == 0
    finally:
        one.box.close()
