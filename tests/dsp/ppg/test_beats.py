"""Beats of known truth at 25 to 500 Hz, and against the ECG of real records."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.dsp import synthesis
from edge.dsp.ppg.beats import (
    Upright,
    _merged,
    _scalogram_peaks,
    band_passed,
    described,
    find_beats,
    gain_controlled,
    perfusion_index,
    polarity,
)

RATES = [25.0, 50.0, 100.0, 125.0, 500.0]


def heart(rhythm="sinus", bpm=70.0, seconds=30.0, seed=1):
    return synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], seconds, seed=seed)


def found(truth, rate, start=4.0, end=24.0, noise=0.01, sign=1.0):
    t = np.arange(round(start * rate), round(end * rate)) / rate
    wave = sign * band_passed(synthesis.ppg(truth, t, noise=noise), rate)
    return find_beats(wave, rate), wave


def matched(peaks, truth):
    """Sensitivity and precision within 150 ms at the best constant delay from heart to finger."""
    best = (0.0, 0.0)
    for delay in np.arange(0.0, 0.7, 0.04):
        off = abs(peaks[:, None] - delay - truth[None, :])
        score = ((off.min(axis=0) <= 0.15)[1:-2].mean(), (off.min(axis=1) <= 0.15)[1:-1].mean())
        best = max(best, score, key=min)
    return best


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("rhythm", "bpm"), [("sinus", 40.0), ("sinus", 70.0), ("sinus", 150.0), ("af", 90.0)])
def test_every_beat_is_found_once(rate, rhythm, bpm):
    truth = heart(rhythm, bpm)
    beats, _ = found(truth, rate)
    sensitivity, precision = matched(beats.peak + 4.0, truth.t[(truth.t > 4) & (truth.t < 24)])
    assert sensitivity >= (0.9 if rhythm == "af" else 0.98)
    assert precision >= 0.95


@pytest.mark.parametrize("rate", RATES)
def test_intervals_are_finer_than_a_sample(rate):
    truth = heart("sinus", 65.0)
    beats, _ = found(truth, rate, noise=0.0)
    true_ibi = np.diff(truth.t[(truth.t > 5) & (truth.t < 23)])
    assert np.median(beats.ibi) == pytest.approx(np.median(true_ibi), abs=0.012)
    assert (beats.onset < beats.peak).all()
    assert (beats.amplitude > 0).all()


def test_polarity_shows_which_way_up():
    _, wave = found(heart(), 100.0)
    assert polarity(wave) > 0.6
    assert polarity(-wave) < -0.6
    assert polarity(np.zeros(100)) == 0.0


def test_weak_beats_have_small_amplitudes():
    truth = heart("pac", 70.0)
    beats, _ = found(truth, 100.0)
    assert beats.amplitude.min() < 0.9 * np.median(beats.amplitude)


def test_gain_control_levels_a_fading_pulse():
    _, wave = found(heart(), 100.0)
    fading = wave * np.linspace(1.0, 0.15, len(wave))
    level = gain_controlled(fading, 100.0)
    first, last = abs(level[200:600]).max(), abs(level[-600:-200]).max()
    assert last > 0.6 * first


def test_perfusion_is_the_pulse_over_the_steady_part():
    beats, wave = found(heart(), 100.0)
    swing = np.median(beats.amplitude)
    assert perfusion_index(1000.0 + wave, beats) == pytest.approx(100 * swing / 1000.0, rel=0.02)
    assert perfusion_index(wave - 50.0, beats) is None
    assert perfusion_index(1000.0 + wave, find_beats(0.0 * wave, 100.0)) is None


def largest_at_every_scale(x, hz):
    """The detector as it is described, sample by sample: beyond the ends nothing is larger."""
    k = np.arange(len(x))
    x = x - np.polyval(np.polyfit(k, x, 1), k)
    n, kept, most = len(x), 1, -1
    rows = []
    for scale in range(1, max(1, min(n // 2, int(hz))) + 1):  # 30 a minute: up to half of 2 s
        before = [i < scale or x[i] > x[i - scale] for i in k]
        after = [i >= n - scale or x[i] >= x[i + scale] for i in k]
        rows.append([0 < i < n - 1 and before[i] and after[i] for i in k])
        maxima = sum(rows[-1][scale : n - scale])
        kept, most = (scale, maxima) if maxima > most else (kept, most)
    return np.flatnonzero(np.all(rows[:kept], axis=0))


@pytest.mark.parametrize("hz", [20.0, 25.0])
def test_a_peak_is_the_largest_at_every_scale_up_to_the_one_with_most(hz):
    rng = np.random.default_rng(4)
    lengths = [3, 4, 5, 8, 13, 40, *rng.integers(40, 130, 30).tolist()]
    for i, n in enumerate(lengths):
        x = np.convolve(rng.standard_normal(n + 20), np.hanning(3 + 2 * (i % 6)), mode="same")[:n]
        both = _scalogram_peaks(np.stack([x, -x]), hz)  # each piece for itself
        for marks, piece in zip(both, (x, -x), strict=True):
            np.testing.assert_array_equal(np.flatnonzero(marks), largest_at_every_scale(piece, hz))


def spikes(*heights):
    """Ten seconds at 100 Hz, flat but for peaks of the given heights by sample."""
    wave = np.zeros(1000)
    for at, height in heights:
        wave[at - 1 : at + 2] = height / 2, height, height / 2
    return wave


@pytest.mark.parametrize(
    ("peaks", "stay"),
    [
        (((100, 1.0), (126, 1.2)), [126]),  # 0.26 s apart is no pulse
        (((100, 1.2), (126, 1.0)), [100]),
        (((100, 1.0), (127, 1.2)), [100, 127]),
        (((100, 1.0), (126, 1.2), (152, 1.1), (178, 1.3)), [126, 178]),
        (((100, 0.3), (200, 1.0), (300, 1.0), (400, 0.3)), [200, 300]),
        (((100, 0.49), (200, 1.0), (300, 1.0), (400, 1.0), (500, 0.49)), [200, 300, 400]),
        (((100, 0.5), (200, 1.0), (300, 0.1), (400, 1.0), (500, 1.0), (600, 0.5)), [100, 200, 300, 400, 500, 600]),
        (((100, 0.1), (200, 1.0), (300, 1.0)), [100, 200, 300]),
    ],
)
def test_of_two_too_close_the_higher_stays_and_shoulders_at_the_ends_go(peaks, stay):
    coarse = np.array([at + 4 for at, _ in peaks])
    assert _merged(coarse, spikes(*peaks), 100.0).tolist() == stay


def test_a_beat_begins_at_the_lowest_point_since_the_one_before_and_no_more_than_0_8_s_ago():
    wave = spikes((300, 2.0), (340, 1.0), (700, 1.0))
    wave[290], wave[320], wave[330], wave[500] = -3.0, -0.5, -0.25, -9.0
    beats = described(np.array([300, 340, 700]), wave, 100.0)
    assert beats.peak.tolist() == [3.0, 3.4, 7.0]
    assert beats.onset.tolist() == [2.9, 3.2, 6.2]
    assert beats.amplitude.tolist() == [5.0, 1.5, 1.0]
    assert beats.ibi == pytest.approx([0.4, 3.6])


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(3, 1500), st.sampled_from(RATES))
@example(144, 1153, 50.0)  # nothing but rounding, whose coarse peaks lie on a slope of the wave itself
def test_whatever_the_wave_every_beat_is_a_peak_of_it_and_stands_apart(seed, n, rate):
    rng = np.random.default_rng(seed)
    x = rng.choice([0.0, 1.0, 1e6], 1) * rng.standard_normal(n) + rng.choice([0.0, 5.0])
    wave = band_passed(x, rate)
    beats = find_beats(wave, rate)
    top = np.round(beats.peak * rate).astype(int)
    assert (abs(beats.peak * rate - top) <= 0.5).all()
    highest = np.max([wave[np.clip(top + k, 0, n - 1)] for k in (-1, 0, 1)], axis=0, initial=-np.inf)
    foot = np.round(beats.onset * rate).astype(int)
    np.testing.assert_array_equal(beats.amplitude, highest - wave[foot])
    assert (np.diff(beats.peak) > 0.2).all()
    assert (np.diff(beats.onset) > 0).all()
    assert np.isfinite(beats.amplitude).all()


@pytest.mark.slow
def test_against_the_ecg_of_intensive_care_records(data_dir):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
    import pulse_beats

    scores = pulse_beats.beat_scores(data_dir / "ppg" / "cinc2015.npz")
    sensitivity, precision, f1, by_peaks_ms, by_onsets_ms, quality = scores.T
    assert len(scores) > 300
    good, poor = quality >= 0.9, quality < 0.5
    assert good.sum() > 100
    assert sensitivity[good].mean() > 0.92
    assert precision[good].mean() > 0.94
    assert f1[good].mean() > 0.93
    assert np.median(by_peaks_ms[good]) < 12
    assert np.median(by_onsets_ms[good]) < 12
    assert sensitivity[poor].mean() < 0.8 < sensitivity.mean()
    assert precision.mean() > 0.88


def test_a_wave_that_does_not_tell_is_turned_as_the_last_one_that_did() -> None:
    t = np.arange(0, 10, 0.01)
    steep = -((t * 1.2) % 1.0)  # rises at once, falls slowly
    steep = band_passed(steep - steep.mean(), 100.0)
    even = np.sin(2 * np.pi * 1.2 * t)
    found = Upright()
    np.testing.assert_array_equal(found(even), even)
    np.testing.assert_array_equal(found(-steep), steep)
    np.testing.assert_array_equal(found(even), -even)
    found.reset()
    np.testing.assert_array_equal(found(even), even)
    wired = Upright("yes")
    np.testing.assert_array_equal(wired(steep), -steep)
