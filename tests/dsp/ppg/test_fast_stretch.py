"""A fast pulse between bursts of motion."""

import numpy as np
import pytest

from edge.dsp.ppg.beats import band_passed
from edge.dsp.ppg.fast_stretch import fast_stretch
from signals import pulse

RATE = 100.0


def test_four_clean_seconds_show_a_fast_pulse():
    rng = np.random.default_rng(2)
    sway = 6.0 * np.convolve(rng.normal(size=1600), np.hanning(60) / 8, mode="same")
    fast, slow = pulse(155.0), pulse(70.0)
    for x, expected in ((fast, True), (slow, False)):
        hidden = x.copy()
        hidden[:1000] += sway[:1000]
        assert fast_stretch(band_passed(hidden, RATE), RATE) is expected
    assert not fast_stretch(np.zeros(1600), RATE)
    assert not fast_stretch(np.zeros(100), RATE)


def fast_share(wave, holes):
    """The most that a stretch of 4 s in the last 12 s, without a hole, holds of its power at a rate above 112 and its
    double, at 25 Hz."""
    x, begin = wave[-1200:][::4], max(0, len(wave) - 1200) / RATE
    best = 0.0
    for a in range(len(x) - 100, -1, -6):
        since, until = begin + a / 25.0, begin + (a + 100) / 25.0
        if any(b < until and e > since for b, e in holes):
            continue
        y = (x[a : a + 100] - x[a : a + 100].mean()) * np.hanning(100)
        power = abs(np.fft.rfft(y, 1500)) ** 2
        for bpm in range(112, 221):
            at = power[bpm - 14 : bpm + 15].sum() + 0.5 * power[2 * bpm - 14 : 2 * bpm + 15].sum()
            best = max(best, at / (power[30:500].sum() + 1e-12))
    return best


@pytest.mark.parametrize("holes", [(), ((9.0, 9.5),), ((4.9, 5.3), (9.0, 9.6), (13.5, 14.0))])
def test_a_fast_stretch_is_four_seconds_with_most_of_their_power_there(holes):
    told = set()
    for bpm, seconds in ((127.0, 9.0), (127.0, 16.0), (216.0, 16.0)):
        for part in (0.5, 0.6, 0.62, 0.7):
            fast = band_passed(pulse(bpm, noise=0.02, seconds=seconds), RATE)
            slow = band_passed(pulse(70.0, "af", noise=0.02, seconds=seconds), RATE)
            wave = part * fast + (1.0 - part) * slow
            found = fast_stretch(wave, RATE, holes)
            assert found is bool(fast_share(wave, holes) >= 0.58), (bpm, seconds, part)
            told.add(found)
    assert told == {True, False}
