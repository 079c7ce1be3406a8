"""How fast samples really come, by a device's count and clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sample_rate import SampleRate

WRAP = 1 << 32


def heard(rate, true_hz, seconds, *, count=10, late_us=lambda k: 0, index=0, us=0):
    """Feed frames of ``count`` samples; at which seconds the rate changed, and to what."""
    changes = []
    for k in range(int(seconds * true_hz / count)):
        t = k * count / true_hz
        if rate.add((index + k * count) % WRAP, (us + round(t * 1e6) + late_us(k)) % WRAP):
            changes.append((round(t), rate.hz))
    return changes


def test_what_is_declared_rightly_stays():
    rate = SampleRate(100.0)
    assert heard(rate, 100.3, 3600.0) == []
    assert rate.hz == 100.0


@pytest.mark.parametrize("true_hz", [25.3, 50.0, 66.67, 95.0, 96.8, 103.2, 105.0, 150.0, 200.0, 390.0])
def test_a_rate_far_off_is_noticed_before_a_window_is_full(true_hz):
    rate = SampleRate(100.0)
    assert heard(rate, true_hz, 60.0) == [(3, pytest.approx(true_hz, rel=1e-3))]
    assert rate.declared_hz == 100.0


def test_an_oscillator_two_per_cent_off_is_noticed_within_half_a_minute():
    assert heard(SampleRate(100.0), 102.0, 120.0) == [(13, pytest.approx(102.0, rel=1e-3))]


@pytest.mark.parametrize("count", [1, 50, 400])
def test_frames_may_be_as_long_as_they_like(count):
    """Longer than what is a pause: of that only what its samples do not take counts."""
    ((_, found_hz),) = heard(SampleRate(100.0), 80.0, 60.0, count=count)
    assert found_hz == pytest.approx(80.0, rel=1e-3)


def test_a_rate_that_changes_later_is_noticed():
    rate = SampleRate(100.0)
    assert heard(rate, 100.0, 60.0) == []
    assert heard(rate, 80.0, 60.0, index=6000, us=60_000_000)[-1][1] == pytest.approx(80.0, rel=1e-3)


@given(st.integers(0, WRAP - 1), st.integers(0, WRAP - 1))
def test_both_counters_may_wrap(index, us):
    assert heard(SampleRate(100.0), 150.0, 10.0, index=index, us=us) == [(3, pytest.approx(150.0, rel=1e-3))]
    assert heard(SampleRate(100.0), 100.0, 30.0, index=index, us=us) == []


@given(st.lists(st.integers(0, 40_000), min_size=7, max_size=7))
def test_time_stamps_that_are_late_by_up_to_four_hundredths_of_a_second_change_nothing(late):
    assert heard(SampleRate(100.0), 100.0, 120.0, late_us=lambda k: late[k % 7]) == []


@pytest.mark.parametrize("joined_at", range(10))
def test_a_device_that_stamps_a_second_of_frames_at_once_is_not_misread(joined_at):
    rate = SampleRate(100.0)
    frames = [(10 * k, 1_000_000 * (1 + k // 10)) for k in range(joined_at, 600)]
    assert not any(rate.add(*frame) for frame in frames)


@pytest.mark.parametrize("true_hz", [1.0, 20.0, 24.0, 410.0, 500.0])
def test_a_count_that_makes_no_sense_is_not_believed(true_hz):
    rate = SampleRate(100.0)
    assert heard(rate, true_hz, 60.0, count=1) == []
    assert rate.strange_hz == pytest.approx(true_hz, rel=1e-3)


def test_one_span_that_makes_no_sense_is_not_told():
    rate = SampleRate(100.0)
    heard(rate, 100.0, 4.0)
    heard(rate, 410.0, 15.0, index=400, us=4_000_000)
    assert rate.strange_hz == 0.0
    heard(rate, 410.0, 15.0, index=400 + 6150, us=19_000_000)
    assert rate.strange_hz == pytest.approx(410.0, rel=1e-3)
    heard(rate, 100.0, 30.0, index=400 + 2 * 6150, us=34_000_000)
    assert rate.strange_hz == 0.0


def test_from_ten_hertz_on_a_rate_is_looked_for():
    assert heard(SampleRate(10.0), 8.0, 60.0, count=1) == [(3, 8.0)]


@pytest.mark.parametrize(("declared_hz", "true_hz"), [(0.1, 0.03), (1.0, 0.95), (5.0, 4.85), (9.9, 8.0)])
def test_a_thermometer_s_rate_is_not_looked_for(declared_hz, true_hz):
    assert heard(SampleRate(declared_hz), true_hz, 600.0, count=1) == []


@pytest.mark.parametrize(("on_s", "off_s"), [(1.0, 1.0), (5.0, 5.0), (8.0, 2.0)])
@pytest.mark.parametrize("count", [10, 50])
def test_a_device_that_pauses_without_counting_is_not_slow(on_s, off_s, count):
    rate = SampleRate(100.0)
    pauses = [int(k * count / 100.0 / on_s) for k in range(60 * 100 // count)]
    frames = [(k * count, round((k * count / 100.0 + n * off_s) * 1e6)) for k, n in enumerate(pauses)]
    assert not any(rate.add(*frame) for frame in frames)


def test_a_device_clock_that_stands_still_measures_nothing():
    rate = SampleRate(100.0)
    assert not any(rate.add(10 * k, 5) for k in range(1000))


def test_begun_anew_nothing_of_before_is_compared():
    rate = SampleRate(100.0)
    heard(rate, 100.0, 2.0)
    rate.restart()
    assert heard(rate, 100.0, 30.0, index=100_000) == []
