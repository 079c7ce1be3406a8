"""Threads add nothing to what the core says: live and replayed runs agree, and silence, loss and bugs are announced."""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from edge.alarms.board import Board
from edge.alarms.delivery import Chain, Role
from edge.alarms.rules import rules_from
from edge.clock import ManualClock, SystemClock
from edge.lane import Lane
from edge.recording import LaneState, MainState, Tick
from edge.replay import replay
from edge.runtime.main_thread import MainThread
from edge.runtime.reader import Reader
from edge.runtime.threads import Runtime
from edge.types import Alarm, Block, Command, CommandResult, Fault, Heartbeat, Reading, SourceError, SourceStatus, Stats
from signals import Echo, blocks
from source_and_sink import Kept, Playback

PPG = np.round(np.random.default_rng(3).normal(size=3000) * 100)
PULSE_RATES = [60.0] * 8 + [180.0] * 12 + [70.0] * 10


class Rate(Echo):
    """Says the rate that stands in the samples themselves, so that alarms have a known truth."""

    def __call__(self, windows):
        window = windows["ppg"]
        if window.coverage < 1.0:
            return [Reading("ppg.hr", window.end, None, "bpm", reason="warming_up")]
        return [Reading("ppg.hr", window.end, float(np.median(window.data)), "bpm", quality=1.0)]


def rates(chunk=10):
    return blocks(np.repeat(PULSE_RATES, 100), chunk=chunk)


def lane(name="node", bed="bed1", analyzer=None):
    return Lane(bed=bed, source=name, primary="ppg", analyzers={"rate": analyzer or Rate(window_s=2.0)})


def board(beds=("bed1",), **rules):
    rules = rules or {"tachy": {"limit": 130, "on_delay_s": 3, "off_delay_s": 2, "severe_limit": None}}
    return Board({bed: rules_from(rules) for bed in beds}, boot="b")


class Unkept:
    """A disk that takes nothing now and then."""

    def keep(self):
        pass


def live(readers, one_board, *, clock=None, **kw):
    sink = Kept()
    main = MainThread(readers=readers, board=one_board, sinks=[sink], clock=clock or ManualClock(), **kw)
    return Runtime(main), sink


@contextlib.contextmanager
def waiting(clock, *, one_board=None, sink=None):
    """(runtime, sink) of a program that runs in a thread, with a source that gives nothing until the test is done."""
    hold = threading.Event()

    class Waits(Playback):
        def read(self):
            hold.wait(10.0)
            raise EOFError

    sink = sink or Kept()
    reader = Reader("node", "bed1", Waits([]), [lane()])
    runtime = Runtime(MainThread(readers=[reader], board=one_board or board(), sinks=[sink], clock=clock))
    thread = threading.Thread(target=runtime.run, name="edge-test-main")
    thread.start()
    try:
        yield runtime, sink
    finally:
        hold.set()
        thread.join(10.0)
    assert not thread.is_alive()


def key(alarm):
    return (alarm.id, alarm.t, alarm.presence, alarm.value, alarm.text, alarm.since)


@pytest.mark.parametrize("chunk", [1, 7, 100, 3000])
def test_a_live_run_says_what_a_replay_says(chunk):
    expected = list(replay(rates(), lanes=[lane()], board=board(), clock=ManualClock()))
    reader = Reader("node", "bed1", Playback(rates(chunk)), [lane()], can_wait=True)
    runtime, sink = live([reader], board())
    assert runtime.run() == 0
    assert sink.of(Reading) == [e for e in expected if isinstance(e, Reading)]
    assert [key(a) for a in sink.of(Alarm)] == [key(e) for e in expected if isinstance(e, Alarm)]
    assert [a.presence for a in sink.of(Alarm)] == ["on", "off"]
    assert sink.closed == 1


def test_two_sources_of_one_bed_and_two_beds_keep_apart():
    readers = [
        Reader("a", "bed1", Playback(blocks(np.full(1000, 60.0), stream="a/ppg")), [lane("a")], can_wait=True),
        Reader("b", "bed1", Playback(blocks(np.full(1000, 62.0), stream="b/ppg")), [lane("b")], can_wait=True),
        Reader("c", "bed2", Playback(blocks(np.full(1000, 180.0), stream="c/ppg")), [lane("c", "bed2")], can_wait=True),
    ]
    runtime, sink = live(readers, board(("bed1", "bed2")))
    assert runtime.run() == 0
    said = {(r.bed, r.source): r.value for r in sink.of(Reading) if r.value is not None}
    assert said == {("bed1", "a"): 60.0, ("bed1", "b"): 62.0, ("bed2", "c"): 180.0}
    assert {a.id for a in sink.of(Alarm)} == {"bed2/tachy"}


