"""The state in the machine's memory, for a disk that takes neither rows nor its second copy: numbers are never given
twice."""

from __future__ import annotations

import pytest

from edge.clock import ManualClock
from edge.sinks._outbox.copy import StateCopy
from edge.sinks._outbox.store import Store
from edge.sinks.outbox import Outbox
from outbox_on_disk import alarm, seqs


class Disk:
    """A state directory and its machine; fails: what is on it can be read, and no more."""

    def __init__(self, folder):
        self.folder, self.memory = folder / "state", folder / "run"
        self.folder.mkdir()
        self.memory.mkdir()
        self._opened = []

    def open(self, **settings):
        box = Outbox(
            self.folder / "outbox.sqlite",
            clock=ManualClock(100.0, wall=1_800_000_000.0),
            copy=StateCopy(self.folder / "outbox.copy", machine="start-1"),
            spare=StateCopy(self.memory / "spare", machine="start-1"),
            **settings,
        )
        self._opened.append(box)
        return box

    def fails(self, box):
        box._store.commit = lambda *_: None
        box._copy.write = lambda *_: None

    def close(self):
        for box in self._opened:
            box.close()


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path)
    yield disk
    disk.close()


@pytest.mark.parametrize("ended", ["killed", "stopped"])
def test_after_a_disk_that_failed_the_next_run_goes_on_from_what_was_said(disk, ended):
    box = disk.open()
    assert box.append([alarm(1)], b'{"seq":1}')
    disk.fails(box)
    assert not box.append([alarm(2)], b'{"seq":2}')
    if ended == "stopped":
        box.close()
    again = disk.open()
    assert (b'"seq":2' in again.state(), again.doubtful, seqs(again)) == (True, False, [1])
    assert again.faults == ["the alarm state was taken from its second copy; alarms that waited may be missing"]
    assert again.append([alarm(3)], b'{"seq":3}')
    third = disk.open()
    assert (b'"seq":3' in third.state(), third.faults) == (True, [])


def test_a_state_without_events_that_no_disk_took_is_left_there_at_the_end(disk):
    box = disk.open()
    box.append([alarm(1)], b'{"seq":1}')
    disk.fails(box)
    assert box.append([], b'{"seq":1,"paused":true}') is False
    box.close()
    assert b'"paused":true' in disk.open().state()


def test_beside_a_database_that_has_lost_its_second_copy_it_counts(disk):
    box = disk.open()
    box.append([alarm(1)], b'{"seq":1}')
    disk.fails(box)
    box.append([alarm(2)], b'{"seq":2}')
    for path in disk.folder.glob("outbox.copy*"):
        path.unlink()
    assert b'"seq":2' in disk.open().state()


def test_a_start_beside_a_disk_that_takes_nothing_still_goes_on_from_there(disk, monkeypatch):
    box = disk.open()
    box.append([alarm(1)], b'{"seq":1}')
    disk.fails(box)
    box.append([alarm(2)], b'{"seq":2}')
    with monkeypatch.context() as failing:
        failing.setattr(Store, "commit", lambda *_: None)
        again = disk.open()
        assert (again.state(), again.doubtful) == (b'{"seq":2}', False)
        again.append([alarm(3)], b'{"seq":3}')
    again.append([alarm(4)], b'{"seq":4}')
    assert b'"seq":4' in again.state()


def test_what_no_disk_has_is_there_before_anybody_hears_of_it(disk):
    box = disk.open()
    disk.fails(box)
    told = []
    spare, write = box._spare, box._spare.write
    spare.write = lambda *said: (told.append(seqs(box)), write(*said))
    box.append([alarm(1)], b'{"seq":1}')
    assert (told, seqs(box)) == ([[]], [1])


def test_a_disk_that_takes_all_is_the_one_that_counts(disk):
    box = disk.open()
    box.append([alarm(1)], b'{"seq":1}')
    box._spare.write = lambda *_: None  # here it dies
    box.append([alarm(2)], b'{"seq":2}')
    again = disk.open()
    assert (b'"seq":2' in again.state(), again.faults, again.doubtful) == (True, [], False)


def test_an_orderly_end_leaves_nothing_there(disk):
    box = disk.open()
    box.append([alarm(1)], b'{"seq":1}')
    assert len(list(disk.memory.iterdir())) == 2
    box.close()
    box.close()
    assert list(disk.memory.iterdir()) == []


def test_whoever_empties_the_folder_begins_anew(disk):
    disk.open().append([alarm(1)], b'{"seq":1}')
    for path in disk.folder.iterdir():
        path.unlink()
    again = disk.open()
    assert (again.state(), again.faults) == (None, [])


def test_beside_a_disk_that_gives_no_answer_it_is_all_that_is_known(disk):
    box = disk.open()
    box.append([alarm(1)], b'{"seq":1}')
    there = sorted(path.stat().st_mtime_ns for path in disk.folder.iterdir())
    free = []
    lent = disk.open(lent="no answer", ours=lambda: bool(free))
    assert (b'"seq":1' in lent.state(), lent.faults, lent.full, len(lent)) == (True, [], "no answer", 0)
    assert not lent.append([alarm(2)], b'{"seq":2}')
    assert sorted(path.stat().st_mtime_ns for path in disk.folder.iterdir()) == there
    box.close()
    free.append(True)
    assert lent.append([alarm(3)], b'{"seq":3}')
    assert seqs(lent) == [1, 2, 3]
    lent.close()
    again = disk.open()
    assert (b'"seq":3' in again.state(), again.faults) == (True, [])
