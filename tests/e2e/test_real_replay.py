"""Real recordings through the shipped analyzers: threads, and blocks of any size, change no reading and no alarm."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from edge import inference
from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.analyzers import murmur, pulse, rhythm
from edge.clock import ManualClock
from edge.lane import Lane
from edge.replay import replay
from edge.runtime.main_thread import MainThread
from edge.runtime.reader import Reader
from edge.runtime.threads import Runtime
from edge.types import Alarm, Block, Reading
from source_and_sink import Kept, Playback

RULES = {"brady": {"limit": 45, "on_delay_s": 5, "off_delay_s": 5}, "murmur": {"k": 2, "n": 3, "spacing_s": 2}}


def cinc(data_dir):
    """Fifty-five seconds of a record with true bradycardia."""
    with np.load(data_dir / "ppg" / "cinc2015.npz") as file:
        index = [str(r) for r in file["record"]].index("b659l")
        return "ppg", file["pleth"][index][120 * 125 : 175 * 125].astype(float), 125.0


def circor(data_dir):
    """Fifteen seconds of a loud murmur."""
    soundfile = pytest.importorskip("soundfile")
    with (data_dir / "pcg" / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["dataset"] == "circor2022" and r["label_recording"] == "present"]
    row = next(r for r in rows if r["systolic_grade"] == "III/VI" and float(r["seconds"]) > 15)
    sound, rate = soundfile.read(data_dir / "pcg" / row["path"])
    return "pcg", sound[: 15 * rate], float(rate)


def lane(kind):
    def models(name):
        return inference.load(name, variant="onnx-int8")

    chosen = {
        "ppg": {"pulse": pulse.build(), "rhythm": rhythm.build(models=models)},
        "pcg": {"murmur": murmur.build(models=models)},
    }
    return Lane(bed="bed1", source="node", primary=kind, analyzers=chosen[kind])


def blocks(kind, x, rate, size):
    return [
        Block(f"node/{kind}", i, 100.0 + i / rate, rate, x[i : i + size, None].copy()) for i in range(0, len(x), size)
    ]


def said(events):
    events = list(events)
    readings = [e for e in events if isinstance(e, Reading)]
    alarms = [(e.id, e.t, e.presence, e.value, e.text) for e in events if isinstance(e, Alarm)]
    return readings, alarms


@pytest.mark.parametrize("recording", [cinc, circor], ids=["cinc2015", "circor"])
def test_threads_and_chunks_change_nothing(recording, data_dir):
    kind, x, rate = recording(data_dir)

    def board():
        return Board({"bed1": rules_from(RULES)}, boot="b")

    expected = said(replay(blocks(kind, x, rate, 50), lanes=[lane(kind)], board=board(), clock=ManualClock()))
    assert [a for a in expected[1] if a[2] == "on"]
    assert any(r.value is not None for r in expected[0])
    for size in (1, 7, 100, len(x)):
        sink = Kept()
        reader = Reader("node", "bed1", Playback(blocks(kind, x, rate, size)), [lane(kind)], can_wait=True)
        main = MainThread(readers=[reader], board=board(), sinks=[sink], clock=ManualClock())
        assert Runtime(main).run() == 0
        assert said(sink.events) == expected, size