def test_a_source_lost_is_opened_again_in_a_new_epoch_and_the_blind_interval_is_announced():
    class Flaky(Playback):
        def open(self):
            super().open()
            self.feed = list(blocks(np.full(300, 60.0 + self.opened)))
            self.then = SourceError("node: unplugged") if self.opened < 2 else EOFError()

    source, seen = Flaky([]), []
    one = lane()
    one.observe = seen.append
    runtime, sink = live([Reader("node", "bed1", source, [one], can_wait=True)], board(), clock=SystemClock())
    assert runtime.run(seconds=20.0) == 0
    assert sorted({b.epoch for b in seen}) == [0, 1]
    states = [(s.state, s.reason) for s in sink.of(SourceStatus)]
    assert ("offline", "node: unplugged") in states
    assert states[-1] == ("disabled", "ended")


def test_silence_of_a_stuck_source_is_noticed_and_ends_with_the_length_of_the_blindness():
    clock, go_on, feed = ManualClock(), threading.Event(), list(blocks(np.full(400, 60.0), chunk=100))

    class Stuck(Playback):
        def read(self):
            if len(self.feed) == 2:
                go_on.wait(10.0)
            return super().read()

    runtime, sink = live([Reader("node", "bed1", Stuck(feed), [lane()])], board(), clock=clock)
    thread = threading.Thread(target=runtime.run, name="edge-test-main")
    thread.start()
    sink.wait(lambda e: isinstance(e, Reading) and e.t == 2.0)
    clock.advance(1.0)
    sink.wait(lambda e: isinstance(e, SourceStatus) and e.state == "online")
    clock.advance(9.0)
    sink.wait(lambda e: isinstance(e, SourceStatus) and e.state == "offline" and "no data" in e.reason)
    clock.advance(5.0)
    sink.wait(lambda e: isinstance(e, Alarm) and e.condition == "source_lost" and e.presence == "on")
    go_on.set()
    sink.wait(lambda e: isinstance(e, Reading) and e.t == 4.0)
    clock.advance(1.0)
    runtime.stop()
    thread.join(10.0)
    assert not thread.is_alive()


def test_every_transition_is_durable_before_a_sink_sees_it():
    order = []

    class Disk(Unkept):
        def append(self, transitions):
            order.extend(("disk", a.t, a.presence) for a in transitions)
            return True

    class Seen(Kept):
        def send(self, event):
            if isinstance(event, Alarm):
                order.append(("sink", event.t, event.presence))

    reader = Reader("node", "bed1", Playback(rates()), [lane()], can_wait=True)
    Runtime(MainThread(readers=[reader], board=board(), sinks=[Seen()], clock=ManualClock(), durable=Disk())).run()
    kept, seen = ([o[1:] for o in order if o[0] == where] for where in ("disk", "sink"))
    assert [presence for _, presence in seen] == ["on", "off"]
    assert kept == seen
    assert all(order.index(("disk", *one)) < order.index(("sink", *one)) for one in seen)


def test_what_is_kept_now_and_then_is_never_ahead_of_the_transitions_on_disk():
    """The state that is kept has given numbers to alarms: those must be on disk first."""
    one, clock, disk, kept, looked = board(), ManualClock(), [], [], [threading.Event(), threading.Event()]

    class Disk:
        def append(self, transitions):
            disk.extend(a.seq for a in transitions)
            return True

        def keep(self):
            kept.append(one.heartbeat()["bed1"]["seq"])
            assert disk == list(range(1, kept[-1] + 1))
            looked[len(kept) > 1].set()

    class Jumping(Playback):
        def read(self):
            if len(self.feed) in (30, 10):  # the main thread comes round before the first and amid the others
                assert looked[len(self.feed) == 10].wait(10.0)
            found = super().read()
            clock.advance(100.0)
            return found

    reader = Reader("node", "bed1", Jumping(rates(100)), [lane()], can_wait=True)
    assert Runtime(MainThread(readers=[reader], board=one, sinks=[], clock=clock, durable=Disk())).run() == 0
    assert len(kept) > 2, "at the start, now and then, and at the end"
    assert kept[-1] >= 2


