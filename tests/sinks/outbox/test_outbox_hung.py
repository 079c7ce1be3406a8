"""A disk that takes a write and never answers: alarms go out all the same, in order, and are written when it does."""

from __future__ import annotations

import threading

import pytest

from edge.sinks import outbox
from edge.storage import disk_thread
from outbox_on_disk import alarm, waiting

WAIT_S = 10.0


class Hung:
    """A disk that stops to answer. began: a commit waits for it."""

    def __init__(self, box):
        self._commit, self.began, self.answers = box._store.commit, threading.Event(), threading.Event()
        box._store.commit = self._wait

    def _wait(self, *what):
        self.began.set()
        assert self.answers.wait(WAIT_S)
        return self._commit(*what)


@pytest.fixture
def hang(monkeypatch):
    hung = []

    def hanging(box, within_s=0.05):
        monkeypatch.setattr(disk_thread, "WAIT_S", within_s)
        hung.append(Hung(box))
        return hung[-1]

    yield hanging
    for disk in hung:
        disk.answers.set()


def test_an_alarm_waits_for_the_disk_no_longer_than_a_moment_and_the_next_ones_not_at_all(open_box, hang):
    box = open_box()
    box.append([alarm(1)], b"one")
    disk = hang(box)
    assert box.append([alarm(2)], b"two") is None
    assert not box._disk.answers, "it is known by now"
    assert box.append([alarm(3), alarm(1, bed="bed2")], b"three") is None
    assert waiting(box) == [alarm(2), alarm(3), alarm(1, bed="bed2")]
    assert len(box) == 4
    disk.answers.set()
    assert box._disk.ask(lambda: True).result(WAIT_S)
    assert box.append([alarm(4)], b"four")
    assert waiting(box) == [alarm(1), alarm(2), alarm(3), alarm(1, bed="bed2"), alarm(4)]
    box.close()
    again = open_box("boot2")
    assert (waiting(again), again.state(), again.faults) == (
        [alarm(1), alarm(2), alarm(3), alarm(1, bed="bed2"), alarm(4)], b"four", [],
    )  # fmt: skip


def test_nobody_hears_of_an_alarm_while_its_write_is_waited_for(open_box, hang):
    box = open_box()
    disk = hang(box, within_s=WAIT_S)
    written = []
    main = threading.Thread(target=lambda: written.append(box.append([alarm(1)])))
    main.start()
    assert disk.began.wait(WAIT_S)
    with box._lock:
        assert box._held_behind(0) == []
    disk.answers.set()
    main.join(WAIT_S)
    assert written == [True]
    assert waiting(box) == [alarm(1)]


def test_what_the_broker_has_before_the_disk_does_is_not_sent_again(open_box, hang):
    box = open_box()
    disk = hang(box)
    box.append([alarm(1)])
    box.append([alarm(2)])
    first, second = box.waiting()
    box.remove([first.row])
    box.remove([second.row])
    assert (waiting(box), len(box)) == ([], 0)
    disk.answers.set()
    assert box._disk.ask(lambda: True).result(WAIT_S)
    assert (waiting(box), len(box)) == ([], 0)
    box.close()
    assert waiting(open_box("boot2")) == []


def test_a_disk_that_never_answers_holds_up_neither_the_figures_nor_the_end(open_box, hang, monkeypatch, caplog):
    monkeypatch.setattr(outbox, "_CLOSE_S", 0.05)
    box = open_box()
    hang(box)
    box.append([alarm(1, t=100.0)], b"one")
    box.keep(b"one, later", b"watched")
    assert box.oldest_s() == 0.0
    box.close()
    assert "the disk does not answer; 1 alarms are not on it" in caplog.text
