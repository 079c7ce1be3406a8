"""A reader's word on its source: there, weak or away, and what the device itself says is wrong."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.runtime.inbox import Inbox
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


class Told(Device):
    """A device that does at each reading what it is told: gives blocks, raises, or does something and gives nothing."""

    def __init__(self, *reads):
        self._reads, self.opened, self.closed = iter(reads), 0, 0

    def open(self):
        self.opened += 1

    def read(self):
        what = next(self._reads)
        if isinstance(what, Exception):
            raise what
        return [what] if isinstance(what, Block) else what() or []

    def close(self):
        self.closed += 1


def of_ppg(seq):
    return Block("node/ppg", seq, 10.0, 100.0, np.zeros((1, 1)))


def reading(*reads):
    """A reader of such a device, with an inbox for its pulse wave and one for its sound."""
    lanes = [SimpleNamespace(kinds=(kind,)) for kind in ("ppg", "pcg")]
    return Reader("node", "bed1", Told(*reads), lanes, inboxes=[Inbox(), Inbox()])


def test_a_source_that_ends_is_closed_for_good_and_what_it_gave_can_still_be_had():
    reader, pauses = reading(of_ppg(0), EOFError()), Pauses(9)
    reader.run(pauses, ManualClock(50.0))
    inbox, of_sound = reader.inboxes
    assert (pauses, reader.source.opened, reader.source.closed, reader.reopened) == ([], 1, 1, 0)
    assert (len(inbox), inbox.drained, of_sound.drained) == (1, False, True)
    assert inbox.get(0.0).seq == 0
    assert inbox.drained
    status = reader.status(None, 60.0)
    assert (status.state, status.reason) == ("disabled", "ended")


def test_a_source_that_does_not_work_as_it_should_is_away_and_says_why():
    device = Plugged([False])
    device.open = [].pop
    reader = Reader("node", "bed1", device, [])
    with pytest.raises(IndexError):
        reader.run(threading.Event(), ManualClock())
    said = reader.status(None, 0.1)
    assert (said.state, said.reason, device.closed) == ("offline", "failed: IndexError('pop from empty list')", 1)


def test_a_reader_that_is_to_stop_closes_its_device_and_has_not_lost_it():
    stop = threading.Event()
    reader = reading(of_ppg(0), stop.set)
    reader.run(stop, ManualClock(50.0))
    assert (reader.source.opened, reader.source.closed, reader.reopened, reader.ended) == (1, 1, 0, False)
    assert reader.error == ""
    reader.inboxes[0].get(0.0)
    assert not reader.inboxes[0].drained, "whoever stopped it decides when no more comes"


def test_a_device_that_is_switched_off_is_closed_at_once_and_later_opened_anew_without_having_been_lost():
    told = []

    class Calm(Pauses):
        def wait(self, seconds):
            super().wait(seconds)
            status = reader.status(None, 50.0)
            told.append((status.state, status.reason, reader.source.opened, reader.source.closed))
            reader.off = ""

    reader = reading(of_ppg(0), lambda: setattr(reader, "off", "heat"), of_ppg(0), EOFError())
    pauses = Calm(9)
    reader.run(pauses, ManualClock(50.0))
    assert told == [("disabled", "heat", 1, 1)]
    assert (pauses, reader.source.opened, reader.source.closed, reader.reopened) == ([0.1], 2, 2, 0)
    assert [reader.inboxes[0].get(0.0).epoch for _ in range(2)] == [0, 1]


def test_a_reading_without_a_block_is_no_sign_of_life(monkeypatch):
    monkeypatch.setattr("edge.runtime.reader.random.uniform", lambda *_: 1.0)
    reader = reading(SourceError("no answer"), list, SourceError("nothing yet"), list)
    pauses = Pauses(2)
    reader.run(pauses, ManualClock(50.0))
    assert (pauses, reader.last_block, reader.error) == ([0.5, 1.0], None, "nothing yet")


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


def test_half_the_pictures_are_half_the_rate_in_an_epoch_of_their_own_and_nothing_else_is_halved():
    def picture(seq):
        return Block("cam/video", seq, seq / 30.0, 30.0, np.zeros((1, 4, 4, 3), np.uint8))

    reader = Reader("cam", "bed1", Device(), [SimpleNamespace(kinds=("video", "ppg"))], inboxes=[Inbox()])
    reader._deliver([picture(seq) for seq in range(4)])
    reader.keep_every = 2
    reader._deliver([picture(seq) for seq in range(4, 10)])
    reader._deliver([of_ppg(5)])
    reader.keep_every = 1
    reader._deliver([picture(10)])
    inbox = reader.inboxes[0]
    assert [(b.epoch, b.seq, b.rate) for b in (inbox.get(0.0) for _ in range(len(inbox)))] == [
        *((0, i, 30.0) for i in range(4)),
        *((1, i, 15.0) for i in (2, 3, 4)),
        (1, 5, 100.0),
        (2, 10, 30.0),
    ]


def test_a_source_that_is_to_be_heard_anew_begins_an_epoch_once_and_in_all_its_streams():
    reader = Reader("node", "bed1", Device(), [SimpleNamespace(kinds=("ppg", "acc"))], inboxes=[Inbox()])
    reader._deliver([of_ppg(0)])
    reader.anew = True
    reader._deliver([of_ppg(1), Block("node/acc", 1, 10.0, 50.0, np.zeros((1, 3)))])
    reader._deliver([of_ppg(2)])
    inbox = reader.inboxes[0]
    assert [(b.kind, b.seq, b.epoch) for b in (inbox.get(0.0) for _ in range(len(inbox)))] == [
        ("ppg", 0, 0),
        ("ppg", 1, 1),
        ("acc", 1, 1),
        ("ppg", 2, 1),
    ]
