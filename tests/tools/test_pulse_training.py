"""What the rest network learns from is what the analyzer shows it."""

import sys
from pathlib import Path

import numpy as np

from edge.dsp import synthesis
from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import Upright, band_passed
from edge.dsp.rest.belief import believed
from edge.dsp.rest.spectra import GRID_BPM, network_input
from edge.types import Window

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "train"))
import pulse
import pulse_rule

N, RATE = 2000, 125.0


def window():
    t = np.arange(N) / RATE
    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", 88.0)], 30.0, seed=4)
    x = 5e4 + 1e3 * synthesis.ppg(heart, 6.0 + t, noise=0.05, seed=4)
    return Window("file/ppg", 0.0, 16.0, t, x[:, None], RATE, 1.0, ())


def test_training_sees_what_the_analyzer_shows():
    shown = []

    def network(x):
        shown.append(x)
        return np.zeros((1, 1, 1, len(GRID_BPM)), dtype=np.float32)

    signal = quality.usable(window(), pulse_rule.SPAN_S, pulse_rule.GRID_HZ, 0, 8.0)
    wave = Upright()(band_passed(signal.x, pulse_rule.GRID_HZ, hum=True))
    believed(wave, pulse_rule.GRID_HZ, network)
    np.testing.assert_allclose(shown, [network_input(pulse.wave_of(window()).astype(np.float64))], atol=1e-4)


def test_what_is_refused_is_not_learnt_from():
    flat = window()
    flat.data[:] = 5e4
    assert pulse.wave_of(flat) is None


def test_folds_deal_whole_records_the_same_way_whatever_windows_are_asked_for():
    few, many = np.array([0, 7, 392]), np.arange(393).repeat(3)
    dealt = pulse_rule.folds(many)
    assert pulse_rule.folds(few).tolist() == [dealt[0], dealt[21], dealt[-1]]
    assert np.bincount(dealt[::3]).tolist() == [79, 79, 79, 78, 78]
