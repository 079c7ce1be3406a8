"""Under load one thing after another is given up, said, and given back when it is calm; a pulse sensor never is."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.clock import ManualClock
from edge.lane import Lane
from edge.runtime.main_thread import MainThread
from edge.runtime.overload.board_health import Health
from edge.runtime.overload.ladder import DOWN_AFTER_S, NEXT_AFTER_S, UP_AFTER_S, Ladder, Rung
from edge.runtime.overload.rungs import rungs
from edge.runtime.reader import Reader
from edge.runtime.threads import Runtime
from edge.types import Alarm, Block, Fault, Reading, SourceStatus, Stats
from signals import Echo
from source_and_sink import Kept

CAUSE = "busy"


def made(done, names=("a", "b", "c"), nothing=()):
    def rung(name):
        return Rung(
            name,
            f"{name} given up",
            lambda cause: not done.append(name) and name not in nothing,
            lambda: done.append(f"-{name}"),
        )

    return Ladder([rung(name) for name in names])


def run(ladder, load):
    """(t, names taken) after every second of ``load``, a string of ``x`` (stress) and ``.``."""
    return [(t, [m.rung.name for m in ladder.update(float(t), CAUSE if c == "x" else "")]) for t, c in enumerate(load)]


def test_one_rung_after_another_and_back_in_reverse():
    done = []
    ladder = made(done)
    moves = [(t, names) for t, names in run(ladder, "x" * 40 + "." * 300) if names]
    assert moves[:3] == [(5, ["a"]), (15, ["b"]), (25, ["c"])]
    assert [names for _, names in moves[3:]] == [["c"], ["b"], ["a"]]
    assert [t - 40 for t, _ in moves[3:]] == [60, 120, 180]
    assert done == ["a", "b", "c", "-c", "-b", "-a"]
    assert ladder.taken == ()


def test_a_short_hiccup_changes_nothing():
    done = []
    run(made(done), "xxxx." * 50)
    assert done == []


def test_a_rung_with_nothing_to_give_up_is_passed_over():
    done = []
    ladder = made(done, nothing=("a",))
    run(ladder, "x" * 7)
    assert ladder.taken == ("b",)


def test_what_had_to_be_given_up_again_is_held_longer():
    done = []
    ladder = made(done, names=("a",))
    held, was, t = [], 0, 0.0
    for _ in range(4):
        while not ladder.taken:
            ladder.update(t, CAUSE)
            t += 1.0
        was = t
        while ladder.taken:
            ladder.update(t, "")
            t += 1.0
        held.append(round((t - was) / UP_AFTER_S))
    assert held == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("load", "moves"),
    [
        ("x" * 6 + "." * 59 + "x" + "." * 60, [(5, "a", True)]),  # calm begins anew after every hiccup
        ("x" * 6 + "." * 61, [(5, "a", True), (66, "a", False)]),
        (
            "x" * 26 + "." * 125 + "x" * 17,
            [(5, "a", True), (15, "b", True), (25, "c", True), (86, "c", False), (146, "b", False), (161, "b", True)],
        ),
        # again 119 s after it was given back: held for two minutes; after 120 s: for one
        ("x" * 6 + "." * 174 + "x" * 6 + "." * 121, [(5, "a", True), (66, "a", False), (185, "a", True), (306, "a", False)]),
        ("x" * 6 + "." * 175 + "x" * 6 + "." * 61, [(5, "a", True), (66, "a", False), (186, "a", True), (247, "a", False)]),
    ],
)  # fmt: skip
def test_each_move_is_told_to_the_second(load, moves):
    ladder, told = made([]), []
    for t, c in enumerate(load):
        told += [(t, move) for move in ladder.update(float(t), CAUSE if c == "x" else "")]
        assert ladder.text == "; ".join(f"{name} given up" for name in ladder.taken)
    assert [(t, move.rung.name, move.down) for t, move in told] == moves
    assert all(move.cause == (CAUSE if move.down else "") for _, move in told)


@given(st.lists(st.booleans(), max_size=400))
def test_what_is_taken_is_always_a_beginning_of_the_ladder_and_undone_once(load):
    done = []
    ladder = made(done)
    for t, stressed in enumerate(load):
        ladder.update(float(t * 3), CAUSE if stressed else "")
        assert ladder.taken == ("a", "b", "c")[: len(ladder.taken)]
        assert [sum(d == n for d in done) - sum(d == f"-{n}" for d in done) for n in "abc"] == [
            int(n in ladder.taken) for n in "abc"
        ]


# ---- the runtime, with a clock that moves by hand -------------------------------------------------------------------


class Camera:
    can_wait = False

    def open(self):
        self.is_open = True

    def read(self):
        return []

    def close(self):
        self.is_open = False


def frame(seq, epoch=0):
    return Block("cam/video", seq, seq / 30.0, 30.0, np.zeros((1, 4, 4, 3), np.uint8), epoch)


class Nothing:
    def __call__(self, block):
        return None

    def reset(self):
        pass


@pytest.fixture
def scene(board_answers_at_once):
    clock, sink, state = ManualClock(100.0), Kept(), {"health": Health(), "faults": []}
    lane = Lane(bed="bed1", source="cam", primary="roi", analyzers={}, transforms={"video": Nothing()})
    echo = Lane(bed="bed1", source="node", primary="ppg", analyzers={"echo": Echo()})
    reader = Reader("cam", "bed1", Camera(), [lane])
    node = Reader("node", "bed1", Camera(), [echo])
    main = MainThread(
        readers=[reader, node],
        board=Board({"bed1": rules_from({})}, boot="b"),
        sinks=[sink],
        clock=clock,
        ladder=Ladder(rungs([reader, node], {}, {})),
        health=lambda: state["health"],
        tap=lambda entry: state["faults"].append(entry) if isinstance(entry, Fault) else None,
    )
    runtime = Runtime(main)

    def let(seconds, *, dropping=False):
        for _ in range(round(seconds / 0.25)):
            clock.advance(0.25)
            for one in (reader, node):
                one.last_block = None if one.off else clock.now()
            if dropping:
                for _ in range(4):
                    reader.inboxes[0].put(frame(0))
            runtime.main.tick(clock.now())

    let.runtime = runtime
    return let, sink, reader, node, state


def statuses(sink, name="cam"):
    """Its states in turn; one that is said again with the coverage of the last hour counts once."""
    said = [(s.state, s.reason) for s in sink.of(SourceStatus) if s.source == name]
    return [state for state, _ in itertools.groupby(said)]


def test_dropped_samples_bring_the_camera_down_and_calm_brings_it_back(scene, caplog):
    let, sink, reader, node, state = scene
    let(2)
    let(DOWN_AFTER_S + 1, dropping=True)
    assert reader.keep_every == 2
    assert statuses(sink)[-1] == ("degraded", "half the pictures: this machine cannot keep up")
    assert sink.of(Stats)[-1].figures["degraded"] == ["camera_rate"]
    let(NEXT_AFTER_S + 1, dropping=True)
    assert reader.off
    assert statuses(sink)[-1] == ("disabled", "switched off: this machine cannot keep up")
    let(UP_AFTER_S - 10)  # calm, and still without the camera
    assert [a.presence for a in sink.of(Alarm) if a.condition == "overload"] == ["on"]
    assert node.off == node.weak == ""
    let(2 * UP_AFTER_S + 10)
    assert not reader.off
    assert reader.keep_every == 1
    assert statuses(sink)[-1] == ("online", "")
    assert [a.presence for a in sink.of(Alarm) if a.condition == "overload"][-1] in ("off", "latched")
    assert sink.of(Stats)[-1].figures["degraded"] == []
    assert statuses(sink, "node") == [("online", "")]
    told = [status.t for status in sink.of(SourceStatus) if status.source == "cam" and status.coverage is None]
    assert told[1:3] == [stats.t for stats in sink.of(Stats)][:2], "with the move, at once"
    assert [(fault.condition, fault.present, fault.text) for fault in state["faults"]] == [
        ("overload", True, "this machine cannot keep up: samples were dropped"),
        ("overload", True, "camera at half rate: this machine cannot keep up"),
        ("overload", True, "camera at half rate; camera off: this machine cannot keep up"),
        ("overload", True, "camera at half rate"),
        ("overload", False, ""),
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "camera at half rate: this machine cannot keep up",
        "camera off: this machine cannot keep up",
        "no longer: camera off: calm",
        "no longer: camera at half rate: calm",
    ]


@pytest.mark.parametrize("word", ["throttled", "hot", "under_voltage"])
def test_a_board_that_suffers_brings_the_camera_down(scene, word):
    let, sink, reader, _, state = scene
    state["health"] = Health(now=frozenset({word}), temperature_c=84.5)
    let(20)
    assert reader.weak == f"half the pictures: the board is {word.replace('_', '-')}"
    assert sink.of(Stats)[-1].figures["temperature_c"] == 84.5
    state["health"] = Health()
    let(3 * UP_AFTER_S)
    assert [fault.present for fault in state["faults"]][-2:] == [True, False], (
        "with the last of it given back it is over"
    )


def test_readings_that_come_late_bring_the_camera_down_too(scene):
    let, sink, reader, _, _ = scene
    let(2)
    for _ in range(round(DOWN_AFTER_S) + 2):
        runtime, now = let.runtime, let.runtime._clock.now()
        runtime.main.handle(Reading("ppg.hr", now - 5.0, 60.0, "bpm", bed="bed1", source="node"))
        let(1)
    assert reader.weak == "half the pictures: this machine cannot keep up"
    overload = [a for a in sink.of(Alarm) if a.condition == "overload"]
    assert [a.presence for a in overload] == ["on"]


def test_a_camera_that_is_off_is_closed_and_opened_again():
    from edge.clock import SystemClock

    camera, stop = Camera(), threading.Event()
    reader = Reader("cam", "b", camera, [])
    thread = threading.Thread(target=reader.run, args=(stop, SystemClock()), name="edge-test")
    seen = threading.Event()

    def read():
        seen.set()
        stop.wait(0.005)
        return []

    camera.read = read
    thread.start()
    assert seen.wait(5.0)
    closed = threading.Event()
    camera.close = closed.set  # first: the reader may be done with it at once
    reader.off = "heat"
    assert closed.wait(5.0)
    seen.clear()
    assert not seen.wait(0.3)
    reader.off = ""
    assert seen.wait(5.0)
    assert reader.reopened == 0
    stop.set()
    thread.join(5.0)


def test_a_model_that_was_forced_to_a_slow_variant_gives_way(tmp_path):
    """What the program says it runs at once, the lanes from their next block on."""
    from edge import inference
    from edge.assembly import ModelShelf, all_lanes
    from edge.config import parse

    variants = [v.id for v in inference.catalogue()["rhythm"].variants]
    slow, fast = (inference.load("rhythm", variant=v) for v in variants[:2])
    before = slow.identity
    shelf = ModelShelf(loaded={"rhythm": slow})
    (lane,) = all_lanes(parse('[sources.node]\nkind = "synthetic"\nanalyzers = ["rhythm"]\n'), shelf)
    reader = Reader("node", "bed1", Camera(), [lane])
    (rung,) = [r for r in rungs([reader], shelf.loaded, {"rhythm": fast}) if r.name == "model_variant"]
    assert rung.take("hot")
    assert slow.identity == fast.identity
    assert lane.renew()
    assert lane.variants == {"rhythm": {"rhythm": fast.variant}}
    rung.undo()
    assert slow.identity == before
    assert lane.renew()
    assert lane.variants == {"rhythm": {"rhythm": variants[0]}}


CHILD = """
import json, sys, threading, time
import numpy as np
from edge.runtime.overload import ladder, load
ladder.DOWN_AFTER_S, ladder.NEXT_AFTER_S, ladder.UP_AFTER_S, load.LATE_S = 1.0, 60.0, 2.0, 0.5
from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.clock import SystemClock
from edge.runtime.overload.ladder import Ladder
from edge.lane import Lane
from edge.runtime.reader import Reader
from edge.runtime.overload.rungs import rungs
from edge.runtime.main_thread import MainThread
from edge.runtime.threads import Runtime
from edge.types import Block, SourceStatus
calm = threading.Event()
class Camera:
    seq = 0
    def open(self): pass
    def close(self): pass
    def read(self):
        threading.Event().wait(1 / 60)
        self.seq += 1
        return [Block("cam/video", self.seq, time.monotonic(), 60.0, np.zeros((1, 8, 8, 3), np.uint8))]
class Slow:
    def __call__(self, block): calm.wait(30)
    def reset(self): pass
class Tell:
    def send(self, event):
        if isinstance(event, SourceStatus):
            print(json.dumps([event.state, event.reason]), flush=True)
            if event.state == "degraded": calm.set()
            elif calm.is_set(): runtime.stop()
    def flush(self, t): return True
    def close(self): pass
reader = Reader("cam", "b", Camera(), [Lane(bed="b", source="cam", primary="roi", analyzers={}, transforms={"video": Slow()})])
runtime = Runtime(MainThread(readers=[reader], board=Board({"b": rules_from({})}, boot="x"), sinks=[Tell()],
                             clock=SystemClock(), ladder=Ladder(rungs([reader], {}, {}))))
runtime.run(30)
"""


def test_a_real_process_that_starves_gives_up_half_its_pictures_and_takes_them_back():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=60, check=True)
    told = [json.loads(line)[0] for line in done.stdout.splitlines()]
    assert told[:3] == ["online", "degraded", "online"]
    assert "camera at half rate" in done.stderr
