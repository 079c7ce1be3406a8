"""What interrupts a pulse wave: hangs, repetitions, fingers that slide, lamps; and what does not."""

import numpy as np
import pytest

from edge.dsp import synthesis
from edge.dsp.ppg.breaks import Care, after_last_break
from edge.types import Window

RATE = 100.0
SWING = 1500.0


def wave(seconds=16.0, rhythm="sinus", bpm=75.0, seed=1, rate=RATE):
    truth = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], seconds + 5, seed=seed)
    return 60000.0 + SWING * synthesis.ppg(truth, 3.0 + np.arange(round(seconds * rate)) / rate, seed=seed)


def broken(x, care=Care.RATE, rate=RATE):
    """When the unbroken end begins, s, and the reason; (0, "") for a whole window."""
    t = np.arange(len(x)) / rate
    begin, why = after_last_break(Window("n/ppg", 0.0, len(x) / rate, t, x[:, None], rate, 1.0, ()), t, x, 0.0, care)
    return (round(begin, 6), why) if begin else (0.0, "")


@pytest.mark.parametrize("care", Care)
@pytest.mark.parametrize("bpm", [40.0, 75.0, 180.0])
@pytest.mark.parametrize("rhythm", ["sinus", "af", "pvc"])
def test_a_clean_pulse_is_whole(rhythm, bpm, care):
    for seed in range(3):
        assert broken(wave(rhythm=rhythm, bpm=bpm, seed=seed), care) == (0.0, "")


@pytest.mark.parametrize("rate", [25.0, 32.0, 50.0, 125.0, 500.0])
@pytest.mark.parametrize("counts", [100.0, 300.0, 1500.0, 5000.0])
def test_whole_numbers_at_any_rate_are_no_repetition(rate, counts):
    for seed in range(4):
        for bpm in (50.0, 75.0, 150.0):
            x = np.round(counts / SWING * wave(bpm=bpm, seed=seed, rate=rate))
            assert broken(x, Care.FORM, rate) == (0.0, "")


@pytest.mark.parametrize("care", Care)
def test_a_coarse_converter_and_samples_sent_twice_are_no_hang(care):
    x = wave(bpm=50.0)
    assert broken(np.round(x / 100.0), care) == (0.0, "")
    assert broken(np.repeat(x[::4], 4), care) == (0.0, "")


@pytest.mark.parametrize("held", [60, 90])
def test_a_sensor_that_hangs_breaks_the_form_before_the_rate(held):
    x = wave()
    x[400 : 400 + held] = x[399]
    assert broken(x, Care.FORM) == ((400 + held) / RATE, "gap")
    assert broken(x, Care.RATE) == (((400 + held) / RATE, "gap") if held > 70 else (0.0, ""))


@pytest.mark.parametrize("drawn", [60, 90])
def test_a_line_drawn_over_a_gap_breaks_the_form_before_the_rate(drawn):
    x = wave()
    x[400 : 400 + drawn] = np.linspace(x[400], x[399 + drawn], drawn)
    last = (399 + drawn) / RATE  # sample of the line, and the first after the gap
    assert broken(x, Care.FORM) == (last, "gap")
    assert broken(x, Care.RATE) == ((last, "gap") if drawn > 70 else (0.0, ""))


@pytest.mark.parametrize("down", [1.0, 0.02])
def test_a_converter_that_falls_by_one_number_at_a_time_draws_no_line(down):
    x = np.round(wave(bpm=50.0) / 100.0) * down
    x[400:440] = x[400] - down * np.arange(40)
    x[440:] += x[439] - x[440]
    assert broken(x, Care.SPECTRUM) == (0.0, "")


def test_zeros_in_the_place_of_samples_are_no_pulse_and_no_clipping():
    x = wave() - 60000.0
    x[400:440] = x.min() - SWING
    x[700:740] = x[400]
    assert broken(x, Care.FORM)[0] >= 7.4


@pytest.mark.parametrize("care", Care)
@pytest.mark.parametrize("length", [12, 25, 50, 100, 200, 500])
def test_a_block_that_comes_twice_is_a_gap(length, care):
    x = wave()
    twice = np.concatenate([x[:600], x[600 - length : 600], x[600:]])
    assert broken(twice, care) == ((600 + length) / RATE, "gap")


@pytest.mark.parametrize("times", [3, 8, 16])
def test_a_buffer_that_is_sent_over_and_over_is_no_pulse_of_its_own_length(times):
    x = wave(bpm=77.0)
    stuck = np.concatenate([x[: 1600 - 100 * times], np.tile(x[300:400], times)])
    begin, why = broken(stuck)
    assert begin > 15.9
    assert why == "gap"


@pytest.mark.parametrize("bpm", [50.0, 60.0, 75.0, 100.0])
@pytest.mark.parametrize("step", [0.0, 1.0])
def test_a_generator_that_draws_every_beat_alike_is_whole(bpm, step):
    beat = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 20, seed=1)
    n = round(60.0 / bpm * RATE)
    drawn = SWING * synthesis.ppg(beat, beat.t[5] + np.arange(n) / RATE, noise=0.0, baseline=0.0)
    drawn += np.linspace(0.0, drawn[0] - drawn[-1], n)
    x = np.tile(np.round(drawn) if step else drawn, 40)[:1600]
    assert broken(x) == (0.0, "")


