"""What only the clock knows, said by the main thread without any thread."""

from __future__ import annotations

import numpy as np
import pytest

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.clock import ManualClock
from edge.recording import ClockMark, MainState, Tick
from edge.runtime.inbox import Inbox
from edge.runtime.main_thread import MainThread, new_mailbox
from edge.runtime.overload.board_health import Health
from edge.runtime.reader import Reader
from edge.types import Alarm, BedStatus, Block, Command, CommandResult, Fault, Heartbeat, Reading, SourceStatus, Stats
from source_and_sink import Kept, Playback


class Program:
    """A main thread with one source that delivers, whose clock the test moves."""

    def __init__(self, clock=None, *, can_wait=False, **parts):
        self.clock, self.sink = clock or ManualClock(), Kept()
        self.reader = Reader("node", "bed1", Playback([]), [], can_wait=can_wait)
        self.board = Board({"bed1": rules_from({"silent_s": 0})}, boot="b")
        self.main = MainThread(readers=[self.reader], board=self.board, sinks=[self.sink], clock=self.clock, **parts)

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


class HeldUp(ManualClock):
    """A clock whose asker is held up for so many seconds before the next time that it is asked for the wall time."""

    held_s = 0.0

    def wall(self):
        held_s, self.held_s = self.held_s, 0.0
        self.advance(held_s)
        return super().wall()


def test_a_thread_held_up_between_its_looks_at_both_clocks_saw_no_step():
    program, marks = Program(HeldUp(), tap=lambda entry: isinstance(entry, ClockMark) and marks.append(entry)), []
    program.passes(3)
    program.clock.held_s = 5.0
    program.passes(3)
    assert program.clock_steps() == []
    assert [(mark.t, mark.wall) for mark in marks] == [(1.0, 1_700_000_001.0)]


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


def test_what_was_watched_is_told_every_minute_and_kept_at_once_then_ever_more_rarely_and_at_the_end():
    class Disk:
        def append(self, transitions):
            return True

        def keep(self):
            kept.append(program.clock.now())

    kept, program = [], Program(durable=Disk())
    program.passes(1070)
    told = [status.t for status in program.sink.of(SourceStatus) if status.coverage is not None]
    assert told == [60.0 * minute for minute in range(1, 18)]
    program.main.finish()
    assert kept == [1.0, 16.0, 46.0, 106.0, 226.0, 466.0, 766.0, 1066.0, 1070.0]


def test_how_long_a_source_was_away_is_told_once():
    kept = []
    program = Program(tap=kept.append)
    program.passes(50)
    program.clock.advance(4.0)
    program.main.tick(program.clock.now())
    program.passes(20)
    told = [(status.t, status.state, status.blind_s) for status in program.sink.of(SourceStatus)]
    assert told == [(1.0, "online", 0.0), (54.0, "offline", 0.0), (55.0, "online", 5.0), (60.0, "online", 0.0)]
    news = [status for status in program.sink.of(SourceStatus) if status.coverage is None]
    assert [entry for entry in kept if isinstance(entry, SourceStatus)] == news
    assert len(news) == 3


def test_a_source_that_stays_away_is_an_alarm():
    program = Program()
    program.passes(10)
    for _ in range(10):
        program.clock.advance(1.0)
        program.main.tick(program.clock.now())
    assert [(alarm.t, alarm.presence) for alarm in program.sink.alarms("source_lost")] == [(17.0, "on")]


def test_at_the_end_it_is_told_what_came_of_each_source_and_what_was_still_to_be_fused():
    class Waits:
        def flush(self):
            return [last]

    last = Reading("fused.hr", 5.0, 60.0, "bpm", 0.9, bed="bed1")
    program = Program(fusion=Waits())
    program.reader.ended = True
    program.main.finish()
    assert program.sink.of(Reading) == [last]
    assert [(status.state, status.reason) for status in program.sink.of(SourceStatus)] == [("disabled", "ended")]
    program.main.close()
    assert program.sink.closed == 1


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


class Fuses:
    """A fusion that has something to remember, and of each reading ``says`` something."""

    def __init__(self, *says):
        self.says, self.heard = says, []

    def update(self, reading):
        self.heard.append(reading)
        return self.says

    def state(self):
        return {"bed1": "fused"}


def test_a_recording_has_every_tick_the_time_of_day_every_minute_and_what_is_remembered_every_quarter_of_one():
    kept = []
    program = Program(ManualClock(1000.0), tap=kept.append, fusion=Fuses(), board_shift_s=-3.0)

    def times(kind):
        return [entry.t for entry in kept if isinstance(entry, kind)]

    program.passes(61)
    assert times(Tick) == [1000.0 + second for second in range(1, 62)]
    assert times(ClockMark) == [1001.0, 1061.0]
    assert times(MainState) == [1001.0, 1016.0, 1031.0, 1046.0, 1061.0]
    program.main.handle(Reading("ppg.hr", 1076.0, 60.0, "bpm", 0.9, bed="bed1", source="node"))
    assert [type(entry) for entry in kept[-2:]] == [Reading, MainState], "a file that is played has times of its own"
    assert kept[-1] == MainState(1076.0, program.board.snapshot(), {"bed1": "fused"}, -3.0)


