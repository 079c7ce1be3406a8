"""The two ends of a program for tests: a source that plays prepared blocks, and a sink that keeps what it is sent."""

from __future__ import annotations

import threading

from edge.types import Alarm


class Playback:
    """A source that gives prepared blocks, then ends; with ``then`` it raises that instead."""

    def __init__(self, feed, then=None):
        self.feed, self.then, self.opened = list(feed), then, 0

    def open(self):
        self.opened += 1

    def read(self):
        if not self.feed:
            raise self.then or EOFError
        return [self.feed.pop(0)]

    def close(self):
        pass


class Kept:
    """A sink that keeps everything and wakes whoever waits for it."""

    def __init__(self):
        self.events, self.closed, self._changed = [], 0, threading.Condition()

    def send(self, event):
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, found, timeout=10.0):
        with self._changed:
            assert self._changed.wait_for(lambda: any(found(e) for e in self.events), timeout)

    def of(self, kind):
        return [e for e in self.events if isinstance(e, kind)]

    def alarms(self, condition):
        return [alarm for alarm in self.of(Alarm) if alarm.condition == condition]

    def flush(self, timeout_s):
        return True

    def close(self):
        self.closed += 1


def read_all(source):
    """Every block of a source that ends."""
    source.open()
    found = []
    try:
        while True:
            found += source.read()
    except EOFError:
        source.close()
    return found
