"""Heart rate through a radio that drops a second every few seconds: what was seen counts, nothing is made of the rest."""

import numpy as np
import pytest

from early_beats import pulses
from edge import inference
from edge.alarms.board import Board
from edge.alarms.rules import AlarmRules
from edge.analyzers import pulse
from edge.dsp import synthesis
from edge.lane import Lane
from edge.types import Block, Window

EVERY_S = 7.0


def readings(
    bpm,
    gap_s,
    *,
    rate=100.0,
    seconds=50.0,
    rhythm="sinus",
    stops_at=None,
    acc=False,
    seed=4,
    change=None,
    every_s=EVERY_S,
):
    """What is said of a pulse of which ``gap_s`` in every 7 s never arrived. change: of the wave, told its times."""
    t = np.arange(round(seconds * rate)) / rate
    script = [synthesis.Episode(0.0, rhythm, bpm)]
    script += [] if stops_at is None else [synthesis.Episode(stops_at, "asystole")]
    x = 60000.0 + 1500.0 * synthesis.ppg(synthesis.beats(script, seconds + 2, seed=seed), t, seed=seed)
    x = x if change is None else change(x, t)
    still = np.array([0.0, 0.0, 1.0]) + 0.01 * np.random.default_rng(seed).normal(size=(len(t), 3))
    lane = Lane(bed="bed1", source="node", primary="ppg", analyzers={"pulse": pulse.build()})
    found = []
    for begin in np.arange(0.0, seconds, 0.25):
        at = np.flatnonzero((t >= begin) & (t < begin + 0.25) & (t % every_s >= gap_s))
        for part in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
            if len(part) and acc:
                found += lane.feed(Block("node/acc", int(part[0]), t[part[0]], rate, still[part]))
            if len(part):
                found += lane.feed(Block("node/ppg", int(part[0]), t[part[0]], rate, x[part][:, None]))
    found += lane.finish()
    assert not lane.take_faults()
    return [r for r in found if r.t > 16.5]


@pytest.mark.parametrize(("rate", "gap_s"), [(25.0, 1.0), (50.0, 0.3), (100.0, 1.0), (250.0, 0.6)])
@pytest.mark.parametrize("bpm", [34.0, 72.0, 150.0])
def test_a_rate_is_said_and_it_is_right(bpm, rate, gap_s):
    said = [r.value for r in readings(bpm, gap_s, rate=rate, seconds=40.0) if r.value is not None]
    assert len(said) >= 15
    assert max(abs(value - bpm) for value in said) < 5.0


@pytest.mark.parametrize("gap_s", [0.3, 1.0])
@pytest.mark.parametrize("bpm", [50.0, 72.0, 150.0])
def test_so_it_is_between_gaps_2_6_s_apart(bpm, gap_s):
    said = [r.value for r in readings(bpm, gap_s, seconds=40.0, every_s=gap_s + 2.6) if r.value is not None]
    assert len(said) >= 12
    assert max(abs(value - bpm) for value in said) < 5.0


@pytest.mark.parametrize(("bpm", "condition"), [(34.0, "brady"), (150.0, "tachy")])
@pytest.mark.parametrize("acc", [False, True])
def test_a_slow_and_a_fast_heart_are_alarmed(bpm, condition, acc):
    board = Board({"bed1": AlarmRules()}, boot="b")
    changes = [a for r in readings(bpm, 0.6, acc=acc) for a in board.update(r)]
    assert [(a.condition, a.priority) for a in changes if a.presence == "on"] == [(condition, "high")]


@pytest.mark.parametrize("bpm", [40.0, 72.0, 120.0])
@pytest.mark.parametrize("gap_s", [0.3, 1.3])
def test_a_gap_is_no_silence_and_makes_no_heart_slow_or_fast(bpm, gap_s):
    for seed in (1, 2):
        for reading in readings(bpm, gap_s, seed=seed, seconds=32.0):
            told = reading.detail
            assert reading.reason != "no_pulse"
            assert told.get("asystole") != 1
            assert bpm - 6.0 < told.get("brady_bpm", bpm)
            assert told.get("tachy_bpm", bpm) < bpm + 15.0
            assert all(abs(60.0 / ibi_s - bpm) < 0.15 * bpm for ibi_s in told.get("ibi_s", ()))


def test_a_heart_that_stops_is_told_from_one_stretch_that_was_seen():
    found = readings(72.0, 0.5, seconds=60.0, stops_at=36.5)
    stopped = [r.t for r in found if r.detail.get("asystole") == 1]
    assert 40.0 < stopped[0] < 42.0  # when the next gap begins
    assert all(r.detail["longest_gap_s"] >= 4.0 for r in found if r.detail.get("asystole") == 1)


@pytest.mark.parametrize("stops_at", [31.5, 33.0, 34.5])
def test_a_heart_that_stops_is_told_where_no_stretch_without_a_gap_is_long_enough(stops_at):
    found = readings(72.0, 1.0, seconds=stops_at + 14.0, stops_at=stops_at, every_s=5.2)
    stopped = [r for r in found if r.detail.get("asystole") == 1]
    assert stops_at + 5.0 < stopped[0].t <= stops_at + 10.0
    assert {r.reason for r in stopped} == {"no_pulse"}
    assert all(5.0 <= r.detail["longest_gap_s"] <= r.t - stops_at + 1.0 for r in stopped)
    board = Board({"bed1": AlarmRules()}, boot="b")
    told = [a for r in found for a in board.update(r)]
    assert [(a.condition, a.priority) for a in told if a.presence == "on"] == [("asystole", "high")]