def test_a_recording_is_told_the_time_of_day_when_it_moved_by_more_than_a_fiftieth_of_a_second():
    kept = []
    program = Program(ManualClock(1000.0), tap=kept.append)
    program.passes(1)
    for step_s in (-0.019, -0.002, 0.019, 0.002):
        program.clock.step_wall(step_s)
        program.passes(1)
    marks = [(entry.t, round(entry.wall - entry.t, 3)) for entry in kept if isinstance(entry, ClockMark)]
    offset = 1_700_000_000.0 - 1000.0
    assert marks == [(1001.0, offset), (1003.0, offset - 0.021), (1005.0, offset)]
    assert program.clock_steps() == []


class Disk:
    """Takes what it ``answers``; ``tried``: when, and of how many transitions."""

    def __init__(self, clock, answers=True):
        self._clock, self.answers, self.tried = clock, answers, []

    def append(self, transitions):
        self.tried.append((self._clock.now(), len(transitions)))
        return self.answers

    def keep(self):
        pass


def asystole(t):
    return Reading("ppg.hr", t, 0.0, "bpm", 0.9, detail={"asystole": True}, bed="bed1", source="node")


def altered(t):
    return Fault("model_fault", t, True, "altered", bed="bed1")


def test_a_disk_that_takes_nothing_is_one_alarm_and_is_tried_every_five_seconds_until_it_does():
    clock, kept = ManualClock(1000.0), []
    disk = Disk(clock, answers=None)  # nobody knows so soon
    program = Program(clock, durable=disk, tap=kept.append)
    program.passes(1)
    program.main.handle(altered(1001.0))
    program.main.commit()
    assert (disk.tried, program.sink.alarms("outbox_full")) == ([(1001.0, 1)], [])
    disk.answers = False
    program.main.handle(asystole(1001.0))
    program.main.commit()
    assert disk.tried[1:] == [(1001.0, 1), (1001.0, 1)], "the alarm of the disk itself, too"
    program.passes(7)
    disk.answers = None
    program.passes(5)
    disk.answers = True
    program.passes(20)
    assert disk.tried[3:] == [(1002.0, 0), (1007.0, 0), (1012.0, 0), (1017.0, 0), (1022.0, 1)]
    told = [(alarm.t, alarm.presence, alarm.text) for alarm in program.sink.alarms("outbox_full")]
    text = "alarms cannot be written to disk; they are sent all the same"
    assert told == [(1001.0, "on", text), (1022.0, "off", text)]
    faults = [entry for entry in kept if isinstance(entry, Fault) and entry.condition == "outbox_full"]
    assert [(fault.t, fault.present) for fault in faults] == [(1001.0, True), (1017.0, False)]


def test_what_is_commanded_lasts_though_it_is_no_transition():
    clock = ManualClock(1000.0)
    disk = Disk(clock)
    program = Program(clock, durable=disk)
    program.passes(1)
    before = len(program.sink.events)
    program.main.handle(Command("pause", "bed1", 1001.0, "c1", "nurse", seconds=120.0))
    program.main.commit()
    assert disk.tried == [(1001.0, 0)]
    result, status = program.sink.events[before:]
    assert (type(result), result.ok, type(status), status.paused_until) == (CommandResult, True, BedStatus, 1121.0)


def test_who_commanded_what_and_what_came_of_it_is_logged_with_its_ids(caplog):
    caplog.set_level("INFO", "edge.runtime.main_thread")
    program = Program()
    program.main.handle(Command("pause", "bed1", 0.0, "c1", "nurse", seconds=120.0))
    program.main.handle(Command("ack", "bed9", 0.0, "c2", "nurse", id="bed9/af"))
    done, refused = caplog.records
    assert (done.levelname, done.getMessage()) == ("INFO", "command pause for bed1 by nurse: sound paused for 120 s")
    assert (refused.levelname, refused.getMessage()) == (
        "WARNING",
        "command ack for bed9 by nurse refused: no bed 'bed9' here",
    )
    assert refused.ids == {"bed": "bed9", "command_id": "c2", "by": "nurse", "alarm": "bed9/af"}


