"""A pulse wave at the end of its converter: by its flat tops, and beside hum, where it has none."""

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.ppg.clipping import CLIPPED_SHARE, clipped_share, piled_share

T = np.arange(1250) / 125.0


def wave(bpm=75.0):
    return synthesis.ppg(synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 12.0, seed=4), T, seed=4)


@pytest.mark.parametrize("hum_hz", [50.0, 50.05, 60.0])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_wave_that_hum_drives_into_both_ends_is_clipped_though_it_is_never_flat(hum_hz, share):
    x = wave() + np.sin(2 * np.pi * hum_hz * T)
    x = np.clip(x, *np.quantile(x, [share / 2, 1 - share / 2]))
    assert piled_share(x) == pytest.approx(share, abs=0.01)
    assert clipped_share(x) < CLIPPED_SHARE


@pytest.mark.parametrize("numbers", [24, 30, 50, 200, 4096])
@pytest.mark.parametrize("bpm", [45.0, 75.0, 120.0])
def test_the_crests_of_a_coarse_converter_are_no_pile(numbers, bpm):
    x = wave(bpm)
    assert piled_share(np.round((x - x.min()) / np.ptp(x) * numbers)) == 0.0


def test_flat_tops_are_both_and_a_constant_is_no_wave():
    x = np.minimum(wave(), np.quantile(wave(), 0.8))
    assert piled_share(x) == pytest.approx(0.2, abs=0.01)
    assert clipped_share(x) == pytest.approx(0.2, abs=0.01)
    assert piled_share(np.full(100, 3.0)) == 0.0
