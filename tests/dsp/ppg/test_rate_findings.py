"""Slow, fast and missing beats of known truth."""

from dataclasses import replace

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import BeatList, band_passed, find_beats
from edge.dsp.ppg.pulse_rate import BeatRate, beat_rate, systolic_only
from edge.dsp.ppg.rate_findings import Findings, brady_bpm, findings, gaps_s, tachy_bpm
from signals import pulse

RATE = 100.0


def judged(script, start, seed=3, noise=0.01):
    truth = synthesis.beats([synthesis.Episode(*s) for s in script], start + 20, seed=seed)
    t = start + np.arange(1600) / RATE
    wave = band_passed(synthesis.ppg(truth, t, noise=noise, seed=seed), RATE)
    beats = systolic_only(find_beats(wave, RATE))
    shapes = quality.beat_quality(wave, beats, RATE)
    return findings(wave, beats, RATE, beat_rate(wave, beats, RATE), 0.95, shapes)


def at(*peaks, blind=()):
    peak = np.array(peaks)
    return BeatList(peak, peak - 0.2, np.ones(len(peak)), blind)


@pytest.mark.parametrize("bpm", [35.0, 60.0, 90.0, 140.0, 190.0])
def test_beats_that_are_there_contradict_asystole(bpm):
    found = judged([(0.0, "sinus", bpm)], 6.0)
    assert found.asystole == 0
    assert found.brady_bpm == pytest.approx(bpm, rel=0.06)


def test_slow_and_fast_are_confirmed_and_contradicted():
    assert judged([(0.0, "sinus", 36.0)], 6.0).brady == 1
    assert judged([(0.0, "sinus", 80.0)], 6.0).brady == 0
    assert judged([(0.0, "sinus", 150.0)], 6.0).tachy == 1
    assert judged([(0.0, "sinus", 80.0)], 6.0).tachy == 0


def test_a_pulse_that_stops_is_asystole_after_four_seconds():
    script = [(0.0, "sinus", 75.0), (20.0, "asystole", 75.0)]
    early = judged(script, 20.0 + 2.0 - 16.0)
    late = judged(script, 20.0 + 7.0 - 16.0)
    assert early.asystole != 1
    assert late.asystole == 1
    assert late.longest_gap_s > 5.0


def test_fewer_than_four_intervals_still_show_a_very_slow_heart():
    assert brady_bpm(at(1.0, 5.0, 9.0), 10.0) == pytest.approx(15.0)
    assert brady_bpm(at(1.0), 10.0) is None
    assert tachy_bpm(at(1.0, 1.5, 2.5, 2.9, 4.2, 4.6), 10.0) is None


def test_an_interval_that_was_not_seen_whole_is_none():
    hole = ((3.2, 4.4),)
    assert brady_bpm(at(1.0, 2.0, 3.0, 6.0, 7.0, 8.0, blind=hole), 10.0) == pytest.approx(60.0)
    assert brady_bpm(at(3.0, 6.0, 7.0, blind=hole), 10.0) is None
    assert tachy_bpm(at(1.0, 1.4, 1.8, 2.2, 2.6, 4.8, 5.2, blind=hole), 10.0) == pytest.approx(150.0)


def test_a_silence_is_what_was_seen_of_it():
    wave = np.zeros(1600)
    assert gaps_s(wave, at(7.0, 8.0, 9.0, 13.0, 14.0, 15.0), RATE) == (4.0, 4.0, 4.0)
    hidden = at(7.0, 8.0, 9.0, 13.0, 14.0, 15.0, blind=((10.5, 12.0),))
    assert gaps_s(wave, hidden, RATE) == (1.5, 4.0, 2.5)
    elsewhere = at(7.0, 8.0, 9.0, 13.0, 14.0, 15.0, blind=((7.25, 7.75), (14.25, 14.75)))
    assert gaps_s(wave, elsewhere, RATE) == (4.0, 4.0, 4.0)