@pytest.mark.parametrize("care", Care)
@pytest.mark.parametrize("slide_s", [0.05, 0.3, 0.8, 1.5, 3.0])
def test_a_finger_that_goes_and_comes_breaks_everything(slide_s, care):
    x = wave(24.0)
    t = np.arange(len(x)) / RATE
    off = np.interp(t, [4.0, 4.0 + slide_s, 9.0, 9.0 + slide_s], [0.0, 1.0, 1.0, 0.0])
    dark = 600.0 + np.random.default_rng(0).normal(0.0, 4.0, len(x))
    begin, why = broken((1.0 - off) * x + off * dark, care)
    assert why == "no_signal"
    assert 9.0 < begin < 9.0 + slide_s + 3.1


@pytest.mark.parametrize(("height", "form", "rate"), [(0.1, False, False), (1.0, True, False), (3.0, True, True)])
def test_steps_of_the_light_break_the_form_before_the_rate(height, form, rate):
    x = wave()
    x[500:] += height * SWING
    assert broken(x, Care.FORM) == ((5.01, "low_quality") if form else (0.0, ""))
    assert (broken(x, Care.RATE) != (0.0, "")) is rate
    assert (broken(x, Care.SPECTRUM) != (0.0, "")) is rate


def test_a_spike_is_no_step():
    x = wave()
    x[500] += 2 * SWING
    assert broken(x, Care.FORM) == (0.0, "")


@pytest.mark.parametrize("care", [Care.RATE, Care.FORM])
@pytest.mark.parametrize("height", [1.0, 2.0])
def test_a_lamp_that_blinks_is_seen_by_its_many_steps_up_and_down(height, care):
    x = wave()
    x += height * SWING * (np.arange(len(x)) // 50 % 2)
    assert broken(x, care)[1] == "low_quality"
    assert broken(x, care)[0] > 14.0


def slow(bpm, rate, seed=1, *, rhythm="sinus", dicrotic=True, seconds=16.0):
    """A slow pulse in whole numbers, seen from its first beat on; also one without a dicrotic wave."""
    truth = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], seconds + 8.0, seed=seed)
    t = 3.0 + np.arange(round(seconds * rate)) / rate
    if dicrotic:
        return np.round(60000.0 + SWING * synthesis.ppg(truth, t, seed=seed))
    after = np.maximum(t[:, None] - truth.t, 1e-6)
    one = np.exp(-0.5 * (np.log(after / 0.23) / 0.42) ** 2) @ truth.amplitude
    drift = 0.05 * np.sin(np.pi / 2 * t) + 0.01 * np.random.default_rng(seed).standard_normal(len(t))
    return np.round(60000.0 + SWING * (one + drift))


@pytest.mark.parametrize("dicrotic", [True, False])
@pytest.mark.parametrize("rate", [25.0, 50.0, 100.0, 125.0, 250.0])
def test_a_slow_heart_is_no_sensor_that_was_off(rate, dicrotic):
    for bpm in range(20, 46):
        for seed in range(2):
            x = slow(bpm, rate, seed, dicrotic=dicrotic)
            for seconds in (4, 5, 6, 7, 8, 9, 10, 12, 14, 16):
                for care in (Care.RATE, Care.FORM):
                    found = broken(x[: round(seconds * rate)], care, rate)
                    assert found[1] in ("", "low_quality"), (bpm, seed, seconds, care, found)


@pytest.mark.parametrize(("rhythm", "bpm"), [("pvc", 20.0), ("pvc", 26.0), ("pvc", 30.0), ("af", 27.0), ("af", 30.0)])
def test_a_slow_heart_with_pauses_is_no_sensor_that_was_off(rhythm, bpm):
    for seed in range(6):
        x = slow(bpm, RATE, seed, rhythm=rhythm, seconds=40.0)
        for begin in range(24):
            assert broken(x[round(begin * RATE) :][: round(16 * RATE)])[1] in ("", "low_quality"), (seed, begin)


@pytest.mark.parametrize("bpm", [20.0, 30.0, 45.0])
@pytest.mark.parametrize("off_s", [4.0, 7.0, 11.0])
def test_a_finger_that_leaves_a_slow_pulse_is_seen_at_once(off_s, bpm):
    x = slow(bpm, RATE)
    dark = 600.0 + np.random.default_rng(0).normal(0.0, 4.0, len(x))
    x[round(off_s * RATE) :] = dark[round(off_s * RATE) :]
    for later in (0.5, 1.0, 2.0, 4.0):
        begin, why = broken(x[: round((off_s + later) * RATE)])
        assert why == "no_signal"
        assert off_s <= begin < off_s + 3.1


@pytest.mark.parametrize("bpm", [50.0, 75.0, 150.0])
@pytest.mark.parametrize("seconds", range(5, 17))
def test_a_sensor_without_a_steady_part_is_off_once_three_fifths_of_the_seconds_are_silent(seconds, bpm):
    silent = int(0.6 * (seconds - 1)) + 1
    x = wave(float(seconds), bpm=bpm) - 60000.0
    off = len(x) - round(silent * RATE)
    x[off:] = np.random.default_rng(0).normal(0.0, 4.0, len(x) - off)
    begin, why = broken(x)
    assert why == "no_signal"
    assert begin < off / RATE + 3.1
