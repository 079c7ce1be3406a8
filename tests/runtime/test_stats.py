"""The program's own figures count what came since the last report, and latency over a bounded past."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.clock import ManualClock
from edge.runtime import stats
from edge.runtime.main_thread import MainThread
from edge.runtime.stats import LoopStats, resident_mb
from edge.runtime.threads import Runtime
from edge.types import Fault, Reading, Stats
from source_and_sink import Kept


def known(t=0.0, metric="ppg.hr"):
    return Reading(metric, t, 60.0, "bpm", 1.0)


def unknown(reason, metric="ppg.hr"):
    return Reading(metric, 0.0, None, "bpm", reason=reason)


def test_readings_are_counted_by_metric_and_the_unknown_ones_by_reason():
    loop = LoopStats()
    for reading in (known(), known(), known(metric="pcg.murmur"), unknown("motion"), unknown("gap", "pcg.murmur")):
        loop.reading(reading, 0.5)
    figures = loop.take(10.0, {}).figures
    assert figures["readings"] == {"ppg.hr": 3, "pcg.murmur": 2}
    assert figures["unknown"] == {"motion": 1, "gap": 1}


def test_a_report_begins_the_counts_anew_and_is_not_changed_by_what_comes_later():
    loop = LoopStats()
    loop.reading(known(), 0.5)
    first = loop.take(10.0, {})
    loop.reading(unknown("motion"), 0.5)
    assert (first.t, first.figures["readings"], first.figures["unknown"]) == (10.0, {"ppg.hr": 1}, {})
    second, third = loop.take(20.0, {}).figures, loop.take(30.0, {}).figures
    assert (second["readings"], second["unknown"]) == ({"ppg.hr": 1}, {"motion": 1})
    assert (third["readings"], third["unknown"]) == ({}, {})


def test_without_readings_there_is_no_latency_rather_than_zero():
    loop = LoopStats()
    assert loop.latency_ms() is None
    assert loop.take(0.0, {}).figures["latency_ms"] is None


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=60))
def test_latency_is_from_the_end_of_the_window_in_ms(delays_ms):
    loop = LoopStats()
    for delay_ms in delays_ms:
        loop.reading(known(t=7.0), 7.0 + delay_ms / 1000.0)
    p50, p95 = loop.latency_ms()
    assert p50 == pytest.approx(statistics.median(delays_ms), abs=0.01)
    assert p50 <= p95 <= max(delays_ms) + 0.01


def test_a_report_tells_the_latency_of_half_and_of_all_but_a_twentieth():
    loop = LoopStats()
    for delay_ms in range(101):
        loop.reading(known(), delay_ms / 1000.0)
    assert loop.take(1.0, {}).figures["latency_ms"] == {"p50": 50.0, "p95": 95.0}


def test_latency_forgets_the_distant_past(monkeypatch):
    monkeypatch.setattr(stats, "_LATENCIES", 10)
    loop = LoopStats()
    for delay_s in [9.0] * 50 + [0.25] * 10:
        loop.reading(known(), delay_s)
    assert loop.latency_ms() == (250.0, 250.0)


def test_figures_of_the_queues_and_of_other_parts_stand_beside_its_own():
    loop = LoopStats(lambda: {"models": {"rhythm": "rhythm 1 x"}})
    figures = loop.take(1.0, {"main_queue": 3}).figures
    assert (figures["main_queue"], figures["models"]) == (3, {"rhythm": "rhythm 1 x"})
    assert figures["frames_written"] == 0
    assert figures["cpu_s"] > 0


def test_memory_is_what_the_kernel_says_or_nothing(monkeypatch):
    assert 5.0 < resident_mb() < 100_000.0

    def absent(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", absent)
    assert resident_mb() == 0.0


def test_figures_are_told_every_ten_seconds_and_after_a_stall_once():
    clock, sink, steps = ManualClock(0.0), Kept(), [1.0] * 25 + [95.0] + [1.0] * 15

    def time_goes_by(_readers):
        clock.advance(steps.pop(0))
        runtime.post(Fault("overload", clock.now(), False))
        if not steps:
            runtime.stop()

    runtime = Runtime(
        MainThread(readers=[], board=Board({"bed1": rules_from({})}, boot="b"), sinks=[sink], clock=clock),
        on_tick=time_goes_by,
    )
    assert runtime.run() == 0
    assert [stats.t for stats in sink.of(Stats)] == [10.0, 20.0, 120.0, 130.0]