def test_a_silence_begins_with_the_beat_before_it_though_that_is_longer_ago():
    wave = np.zeros(1600)
    assert gaps_s(wave, at(3.0, 4.0, 5.0, *range(9, 16)), RATE) == (4.0, 4.0, 4.0)
    assert gaps_s(wave, at(), RATE) == (10.0, 10.0, 10.0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    ("earlier", "late", "longest_s"),
    [
        ((1.0, 5.0, 1.0), (0.31,) * 12, 3.4),
        ((1.0, 5.0, 1.0), (0.29,) * 12, 5.2),
        ((1.0, 1.0), (1.0, 3.4, *(1.0,) * 10), 5.6),
        ((1.0, 1.0), (1.0, 3.3, *(1.0,) * 10), 3.4),
    ],
)
def test_a_beat_ends_a_silence_if_it_has_three_tenths_of_the_height_usual_before(earlier, late, longest_s, scale):
    """From 9.4 s and, of the last 5 s, from 11.2 s on; of fewer than three before, the highest of all is usual."""
    peak = np.array([*(9.4 + 0.7 * np.arange(len(earlier))), *(11.2 + 0.4 * np.arange(len(late)))])
    beats = BeatList(peak, peak - 0.1, scale * np.array([*earlier, *late]))
    assert gaps_s(np.zeros(1600), beats, RATE)[0] == pytest.approx(longest_s)


def test_the_fastest_five_may_be_anywhere_in_the_last_ten_seconds_and_fewer_are_none():
    for ibi in ([1.0] * 5 + [0.5] * 5, [0.5] * 5 + [1.0] * 5, [0.9] * 3 + [0.5] * 5 + [0.9] * 2):
        assert tachy_bpm(at(*(6.5 + np.cumsum([0.0, *ibi]))), 16.0) == pytest.approx(120.0)
    assert tachy_bpm(at(8.0, 8.5, 9.0, 9.5, 10.0), 10.0) is None


WAVE = np.zeros(1600)  # of 16 s: what is found of slow and fast hearts is in the beats alone


def steady(bpm):
    return at(*np.arange(0.3, 16.0, 60.0 / bpm))


def found(beats, *, trust=1.0, others=None, levelled=None, risen=(), **more):
    """risen: the intervals, counted from the last, that hold a second rise."""
    bpm = 60.0 / float(beats.ibi.mean())
    rate = BeatRate(
        bpm,
        (bpm, bpm) if others is None else others,
        beats if levelled is None else levelled,
        np.isin(np.arange(len(beats.ibi))[::-1], risen),
    )
    return findings(WAVE, beats, RATE, rate, trust, np.ones(len(beats)), **more)


@pytest.mark.parametrize(
    ("bpm", "told", "brady"),
    [
        (45.9, {}, 1),
        (46.1, {}, None),
        (45.9, {"trust": 0.25}, 1),
        (45.9, {"trust": 0.24}, None),
        (55.9, {}, None),
        (56.1, {}, 0),
        (56.1, {"trust": 0.6}, 0),
        (56.1, {"trust": 0.59}, None),
        (56.1, {"others": (56.1, 90.0)}, 0),
        (56.1, {"others": (28.0, 90.0)}, None),
        (75.0, {"levelled": at(1.0)}, None),
        (75.0, {"levelled": steady(55.9)}, None),
        (75.0, {"levelled": steady(56.1)}, 0),
    ],
)
def test_when_a_slow_heart_is_confirmed_and_contradicted(bpm, told, brady):
    assert found(steady(bpm), **told).brady == brady


SLOW = steady(50.0)  # thirteen intervals of 1.2 s, nine of which end in the last 10 s
ONE_LONG = at(*np.arange(0.4, 10.0, 0.8), *np.arange(10.4, 16.0, 0.8))


@pytest.mark.parametrize(
    ("beats", "risen", "bpm"),
    [
        (SLOW, (0, 2, 4, 6), 50.0),
        (SLOW, (0, 2, 4, 6, 8), None),
        (SLOW, (0, 2, 4, 6, 9, 10, 11, 12), 50.0),
        (replace(SLOW, blind=((14.0, 14.2),)), (0, 2, 4, 6), None),
        (replace(SLOW, blind=((12.7, 15.0),)), (0, 1, 2, 4, 6), 50.0),
        (ONE_LONG, (6,), 66.7),
        (at(*(6.2 + np.cumsum([0.0, *[1.2] * 4, *[0.8] * 6]))), range(6), 50.0),
        (steady(57.0), range(9), 57.0),
    ],
)
def test_a_slow_heart_whose_long_intervals_mostly_hold_a_second_rise_is_none(beats, risen, bpm):
    assert found(beats, risen=[*risen]).brady_bpm == (None if bpm is None else pytest.approx(bpm, abs=0.05))


