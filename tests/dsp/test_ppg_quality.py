"""Refusals have reasons; irregular rhythms keep their quality, noise does not."""

import numpy as np
import pytest

from edge.dsp import ppg_quality as quality
from edge.dsp import synthesis
from edge.dsp.beats import band_passed, find_beats
from edge.types import Window

RATE = 100.0


def wave(seconds=16.0, rhythm="sinus", bpm=75.0, seed=1):
    truth = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], seconds + 5, seed=seed)
    t = 3.0 + np.arange(round(seconds * RATE)) / RATE
    return 60000.0 + 1500.0 * synthesis.ppg(truth, t, seed=seed)


def window(x, keep=None, flags=None, rate=RATE, holes=()):
    t = np.arange(len(x)) / rate
    keep = np.ones(len(x), bool) if keep is None else keep
    return Window(
        "n/ppg", 0.0, len(x) / rate, t[keep], x[keep, None], rate, float(keep.mean()), holes, flags=flags or {}
    )


def reason(x, **kw):
    return quality.usable(window(np.asarray(x, float), **kw), 16.0, RATE, 0, 8.0).reason


def trust(x):
    v = band_passed(np.asarray(x, float), RATE)
    return quality.noise_quality(np.asarray(x, float), v, find_beats(v, RATE), RATE)


def test_a_clean_pulse_is_usable():
    assert reason(wave()) == ""


def test_what_the_device_calls_off_is_off_until_it_says_otherwise():
    assert reason(wave(), flags={"sensor_off": 16.0}) == "sensor_off"
    assert reason(wave(), flags={"sensor_off": 15.1}) == "sensor_off"
    assert reason(wave(), flags={"sensor_off": 7.5}) == ""


def test_a_sensor_that_is_on_again_is_not_called_off_while_its_signal_is_too_short():
    came = wave()
    came[: round(12.0 * RATE)] = 600.0 + np.arange(round(12.0 * RATE)) % 3  # the level jumps where the finger comes
    assert reason(came) == "no_signal"
    assert reason(came, flags={"sensor_off": 12.0}) == "low_quality"
    assert reason(wave(), flags={"sensor_off": 8.5}) == "low_quality"
    came[round(12.0 * RATE) :] = 600.0
    assert reason(came, flags={"sensor_off": 4.0}) == "no_signal"


def test_what_is_no_signal():
    x = wave()
    assert reason(np.full(1600, 40000.0)) == "no_signal"
    assert reason(np.zeros(1600)) == "no_signal"
    assert reason(np.full(1600, 65535.0)) == "saturated"
    left = x.copy()
    left[1000:] = 600.0
    assert reason(left) == "no_signal"
    assert reason(left, flags={"sensor_off": 16.0}) == "sensor_off"
    assert reason(np.full(1600, np.nan)) == "no_signal"


def test_clipping_is_seen_but_repeated_samples_are_not_clipping():
    x = wave()
    assert reason(np.minimum(x, np.quantile(x, 0.85))) == "saturated"
    assert reason(np.repeat(x[::4], 4)) == ""


@pytest.mark.parametrize(("gap_s", "expected"), [(0.05, ""), (0.1, ""), (0.3, "gap"), (2.0, "gap")])
def test_gaps_are_bridged_up_to_a_tenth_of_a_second(gap_s, expected):
    t = np.arange(1600) / RATE
    keep = (t < 12.0) | (t >= 12.0 + gap_s)
    assert reason(wave(), keep=keep) == expected


def test_after_a_gap_the_unbroken_rest_will_do():
    t = np.arange(1600) / RATE
    signal = quality.usable(window(wave(), keep=(t < 3) | (t > 6)), 16.0, RATE, 0, 8.0)
    assert signal.reason == ""
    assert 9.8 < len(signal.x) / RATE < 10.1


def test_the_beginning_of_an_epoch_is_warming_up():
    t = np.arange(1600) / RATE
    assert reason(wave(), keep=t > 11, holes=((0.0, 11.0),)) == "warming_up"


def test_a_lamp_switched_on_breaks_the_window():
    x = wave()
    x[1200:] += 30000.0
    assert reason(x) == "no_signal"
    x[1200:] -= 24000.0
    assert reason(x) == "low_quality"


@pytest.mark.parametrize("rhythm", ["sinus", "af", "pvc", "pac"])
def test_quality_does_not_ask_for_regularity(rhythm):
    assert min(trust(wave(10.0, rhythm, 80.0, seed)) for seed in range(4)) > 0.5


def test_noise_is_not_trusted():
    rng = np.random.default_rng(0)
    assert np.median([trust(rng.normal(size=1000)) for _ in range(20)]) < 0.1
    assert trust(np.zeros(1000)) == 0.0
