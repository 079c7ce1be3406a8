"""A disk that is full when the program starts: what it holds is read, what comes is kept, and written when there is room."""

from __future__ import annotations

import pytest

from edge.clock import ManualClock
from edge.sinks.outbox import Outbox
from full_disk import full_disk
from outbox_on_disk import alarm, seqs


@pytest.fixture
def clock():
    return ManualClock(100.0, wall=1_800_000_000.0)


def test_what_waited_and_the_state_are_read_and_new_ones_are_kept(open_box):
    box = open_box()
    assert box.append([alarm(1), alarm(2)], b"state")
    box.close()
    with full_disk():
        box = open_box("boot2")
        assert box.full == "File too large"
        assert (seqs(box), box.state(), box.doubtful) == ([1, 2], b"state", False)
        assert box.append([alarm(3)], b"state 3") is False
        assert seqs(box) == [1, 2, 3]
    assert box.append([alarm(4)], b"state 4")
    assert box.full == ""
    box.close()
    again = open_box()
    assert (seqs(again), again.state(), again.faults) == ([1, 2, 3, 4], b"state 4", [])


def test_a_new_one_lies_in_memory_until_there_is_room(open_box, tmp_path):
    with full_disk():
        box = open_box(path=tmp_path / "new" / "outbox.sqlite")
        assert box.full
        assert box.append([alarm(1), alarm(2)], b"state 2") is False
        assert (seqs(box), len(box), box.faults) == ([1, 2], 2, [])
        first, second = box.waiting()
        box.remove([first.row])
        assert seqs(box) == [2]
    assert box.append([alarm(3)], b"state 3")
    assert box.full == ""
    assert [row.row for row in box.waiting()] == [second.row, second.row + 1]
    box.close()
    again = open_box(path=tmp_path / "new" / "outbox.sqlite")
    assert (seqs(again), again.state()) == ([2, 3], b"state 3")


def test_the_state_comes_from_its_second_copy_where_the_database_is_gone(open_box, tmp_path):
    box = open_box()
    box.append([alarm(1)], b"state")
    box.close()
    (tmp_path / "outbox.sqlite").unlink()
    with full_disk():
        box = open_box()
        assert (box.state(), box.doubtful) == (b"state", False)


def test_a_damaged_one_is_put_aside_all_the_same(open_box, tmp_path):
    (tmp_path / "outbox.sqlite").write_bytes(b"no database at all" * 500)
    with full_disk():
        box = open_box()
        assert box.append([alarm(1)]) is False
        assert seqs(box) == [1]
    assert "was damaged" in box.faults[0]
    assert box.append([alarm(2)])
    assert seqs(box) == [1, 2]


@pytest.mark.parametrize("later_s", [-3600.0, 0.0, 0.0015, 3600.0])
def test_it_comes_back_to_the_disk_whatever_the_clock_says(tmp_path, later_s):
    path, wall = tmp_path / "new" / "outbox.sqlite", 1_800_000_000.0
    with full_disk():
        first = Outbox(path, clock=ManualClock(100.0, wall=wall))
        first.append([alarm(1)], b"state 1")
    assert first.append([alarm(2)], b"state 2")
    first.close()
    second = Outbox(path, clock=ManualClock(100.0, wall=wall + later_s), boot="boot2", lent="No space left")
    assert second.append([alarm(3)], b"state 3")
    assert second.append([alarm(4)], b"state 4")
    rows = [row.row for row in second.waiting()]
    assert (seqs(second), rows) == ([1, 2, 3, 4], sorted(set(rows)))
    second.close()
