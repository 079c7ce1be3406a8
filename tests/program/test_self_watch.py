"""What is wrong with a part is told when it changes, once, and kept for later while the queue is full."""

from __future__ import annotations

import queue

import pytest

from edge.clock import ManualClock
from edge.program.self_watch import Asked, SelfWatch


@pytest.fixture
def parts():
    return {"recorder": "", "journal": ""}


@pytest.fixture
def mailbox():
    return queue.Queue(1)


@pytest.fixture
def look(parts, mailbox):
    watch = SelfWatch(
        [Asked("recording_lost", name, lambda name=name: parts[name]) for name in parts], ManualClock(5.0), mailbox
    )

    def told():
        watch.look()
        found = [mailbox.get() for _ in range(mailbox.qsize())]
        return [(fault.condition, fault.source, fault.t, fault.present, fault.text) for fault in found]

    return told


def test_only_changes_are_told(look, parts):
    assert look() == []
    parts["recorder"] = "full"
    assert look() == [("recording_lost", "recorder", 5.0, True, "full")]
    assert look() == []
    parts["recorder"] = "read-only"
    assert look() == [("recording_lost", "recorder", 5.0, True, "read-only")]
    parts["recorder"] = ""
    assert look() == [("recording_lost", "recorder", 5.0, False, "")]


def test_what_finds_no_room_in_the_queue_is_told_the_next_time(look, parts):
    parts.update(recorder="full", journal="full")
    assert [source for _, source, *_ in look()] == ["recorder"]
    assert [source for _, source, *_ in look()] == ["journal"]
    assert look() == []
