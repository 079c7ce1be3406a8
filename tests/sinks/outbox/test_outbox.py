"""The outbox: on disk before anybody hears of it, in order, and gone only when the broker has it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.clock import ManualClock
from edge.sinks._outbox.copy import StateCopy
from edge.sinks.outbox import Outbox
from outbox_on_disk import ALL, alarm, waiting


def alarms(first, last, **fields):
    return [alarm(seq, **fields) for seq in range(first, last + 1)]


def refuse_writes(box, refuse=True):
    """What a full or failing disk does to a write, without one."""
    box._store.db.execute(f"pragma query_only={'on' if refuse else 'off'}")


@pytest.fixture
def box(open_box):
    return open_box()


def test_transitions_wait_in_order_and_whole(box, clock):
    told = [alarm(1, value=41.5, limit=45.0, since=-3.0, evidence={"k": [5, 7]}), alarm(2), alarm(1, bed="bed2")]
    assert box.append(told[:2], b"after two")
    assert box.append(told[2:])
    assert waiting(box) == told
    assert [(row.boot, row.wall) for row in box.waiting()] == [("boot1", clock.wall() - clock.now())] * 3
    assert box.state() == b"after two"
    assert len(box) == 3


def test_a_reader_goes_on_behind_what_it_has_seen(box):
    box.append(alarms(1, 7))
    first = box.waiting(limit=3)
    second = box.waiting(first[-1].row, limit=3)
    assert [row.alarm.seq for row in first + second] == [1, 2, 3, 4, 5, 6]


def test_only_what_the_broker_has_is_removed(box, open_box):
    box.append(alarms(1, 4))
    rows = [row.row for row in box.waiting()]
    box.remove([rows[2]])
    box.remove([rows[2], 12345])
    assert [one.seq for one in waiting(box)] == [1, 2, 4]
    box.close()
    assert [one.seq for one in waiting(open_box())] == [1, 2, 4]


def test_state_and_coverage_are_kept_together_and_take_what_is_held_with_them(box, open_box):
    box.keep(b"s1", b"c1")
    assert (box.state(), box.state("coverage")) == (b"s1", b"c1")
    refuse_writes(box)
    assert not box.append(alarms(1, 2), b"s2")
    box.keep(b"s3", b"c3")
    assert (box.state(), box.state("coverage")) == (b"s1", b"c1"), "both or neither"
    refuse_writes(box, False)
    box.keep(b"s3", b"c3")
    other = open_box("boot2")
    assert [one.seq for one in waiting(other)] == [1, 2], "a state never comes without its transitions"
    assert (other.state(), other.state("coverage")) == (b"s3", b"c3")
    box.append([], b"s4")
    assert (box.state(), box.state("coverage")) == (b"s4", b"c3")


def test_only_what_a_power_cut_may_undo_does_not_wait_for_the_disk(box):
    """What may be sent twice, or is said again in a minute; never an alarm."""
    waits = [box._store.db.execute("pragma synchronous").fetchone()[0]]
    for step in (lambda: box.append(alarms(1, 2)), lambda: box.keep(b"s", b"c"), lambda: box.remove([1])):
        step()
        waits.append(box._store.db.execute("pragma synchronous").fetchone()[0])
    assert waits == [2, 2, 2, 2], "full"
    refuse_writes(box)
    box.keep(b"s2", b"c2")
    box.remove([2])
    assert box._store.db.execute("pragma synchronous").fetchone()[0] == 2


def test_what_a_disk_that_cannot_be_read_any_more_never_took_is_still_sent(box):
    class Dead:
        def execute(self, *_):
            raise sqlite3.OperationalError("disk I/O error")

        executemany = __enter__ = execute

        def __exit__(self, *_):
            return False

    refuse_writes(box)
    box.append(alarms(1, 3))
    whole, box._store.db = box._store.db, Dead()
    first, *_ = box.waiting(limit=1)
    assert [row.alarm.seq for row in box.waiting()] == [1, 2, 3]
    assert (len(box), box.state(), box.append(alarms(4, 4))) == (3, None, False)
    box.remove([first.row])
    assert [row.alarm.seq for row in box.waiting()] == [2, 3, 4]
    box._store.db = whole


def test_what_the_broker_has_is_remembered_no_longer_than_it_lies_on_the_disk(box):
    box.append(alarms(1, 3))
    one, two, _ = [row.row for row in box.waiting()]
    box.remove([one])
    assert box._gone == set()
    refuse_writes(box)
    box.remove([two])
    assert box._gone == {two}
    refuse_writes(box, False)
    box.append(alarms(4, 4))
    assert (box._gone, [row.alarm.seq for row in box.waiting()]) == (set(), [3, 4])


def test_the_second_copy_is_synced_now_and_then_and_closed_at_the_end(tmp_path, clock):
    told = []

    class Told(StateCopy):
        def sync(self):
            told.append("sync")

        def close(self):
            told.append("close")
            super().close()

    box = Outbox(tmp_path / "outbox.sqlite", clock=clock, copy=Told(tmp_path / "copy"))
    box.append(alarms(1, 1), b"s")
    assert told == []
    box.keep(b"s", b"c")
    assert told == ["sync"]
    box.close()
    assert told[1] == "close"


def test_a_number_is_never_given_twice(box, open_box):
    box.append(alarms(1, 3))
    seen = [row.row for row in box.waiting()]
    box.remove(seen)
    box.close()
    again = open_box()
    again.append(alarms(4, 4))
    assert [row.row > max(seen) for row in again.waiting()] == [True]


def test_what_the_numbers_of_an_analyzer_are_made_of_does_not_matter(box):
    value, evidence = np.float64(41.25), MappingProxyType({"sure": np.bool_(True), "rr": np.array([1.0, 2.0])})
    assert box.append([alarm(1, value=value, evidence=evidence)])
    (kept,) = waiting(box)
    assert (kept.value, kept.evidence) == (41.25, {"sure": True, "rr": [1.0, 2.0]})


def test_an_alarm_that_has_no_json_does_not_keep_the_next_ones(box):
    with pytest.raises(TypeError):
        box.append([alarm(1, evidence={"what": object()})])
    assert box.append([alarm(2)])
    assert waiting(box) == [alarm(2)]


def test_ten_thousand_alarms_all_stay(box):
    assert box.append(alarms(1, 10_000))
    assert len(box) == 10_000
    assert [one.seq for one in waiting(box)] == list(range(1, 10_001))


# ---- a disk that refuses ----------------------------------------------------------------------------------


def test_what_the_disk_refuses_is_kept_and_written_first_next_time(box, open_box):
    box.append(alarms(1, 1), b"one")
    refuse_writes(box)
    assert box.append(alarms(2, 3), b"three") is False
    assert [one.seq for one in waiting(box)] == [1, 2, 3]
    assert (len(box), box.state()) == (3, b"one")
    refuse_writes(box, False)
    assert box.append(alarms(4, 4), b"four")
    box.close()
    again = open_box()
    assert [one.seq for one in waiting(again)] == [1, 2, 3, 4]
    assert again.state() == b"four"


def test_a_state_that_the_disk_refused_is_written_with_whatever_comes_next_and_waited_for(box, open_box):
    box.append(alarms(1, 1), b"one")
    refuse_writes(box)
    assert box.append([], b"two") is False
    refuse_writes(box, False)
    unsynced, not_waited_for = box._store.unsynced, []
    box._store.unsynced = lambda: not_waited_for.append("removal") or unsynced()
    box.remove([])
    assert (box.state(), not_waited_for) == (b"two", [])
    box.remove([])
    assert not_waited_for == ["removal"]
    box.close()
    again = open_box()
    assert (again.state(), again.faults) == (b"two", [])


def test_a_reader_misses_nothing_while_the_disk_refuses_and_after(box):
    refuse_writes(box)
    box.append([alarm(5)])
    (first,) = box.waiting()
    box.append([alarm(1, bed="bed2")])
    (second,) = box.waiting(first.row)
    assert second.alarm == alarm(1, bed="bed2")
    refuse_writes(box, False)
    box.append([alarm(6)])
    assert [row.alarm for row in box.waiting(second.row)] == [alarm(6)]


def test_beds_with_the_same_numbers_are_not_taken_for_each_other(box):
    refuse_writes(box)
    box.append([alarm(1, bed="bed1"), alarm(1, bed="bed2")])
    box.remove([box.waiting()[0].row])
    assert waiting(box) == [alarm(1, bed="bed2")]


def test_what_was_sent_before_it_was_written_is_removed_all_the_same(box):
    refuse_writes(box)
    box.append([alarm(1)])
    (sent,) = box.waiting()
    refuse_writes(box, False)
    box.append([alarm(2)])
    box.remove([sent.row])
    assert waiting(box) == [alarm(2)]


def test_a_removal_the_disk_refused_is_made_up_for(box):
    box.append(alarms(1, 2))
    refuse_writes(box)
    box.remove([box.waiting()[0].row])
    refuse_writes(box, False)
    box.append([alarm(3)])
    assert [one.seq for one in waiting(box)] == [2, 3]


def test_behind_removals_that_the_disk_refuses_as_many_are_read_as_were_asked_for(box):
    box.append(alarms(1, 10))
    rows = [row.row for row in box.waiting()]
    refuse_writes(box)
    box.remove(rows[:3])
    assert [row.alarm.seq for row in box.waiting(limit=5)] == [4, 5, 6, 7, 8]


def test_what_never_was_on_the_disk_is_not_missed_there(box):
    box.append(alarms(1, 3))
    refuse_writes(box)
    box.append([alarm(4)])
    box.remove([box.waiting()[-1].row])
    assert ([one.seq for one in waiting(box)], len(box), box._gone) == ([1, 2, 3], 3, set())


def test_closing_writes_what_is_still_held(box, open_box):
    refuse_writes(box)
    box.append([alarm(1)])
    refuse_writes(box, False)
    box.close()
    box.close()
    assert waiting(open_box()) == [alarm(1)]


class Life(RuleBasedStateMachine):
    """Any order of writing, failing disks, reading, acknowledging, closing and dying."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.disk, self.held = [], []
        self.seq = {"bed1": 0, "bed2": 0}
        self.refusing, self.seen = False, 0
        self.box = self.opened()

    def opened(self):
        return Outbox(self.folder / "o.sqlite", clock=ManualClock(), boot="b")

    @rule(bed=st.sampled_from(["bed1", "bed2"]), count=st.integers(1, 4))
    def append(self, bed, count):
        told = alarms(self.seq[bed] + 1, self.seq[bed] + count, bed=bed)
        self.seq[bed] += count
        self.held += told
        assert self.box.append(told) is not self.refusing
        if not self.refusing:
            self.disk, self.held = self.disk + self.held, []

    @rule()
    def read(self):
        rows = self.box.waiting(self.seen, limit=3)
        self.seen = rows[-1].row if rows else self.seen

    @precondition(lambda self: not self.refusing)
    @rule(data=st.data())
    def acknowledge(self, data):
        rows = self.box.waiting(limit=ALL)
        some = data.draw(st.lists(st.sampled_from(rows), unique_by=lambda row: row.row)) if rows else []
        self.box.remove([row.row for row in some])
        gone = [row.alarm for row in some]
        self.disk, self.held = [one for one in self.disk + self.held if one not in gone], []

    @rule()
    def disk_changes_its_mind(self):
        self.refusing = not self.refusing
        refuse_writes(self.box, self.refusing)

    @rule(killed=st.booleans())
    def begin_anew(self, killed):
        if killed:
            self.box._store.db.close()
            self.box._disk.end(1.0)
        else:
            self.box.close()
            self.disk += [] if self.refusing else self.held
        self.held, self.refusing, self.seen = [], False, 0
        self.box = self.opened()

    @invariant()
    def everything_waits_in_order(self):
        rows = self.box.waiting(limit=ALL)
        assert [row.alarm for row in rows] == self.disk + self.held
        assert len(self.box) == len(rows)
        assert [row.row for row in rows] == sorted({row.row for row in rows})
        assert self.box.waiting(self.seen, ALL) == [row for row in rows if row.row > self.seen]

    def teardown(self):
        self.box.close()
        shutil.rmtree(self.folder)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
