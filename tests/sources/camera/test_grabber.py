"""Frames of a live camera: the newest few, those that nobody took in time are counted."""

from __future__ import annotations

import threading

from edge.clock import ManualClock
from edge.sources._camera.grabber import Grabber


class Scripted:
    """A capture of so many frames; each waits for ``go``. let_go: it was released."""

    def __init__(self, count):
        self._frames = iter(range(count))
        self.go, self.let_go = threading.Event(), threading.Event()

    def read(self):
        assert self.go.wait(60.0)
        return next(self._frames, None)

    def release(self):
        self.let_go.set()


def test_the_newest_four_are_held_and_the_others_counted_once():
    capture = Scripted(7)
    grabber = Grabber(capture, ManualClock(5.0))
    capture.go.set()
    assert capture.let_go.wait(60.0)
    frames = [(5.0, 4, False), (5.0, 5, False), (5.0, 6, False), (5.0, None, False)]
    assert grabber.take(0.0) == (frames, 4)
    assert grabber.take(0.0) == ([], 0)
    grabber.close()
    assert grabber.failed == ""


def test_whoever_takes_waits_for_the_next_one_and_not_where_there_is_one():
    capture = Scripted(1)
    grabber = Grabber(capture, ManualClock(5.0))
    waited, wait = [], grabber._arrived.wait

    def waiting(seconds):
        waited.append(seconds)
        capture.go.set()
        return wait(seconds)

    grabber._arrived.wait = waiting
    found, _ = grabber.take(60.0)
    assert capture.let_go.wait(60.0)
    if len(found) == 1:  # the end may have come with it
        found += grabber.take(60.0)[0]
    assert found == [(5.0, 0, False), (5.0, None, False)]
    assert waited == [60.0]
    grabber.close()


def test_what_a_driver_fails_with_is_its_end_in_one_line():
    class Failing(Scripted):
        def read(self):
            raise OSError("device\n  gone")

    capture = Failing(0)
    grabber = Grabber(capture, ManualClock(5.0))
    assert capture.let_go.wait(60.0)
    assert grabber.take(0.0) == ([(5.0, None, False)], 0)
    assert grabber.failed == "device gone"
    grabber.close()
