"""What means that this machine is late, or its board unwell; and what does not."""

from __future__ import annotations

import threading

import pytest

from edge.alarms.board import Board
from edge.clock import ManualClock
from edge.runtime.inbox import Inbox
from edge.runtime.main_thread import MainThread
from edge.runtime.overload.board_health import Health
from edge.runtime.overload.load import LATE_READING_S, LATE_S, STANDS_S, Load
from edge.runtime.reader import Reader
from edge.types import Reading

NOW = 1000.0


class Device:
    def __init__(self, **counters):
        self.counters = counters


def reading(t):
    return Reading("ppg.hr", t, 60.0, "bpm", source="node")


def reader(device=None):
    made = Reader("node", "bed1", device or object(), [])
    made.inboxes.append(Inbox())
    return made


@pytest.mark.usefixtures("board_answers_at_once")
def test_nothing_weighs_on_a_machine_that_keeps_up():
    load, one = Load(lambda: Health(temperature_c=50.0)), reader(Device(frames=3, dropped=0))
    load.look([one], NOW)
    load.heard(reading(NOW - LATE_READING_S), NOW, paced=True)
    assert (load.cause(NOW), load.overload(NOW)) == ("", "")
    assert load.health.temperature_c == 50.0


def test_a_reading_that_comes_late_is_a_sign_for_a_while():
    load = Load()
    load.heard(reading(NOW - LATE_READING_S - 0.1), NOW, paced=True)
    assert load.cause(NOW + LATE_S - 0.1) == "this machine cannot keep up"
    assert load.overload(NOW + LATE_S) == "this machine cannot keep up: readings come late"
    assert load.cause(NOW + LATE_S) == ""
    assert load.overload(NOW + STANDS_S) == ""


def test_a_file_that_waits_for_the_program_cannot_be_late():
    load = Load()
    load.heard(reading(NOW - 3600.0), NOW, paced=False)
    assert load.cause(NOW) == ""


@pytest.mark.parametrize("where", ["inbox", "device"])
def test_drops_count_wherever_they_happen_and_once(where):
    load, device = Load(), Device(dropped=0)
    one = reader(device)
    load.look([one], NOW)
    if where == "inbox":
        one.inboxes[0].dropped_blocks = 2
    else:
        device.counters["dropped"] = 2
    load.look([one], NOW + 1.0)
    assert load.overload(NOW + 1.0) == "this machine cannot keep up: samples were dropped"
    load.look([one], NOW + 1.0 + LATE_S)
    assert load.cause(NOW + 1.0 + LATE_S) == ""


@pytest.mark.usefixtures("board_answers_at_once")
def test_the_board_is_asked_now_and_then_and_named_by_what_it_suffers():
    asked = []

    def health():
        asked.append(1)
        return Health(now=frozenset({"under_voltage", "capped"}))

    load = Load(health)
    for second in range(21):
        load.look([], NOW + second)
    assert len(asked) == 3
    assert load.cause(NOW + 20) == "the board is under-voltage"
    assert load.overload(NOW + 20) == ""


class Firmware:
    """What is asked of it is answered when the test says so."""

    def __init__(self):
        self.asked, self.answers = threading.Semaphore(0), threading.Semaphore(0)
        self.by = []

    def __call__(self):
        self.by.append(threading.current_thread())
        self.asked.release()
        assert self.answers.acquire(timeout=60), "nobody would wait so long"
        return Health(now=frozenset({"throttled"}), temperature_c=70.0)

    def answer(self):
        self.answers.release()
        self.by[-1].join(60)


def test_a_board_that_does_not_answer_holds_no_tick_and_is_asked_once():
    firmware, clock = Firmware(), ManualClock(NOW)
    main = MainThread(readers=[], board=Board({}, boot="b"), sinks=[], clock=clock, health=firmware)
    main.tick(clock.now())  # with the firmware in its hands this one would not end
    assert firmware.asked.acquire(timeout=60)
    load = main._load
    for _ in range(100):
        clock.advance(1.0)
        main.tick(clock.now())
    assert len(firmware.by) == 1
    assert firmware.by[0] is not threading.current_thread()
    firmware.answer()
    assert load.health.temperature_c == 70.0, "late, and the newest there is"
    clock.advance(10.0)
    main.tick(clock.now())
    assert firmware.asked.acquire(timeout=60), "asked anew"
    assert load.cause(clock.now()) == "the board is throttled"
    clock.advance(10.0)
    main.tick(clock.now())
    assert (len(firmware.by), load.health) == (2, Health()), "silent for so long, nobody knows"
    firmware.answer()


def test_a_board_whose_question_fails_or_finds_no_thread_is_asked_again(monkeypatch):
    def fails():
        raise OSError("gone")

    def survived(task):
        with pytest.raises(OSError, match="gone"):
            task()

    load = Load(fails)
    monkeypatch.setattr("edge.runtime.overload.load.beside", survived)
    load.look([], NOW)

    def full(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("edge.runtime.overload.load.beside", full)
    load.look([], NOW + 10)
    asked = []
    monkeypatch.setattr("edge.runtime.overload.load.beside", asked.append)
    load.look([], NOW + 20)
    assert len(asked) == 1
