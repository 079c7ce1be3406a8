"""The hand-off between threads is bounded, drops the oldest, and counts."""

from __future__ import annotations

import threading

import numpy as np

from edge.inbox import Inbox
from signals import blocks


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