def test_what_waits_together_is_written_once_and_told_in_order():
    writes = []

    class Disk:
        def append(self, transitions):
            writes.append([(a.source, a.presence) for a in transitions])
            assert sink.of(Alarm) == []
            return True

    runtime, sink = live([], board(sensor_off={"on_delay_s": 0, "off_delay_s": 0}), durable=Disk())
    for name, on in (("a", True), ("b", True), ("a", False)):
        runtime.post(Fault("sensor_off", 0.0, on, bed="bed1", source=name))
    runtime.post(Command("ack", "bed1", 0.0, "c", "nurse", id="bed1/sensor_off/b"))
    assert runtime._take(0.0)
    told = [("a", "on"), ("b", "on"), ("a", "off"), ("b", "ack")]
    assert writes == [told]
    assert [(e.source, e.presence) for e in sink.events[:4]] == told
    assert isinstance(sink.events[4], CommandResult)
    assert not runtime._take(0.0)
    for _ in range(65):
        runtime.post(Reading("ppg.hr", 0.0, 60.0, "bpm", 0.9))
    assert [(runtime._take(0.0), len(sink.of(Reading))) for _ in range(3)] == [(True, 64), (True, 65), (False, 65)]


def test_a_disk_that_is_full_is_an_alarm_and_the_alarm_goes_out_all_the_same():
    class Full(Unkept):
        def append(self, transitions):
            return False

    reader = Reader("node", "bed1", Playback(rates()), [lane()], can_wait=True)
    runtime, sink = live([reader], board(), durable=Full())
    runtime.run()
    assert {"tachy", "outbox_full"} <= {a.condition for a in sink.of(Alarm)}


def test_a_run_of_so_many_seconds_ends_though_its_source_goes_on():
    clock = ManualClock(1000.0)

    class Endless(Playback):
        def read(self):
            clock.advance(1.0)
            return list(blocks(np.full(10, 60.0)))

    reader = Reader("node", "bed1", Endless([]), [lane()], can_wait=True)
    runtime, sink = live([reader], board(), clock=clock)
    assert runtime.run(seconds=20.0) == 0
    assert (reader.ended, sink.closed) == (False, 1)


def test_commands_and_faults_come_in_from_any_thread():
    with waiting(ManualClock()) as (runtime, sink):
        runtime.post(Fault("model_fault", 0.0, True, "altered", bed="bed1"))
        sink.wait(lambda e: isinstance(e, Alarm) and e.condition == "model_fault" and e.presence == "on")
        runtime.post(Command("ack", "bed1", 1.0, "c1", "nurse", id="bed1/model_fault"))
        sink.wait(lambda e: isinstance(e, CommandResult) and e.ok)
        sink.wait(lambda e: isinstance(e, Alarm) and e.presence == "ack")


@pytest.mark.parametrize("bug", [KeyError, SystemExit, KeyboardInterrupt])
def test_a_lane_that_fails_at_a_block_begins_anew_with_the_next_and_ends_well(bug, monkeypatch, caplog):
    monkeypatch.setattr("edge.runtime.threads._AFTER_BUG_S", 0.0)
    done = []

    class Stumbles(Lane):
        def feed(self, block):
            done.append(block.seq)
            if len(done) == 2:
                raise bug("bug")
            return []

        def reset(self):
            done.append("reset")

        def take_faults(self):
            return [SimpleNamespace(analyzer="rate", error=KeyError("why"))] if done == [0] else []

        def finish(self):
            return [Reading("ppg.hr", 0.4, 60.0, "bpm", 0.9, bed="bed1", source="node")]

    one = Stumbles(bed="bed1", source="node", primary="ppg", analyzers={})
    runtime, sink = live([Reader("node", "bed1", Playback(blocks(np.zeros(40))), [one], can_wait=True)], board())
    assert runtime.run() == 0
    assert done == [0, 10, "reset", 20, 30]
    assert [reading.t for reading in sink.of(Reading)] == [0.4]
    said = [(record.getMessage(), str(record.exc_info[1])) for record in caplog.records]
    assert said == [("analyzer rate of node failed", "'why'"), ("edge-work-node-ppg failed", str(bug("bug")))]


def test_a_bug_in_a_source_ends_the_program_within_its_budget(monkeypatch):
    monkeypatch.setattr("edge.runtime.threads._AFTER_BUG_S", 0.0)

    class Bug(Playback):
        def read(self):
            raise KeyError("bug")

    runtime, _ = live([Reader("node", "bed1", Bug([]), [lane()])], board(), clock=SystemClock())
    assert runtime.run(seconds=20.0) == 1
    assert "edge-read-node keeps failing" in runtime.failed


