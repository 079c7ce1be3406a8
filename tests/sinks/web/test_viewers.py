"""When what changed goes out to those who look: with the next tick, whatever it is, and a beat where nothing did."""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import replace

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.sinks.web.picture import Picture
from edge.sinks.web.traces import Traces
from edge.sinks.web.viewers import Audience
from edge.types import Alarm, Block, Reading

WAIT_S = 10.0
ALARM = Alarm("bed1/af", "o1", "physiological", "medium", "on", 4.0, "AF", "af", "bed1", seq=1)
READING = Reading("ppg.hr", 4.0, 60.0, "bpm", 0.9, bed="bed1", source="node")
BLOCK = Block("node/ppg", 0, 4.0, 100.0, np.zeros((10, 1)))


def told(monkeypatch, happen, beat_s):
    """What two viewers are told first after ``happen(picture, traces)``."""
    monkeypatch.setattr("edge.sinks.web.viewers.TICK_S", 0.001)
    monkeypatch.setattr("edge.sinks.web.viewers.BEAT_S", beat_s)
    clock = ManualClock(10.0)
    picture, traces = Picture(clock=clock, about={}), Traces()
    audience = Audience(picture=picture, traces=traces, clock=clock, limit=2)

    async def look():
        viewers = [audience.join("a"), audience.join("b")]
        greeted = []
        for viewer in viewers:
            greeted += viewer.take(10.0)
            viewer.wake.clear()
        happen(picture, traces)
        async with asyncio.timeout(WAIT_S), audience.feeding():
            for viewer in viewers:
                await viewer.wake.wait()
        assert len(greeted) == 2
        return [viewer.take(10.0) for viewer in viewers]

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("happen", "begins"),
    [
        (lambda picture, _: picture.take(ALARM), b'{"k":"a"'),
        (lambda picture, _: picture.take(READING), b'{"k":"r"'),
        (lambda _, traces: traces.take(BLOCK), b'{"k":"w"'),
    ],
    ids=["alarm", "reading", "samples"],
)
def test_whatever_happens_goes_out_to_everybody_without_waiting_for_a_beat(monkeypatch, happen, begins):
    for items in told(monkeypatch, happen, beat_s=1000.0):
        assert [item[: len(begins)] for item in items] == [begins]


class Leaping(selectors.DefaultSelector):
    """A loop's time that passes only while everybody in it waits, and then at once."""

    now = 0.0

    def select(self, timeout=None):
        found = super().select(0.0)
        if not found and timeout:
            self.now += timeout
        return found


def loop_that_leaps():
    selector = Leaping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    return loop


@pytest.mark.parametrize("after_s", [0.0, 0.53, 7.77])
def test_an_alarm_goes_out_within_a_tenth_of_a_second(after_s):
    clock = ManualClock(10.0)
    picture = Picture(clock=clock, about={})
    audience = Audience(picture=picture, traces=Traces(), clock=clock, limit=1)

    async def look():
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(100.0), audience.feeding():
            viewer = audience.join("a")
            await asyncio.sleep(after_s)
            viewer.take(10.0)
            picture.take(ALARM)
            happened = loop.time()
            while not viewer.take(10.0):
                viewer.wake.clear()
                await viewer.wake.wait()
            return loop.time() - happened

    with asyncio.Runner(loop_factory=loop_that_leaps) as runner:
        assert runner.run(look()) <= 0.1 + 1e-9


def test_where_nothing_happens_there_is_a_beat_without_items(monkeypatch):
    assert told(monkeypatch, lambda *_: None, beat_s=0.005) == [[], []]


def test_who_looks_next_is_not_told_what_the_last_one_left_without_hearing(monkeypatch):
    monkeypatch.setattr("edge.sinks.web.viewers.TICK_S", 0.001)
    clock = ManualClock(10.0)
    picture = Picture(clock=clock, about={})
    audience = Audience(picture=picture, traces=Traces(), clock=clock, limit=1)

    async def look():
        last = audience.join("a")
        picture.take(ALARM)
        audience.leave(last)
        picture.take(replace(ALARM, presence="off", seq=2))
        async with asyncio.timeout(WAIT_S), audience.feeding():
            viewer = audience.join("b")
            viewer.take(10.0)
            viewer.wake.clear()
            picture.take(READING)
            await viewer.wake.wait()
            return viewer.take(10.0)

    assert [item[:8] for item in asyncio.run(look())] == [b'{"k":"r"']


def test_what_cannot_be_told_is_logged_and_whoever_looks_begins_anew(monkeypatch, caplog):
    monkeypatch.setattr("edge.sinks.web.viewers.TICK_S", 0.001)
    clock = ManualClock(10.0)
    picture, traces = Picture(clock=clock, about={}), Traces()
    audience = Audience(picture=picture, traces=traces, clock=clock, limit=2)
    wrong = iter([ValueError("a number that is none")])

    def faces():
        for error in wrong:
            raise error
        return {}

    monkeypatch.setattr(traces, "faces", faces)

    async def look():
        async with asyncio.timeout(WAIT_S), audience.feeding():
            first = audience.join("a")
            first.wake.clear()
            await first.wake.wait()
            audience.leave(first)
            second = audience.join("b")
            second.take(10.0)
            second.wake.clear()
            picture.take(ALARM)
            await second.wake.wait()
        return first.overflowed, second.overflowed, second.take(10.0)

    cut, whole, items = asyncio.run(look())
    assert (cut, whole) == (True, False)
    assert [item[:8] for item in items] == [b'{"k":"a"']
    assert "a number that is none" in caplog.text
