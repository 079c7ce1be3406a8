"""An outbox that lies in memory, since its disk gave no answer at the start or could not be opened, and comes back to it."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from edge.clock import ManualClock
from edge.sinks._outbox.store import Store
from edge.sinks.outbox import Outbox
from outbox_on_disk import alarm, seqs
from read_only import read_only

WHY = "no answer"


@pytest.fixture
def clock():
    return ManualClock(100.0, wall=1_800_000_000.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def before(open_box):
    """What an earlier run left: two that wait, a state that was written often, and its record of watching."""
    box = open_box()
    for number in (1, 2):
        box.append([alarm(number)], b'{"of":"before"}')
    for _ in range(5):
        box.append([], b'{"of":"before"}')
    box.keep(b'{"of":"before"}', b'{"watched":"before"}')
    box.close()


class Free:
    """Whether the disk may be had."""

    def __init__(self):
        self.now, self.asked = False, 0

    def __call__(self):
        self.asked += 1
        return self.now


@pytest.fixture
def lent(path, clock):
    made = []

    def make():
        free = Free()
        made.append(Outbox(path, clock=clock, boot="boot2", lent=WHY, ours=free))
        return made[-1], free

    yield make
    for box in made:
        box.close()


def test_nothing_of_the_disk_is_touched_before_it_may_be_had(lent, tmp_path):
    box, free = lent()
    assert (box.full, box.state(), box.doubtful, len(box), free.asked) == (WHY, None, False, 0, 0)
    assert box.append([alarm(3), alarm(4)], b'{"of":"now"}') is False
    assert (seqs(box), len(box), box.look().whole) == ([3, 4], 2, False)
    box.remove([box.waiting()[0].row])
    assert seqs(box) == [4]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("before")
def test_it_goes_there_behind_what_waits_and_its_state_is_the_one_that_counts(lent, open_box):
    box, free = lent()
    box.append([alarm(3), alarm(4)], b'{"of":"now"}')
    box.remove([box.waiting()[0].row])
    free.now, in_memory = True, box._store.db
    assert box.append([alarm(5)], b'{"of":"now, too"}')
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        in_memory.execute("select 1")
    assert (seqs(box), len(box), box.look().whole, box.full) == ([1, 2, 4, 5], 4, True, "")
    box.close()
    again = open_box("boot3")
    assert (seqs(again), again.faults, again.doubtful) == ([1, 2, 4, 5], [], False)
    assert b"now, too" in again.state()
    assert b"before" not in again.state("coverage")


@pytest.mark.usefixtures("before")
def test_its_state_counts_also_where_the_second_copy_of_before_is_ahead_of_the_database(lent, open_box):
    refused = open_box()
    refused._store.commit = lambda *what: None
    for _ in range(5):
        refused.append([], b'{"of":"before"}')
    refused.close()
    box, free = lent()
    free.now = True
    assert box.append([alarm(3)], b'{"of":"now"}')
    box.close()
    again = open_box("boot3")
    assert (seqs(again), again.faults, again.doubtful) == ([1, 2, 3], [], False)
    assert b"now" in again.state()


@pytest.mark.usefixtures("before")
def test_a_power_cut_right_after_it_went_there_costs_nothing(lent, open_box, path, tmp_path):
    box, free = lent()
    box.append([alarm(3)], b'{"of":"now"}')
    free.now = True
    assert box.append([], b'{"of":"now"}')
    (tmp_path / "cut").mkdir()
    for name in ("outbox.sqlite", "outbox.sqlite-wal", "outbox.copy.0", "outbox.copy.1"):
        shutil.copy(path.with_name(name), tmp_path / "cut" / name)
    again = open_box("boot3", tmp_path / "cut" / "outbox.sqlite")
    assert (seqs(again), again.faults, again.doubtful) == ([1, 2, 3], [], False)
    assert b"now" in again.state()


@pytest.mark.usefixtures("before")
def test_a_disk_that_fails_again_just_then_is_tried_again(lent, monkeypatch):
    def fails(_store):
        raise sqlite3.OperationalError("disk I/O error")

    box, free = lent()
    free.now = True
    with monkeypatch.context() as failing:
        failing.setattr(Store, "count", fails)
        assert not box.append([alarm(3)], b'{"of":"now"}')
    assert seqs(box) == [3]
    assert box.append([alarm(4)], b'{"of":"now"}')
    assert seqs(box) == [1, 2, 3, 4]


def test_what_is_damaged_there_is_put_aside_and_said(lent, path, open_box):
    path.write_bytes(b"no database at all" * 500)
    box, free = lent()
    free.now = True
    assert box.append([alarm(3)], b'{"of":"now"}')
    (fault,) = box.faults
    assert "the outbox was damaged" in fault
    box.close()
    assert seqs(open_box("boot3")) == [3]


def test_rows_on_a_disk_that_could_not_be_opened_are_not_passed_over(open_box, clock, tmp_path):
    """As a power cut leaves it, with a log, which cannot be read where nothing can be written."""
    box = open_box(path=tmp_path / "first.sqlite")
    box.append([alarm(1), alarm(2)], b'{"of":"before"}')
    folder = tmp_path / "state"
    folder.mkdir()
    for tail in ("", "-wal"):
        shutil.copy(tmp_path / f"first.sqlite{tail}", folder / f"outbox.sqlite{tail}")
    with read_only(folder):
        box = open_box("boot2", folder / "outbox.sqlite")
        assert not box.append([alarm(3)], b'{"of":"now"}')
        assert (seqs(box), box.look().whole) == ([3], False)
    assert box.append([alarm(4)], b'{"of":"now"}')
    assert (seqs(box), box.look().whole) == ([1, 2, 3, 4], True)
