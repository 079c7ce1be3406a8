"""The end of a program: what was on its way is still judged, and what hangs is left behind and named."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.clock import ManualClock, SystemClock
from edge.lane import Lane
from edge.runtime.main_thread import MainThread
from edge.runtime.reader import Reader
from edge.runtime.threads import Runtime, _Bug
from edge.types import Reading
from signals import blocks
from source_and_sink import Kept, Playback


class Tells(Lane):
    """Says of each block that it came, once ``ready``."""

    def __init__(self, ready):
        super().__init__(bed="bed1", source="node", primary="ppg", analyzers={})
        self._ready = ready

    def feed(self, block):
        self._ready()
        return [Reading("ppg.hr", block.t_end, 60.0, "bpm", 0.9, bed="bed1", source="node")]


class Held(Playback):
    """A device whose next block comes once ``ready``."""

    def __init__(self, ready):
        super().__init__(blocks(np.zeros(10)))
        self._ready = ready

    def read(self):
        self._ready()
        return super().read()


def stopped_at_once(reading, judging):
    """(exit code, sink) of a program that is stopped at its first tick."""
    sink = Kept()
    reader = Reader("node", "bed1", Held(reading), [Tells(judging)])
    board = Board({"bed1": rules_from({})}, boot="b")
    main = MainThread(readers=[reader], board=board, sinks=[sink], clock=SystemClock())
    runtime = Runtime(main, on_tick=lambda _: runtime.stop())
    return runtime.run(), sink


def test_what_is_being_read_while_it_stops_is_still_judged_and_told():
    def later():
        threading.Event().wait(0.25)  # longer than the main thread waits for anything to come

    code, sink = stopped_at_once(later, later)
    assert (code, len(sink.of(Reading)), sink.closed) == (0, 1, 1)


@pytest.mark.parametrize("stuck", ["edge-read-node", "edge-work-node-ppg"])
def test_a_thread_that_hangs_is_left_behind_and_named(stuck, monkeypatch, caplog):
    monkeypatch.setattr("edge.runtime.threads._JOIN_S", 0.1)
    hold = threading.Event()
    hangs = {stuck: lambda: hold.wait(10.0)}
    try:
        code, sink = stopped_at_once(
            *(hangs.get(name, lambda: None) for name in ("edge-read-node", "edge-work-node-ppg"))
        )
    finally:
        hold.set()
    for thread in threading.enumerate():
        if thread.name == stuck:
            thread.join(10.0)
    assert (code, sink.closed) == (0, 1)
    assert [record.getMessage() for record in caplog.records] == [f"thread {stuck} did not stop"]


def test_a_part_that_fails_again_and_again_waits_longer_so_that_its_alarm_comes_before_the_end(monkeypatch):
    class Broken(Playback):
        """Works for so many seconds, and then does not."""

        def open(self):
            clock.advance(next(works_s))
            raise KeyError("bug")

    clock, works_s, pauses_s = ManualClock(), iter((0.0, 1.0, 0.0, 61.0, 0.0, 0.0, 30.0, 30.0, 30.0, 30.0)), []
    reader = Reader("node", "bed1", Broken([]), [])
    main = MainThread(readers=[reader], board=Board({"bed1": rules_from({})}, boot="b"), sinks=[], clock=clock)
    runtime = Runtime(main)

    def paused(seconds):
        pauses_s.append(seconds)
        if len(pauses_s) == 10:
            runtime.stop()

    monkeypatch.setattr(runtime._stop, "wait", paused)
    runtime._guarded("edge-read-node", reader.run, runtime._stop, clock)
    assert pauses_s == [1.0, 2.0, 4.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    rules, to_the_sixth_s = rules_from({}), sum(pauses_s[3:8])
    assert to_the_sixth_s > rules.silent_s + rules["source_lost"].on_delay_s


def test_five_bugs_in_a_minute_are_borne_and_with_the_sixth_the_program_gives_up():
    clock = ManualClock(1000.0)
    runtime = Runtime(MainThread(readers=[], board=Board({"bed1": rules_from({})}, boot="b"), sinks=[], clock=clock))
    for pause_s in (0.0, 10.0, 10.0, 10.0, 10.0, 20.5):  # by then the first is forgotten
        clock.advance(pause_s)
        for part in ("edge-work-node-ppg", "edge-read-cam"):  # each by itself: it is away for its alarm before the end
            runtime._handle(_Bug(part, KeyError("bug")))
        assert not runtime.failed
    runtime._handle(_Bug("edge-work-node-ppg", KeyError("bug")))
    assert runtime.failed == "edge-work-node-ppg keeps failing: KeyError('bug')"
    assert runtime.run() == 1


def test_a_signal_may_come_while_a_lock_of_threads_is_held():
    """As two signals do that come at once; here one comes at every step that the main thread takes within ``threading``."""
    reader = Reader("node", "bed1", Playback([]), [])
    main = MainThread(readers=[reader], board=Board({"bed1": rules_from({})}, boot="b"), sinks=[], clock=SystemClock())
    runtime = Runtime(main)

    def signalled(frame, _event, _argument):
        if frame.f_code.co_filename == threading.__file__:
            runtime.stop()

    def run():
        sys.setprofile(signalled)
        runtime.run()

    ends = threading.Thread(target=run, daemon=True)
    ends.start()
    ends.join(10.0)
    assert not ends.is_alive()
