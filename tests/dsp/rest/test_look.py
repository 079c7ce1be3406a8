"""Beats of a window at rest and what they are worth, against their definitions."""

import numpy as np
import pytest

from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import BeatList, band_passed, find_beats
from edge.dsp.ppg.pulse_rate import systolic_only
from edge.dsp.ppg.slow_beats import slow_beats
from edge.dsp.rest.look import look
from signals import pulse

RATE = 100.0
CASES = [("sinus", 75.0, 0.01), ("af", 110.0, 0.05), ("pvc", 60.0, 0.1), ("sinus", 165.0, 0.3), ("sinus", 45.0, 0.02)]


@pytest.mark.parametrize(("rhythm", "bpm", "noise"), CASES)
@pytest.mark.parametrize("seconds", [8.0, 13.0, 16.0])
def test_a_window_is_judged_by_its_last_ten_seconds(rhythm, bpm, noise, seconds):
    x = pulse(bpm, rhythm, noise=noise, seconds=seconds)
    wave = band_passed(x, RATE)
    seen = look(x, wave, RATE)
    since = max(0.0, seconds - 10.0)
    first = round(since * RATE)
    beats = systolic_only(find_beats(wave, RATE))
    slow = slow_beats(wave, beats, RATE)
    beats = beats if slow is None else slow
    late = np.flatnonzero(beats.peak >= since)
    late = late[1:] if beats.onset[late[0]] < since else late
    recent = BeatList(beats.peak[late] - since, beats.onset[late] - since, beats.amplitude[late])
    trust = quality.noise_quality(x[first:], wave[first:], recent, RATE)
    assert seen.slow is (slow is not None)
    assert seen.trust == (trust if slow is None else max(0.9, trust))
    slope = np.diff(wave[first:])
    skew = np.mean((slope - slope.mean()) ** 3) / np.var(slope) ** 1.5
    assert seen.steeper == pytest.approx(np.clip(skew, -0.2, 0.6))
    assert seen.rise_s == pytest.approx(np.clip(np.median(recent.peak - recent.onset), 0.08, 0.5))
    np.testing.assert_array_equal(seen.beats.peak, beats.peak)
    ibi = np.diff(beats.peak[beats.peak >= since])
    assert seen.counted.bpm == pytest.approx(60.0 / np.median(ibi))
    assert len(seen.shapes) == len(beats)