def test_a_rate_is_as_slow_as_four_intervals_together():
    assert brady_bpm(at(*(8.0 + np.cumsum([0.0, 0.8, 0.8, 1.6, 0.8, 0.8, 0.8]))), 16.0) == pytest.approx(60.0)


def test_what_is_not_known_is_left_out_of_the_figures():
    rest = {"longest_gap_s": 0.8, "brady": None, "tachy": 1, "asystole": 0}
    assert Findings(None, 120.0, 0.8, None, 1, 0).detail() == {"tachy_bpm": 120.0, **rest}
    assert Findings(50.0, None, 0.8, None, 1, 0).detail() == {"brady_bpm": 50.0, **rest}


@pytest.mark.parametrize(
    ("bpm", "told", "tachy"),
    [
        (110.1, {}, 1),
        (109.9, {}, None),
        (110.1, {"trust": 0.1}, 1),
        (110.1, {"trust": 0.09}, None),
        (75.0, {"fast_stretch": True, "trust": 0.0}, 1),
        (105.1, {}, None),
        (104.9, {}, 0),
        (104.9, {"trust": 0.9}, 0),
        (104.9, {"trust": 0.89}, None),
        (104.9, {"others": (104.9, 90.0)}, None),
    ],
)
def test_when_a_fast_heart_is_confirmed_and_contradicted(bpm, told, tachy):
    assert found(steady(bpm), **told).tachy == tachy


@pytest.mark.parametrize(("spread", "known"), [(0.32, True), (0.33, False)])
def test_five_intervals_that_vary_by_three_tenths_are_no_fast_heart(spread, known):
    """In turn shorter and longer by so much: of five that begin and end long the deviation is 0.30 of the mean at 0.326."""
    ibi = 0.5 * (1.0 + spread * np.resize([-1.0, 1.0], 12))
    rate = tachy_bpm(at(*(5.0 + np.concatenate([[0.0], np.cumsum(ibi)]))), 12.0)
    assert (rate is not None) is known


def stopped(
    gap_s,
    *,
    shapes=1.0,
    trust=1.0,
    rise_s=0.2,
    weak=1.0,
    uneven=0.0,
    level=None,
    every_s=0.8,
    most=99,
    blind=(),
    ripples=(),
    height=1.0,
    turned_from=16.0,
):
    """What is found of a pulse whose last beat is so long ago, one ``every_s`` before that, at ``most`` so many.

    weak: height of the last beat, uneven: of every second one (a logarithm), beside ``height``; level: the light's, a
    second each; ripples: when there is something low after it that is like no beat; turned_from: when the wave goes
    upside down, threefold.
    """
    peak = np.arange(16.0 - gap_s, 0.0, -every_s)[:most][::-1]
    amplitude = height * np.exp(uneven * (np.arange(len(peak))[::-1] % 2))
    amplitude[-1] *= weak
    peak = np.concatenate([peak, ripples])
    amplitude = np.concatenate([amplitude, np.resize([0.1, 0.02], len(ripples))])
    alike = np.where(np.arange(len(peak)) < len(peak) - len(ripples), shapes, 0.2)
    beats = BeatList(peak, peak - rise_s, amplitude, blind)
    wave = band_passed(pulse(), RATE)
    wave[round(turned_from * RATE) :] *= -3.0
    rate = BeatRate(75.0, (75.0, 75.0), beats, np.zeros(len(peak) - 1, dtype=bool))
    raw = None if level is None else np.repeat(np.asarray(level, dtype=float), 100)
    return findings(wave, beats, RATE, rate, trust, alike, raw=raw)


