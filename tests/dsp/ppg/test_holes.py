"""Short gaps that a pulse is read around: what makes one, and that nothing is told of it."""

import numpy as np
import pytest

from edge.dsp.ppg import holes
from edge.dsp.ppg.beats import band_passed, find_beats
from edge.dsp.ppg.quality import usable
from edge.dsp.synthesis import Episode, beats, ppg
from edge.types import Window

RATE = 100.0
SWING = 1500.0
END_S = 16.0


def wave(bpm=72.0):
    t = 3.0 + np.arange(round(END_S * RATE)) / RATE
    return 60000.0 + SWING * ppg(beats([Episode(0.0, "sinus", bpm)], 25, seed=1), t, seed=1)


def without(*gaps, x=None):
    """The window and what is read of it, with gaps ``(begin, end)``, s."""
    x, t = wave() if x is None else x, np.arange(round(END_S * RATE)) / RATE
    kept = np.logical_and.reduce([(t < a) | (t >= b) for a, b in gaps])
    window = Window("n/ppg", 0.0, END_S, t[kept], x[kept][:, None], RATE, float(kept.mean()), ())
    return usable(window, END_S, RATE, 0, 8.0, holes=True)


def test_short_gaps_with_enough_between_them_are_holes():
    signal = without((4.0, 4.5), (7.1, 7.4), (11.0, 12.0))
    assert (signal.reason, signal.since) == ("", 0.0)
    assert np.ravel(signal.holes) == pytest.approx([3.99, 4.5, 7.09, 7.4, 10.99, 12.0])
    assert len(signal.x) == END_S * RATE


@pytest.mark.parametrize("gaps", [[(4.0, 5.6)], [(5.1, 5.6), (8.0, 8.5)]])
def test_a_long_gap_and_one_with_too_little_behind_it_break_the_wave(gaps):
    signal = without(*gaps)
    assert (signal.reason, signal.since) == ("", pytest.approx(5.6))


def test_a_level_that_is_another_one_behind_a_gap_breaks_the_wave():
    x = wave()
    x[650:] += 2.0 * SWING
    assert without((6.0, 6.5), x=x).since == pytest.approx(6.5)
    assert without((6.0, 6.5)).since == 0.0


def test_what_was_seen_must_be_enough():
    kept = wave()[: round(9.0 * RATE)]
    t = 7.0 + np.arange(len(kept)) / RATE
    for gap, reason in ((0.5, ""), (1.2, "warming_up")):
        some = (t < 12.0) | (t >= 12.0 + gap)
        window = Window("n/ppg", 0.0, END_S, t[some], kept[some][:, None], RATE, 0.5, ((0.0, 7.0),))
        assert usable(window, END_S, RATE, 0, 8.0, holes=True).reason == reason


@pytest.mark.parametrize("begin", np.arange(5.0, 6.0, 0.1))
def test_no_beat_is_found_in_a_hole_and_every_interval_that_was_seen_is_right(begin):
    true = find_beats(band_passed(wave(), RATE), RATE)
    signal = without((begin, begin + 0.8))
    found = find_beats(band_passed(signal.x, RATE), RATE, signal.holes)
    assert not holes.inside(found.peak, signal.holes).any()
    seen = found.ibi[found.whole]
    assert len(seen) == len(found) - 2
    assert abs(seen[:, None] - true.ibi).min(axis=1).max() < 0.03


def test_the_line_in_a_hole_leaves_out_hum_at_its_ends():
    y = 100.0 + 50.0 * np.sin(2 * np.pi * 10.0 * np.arange(1600) / RATE + 1.0)
    lined = holes.lined(y, ((5.0, 6.0),), RATE)
    assert lined[501:600] == pytest.approx(100.0)
    assert np.array_equal(lined[:501], y[:501])
    assert np.array_equal(lined[600:], y[600:])


def test_what_holds_a_stretch_was_not_seen_whole():
    at = np.array([1.0, 2.0, 4.0, 5.0])
    assert holes.seen_whole(at, ((2.5, 3.5),)).tolist() == [True, False, True]
    assert holes.seen_whole(at[:1], ((2.5, 3.5),)).tolist() == []
    assert holes.inside(at, ((1.5, 2.0), (4.5, 9.0))).tolist() == [False, True, False, True]


@pytest.mark.parametrize("stretch", [(5.0, 6.0), (5.005, 6.005), (0.03, 0.5)])
def test_the_line_in_a_hole_goes_on_where_the_wave_does(stretch):
    y = np.arange(1600.0)
    assert holes.lined(y, (stretch,), RATE) == pytest.approx(y)
    inside = (y / RATE > stretch[0]) & (y / RATE < stretch[1])
    torn = np.where(inside, -1e6, y)
    assert holes.lined(torn, (stretch,), RATE) == pytest.approx(y)


def test_a_hole_is_read_around_up_to_a_second_and_a_half():
    for gap, spans in ((1.5, True), (1.515625, False)):
        t = np.r_[np.arange(0, 256) / 64.0, 255 / 64.0 + gap + np.arange(0, 256) / 64.0]
        assert holes.may_span(t, np.sin(t), 256, len(t), 1.0) is spans