def test_a_program_that_was_told_to_stop_before_it_began_opens_nothing():
    source = Playback(rates())
    runtime, sink = live([Reader("node", "bed1", source, [lane()], can_wait=True)], board())
    runtime.stop()
    assert runtime.run() == 0
    assert (source.opened, sink.of(Reading), sink.closed) == (0, [], 1)


def test_a_run_is_recorded_from_its_start_block_by_block_with_the_state_of_every_lane():
    kept, looked = [], []
    reader = Reader("node", "bed1", Playback(rates()), [lane()], can_wait=True)
    main = MainThread(readers=[reader], board=board(), sinks=[], clock=ManualClock(), tap=kept.append)
    assert Runtime(main, on_tick=looked.append).run() == 0
    assert isinstance(kept[0], MainState)
    assert [block.t0 for block in kept if isinstance(block, Block)] == [block.t0 for block in rates()]
    states = [(state.source, state.primary, state.t) for state in kept if isinstance(state, LaneState)]
    assert states == [("node", "ppg", pytest.approx(t)) for t in (0.0, 0.1, 15.1)]
    assert [tick.t for tick in kept if isinstance(tick, Tick)] == [0.0], "the clock stood still"
    assert looked == [main.readers]


def test_of_a_camera_the_two_newest_pictures_wait_and_of_a_pulse_wave_five_seconds():
    one = Reader("cam", "bed1", Playback([]), [lane("cam")])
    live([one], board())
    for seq in range(5):
        one.inboxes[0].put(Block("cam/video", seq, seq / 30.0, 30.0, np.zeros((1, 4, 4, 3), np.uint8)))
    assert [one.inboxes[0].get(0.0).seq for _ in range(2)] == [3, 4]
    for block in blocks(np.zeros(600), stream="cam/ppg"):
        one.inboxes[0].put(block)
    assert len(one.inboxes[0]) == 50


def test_stats_come_every_ten_seconds_and_can_be_published():
    clock = ManualClock()
    with waiting(clock) as (_, sink):
        sink.wait(lambda e: isinstance(e, Heartbeat))
        clock.advance(11.0)
        sink.wait(lambda e: isinstance(e, Stats))
    assert [(stats.t, stats.figures["frames_written"]) for stats in sink.of(Stats)] == [(11.0, 0)]


def test_the_heartbeat_says_where_the_numbers_are_and_stops_with_the_thread_that_makes_alarms():
    clock, stuck = ManualClock(), threading.Event()

    class Sticks(Kept):
        """Holds the main thread up from the second heartbeat on."""

        def send(self, event):
            super().send(event)
            if len(self.of(Heartbeat)) == 2:
                stuck.wait(10.0)

    with waiting(clock, sink=Sticks()) as (runtime, sink):
        sink.wait(lambda e: isinstance(e, Heartbeat))
        runtime.post(Fault("outbox_full", 0.0, True))
        sink.wait(lambda e: isinstance(e, Alarm))
        clock.advance(5.0)
        sink.wait(lambda e: isinstance(e, Heartbeat) and e.t == 5.0)
        clock.advance(60.0)
        assert [h.t for h in sink.of(Heartbeat)] == [0.0, 5.0]
        stuck.set()
        sink.wait(lambda e: isinstance(e, Heartbeat) and e.t == 65.0)
    first, second, _ = sink.of(Heartbeat)
    assert first.beds["_device"] == {"seq": 0, "epoch": "b", "standing": 0, "drills": 0, "unconfirmed": 0}
    assert second.beds["_device"] == {"seq": 1, "epoch": "b", "standing": 1, "drills": 0, "unconfirmed": 0}
    assert (second.interval_s, set(second.beds)) == (5.0, {"_device", "bed1"})


def test_what_nobody_confirms_is_logged_and_told(caplog):
    clock = ManualClock()
    one = Board({"bed1": rules_from({})}, boot="b", chain=Chain((Role("station", 2.0),)))
    with waiting(clock, one_board=one) as (runtime, sink):
        runtime.post(Fault("outbox_full", 0.0, True, "disk full"))
        sink.wait(lambda e: isinstance(e, Alarm))
        clock.advance(2.0)
        sink.wait(lambda e: isinstance(e, Alarm) and e.delivery["annunciator"])
    assert "_device/outbox_full: not confirmed, ringing at the bed; asked: station" in caplog.text
