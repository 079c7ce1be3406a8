"""A disk that takes nothing is known of before the next alarm comes, whatever it fails with, or if it hangs."""

from __future__ import annotations

import os
import threading

import pytest

from edge.clock import ManualClock
from edge.program.disk_beat import DiskBeat
from edge.storage.disk import HUNG_S, not_written
from full_disk import full_disk
from read_only import read_only


@pytest.fixture
def clock():
    return ManualClock(100.0)


@pytest.fixture
def beat(tmp_path, clock):
    (tmp_path / "state").mkdir()
    return DiskBeat(tmp_path / "state", clock)


def tried(beat):
    beat.try_it()
    return beat.why_not()


def test_a_disk_that_takes_what_is_written_leaves_one_small_file_behind(beat, tmp_path):
    assert beat.why_not() == "", "nothing is held against a disk that was not tried"
    before = len(os.listdir("/proc/self/fd"))
    assert [tried(beat) for _ in range(3)] == ["", "", ""]
    assert [(p.name, p.stat().st_size) for p in (tmp_path / "state").iterdir()] == [("beat", 512)]
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_answered_is_not_counted_as_hung_until_the_next_time(beat, clock):
    assert tried(beat) == ""
    clock.advance(HUNG_S + 0.1)
    assert beat.why_not() == ""


def test_a_full_one_is_told_and_so_is_room_again(beat):
    assert tried(beat) == ""
    with full_disk():
        assert tried(beat) == not_written("File too large")
    assert tried(beat) == ""


def test_one_that_has_become_read_only_is_told(beat, tmp_path):
    tried(beat)
    with read_only(tmp_path / "state"):
        assert tried(beat) == not_written("Read-only file system")


def test_a_folder_that_was_removed_is_told(beat, tmp_path):
    tried(beat)
    (tmp_path / "state" / "beat").unlink()
    (tmp_path / "state").rmdir()
    assert tried(beat) == not_written("No such file or directory")


@pytest.mark.parametrize(
    ("error", "why"), [(OSError(5, "Input/output error"), "Input/output error"), (OSError("gone"), "gone")]
)
def test_a_write_that_only_the_disk_itself_refuses_is_told_without_a_break(beat, monkeypatch, error, why):
    told = []

    def dead(_):
        told.append(beat.why_not())
        raise error

    monkeypatch.setattr(os, "fdatasync", dead)
    assert [tried(beat) for _ in range(3)] == [not_written(why)] * 3
    assert told == ["", not_written(why), not_written(why)], "while it is tried again, too"


def test_one_that_does_not_answer_is_told_and_keeps_nobody_waiting(beat, clock, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def hang(_):
        asked.set()
        answer.wait(10.0)

    monkeypatch.setattr(os, "fdatasync", hang)
    monkeypatch.setattr("edge.program.disk_beat.BEAT_EVERY_S", 0.0)
    with beat.beating():
        assert asked.wait(10.0)
        assert beat.why_not() == ""
        clock.advance(HUNG_S + 0.1)
        assert beat.why_not() == not_written("no answer for more than 10 s")
        (thread,) = [one for one in threading.enumerate() if one.name == "edge-disk"]
        assert thread.daemon, "or the program could not end"
    answer.set()


def test_the_trying_is_over_when_it_is_left(beat):
    with beat.beating():
        (thread,) = [one for one in threading.enumerate() if one.name == "edge-disk"]
    assert not thread.is_alive()