def test_what_comes_in_is_recorded_with_the_alarms_made_of_it_and_all_but_the_former_is_told(caplog):
    kept = []
    program = Program(tap=kept.append)
    program.main.record_state(0.0)
    del kept[:]
    program.main.handle(asystole(0.0))
    program.main.handle(altered(0.0))
    program.main.handle(Command("ack", "bed1", 0.0, "c1", "nurse", id="bed1/model_fault"))
    program.main.commit()
    assert [type(entry) for entry in kept] == [Reading, Alarm, Fault, Alarm, Command, Alarm]
    made = [entry for entry in kept if isinstance(entry, Alarm)]
    assert [(alarm.condition, alarm.presence) for alarm in made] == [
        ("asystole", "on"),
        ("model_fault", "on"),
        ("model_fault", "ack"),
    ]
    assert program.sink.of(Alarm) == made
    assert [type(event) for event in program.sink.events] == [Reading, Alarm, Alarm, Alarm, CommandResult, BedStatus]
    assert [one for one in caplog.records if one.levelname != "INFO"] == []


def test_a_reading_is_fused_as_it_was_told_and_what_comes_of_it_told_after_it():
    fused = Reading("fused.hr", 5.0, 60.0, "bpm", 0.9, bed="bed1")
    fuses = Fuses(fused)
    program = Program(fusion=fuses)
    program.main.handle(Command("standby", "bed1", 0.0, "c1", "nurse", seconds=120.0))
    program.main.handle(Reading("ppg.hr", 5.0, 60.0, "bpm", 0.9, bed="bed1", source="node"))
    program.main.commit()
    heard, last = program.sink.of(Reading)
    assert (heard.metric, heard.reason, last.metric) == ("ppg.hr", "standby", "fused.hr")
    assert fuses.heard == [heard]


@pytest.mark.parametrize(("can_wait", "overloads"), [(False, ["on"]), (True, [])])
def test_only_readings_of_a_source_that_cannot_wait_come_late(can_wait, overloads):
    program = Program(ManualClock(1000.0), can_wait=can_wait)
    for _ in range(8):
        program.main.handle(Reading("ppg.hr", 990.0, 60.0, "bpm", 0.9, bed="bed1", source="node"))
        program.passes(1)
    assert [alarm.presence for alarm in program.sink.alarms("overload")] == overloads


def test_the_heartbeat_comes_every_five_seconds_after_what_was_judged_by_then():
    program = Program()
    program.passes(1)
    program.main.handle(altered(1.0))
    program.passes(10)
    beats = program.sink.of(Heartbeat)
    assert [(beat.t, beat.interval_s, beat.beds["bed1"]["standing"]) for beat in beats] == [
        (1.0, 5.0, 0),
        (6.0, 5.0, 1),
        (11.0, 5.0, 1),
    ]
    assert program.sink.events[-1] is beats[-1]


@pytest.mark.parametrize(
    ("tap", "page", "watches", "records"),
    [(None, False, False, False), ([].append, False, True, True), (None, True, True, False)],
)
def test_blocks_are_wanted_where_they_are_recorded_or_shown(tap, page, watches, records):
    sink = Kept()
    if page:
        sink.observe = lambda _block: None
    main = MainThread(readers=[], board=Board({}, boot="b"), sinks=[sink], clock=ManualClock(), tap=tap)
    assert (main.watches_blocks, main.records) == (watches, records)


def test_a_page_that_fails_at_a_block_is_named_and_keeps_no_other_from_it(caplog):
    class Broken(Kept):
        def observe(self, block):
            raise RuntimeError("gone")

    class Page(Kept):
        def observe(self, block):
            shown.append(block)

    shown, block = [], Block("node/ppg", 0, 0.0, 100.0, np.zeros((1, 1)))
    main = MainThread(readers=[], board=Board({}, boot="b"), sinks=[Broken(), Page()], clock=ManualClock())
    main.observe(block)
    assert shown == [block]
    assert [record.getMessage() for record in caplog.records] == ["sink Broken failed"]


@pytest.mark.usefixtures("board_answers_at_once")
def test_how_full_the_queues_are_and_what_was_lost_is_among_the_figures():
    waits = new_mailbox()
    program = Program(health=lambda: Health(temperature_c=61.0), mailbox=waits)
    full = Inbox(limit_blocks={"ppg": 2})
    for seq in range(5):
        full.put(Block("node/ppg", seq, 0.0, 100.0, np.zeros((1, 1))))
    program.reader.inboxes += [full, Inbox()]
    program.reader.reopened, program.reader.source.counters = 3, {"crc_errors": 4}
    waits.put(Reading("ppg.hr", 1.0, 60.0, "bpm", 0.9))
    program.main.handle(Reading("ppg.hr", 0.0, 60.0, "bpm", 0.9))
    program.passes(1)
    program.main.emit_stats(1.0)
    (stats,) = program.sink.of(Stats)
    assert {key: stats.figures[key] for key in FIGURES} == FIGURES


FIGURES = {
    "readings": {"ppg.hr": 1},
    "main_queue": 1,
    "inbox_blocks": {"node": 2},
    "dropped_blocks": {"node": 3},
    "reopened": {"node": 3},
    "degraded": [],
    "temperature_c": 61.0,
    "counters": {"node": {"crc_errors": 4}},
}
