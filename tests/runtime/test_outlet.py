"""What must last is on disk before anybody hears of it; everything in its order, whatever one sink does."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest

from edge.runtime.outlet import Outlet
from edge.types import Alarm, Reading


def alarm(seq):
    return Alarm("bed1/af", "b.bed1.af.1", "physiological", "medium", "on", float(seq), "AF", "af", "bed1", seq=seq)


READING = Reading("ppg.hr", 1.0, 60.0, quality=0.9)


class Disk:
    def __init__(self, log, works=True):
        self.log, self.works = log, works

    def append(self, transitions):
        self.log.append(("disk", [a.seq for a in transitions]))
        return self.works

    def keep(self):
        self.log.append(("disk", "all the rest"))


class Ear:
    """A sink that writes down what it is told; ``broken`` names the calls that raise."""

    def __init__(self, log, broken=(), flushed=True):
        self.log, self.broken, self.flushed = log, broken, flushed

    def _call(self, name, told):
        self.log.append((name, told))
        if name in self.broken:
            raise RuntimeError(name)

    def send(self, event):
        self._call("send", event)

    def flush(self, timeout_s):
        self._call("flush", timeout_s)
        return self.flushed

    def close(self):
        self._call("close", None)


def test_all_that_waits_is_one_write_in_front_of_every_sink_and_told_in_its_order():
    log = []
    one = Outlet([Ear(log)], Disk(log))
    for event in (alarm(1), READING, alarm(2)):
        one.add(event)
    assert log == []
    one.commit(lambda ok: log.append(("on disk", ok)))
    assert log == [
        ("disk", [1, 2]),
        ("on disk", True),
        ("send", alarm(1)),
        ("send", READING),
        ("send", alarm(2)),
    ]
    one.commit(lambda _: pytest.fail("nothing waited"))


def test_what_the_word_of_a_write_adds_goes_out_after_it_with_a_write_of_its_own():
    log, words = [], []
    one = Outlet([Ear(log)], Disk(log, works=False))

    def on_disk(ok):
        words.append(ok)
        if len(words) == 1:
            one.add(alarm(2))

    one.add(alarm(1))
    one.commit(on_disk)
    assert words == [False, False]
    assert log == [("disk", [1]), ("send", alarm(1)), ("disk", [2]), ("send", alarm(2))]


def test_readings_are_not_written_and_the_state_is_written_once_when_asked():
    log = []
    one = Outlet([Ear(log)], Disk(log))
    one.add(READING)
    one.commit(lambda _: pytest.fail("written"))
    assert log == [("send", READING)]
    one.save()
    one.commit(lambda ok: log.append(("on disk", ok)))
    assert log[1:] == [("disk", []), ("on disk", True)]
    one.commit(lambda _: pytest.fail("written again"))
    one.keep()
    assert log[3:] == [("disk", "all the rest")]


def test_without_a_disk_all_is_told_and_nobody_waits_for_a_write():
    log = []
    one = Outlet([Ear(log)], None)
    one.add(alarm(1))
    one.save()
    one.keep()
    one.commit(lambda _: pytest.fail("there is no disk"))
    assert log == [("send", alarm(1))]


def test_a_sink_that_fails_silences_and_keeps_open_no_other(caplog):
    first, second = [], []
    one = Outlet([Ear(first, broken=("send", "flush", "close")), Ear(second)], None)
    one.deliver(READING)
    one.close()
    assert [name for name, _ in first] == [name for name, _ in second] == ["send", "flush", "close"]
    assert dict(second)["flush"] == 3.0
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == ["sink Ear failed", "sink Ear failed at the end", "sink Ear could not be closed"]


def test_a_sink_that_fails_at_every_event_fills_no_log(caplog):
    heard = []
    one = Outlet([Ear([], broken=("send",)), Ear(heard)], None)
    for _ in range(1200):
        one.deliver(READING)
        one.deliver(alarm(1))
    assert len(heard) == 2400
    said = [(record.getMessage(), record.exc_info is not None) for record in caplog.records]
    assert said == [("sink Ear failed", True)] * 2 + [
        (f"sink Ear failed {times} times at a {kind}: RuntimeError('send')", False)
        for times in (10, 100, 1000)
        for kind in ("Reading", "Alarm")
    ]


def test_all_sinks_end_at_once_and_one_that_hangs_is_named_and_left_behind(caplog, monkeypatch):
    monkeypatch.setattr("edge.runtime.outlet._END_S", 0.2)
    log, answers = [], threading.Event()
    hung, other = Ear([]), Ear(log)
    hung.close = lambda: answers.wait(10.0)
    Outlet([hung, other], None).close()
    assert [name for name, _ in log] == ["flush", "close"]
    assert [record.getMessage() for record in caplog.records] == ["sink Ear did not end within 0.2 s"]
    answers.set()


def test_all_sinks_together_have_eight_seconds_and_none_keeps_the_program_alive(monkeypatch):
    now, waited = [100.0], []

    class Hangs:
        def __init__(self, *, target, args, name, daemon):
            assert daemon

        def start(self):
            pass

        def join(self, seconds):
            waited.append(seconds)
            now[0] += 5.0

        def is_alive(self):
            return True

    monkeypatch.setattr("edge.runtime.outlet.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("edge.runtime.outlet.threading", SimpleNamespace(Thread=Hangs))
    Outlet([Ear([])] * 3, None).close()
    assert waited == [8.0, 3.0, 0.0]


@pytest.mark.parametrize(
    ("flushed", "warned"), [(True, []), (False, ["sink Ear could not send everything before the end"])]
)
def test_what_could_not_be_sent_before_the_end_is_said(caplog, flushed, warned):
    log = []
    Outlet([Ear(log, flushed=flushed)], None).close()
    assert [name for name, _ in log] == ["flush", "close"]
    assert [record.getMessage() for record in caplog.records] == warned
