"""What only the clock knows, said by the main thread without any thread."""

from __future__ import annotations

import numpy as np

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.clock import ManualClock
from edge.runtime.main_thread import MainThread
from edge.runtime.reader import Reader
from edge.types import BedStatus, Block, Command, Reading, SourceStatus, Stats
from source_and_sink import Kept, Playback


class Program:
    """A main thread with one source that delivers, whose clock the test moves."""

    def __init__(self, **parts):
        self.clock, self.sink = ManualClock(), Kept()
        self.reader = Reader("node", "bed1", Playback([]), [])
        board = Board({"bed1": rules_from({"silent_s": 0})}, boot="b")
        self.main = MainThread(readers=[self.reader], board=board, sinks=[self.sink], clock=self.clock, **parts)

    def passes(self, seconds):
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.reader.last_block = self.clock.now()
            self.main.tick(self.clock.now())

    def clock_steps(self):
        return [(a.t, a.presence, a.text, a.occurrence[-1]) for a in self.sink.alarms("clock_step")]


def test_a_clock_step_stands_for_five_minutes():
    program = Program()
    program.passes(10)
    program.clock.step_wall(-90.0)
    program.passes(300)
    text = "the wall clock jumped by -90.0 s, from 2023-11-14T22:13:31 to 2023-11-14T22:12:01 UTC"
    assert program.clock_steps() == [(11.0, "on", text, "1")]
    program.passes(1)
    assert program.clock_steps()[1:] == [(311.0, "off", text, "1")]


def test_another_step_is_another_alarm():
    program = Program()
    program.passes(10)
    for step_s in (30.0, 3600.0):
        program.clock.step_wall(step_s)
        program.passes(10)
    told = program.clock_steps()
    first, second = (text for _, presence, text, _ in told if presence == "on")
    assert first.startswith("the wall clock jumped by +30.0 s, from ")
    assert second.startswith("the wall clock jumped by +3600.0 s, from ")
    assert told == [(11.0, "on", first, "1"), (21.0, "off", first, "1"), (21.0, "on", second, "2")]


def test_after_a_clock_step_beds_and_sources_are_told_again():
    program = Program()
    program.passes(10)
    program.main.handle(Command("pause", "bed1", program.clock.now(), "c1", "nurse", seconds=120.0))
    program.passes(10)
    before = len(program.sink.of(BedStatus)), len(program.sink.of(SourceStatus))
    program.passes(10)
    assert (len(program.sink.of(BedStatus)), len(program.sink.of(SourceStatus))) == before
    program.clock.step_wall(7200.0)
    program.passes(1)
    told = program.sink.of(BedStatus)[before[0] :]
    assert [(status.t, status.paused_until) for status in told] == [(31.0, 130.0)], "for a sink to say by the new clock"
    assert [(status.t, status.state) for status in program.sink.of(SourceStatus)[before[1] :]] == [(31.0, "online")]


def test_what_was_watched_is_told_every_minute_and_kept_at_once_every_five_and_at_the_end():
    class Disk:
        def append(self, transitions):
            return True

        def keep(self):
            kept.append(program.clock.now())

    kept, program = [], Program(durable=Disk())
    program.passes(601)
    told = [status.t for status in program.sink.of(SourceStatus) if status.coverage is not None]
    assert told == [60.0 * minute for minute in range(1, 11)]
    program.main.finish()
    assert kept == [1.0, 301.0, 601.0, 601.0]


def test_what_is_still_to_be_fused_at_the_end_is_told():
    class Waits:
        def flush(self):
            return [last]

    last = Reading("fused.hr", 5.0, 60.0, "bpm", 0.9, bed="bed1")
    program = Program(fusion=Waits())
    program.main.finish()
    assert program.sink.of(Reading) == [last]


def test_pictures_are_neither_kept_nor_shown_though_an_analyzer_may_look_at_them():
    class Page(Kept):
        def observe(self, block):
            shown.append(block.kind)

    kept, shown = [], []
    board = Board({"bed1": rules_from({})}, boot="b")
    page = Page()
    main = MainThread(readers=[], board=board, sinks=[page], clock=ManualClock(), tap=kept.append)
    for kind, shape in (("video", (1, 48, 64, 3)), ("roi", (1, 9))):
        main.observe(Block(f"cam/{kind}", 0, 0.0, 30.0, np.zeros(shape)))
    assert ([entry.kind for entry in kept], shown) == (["roi"], ["roi"])
    main.emit_stats(10.0)
    main.record(Block("cam/video", 0, 0.0, 30.0, np.zeros((1, 48, 64, 3))))  # which nobody does
    main.emit_stats(20.0)
    assert [stats.figures["frames_written"] for stats in page.of(Stats)] == [0, 1]
