"""A reader's word on its source: there, weak or away, and what the device itself says is wrong."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.runtime.reader import LOST_AFTER_S, Reader
from edge.types import Block, SourceError

SAYS = "the device says: sensor error (no answer)"


class Device:
    complaint = ""
    announced = ()


class Plugged(Device):
    """A device that is there for one block each time that ``there`` says so. closed: how often."""

    def __init__(self, there):
        self._there, self._read, self.closed = iter(there), False, 0

    def open(self):
        if not next(self._there):
            raise SourceError("unplugged")
        self._read = False

    def read(self):
        if self._read:
            raise SourceError("pulled")
        self._read = True
        return [Block("node/ppg", 0, 10.0, 100.0, np.zeros((1, 1)))]

    def close(self):
        self.closed += 1


class Pauses(list):
    """The pauses between attempts, as many as ``most``; then it is to stop."""

    def __init__(self, most):
        super().__init__()
        self._most = most

    def is_set(self):
        return len(self) >= self._most

    def wait(self, seconds):
        self.append(seconds)


def test_a_lost_source_is_opened_again_ever_later_and_soon_once_it_was_there(monkeypatch):
    jitter = []
    monkeypatch.setattr("edge.runtime.reader.random.uniform", lambda *bounds: jitter.append(bounds) or 1.25)
    device, pauses = Plugged([0, 0, 0, 0, 0, 0, 1, 0]), Pauses(8)
    reader = Reader("node", "bed1", device, [])
    reader.run(pauses, ManualClock(50.0))
    assert pauses == [1.25 * backoff_s for backoff_s in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 0.5, 1.0)]
    assert set(jitter) == {(0.8, 1.2)}
    assert (reader.reopened, device.closed, reader.error, reader.ended) == (8, 8, "unplugged", False)
    assert (reader.beats, reader.last_block, reader.started, reader.epoch) == (10, 50.0, 50.0, 0)


def test_one_that_is_off_is_not_opened_and_nothing_of_before_is_held_against_it():
    device, pauses = Plugged([]), Pauses(2)
    reader = Reader("node", "bed1", device, [], off="heat", last_block=10.0, error="unplugged")
    reader.run(pauses, ManualClock(50.0))
    assert (pauses, device.closed, reader.reopened, reader.beats) == ([0.1, 0.1], 0, 0, 2)
    assert (reader.last_block, reader.error) == (None, "")


def test_every_opening_is_a_new_epoch_whatever_the_source_counts():
    class Box(list):
        put = list.append

    lane = SimpleNamespace(kinds=("ppg",))
    reader = Reader("node", "bed1", Device(), [lane], inboxes=[Box()])
    for counted in ([5, 6], [0, 1], [9]):
        reader.epoch_shift = None
        for epoch in counted:
            reader._deliver([Block("node/ppg", 0, 10.0, 100.0, np.zeros((1, 1)), epoch)])
    assert [block.epoch for block in reader.inboxes[0]] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(("before", "blind_s"), [("unplugged", 4.0), ("", 0.0)])
def test_only_what_was_away_was_blind(before, blind_s):
    reader = Reader("node", "bed1", Device(), [], last_block=10.0, weak="half the pictures", error=before)
    was = reader.status(None, 10.0)
    reader.weak, reader.error, reader.last_block = "", "", 14.0
    now = reader.status(was, 14.0)
    assert (was.state, now.state, now.blind_s) == ("offline" if before else "degraded", "online", blind_s)


@pytest.mark.parametrize(
    ("silent_s", "weak", "complaint", "state", "reason"),
    [
        (0.0, "", "", "online", ""),
        (0.0, "", SAYS, "degraded", SAYS),
        (0.0, "half the pictures", SAYS, "degraded", "half the pictures"),
        (LOST_AFTER_S + 1.0, "", "", "offline", "no data for more than 3 s"),
        (LOST_AFTER_S + 1.0, "", SAYS, "offline", f"no data for more than 3 s; {SAYS}"),
    ],
)
def test_what_the_device_says_is_wrong_is_in_its_status(silent_s, weak, complaint, state, reason):
    device = Device()
    device.complaint = complaint
    reader = Reader("node", "bed1", device, [], last_block=10.0, weak=weak)
    status = reader.status(None, 10.0 + silent_s)
    assert (status.state, status.reason) == (state, reason)
    assert reader.status(status, 10.0 + silent_s) is None


def test_what_the_device_announces_is_news_while_it_is_there():
    device = Device()
    reader = Reader("node", "bed1", device, [], last_block=10.0)
    first = reader.status(None, 10.0)
    device.announced = ("pcg", "ppg")
    second = reader.status(first, 11.0)
    assert (first.announced, second.announced, second.since) == ((), ("pcg", "ppg"), 10.0)
    assert reader.status(second, 11.0) is None
    away = reader.status(second, 20.0)
    device.announced = ()
    assert (away.state, away.announced) == ("offline", ())
    assert reader.status(away, 21.0) is None


def test_nothing_is_said_of_a_source_before_its_thread_has_begun():
    """However long the machine has been up: a busy one starts a thread late."""
    reader = Reader("node", "bed1", Device(), [])
    assert reader.status(None, 5000.0) is None
    reader.started = 5001.0
    assert reader.status(None, 5001.0 + LOST_AFTER_S) is None
    never = reader.status(None, 5002.0 + LOST_AFTER_S)
    assert (never.state, never.since) == ("offline", 5001.0)


@pytest.mark.parametrize("error", ["", "unplugged"])
def test_how_long_nothing_was_seen_counts_from_the_last_block(error):
    reader = Reader("node", "bed1", Device(), [], last_block=10.0)
    there = reader.status(None, 10.0)
    reader.error = error
    away = reader.status(there, 13.25)
    assert (away.state, away.t, away.since) == ("offline", 13.25, 10.0)
    reader.error = "no such port"
    worse = reader.status(away, 15.0)
    assert (worse.since, worse.blind_s) == (10.0, 0.0)
    reader.error, reader.last_block = "", 20.0
    back = reader.status(worse, 20.25)
    assert (back.state, back.since, back.blind_s) == ("online", 20.25, 10.25)
