"""Where a line on the page breaks, and when what: new epochs, losses between points, several cameras."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edge.dsp.face.columns import COLUMNS
from edge.sinks.web.traces import Traces
from edge.types import Block


def shown(*blocks):
    made = Traces()
    made.watched = True
    for block in blocks:
        made.take(block)
    return made.drain()


def level(value, n, *, seq=0, t0=0.0, rate=100.0, epoch=0):
    return Block("n/ppg", seq, t0, rate, np.full((n, 1), value), epoch)


def face(source, seq, t, green, *, epoch=0, **more):
    row = np.full(len(COLUMNS), np.nan)
    named = {"forehead_r": 150.0, "forehead_g": green, "present": 1.0, "moved": 0.0, "yaw": 0.0, **more}
    for name, value in {**dict.fromkeys("xywh", 0.5), **named}.items():
        row[COLUMNS.index(name)] = value
    return Block(f"{source}/roi", seq, t, 30.0, row[None, :], epoch)


def test_a_new_epoch_breaks_the_line_begins_at_its_own_level_and_is_drawn_once():
    again = level(90_000.0, 20, t0=9.0, rate=200.0, epoch=1)
    chunks = shown(level(50_000.0, 10, seq=500), again, again)
    assert [(c["t"], c["dt"], c["n"], len(c["v"])) for c in chunks] == [(0.0, 0.01, 0, 10), (9.0, 0.01, 11, 10)]
    assert [set(c["v"]) for c in chunks] == [{0}, {0}]


@pytest.mark.parametrize(("seq", "n"), [(7, [0, 1]), (8, [0, 2])], ids=["goes on", "loss"])
def test_samples_that_wait_for_their_point_are_no_part_of_one_after_a_loss(seq, n):
    first, later = level(1000.0, 7, rate=500.0), level(1000.0, 10, seq=seq, t0=seq / 500.0, rate=500.0)
    chunks = shown(first, later)
    assert [c["n"] for c in chunks] == n
    assert [(c["t"], len(c["v"])) for c in chunks] == [(0.0, 1), ((0.01, 2) if seq == 7 else (0.016, 2))]


def test_the_points_of_each_camera_are_joined_with_their_own_times_though_others_come_between():
    frames = [face(cam, k, t + k / 30, 100.0) for k in range(4) for cam, t in (("a", 0.0), ("b", 0.01))]
    chunks = shown(*frames)
    assert [(c["s"], c["t"], c["d"], len(c["v"])) for c in chunks] == [
        ("a/roi", 0.0, [0, 33, 67, 100], 4),
        ("b/roi", 0.01, [0, 33, 67, 100], 4),
    ]


def test_points_of_another_unit_are_never_joined():
    chunks = shown(*(face("a", k, k / 30, 100.0 if k < 3 else 50.0) for k in range(5)))
    assert len(chunks) == 2
    assert chunks[0]["q"] < chunks[1]["q"]
    assert [len(c["v"]) for c in chunks] == [3, 2]
    assert [c["d"] for c in chunks] == [[0, 33, 67], [0, 33]]


def test_what_is_missing_is_drawn_at_the_level_also_before_there_is_one():
    x = np.full((20, 1), 1000.0)
    x[3] = np.nan
    (begun,) = shown(Block("n/ppg", 0, 0.0, 100.0, x))
    assert set(begun["v"]) == {0}
    later = shown(level(0.0, 100), Block("n/ppg", 100, 1.0, 100.0, x))[1]
    points = np.array(later["v"]) * later["q"]
    assert abs(points[3]) < 50.0
    assert min(np.delete(points, 3)) > 800.0


def test_of_sound_each_point_has_its_own_lowest_and_highest_about_the_level():
    sound = np.full((400, 1), 5000.0)
    sound[123], sound[234] = 5900.0, 4300.0
    (chunk,) = shown(Block("n/pcg", 0, 0.0, 4000.0, sound))
    high, low = np.array(chunk["v"]) * chunk["q"], np.array(chunk["lo"]) * chunk["q"]
    assert (np.flatnonzero(high > 450.0).tolist(), np.flatnonzero(low < -350.0).tolist()) == ([3], [5])
    assert (high[3], low[5]) == (pytest.approx(900.0, rel=0.05), pytest.approx(-700.0, rel=0.05))


def test_whatever_a_sensor_with_nothing_on_it_measures_its_line_is_flat():
    off = frozenset({"sensor_off"})
    (chunk,) = shown(Block("n/ppg", 0, 0.0, 100.0, np.arange(10.0)[:, None] * 1000.0, flags=off))
    assert (chunk["off"], set(chunk["v"])) == (1, {0})
    (band,) = shown(Block("n/pcg", 0, 0.0, 4000.0, np.arange(80.0)[:, None] * 100.0, flags=off))
    assert (set(band["v"]), set(band["lo"])) == ({0}, {0})


def test_the_level_follows_what_lasts_within_a_second_and_a_half():
    step = shown(level(0.0, 100), level(1000.0, 300, seq=100, t0=1.0))[1]
    points = np.array(step["v"]) * step["q"]
    assert points[[0, 149, 299]] == pytest.approx(1000.0 * np.exp([-1 / 150, -1.0, -2.0]), rel=0.01)


def test_the_unit_suits_the_largest_of_the_last_seconds():
    turn = np.where(np.arange(100)[:, None] % 2, 1.0, -1.0)
    loud = [level(0.0, 100, t0=-1.0), Block("n/ppg", 100, 0.0, 100.0, 30_000.0 * turn)]
    quiet = [Block("n/ppg", 100 + 100 * k, float(k), 100.0, 10.0 * turn) for k in range(1, 13)]
    assert [c["q"] for c in shown(*loud, *quiet)][1:] == [100.0, 100.0, *[10.0] * 9, 1.0, 1.0]


def test_a_band_has_the_unit_of_its_lowest_as_well_as_of_its_highest():
    sound = np.zeros((400, 1))
    sound[100] = -3000.0
    (chunk,) = shown(Block("n/pcg", 0, 0.0, 4000.0, sound))
    assert (chunk["q"], min(chunk["lo"])) == (10.0, pytest.approx(-300, abs=3))


@pytest.mark.parametrize("gone", [{"moved": 1.0}, {"present": 0.0}, {"forehead_r": np.nan}, {"forehead_g": np.nan}])
def test_of_a_face_that_moved_is_gone_or_shows_no_skin_there_is_neither_point_nor_box(gone):
    made = Traces()
    made.watched = True
    made.take(face("a", 0, 0.0, 100.0))
    assert (len(made.drain()), made.faces()) == (1, {"a": {"box": [0.5, 0.5, 0.5, 0.5], "yaw": 0}})
    made.take(face("a", 1, 0.033, 100.0, **gone))
    assert (made.drain(), made.faces()) == ([], {"a": {}})


def test_a_second_lanes_frame_of_a_camera_draws_nothing_twice_in_any_epoch():
    frames = [face("a", k, t + k / 30, 100.0, epoch=epoch) for epoch, t in ((0, 0.0), (1, 9.0)) for k in (5, 6)]
    chunks = shown(*(frame for frame in frames for _ in range(2)))
    assert [round(c["t"] + d / 1000, 2) for c in chunks for d in c["d"]] == [0.17, 0.2, 9.17, 9.2]


def test_after_a_gap_a_cameras_pulse_begins_anew_at_its_level():
    before = [face("a", k, k / 30, 100.0 + k) for k in range(5)]
    after = [face("a", 30 + k, 1.0 + k / 30, 60.0) for k in range(2)]
    points = [v * c["q"] for c in shown(*before, *after) for v in c["v"]]
    assert points[:1] + points[5:] == [0.0] * 3
    assert all(a > b for a, b in pairwise(points[:5])), "more green is less blood"


@pytest.mark.parametrize(("colour", "sign"), [("forehead_g", -1.0), ("forehead_r", 1.0)])
def test_a_cameras_line_follows_a_change_at_once_and_its_level_what_lasts_within_a_second(colour, sign):
    usual = {"forehead_r": 100.0, "forehead_g": 100.0}
    frames = [
        face("a", k, k / 30, **{"green": 100.0, **usual, **({colour: 101.0} if k >= 30 else {})}) for k in range(121)
    ]
    points = np.array([v * c["q"] for c in shown(*frames) for v in c["v"]])
    assert set(points[:30]) == {0.0}
    assert sign * points[[30, 36]] == pytest.approx([0.0047, 0.0081], abs=0.0001)
    assert sign * points[[60, 90]] == pytest.approx(0.01 * np.exp([-1.0, -2.0]), rel=0.1)