@pytest.mark.parametrize(
    ("gap_s", "told", "asystole"),
    [
        (4.001, {}, 1),
        (3.999, {}, None),
        (4.001, {"trust": 0.0}, 1),
        (4.001, {"shapes": 0.85}, 1),
        (4.001, {"shapes": 0.84}, None),
        (4.001, {"rise_s": 0.349}, 1),
        (4.001, {"rise_s": 0.351}, None),
        (4.001, {"uneven": 0.49}, 1),
        (4.001, {"uneven": 0.51}, None),
        (3.3, {"weak": 0.31}, None),
        (3.3, {"weak": 0.29}, 1),
        (4.001, {"level": [0.0] * 14 + [3.9] * 2}, 1),
        (4.001, {"level": [0.0] * 14 + [4.1] * 2}, None),
        (4.001, {"level": [0.0] * 14 + [3.9] * 2, "weak": 0.5}, 1),
        (4.001, {"level": [0.0] * 14 + [7.9] * 2, "height": 2.0}, 1),
        (4.001, {"level": [0.0] * 14 + [8.1] * 2, "height": 2.0}, None),
        (4.001, {"level": [0.0] * 14 + [4.9] * 2, "uneven": 0.4}, 1),
        (4.001, {"level": [0.0] * 14 + [5.1] * 2, "uneven": 0.4}, None),
        (5.001, {"level": [9.0] * 7 + [0.0] * 9}, 1),
        (5.001, {"level": [9.0] * 8 + [0.0] * 8}, None),
        (4.001, {"level": [9.0] * 8 + [0.0] * 8}, 1),
        (4.001, {"level": [9.0] * 9 + [0.0] * 7}, None),
        (2.499, {}, 0),
        (2.499, {"level": [0.0] * 14 + [4.1] * 2}, 0),
        (2.501, {}, None),
        (2.499, {"shapes": 0.85, "trust": 0.25}, 0),
        (2.499, {"shapes": 0.84}, None),
        (2.499, {"trust": 0.24}, None),
        (1.8, {"weak": 0.31}, 0),
        (1.8, {"weak": 0.29}, None),
    ],
)
def test_when_a_stopped_heart_is_confirmed_and_contradicted(gap_s, told, asystole):
    assert stopped(gap_s, **told).asystole == asystole


@pytest.mark.parametrize(
    ("gap_s", "blind", "told", "asystole", "longest_gap_s"),
    [
        (6.5, ((12.5, 13.5),), {}, 1, 5.5),
        (6.5, ((12.5, 14.01),), {}, None, 3.0),
        (6.5, ((12.5, 13.99),), {}, 1, 5.01),
        (6.5, ((12.5, 13.5),), {"every_s": 2.3}, 1, 5.5),
        (6.5, ((12.5, 13.5),), {"every_s": 2.4}, None, 3.0),
        (6.5, ((2.7, 2.8), (12.5, 13.5)), {"every_s": 2.3}, 1, 5.5),
        (6.5, ((0.5, 0.6), (2.7, 2.8), (12.5, 13.5)), {"every_s": 2.3}, None, 3.0),
        (7.0, ((13.5, 14.0),), {}, 1, 4.5),
        (7.0, ((13.5, 14.0),), {"every_s": 2.0}, 1, 4.5),
        (2.6, ((14.0, 15.0),), {}, None, 1.0),
    ],
)
def test_around_holes_a_heart_has_stopped_where_none_so_slow_was_seen(gap_s, blind, told, asystole, longest_gap_s):
    what = stopped(gap_s, blind=blind, **told)
    assert (what.asystole, what.longest_gap_s) == (asystole, pytest.approx(longest_gap_s))


@pytest.mark.parametrize(("begin", "asystole"), [(11.05, 1), (10.05, None)])
def test_what_ripples_more_than_a_second_after_the_last_beat_makes_the_beats_before_no_worse(begin, asystole):
    ripples = begin + 0.08 * np.arange(5)
    assert stopped(6.5, most=5, ripples=ripples, level=[0.0] * 14 + [3.9] * 2).asystole == asystole


@pytest.mark.parametrize(("turned_from", "asystole"), [(0.0, None), (11.8, None), (12.5, 1)])
def test_what_fell_silent_rose_steeper_than_it_fell_up_to_half_a_second_after_the_last_beat(turned_from, asystole):
    assert stopped(4.001, turned_from=turned_from).asystole == asystole


def test_of_a_single_beat_no_rate_is_known():
    what = stopped(4.5, most=1)
    assert what == Findings(None, None, 5.5, None, None, None)


@pytest.mark.parametrize(("most", "asystole"), [(4, 1), (3, None)])
def test_that_a_heart_has_stopped_takes_four_beats_before(most, asystole):
    assert stopped(4.5, most=most).asystole == asystole