@pytest.mark.parametrize(("bpm", "gap_s"), [(28.0, 1.0), (28.0, 0.3), (34.0, 1.0)])
def test_no_beat_that_a_gap_hides_makes_a_slow_heart_stop(bpm, gap_s):
    for seed in (1, 2):
        found = readings(bpm, gap_s, seed=seed, seconds=36.0, every_s=5.2)
        assert not [r for r in found if r.detail.get("asystole") == 1 or r.reason == "no_pulse"]


@pytest.mark.parametrize(("interval_s", "last_s", "lost_s"), [(2.9, 15.2, 0.16), (2.9, 15.5, 0.16), (3.0, 15.5, 0.3)])
def test_one_beat_in_a_gap_does_not_stop_a_heart_of_twenty_a_minute(interval_s, last_s, lost_s):
    feet = last_s + interval_s * np.arange(-6.0, 1.0)
    t = np.arange(1600) / 100.0
    seen = abs(t - feet[5] - 0.2) > lost_s / 2
    x = 60000.0 + 1500.0 * pulses(feet, np.ones(7), 16.0)
    window = Window("node/ppg", 0.0, 16.0, t[seen], x[seen][:, None], 100.0, float(seen.mean()), ())
    (reading,) = pulse.build()({"ppg": window})
    assert reading.detail["asystole"] is None
    assert reading.reason != "no_pulse"


@pytest.mark.parametrize("away", ["dark", "bright", "lamp"])
def test_a_finger_that_leaves_in_a_gap_is_no_stopped_heart(away):
    level = {"dark": 600.0, "bright": 65535.0, "lamp": 66000.0}[away]

    def change(x, t):
        noise = np.random.default_rng(2).normal(0.0, 4.0, len(t))
        return np.where((t >= 35.2) & (t < 56.2), level + noise, x)

    found = readings(72.0, 0.5, seconds=80.0, change=change)
    assert not [r for r in found if r.detail.get("asystole") == 1 or r.reason == "no_pulse"]
    assert not [r for r in found if r.value is not None and 37.0 < r.t < 57.0]
    assert [r for r in found if r.value is not None and r.t > 72.0]


@pytest.mark.parametrize("bpm", [34.0, 72.0])
def test_hum_beside_gaps_makes_no_beats(bpm):
    for hz in (50.07, 5.01):
        found = readings(
            bpm, 0.5, seconds=40.0, change=lambda x, t, hz=hz: x + 1200.0 * np.sin(2 * np.pi * hz * t + 0.3)
        )
        said = [r.value for r in found if r.value is not None]
        assert all(abs(value - bpm) < 5.0 for value in said)
        assert not [r for r in found if r.detail.get("asystole") == 1]
        assert len(said) >= 8


def among_steps(bpm, gap_s, *, whole=(), rate=100.0, seconds=60.0, rests_until=0.0):
    """What is said of a pulse and of steps of 144 a minute, of which ``gap_s`` in every 7 s never arrived but of the streams
    ``whole``."""
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(3).normal(size=(len(t), 3))
    step = np.where(t < rests_until, 0.0, np.sin(2 * np.pi * 2.4 * t + 0.4 * np.sin(0.3 * t)))
    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], seconds + 2, seed=4)
    acc = np.stack([step, 0.4 * step**2, 1.0 + 0.2 * step], axis=1) + 0.003 * noise
    rows = {"acc": acc, "ppg": 60000.0 + 1500.0 * synthesis.ppg(heart, t, seed=4)[:, None] + 2500.0 * step[:, None]}
    model = inference.load("motion", variant="onnx-int8")
    lane = Lane(
        bed="bed1", source="node", primary="ppg", analyzers={"pulse": pulse.build(models=lambda _: model, rest="rule")}
    )
    found = []
    for begin in np.arange(0.0, seconds, 0.25):
        for kind, x in rows.items():
            lost_s = 0.0 if kind in whole else gap_s
            at = np.flatnonzero((t >= begin) & (t < begin + 0.25) & (t % EVERY_S >= lost_s))
            for part in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
                if len(part):
                    found += lane.feed(Block(f"node/{kind}", int(part[0]), t[part[0]], rate, x[part].copy()))
    found += lane.finish()
    assert not lane.take_faults()
    return [r for r in found if r.t > 16.5]


@pytest.mark.parametrize("whole", [(), ("acc",), ("ppg",)])
@pytest.mark.parametrize("gap_s", [0.4, 1.3])
def test_among_steps_the_rate_is_read_on_both_sides_of_a_gap(gap_s, whole):
    found = among_steps(100.0, gap_s, whole=whole)
    said = [r for r in found if r.value is not None]
    assert max(abs(r.value - 100.0) for r in said) < 5.0
    assert {r.detail["method"] for r in said} == {"spectrum"}
    silent = [r for r in found if r.value is None]
    assert {r.reason for r in silent} <= {"gap", "motion"}
    assert len(silent) <= (gap_s / EVERY_S + 0.1) * len(found)


def test_a_rate_that_was_followed_at_rest_through_gaps_is_known_as_steps_begin():
    found = among_steps(120.0, 0.5, rests_until=30.0)
    first = [r for r in found if r.detail.get("method") == "spectrum"][:10]
    assert len(first) == 10
    assert all(r.value is not None and abs(r.value - 120.0) < 5.0 for r in first)


def test_a_fast_heart_among_steps_is_alarmed_through_gaps():
    board = Board({"bed1": AlarmRules()}, boot="b")
    changes = [a for r in among_steps(160.0, 1.0) for a in board.update(r)]
    assert [(a.condition, a.priority) for a in changes if a.presence == "on"] == [("tachy", "high")]
