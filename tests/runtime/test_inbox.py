"""The hand-off between threads is bounded, drops the oldest, and counts."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.runtime.inbox import Inbox
from edge.types import Block
from signals import blocks

RATE = 64.0  # sums of samples over it are exact
STREAMS = ("node/ppg", "node/pcg", "cam/video")
TURNS = st.lists(st.none() | st.tuples(st.sampled_from(STREAMS), st.sampled_from([1, 32, 64, 160, 320, 321])))


def block_of(stream: str, samples: int, seq: int = 0) -> Block:
    return Block(stream, seq, 0.0, RATE, np.zeros((samples, 1)))


class OtherSide:
    """A condition on which whoever waits lets the other side have its turn first."""

    def __init__(self, turn) -> None:
        self._turn = turn
        self.turns = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def notify_all(self):
        return None

    def wait(self, _timeout=None):
        self.turns += 1
        self._turn()


def test_keeps_order():
    inbox = Inbox()
    for block in blocks(np.arange(50.0)):
        inbox.put(block)
    assert [inbox.get(0.0).seq for _ in range(5)] == [0, 10, 20, 30, 40]
    assert inbox.get(0.0) is None


def test_drops_the_oldest_of_the_stream_that_is_over_its_bound():
    inbox = Inbox(limit_s=1.0)
    (sound,) = blocks(np.zeros(100), stream="node/pcg", rate=1000.0, chunk=100)
    inbox.put(sound)
    for block in blocks(np.arange(200.0)):
        inbox.put(block)
    assert inbox.dropped_blocks == 10
    assert inbox.get(0.0) is sound
    assert inbox.get(0.0).seq == 100


def test_a_camera_is_bounded_by_frames():
    inbox = Inbox(limit_blocks={"video": 2})
    frames = list(blocks(np.zeros(5), stream="cam/video", rate=30.0, chunk=1))
    for frame in frames:
        inbox.put(frame)
    assert inbox.dropped_blocks == 3
    assert inbox.get(0.0) is frames[3]


def test_one_block_longer_than_the_bound_is_still_taken():
    inbox = Inbox(limit_s=1.0)
    (block,) = blocks(np.zeros(1000), chunk=1000)
    inbox.put(block)
    assert inbox.get(0.0) is block


def test_lossless_waits_for_room_and_drops_nothing():
    inbox = Inbox(limit_s=1.0, lossless=True)
    feed = list(blocks(np.arange(1000.0)))
    writer = threading.Thread(target=lambda: [inbox.put(b) for b in feed], name="edge-test-writer")
    writer.start()
    got = [inbox.get(5.0).seq for _ in feed]
    writer.join(5.0)
    assert got == [b.seq for b in feed]
    assert inbox.dropped_blocks == 0


def test_closing_lets_go_of_a_waiting_writer_and_keeps_what_is_held():
    inbox = Inbox(limit_s=0.1, lossless=True)
    feed = list(blocks(np.arange(100.0)))
    inbox.put(feed[0])
    writer = threading.Thread(target=inbox.put, args=(feed[1],), name="edge-test-writer")
    writer.start()
    inbox.close()
    writer.join(5.0)
    assert not writer.is_alive()
    assert inbox.get(0.0) is feed[0]
    assert inbox.drained


def test_whoever_waits_is_woken_by_a_block():
    inbox, got = Inbox(), []
    waiter = threading.Thread(target=lambda: got.append(inbox.get(60.0)), name="edge-test-waiter")
    waiter.start()
    while not inbox.asked:  # it holds the lock from here until it waits
        pass
    (block,) = blocks(np.zeros(10))
    inbox.put(block)
    waiter.join(10.0)
    assert got == [block]


@given(TURNS)
def test_it_holds_the_newest_of_each_stream_that_fit_and_at_least_one(turns):
    """Five seconds of samples, two pictures; what goes is the oldest of its own stream, and is counted."""
    inbox, held, dropped, asked = Inbox(limit_blocks={"video": 2}), [], 0, 0
    for turn in turns:
        if turn is None:
            asked += 1
            assert inbox.get(0.0) is (held.pop(0) if held else None)
        else:
            inbox.put(new := block_of(*turn))
            held.append(new)
            mine = [one for one in held if one.stream == new.stream]
            over = [sum(len(one.data) for one in mine[k:]) > 5 * RATE for k in range(len(mine))]
            if new.kind == "video":
                over = [len(mine) - k > 2 for k in range(len(mine))]
            gone = mine[: min(sum(over), len(mine) - 1)]
            held = [one for one in held if not any(one is other for other in gone)]
            dropped += len(gone)
        assert (len(inbox), inbox.dropped_blocks, inbox.asked) == (len(held), dropped, asked)
        assert not inbox.drained
    inbox.close()
    assert inbox.drained is (not held)
    inbox.put(block_of("node/ppg", 1))
    assert [inbox.get(0.0) for _ in held] == held
    assert inbox.drained
    assert inbox.get(60.0) is None


@pytest.mark.parametrize(
    ("stream", "samples", "waits"),
    [
        ("node/ppg", (64, 64, 64), [0, 0, 1]),  # two seconds are full
        ("node/ppg", (127, 1, 64), [0, 0, 1]),
        ("node/ppg", (127, 64, 1), [0, 0, 1]),
        ("node/ppg", (640, 1, 1), [0, 1, 1]),  # longer than the bound: taken where there is nothing
        ("cam/video", (640, 640, 640, 640), [0, 0, 0, 1]),
    ],
)
def test_a_source_that_can_wait_does_so_exactly_while_there_is_no_room(stream, samples, waits):
    inbox = Inbox(limit_s=2.0, limit_blocks={"video": 3}, lossless=True)
    feed = [block_of(stream, n, seq) for seq, n in enumerate(samples)]
    got, waited = [], []
    inbox._changed = other = OtherSide(lambda: got.append(inbox.get(0.0)))
    for block in feed:
        inbox.put(block)
        waited.append(other.turns)
    while len(inbox):
        got.append(inbox.get(0.0))
    assert waited == waits
    assert got == feed
    assert inbox.dropped_blocks == 0


def test_what_waits_of_one_stream_leaves_room_for_another():
    inbox = Inbox(limit_s=2.0, lossless=True)
    inbox._changed = other = OtherSide(inbox.close)
    inbox.put(block_of("node/ppg", 128))
    inbox.put(block_of("node/pcg", 128))
    assert (len(inbox), other.turns) == (2, 0)
    inbox.put(block_of("node/ppg", 1))  # the end comes while it waits: not taken
    assert (len(inbox), other.turns) == (2, 1)
