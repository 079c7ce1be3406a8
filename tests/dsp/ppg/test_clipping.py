"""A pulse wave at the end of its converter: by its flat tops, and beside hum, where it has none."""

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.ppg.clipping import (
    CLIPPED_SHARE,
    clipped_now,
    clipped_share,
    is_coarse,
    looks_full_scale,
    piled_share,
    usual_run,
)

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


def zigzag(n, *tops):
    """``n`` samples that go up and down between 1 and 8 and rest at 9 for as long as each of ``tops`` says."""
    rising = np.tile([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0], n // 14 + 1)
    parts = [part for top in tops for part in (rising[:8], np.full(top, 9.0), rising[8:14])]
    return np.concatenate([*parts, rising])[:n]


@pytest.mark.parametrize(
    ("rate_hz", "tops", "now"),
    [(100.0, [5, 5, 5], True), (100.0, [5, 5], False), (100.0, [4, 4, 4], False), (25.0, [3] * 3, True), (25.0, [2] * 3, False)],
)  # fmt: skip
def test_a_converter_is_at_its_limit_where_a_pulse_runs_into_it_three_times(rate_hz, tops, now):
    x = zigzag(200, *tops)
    assert clipped_now(x, 9.0, rate_hz) is now
    assert clipped_now(-x, -9.0, rate_hz) is now
    assert clipped_now(np.append(x, 10.0), 9.0, rate_hz) is False, "no extreme"
    assert clipped_now(np.full(200, 9.0), 9.0, rate_hz) is False, "no pulse"


@pytest.mark.parametrize("bits", [12, 15, 16, 24])
def test_a_full_scale_is_one_less_than_a_power_of_two(bits):
    assert [looks_full_scale(2**bits - 1 + off) for off in (-0.6, -0.4, 0.0, 0.4, 0.6, 2.0)] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert not any(looks_full_scale(2**other - 1) for other in (11, 25))


@pytest.mark.parametrize(
    ("tops", "share"), [([3], 0.03), ([2, 2, 2], 0.0), ([3, 4, 2], 0.07), ([1, 1, 1, 1], 0.0), ([], 0.0)]
)
def test_what_rests_at_an_extreme_for_three_samples_counts(tops, share):
    assert clipped_share(zigzag(100, *tops)) == pytest.approx(share)
    assert clipped_share(-zigzag(100, *tops)) == pytest.approx(share)


def test_where_every_sample_is_sent_twice_it_takes_three_times_two():
    for tops, share in (([3, 3], 0.12), ([2, 2], 0.0)):
        x = np.repeat(zigzag(100, *tops), 2)
        assert (usual_run(x), clipped_share(x)) == (2, pytest.approx(share / 2))
    assert [usual_run(np.array(x)) for x in ([1.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0, 1.0, 1.0])] == [1, 1]


@pytest.mark.parametrize(("n", "share"), [(400, 0.0125), (600, 0.0)])
def test_a_pile_is_more_than_a_hundredth_of_the_samples_and_four_times_what_is_beside_it(n, share):
    x = 10.0 + np.arange(n) % 100
    x[:5], x[5] = 200.0, 199.0
    x[6:10] = (9.0, 8.0, 7.0, 6.0)
    assert piled_share(x) == share
    x[5:7] = 199.0
    assert piled_share(x) == 0.0


def test_a_converter_of_under_24_numbers_is_coarse():
    assert [is_coarse(np.arange(100.0) % n) for n in (23, 24)] == [True, False]
