"""Who asks for something of the disk waits a moment for it, and not at all for one that hangs."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from edge.storage.disk import HUNG_S
from edge.storage.disk_thread import DiskThread, Gathered


class Program:
    """A disk thread whose clock the test moves, and work that takes as long as the test says."""

    def __init__(self, monkeypatch):
        self.now, self.begun, self.over = 100.0, threading.Event(), threading.Event()
        monkeypatch.setattr("edge.storage.disk_thread.time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr("edge.storage.disk_thread.WAIT_S", 0.01)
        self.disk = DiskThread("edge-disk-test")

    def slow(self):
        self.begun.set()
        self.over.wait(60.0)
        return "done"


@pytest.fixture
def program(monkeypatch):
    made = Program(monkeypatch)
    yield made
    made.over.set()
    made.disk.end(10.0)


def test_a_disk_that_has_nothing_to_do_never_hangs(program):
    assert program.disk.ask(lambda: 7).result(60.0) == 7
    assert program.disk.end(60.0)
    program.now += 1000.0
    assert program.disk.why_not("it") == ""


def test_one_that_hangs_is_waited_for_once_and_works_on_when_it_is_back(program):
    slow, behind = program.disk.ask(program.slow), program.disk.ask(lambda: "behind it")
    assert program.begun.wait(60.0)
    assert program.disk.answers
    assert program.disk.wait(slow) is None
    assert (program.disk.answers, program.disk.why_not("it")) == (False, "")
    program.now += HUNG_S
    assert program.disk.why_not("it") == ""
    program.now += 0.1
    assert program.disk.why_not("it") == "it: the disk does not answer"
    assert program.disk.wait(behind) is None
    program.over.set()
    assert (slow.result(60.0), behind.result(60.0)) == ("done", "behind it")


def test_all_is_done_when_the_disk_has_come_so_far_and_is_not_after_the_end(program):
    slow = program.disk.ask(program.slow)
    assert program.begun.wait(60.0)
    assert not program.disk.has_done_all(0.0)
    program.over.set()
    assert program.disk.has_done_all(60.0)
    assert slow.done()
    program.disk.end(60.0)
    assert not program.disk.has_done_all(60.0)


def test_work_that_has_taken_long_is_not_waited_for_at_all(program):
    slow = program.disk.ask(program.slow)
    assert program.begun.wait(60.0)
    program.now += 0.01
    assert not program.disk.answers
    assert program.disk.wait(slow) is None


def test_what_fails_is_raised_where_it_was_asked_for_and_costs_nothing_else(program):
    failed = program.disk.ask(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failed.result(60.0)
    assert program.disk.ask(lambda: 7).result(60.0) == 7


def test_after_the_end_what_was_asked_for_is_done_and_no_more(program):
    asked = program.disk.ask(lambda: 7)
    assert program.disk.end(60.0)
    late = program.disk.ask(lambda: 8)
    assert (asked.result(0.0), late.cancelled(), program.disk.wait(late), program.disk.answers) == (
        7,
        True,
        None,
        False,
    )
    assert program.disk.end(0.0)


def test_what_nobody_waits_for_says_in_the_log_that_it_failed_and_costs_no_other(program, caplog):
    program.disk.do(lambda: 1 / 0)
    program.disk.do(lambda: None)
    assert program.disk.ask(lambda: "behind them").result(60.0) == "behind them"
    assert [(one.getMessage(), one.exc_info[0]) for one in caplog.records] == [
        ("edge-disk-test failed", ZeroDivisionError)
    ]
    program.disk.end(60.0)
    program.disk.do(lambda: 1 / 0)
    assert len(caplog.records) == 1


def test_an_end_is_not_waited_for_twice_where_the_disk_hangs(program):
    program.disk.ask(program.slow)
    assert program.begun.wait(60.0)
    assert not program.disk.end(0.01)
    assert not program.disk.end(60.0)


def test_what_is_asked_for_again_before_it_began_is_done_once_and_once_more_after(program):
    done = []
    work = Gathered(program.disk, lambda: done.append(len(done)))
    program.disk.ask(program.slow)
    assert program.begun.wait(60.0)
    first, again = work.ask(), work.ask()
    assert first is again
    program.over.set()
    assert first.result(60.0) is None
    later = work.ask()
    assert later is not first
    assert later.result(60.0) is None
    assert done == [0, 1]
