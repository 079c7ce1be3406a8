"""Every figure of a count against its definition, worked out the slow way, and what decides who vouches for it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.ppg.beats import BeatList, band_passed, gain_controlled
from edge.dsp.ppg.pulse_rate import BeatRate
from edge.dsp.rest import rule as rest_rule
from edge.dsp.rest.belief import Belief
from edge.dsp.rest.counts import Counts, count, in_step
from edge.dsp.rest.look import Look, look
from edge.dsp.rest.rate_spectrum import whole
from edge.dsp.rest.spectra import GRID_BPM
from signals import pulse

RATE = 100.0
CASES = [("sinus", 75.0, 0.01), ("af", 110.0, 0.05), ("pvc", 60.0, 0.1), ("sinus", 165.0, 0.3), ("sinus", 45.0, 0.02)]


def power_at(x, bpm):
    """Of every fourth sample under a Hann taper, at one rate."""
    y = x[::4] - x[::4].mean()
    turns = bpm / 60.0 * np.arange(len(y)) / (RATE / 4)
    return abs((y * np.hanning(len(y)) * np.exp(-2j * np.pi * turns)).sum()) ** 2


def shares(x):
    power = np.array([power_at(x, bpm) if 20 <= bpm < 700 else 0.0 for bpm in range(751)])
    return power / power.sum()


def near(share, bpm):
    reach = sorted((3.0, 0.07 * bpm, 6.0))[1]
    return sum(share[f] for f in range(751) if abs(f - bpm) <= reach)


def strongest(share):
    comb = {f: share[f] + 0.6 * share[2 * f] + 0.3 * share[3 * f] for f in range(30, 226)}
    f = max(comb, key=comb.get)
    if f in (30, 225):
        return f
    a, b, c = (comb[f + k] for k in (-1, 0, 1))
    return f + 0.5 * (a - c) / (a - 2 * b + c)


def levelled(wave):
    """Every sample over the RMS of the 150 around it; a line is not blown up."""
    rms = np.array([np.sqrt(np.mean(wave[max(0, i - 75) : i + 75] ** 2)) for i in range(len(wave))])
    return wave / np.maximum(rms, 0.05 * rms.max() + 1e-12)


@pytest.mark.parametrize(("rhythm", "bpm", "noise"), CASES)
@pytest.mark.parametrize("trust", [0.0, 0.4, 1.0])
def test_every_figure_is_what_its_name_says(rhythm, bpm, noise, trust):
    x = pulse(bpm, rhythm, noise=noise)
    wave = band_passed(x, RATE)
    seen = replace(look(x, wave, RATE), trust=trust, slow=False)
    tail, level = wave[600:], levelled(wave)[600:]
    plain, even = shares(tail), shares(level)
    rates = [seen.counted.bpm, strongest(even), strongest(shares(np.diff(wave)[-1000:]))]
    peaks = seen.beats.peak[seen.beats.peak >= 6.0]
    seconds = [tail[100 * k : 100 * k + 100].std() for k in range(10)]
    expected = []
    for rate in rates:
        if 30 <= rate <= 225 and whole(rate, plain):
            alike = np.mean([abs(ibi * rate / 60 - 1) < 0.12 for ibi in np.diff(peaks)])
            combs = [near(share, rate) + near(share, 2 * rate) + near(share, 3 * rate) for share in (even, plain)]
            between = near(plain, rate / 2) + near(plain, 1.5 * rate) + near(plain, 2.5 * rate)
            odds = np.clip(trust, 0.002, 0.998) / (1 - np.clip(trust, 0.002, 0.998))
            burst = np.log(max(seconds) / np.median(seconds))
            form = (seen.steeper, seen.rise_s, seen.rise_s < 0.12)
            expected.append((rate, alike, np.log(rate / 90) ** 2, *combs, between, np.log(odds), burst, *form))
    counts = count(wave, seen, RATE)
    assert len(expected) >= 1
    found = [(rate, *figures) for rate, figures, _ in counts.candidates]
    np.testing.assert_allclose(found, np.array(expected, dtype=float), rtol=1e-6, atol=1e-9)
    assert all(len(figures) == len(rest_rule.FIGURES) for _, figures, _ in counts.candidates)
    np.testing.assert_array_equal(counts.peaks, peaks)


BEATS = BeatList(0.5 + 0.8 * np.arange(20), 0.3 + 0.8 * np.arange(20), np.ones(20))
WAVE = band_passed(pulse(), RATE)


def counted(*, bpm=75.0, autocorrelation=75.0, gained=75.0, risen=(), other=BEATS, wave=WAVE, **told):
    """Twelve intervals of 0.8 s in the last 10 s; risen: those with a second rise."""
    marks = np.isin(np.arange(19), risen)
    counted_by = BeatRate(bpm, (gained, autocorrelation), other, marks, gain_controlled(wave, RATE))
    return count(wave, replace(counted_look(), counted=counted_by, **told), RATE)


def counted_look():
    """Regular beats of 75 a minute that every detector finds, on a good wave."""
    counted_by = BeatRate(75.0, (75.0, 75.0), BEATS, np.zeros(19, dtype=bool), gain_controlled(WAVE, RATE))
    return Look(BEATS, np.ones(20), 0.95, counted_by, 0.3, 0.15)


def spaced(ibi_s):
    return BeatList(0.5 + ibi_s * np.arange(30), 0.3 + ibi_s * np.arange(30), np.ones(30))


@pytest.mark.parametrize(
    ("told", "vouched", "doubted_bpm", "mean_bpm", "clean"),
    [
        ({}, 0.95, 0.0, 75.0, 0.95),
        ({"trust": 0.3}, 0.3, 0.0, 75.0, 0.3),
        ({"steeper": 0.15}, 0.57, 0.0, 75.0, 0.95),
        ({"steeper": 0.149}, 0.5662, 0.0, 75.0, 0.0),
        ({"steeper": 0.08}, 0.304, 0.0, 75.0, 0.0),
        ({"steeper": -0.1}, 0.0, 0.0, 75.0, 0.0),
        ({"gained": 79.4}, 0.95, 0.0, 75.0, 0.95),
        ({"gained": 79.6}, 0.0, 0.0, 75.0, 0.95),
        ({"gained": 120.0, "autocorrelation": 75.0}, 0.0, 0.0, 75.0, 0.95),
        ({"bpm": float("nan")}, 0.0, 0.0, 75.0, 0.95),
        ({"risen": range(7)}, 0.95, 0.0, 75.0, 0.95),  # before the last 10 s
        ({"risen": (7,)}, 0.95, 0.0, 75.0 * 13 / 12, 0.95),
        ({"risen": (7, 18)}, 0.95, 0.0, 75.0 * 14 / 12, 0.0),
        ({"risen": range(7, 12)}, 0.95, 0.0, 75.0 * 17 / 12, 0.0),
        ({"risen": range(7, 13)}, 0.95, 68.0, 75.0 * 18 / 12, 0.0),
        ({"risen": range(7, 13), "bpm": 40.0, "gained": 40.0}, 0.0, 48.0, 75.0 * 18 / 12, 0.0),
        ({"other": spaced(0.7)}, 0.95, 0.0, 75.0, 0.95),
        ({"other": spaced(0.69)}, 0.95, 0.0, 75.0, 0.0),
        ({"other": spaced(0.95)}, 0.95, 0.0, 75.0, 0.0),
        ({"other": spaced(9.0)}, 0.95, 0.0, 75.0, 0.0),
    ],
)
def test_who_vouches_for_beats_and_what_is_doubted(told, vouched, doubted_bpm, mean_bpm, clean):
    counts = counted(**told)
    assert counts.vouched == pytest.approx(vouched)
    assert counts.doubted_bpm == pytest.approx(doubted_bpm)
    assert counts.mean_bpm == pytest.approx(mean_bpm)
    assert counts.clean == clean


def assert_nothing(counts):
    assert np.isnan(counts.mean_bpm)
    assert replace(counts, mean_bpm=0.0) == Counts((), 75.0, 0.0, mean_bpm=0.0)


@pytest.mark.parametrize("steeper", [-0.079, 0.0, 0.079])
def test_what_is_as_even_as_a_sine_is_not_counted(steeper):
    assert_nothing(counted(steeper=steeper))


def test_a_flat_end_is_not_counted():
    flat = np.concatenate([WAVE[:600], np.zeros(1000)])
    assert_nothing(counted(wave=flat))


def test_without_a_late_interval_no_beat_is_vouched_clean():
    for late in (7, 8):
        some = BEATS.only(np.arange(20) < late)
        counts = counted(beats=some, risen=range(late - 1))
        assert (counts.doubted_bpm, counts.clean, len(counts.peaks)) == (0.0, 0.0, late - 7)
        assert np.isnan(counts.mean_bpm)
        assert all(figures[0] == 0.0 for _, figures, _ in counts.candidates)


def test_slow_beats_are_all_there_are():
    counts = counted(slow=True, bpm=41.0, risen=range(19), trust=0.93)
    assert (counts.candidates, counts.beats_bpm, counts.vouched, counts.doubted_bpm) == ((), 41.0, 0.93, 0.0)
    assert (counts.mean_bpm, counts.clean) == (pytest.approx(75.0), 0.93)
    np.testing.assert_array_equal(counts.peaks, BEATS.peak[7:])


@given(
    bpm=st.floats(40.0, 180.0),
    kept=st.lists(st.booleans(), min_size=14, max_size=14).filter(lambda kept: sum(kept) >= 5),
)
def test_missing_beats_do_not_put_a_regular_heart_out_of_step(bpm, kept):
    peaks = (np.arange(14) * 60.0 / bpm)[np.array(kept)]
    assert in_step(peaks, bpm) == pytest.approx(1.0)


@given(bpm=st.floats(40.0, 180.0), peaks=st.lists(st.floats(0.0, 10.0), min_size=4, max_size=20, unique=True))
def test_in_step_is_the_mean_phase_at_the_best_rate_within_three_bpm(bpm, peaks):
    at = np.sort(peaks)
    best = max(abs(np.mean(np.exp(2j * np.pi * (bpm + k / 4) / 60.0 * at))) for k in range(-12, 13))
    assert in_step(at, bpm) == pytest.approx(best)


def test_fewer_than_four_beats_are_never_out_of_step_nor_is_anything_with_no_rate():
    uneven = np.array([0.0, 0.7, 1.9, 2.2])
    assert in_step(uneven, 75.0) < 0.9
    assert in_step(uneven[:3], 75.0) == 1.0
    assert [in_step(uneven, bpm) for bpm in (0.0, float("nan"))] == [1.0, 1.0]


@pytest.mark.parametrize(("beats", "uneven"), [(8, 1.0), (9, 1.0), (10, 0.0)])
def test_fewer_than_two_intervals_are_as_uneven_as_can_be(beats, uneven):
    """Seven beats lie before the last 10 s."""
    seen = replace(counted_look(), beats=BEATS.only(np.arange(20) < beats))
    share = np.full(len(GRID_BPM), 1.0 / len(GRID_BPM))
    found = count(WAVE, seen, RATE, Belief(share, 0.0))
    assert len(found.candidates) >= 1
    assert [figures[-1] for _, figures, _ in found.candidates] == pytest.approx(
        [uneven] * len(found.candidates), abs=1e-9
    )
