"""Heart rate from what a real bedside sends: right or silent, with a reason, each fault beside the same pulse whole."""

import numpy as np
import pytest

from edge.analyzers import pulse
from edge.dsp import synthesis
from edge.lane import Lane
from edge.types import Block

BPM = 72.0
RATE = 100.0


def heart(seconds=60.0, rate=RATE, bpm=BPM):
    t = np.arange(round(seconds * rate)) / rate
    truth = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], seconds + 2, seed=4)
    return 60000.0 + 1500.0 * synthesis.ppg(truth, t, seed=4)


def run(blocks, **settings):
    lane = Lane(bed="b", source="node", primary="ppg", analyzers={"pulse": pulse.build(**settings)})
    readings = [reading for block in blocks for reading in lane.feed(block)] + lane.finish()
    assert not lane.take_faults()
    return readings


def blocks(x, *, rate=RATE, declared=None, chunk=50, epoch=0, t0=0.0, stream="node/ppg", seq=0):
    x = x[:, None] if x.ndim == 1 else x
    for a in range(0, len(x), chunk):
        yield Block(stream, seq + a, t0 + a / rate, declared or rate, x[a : a + chunk].copy(), epoch=epoch)


def right_or_silent(readings, bpm=BPM, off=5.0):
    """Every value is right and every silence has a reason; how many values there are."""
    values = [r for r in readings if r.value is not None]
    assert all(abs(r.value - bpm) <= off for r in values), [r.value for r in values]
    assert all(r.reason for r in readings if r.value is None)
    return len(values)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.9, 0.99, 1.01, 1.1, 1.25, 2.0])
def test_a_rate_declared_wrong_is_seen_by_the_times_of_the_blocks(share):
    said = right_or_silent(run(blocks(heart(), declared=RATE * share)))
    if abs(share - 1) <= 0.01:
        assert said > 40


@pytest.mark.parametrize("rate", [1.0, 10.0, 15.0])
def test_too_slow_a_stream_is_refused(rate):
    readings = run(blocks(heart(rate=rate), rate=rate, chunk=5))
    assert {r.reason for r in readings if r.t > 17} == {"low_quality"}


def test_upside_down_is_read_the_same():
    assert right_or_silent(run(blocks(120000.0 - heart()))) > 40


@pytest.mark.parametrize("upside_down", ["yes", "no"])
def test_which_way_up_may_be_told(upside_down):
    sign = -1.0 if upside_down == "yes" else 1.0
    assert right_or_silent(run(blocks(sign * heart()), upside_down=upside_down)) > 40


def test_a_channel_that_is_not_there_gives_no_rate():
    readings = run(blocks(heart()), channel=1)
    assert right_or_silent(readings) == 0
    assert {r.reason for r in readings} == {"no_signal"}


@pytest.mark.parametrize("dead", [0.0, 65535.0, np.nan])
def test_a_dead_channel_is_not_read_from_its_neighbour(dead):
    x = np.stack([heart(), np.full(6000, dead)], axis=1)
    assert right_or_silent(run(blocks(x), channel=0)) > 40
    assert right_or_silent(run(blocks(x), channel=1)) == 0


@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
@pytest.mark.parametrize("rate", [50.0, 100.0, 125.0, 250.0])
@pytest.mark.parametrize("strength", [300.0, 3000.0])
def test_mains_hum(hum_hz, rate, strength):
    t = np.arange(round(60 * rate)) / rate
    right_or_silent(run(blocks(heart(rate=rate) + strength * np.sin(2 * np.pi * hum_hz * t), rate=rate)))


@pytest.mark.parametrize("hum_hz", [50.07, 60.08])
@pytest.mark.parametrize("rate", [100.0, 250.0])
def test_mains_hum_beside_a_slow_heart_does_not_swing_the_ends_of_a_window(hum_hz, rate):
    t = np.arange(round(60.0 * rate)) / rate
    readings = run(blocks(heart(rate=rate, bpm=38.0) + 6000.0 * np.sin(2 * np.pi * hum_hz * t + 0.3), rate=rate))
    assert right_or_silent(readings, bpm=38.0) > 30
    assert {r.detail.get("asystole") for r in readings} <= {0, None}


@pytest.mark.parametrize(("hz", "height"), [(10.02, 300.0), (10.02, 1500.0), (8.0, 500.0)])
@pytest.mark.parametrize("rate", [25.0, 50.0])
@pytest.mark.parametrize("bpm", [34.0, 72.0, 110.0])
def test_hum_that_slow_sampling_folds_down_takes_no_beats_and_makes_none(hz, height, rate, bpm):
    t = np.arange(round(60.0 * rate)) / rate
    readings = run(blocks(heart(rate=rate, bpm=bpm) + height * np.sin(2 * np.pi * hz * t), rate=rate))
    assert right_or_silent(readings, bpm) > 40
    if bpm > 100.0:
        assert all(r.detail["tachy_bpm"] < bpm + 15.0 for r in readings if r.value is not None)
    if bpm < 40.0:
        assert all(r.detail["brady_bpm"] < 40.0 for r in readings if r.value is not None)


@pytest.mark.parametrize("height", [300.0, 600.0])
def test_a_lamp_of_five_hertz_makes_a_fast_heart_no_faster(height):
    t = np.arange(4000) / RATE
    x = heart(seconds=40.0, bpm=125.0)
    readings = run(blocks(x + height * np.sin(2 * np.pi * 5.01 * t + 0.3)))
    assert right_or_silent(readings, 125.0) > 20
    whole = {r.t: r.detail["tachy_bpm"] for r in run(blocks(x)) if r.value is not None}
    full = [r for r in readings if r.value is not None and r.t > 16.5]
    assert all(abs(r.detail["tachy_bpm"] - whole[r.t]) < 0.2 for r in full)


@pytest.mark.parametrize("height", [0.6, 300.0])
def test_hum_without_a_pulse_says_nothing_of_the_heart(height):
    t = np.arange(2000) / 50.0
    x = np.round(7000.5 + height * np.sin(2 * np.pi * 10.01 * t) + 0.1 * np.random.default_rng(1).standard_normal(2000))
    readings = run(blocks(x, rate=50.0))
    assert right_or_silent(readings) == 0
    assert not [r for r in readings if r.reason == "no_pulse" or r.detail.get("tachy") == 1]


@pytest.mark.parametrize("gap_s", [0.05, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0, 30.0])
def test_a_gap_inside_a_window(gap_s):
    x, cut = heart(90.0), round(gap_s * RATE)
    parts = [*blocks(x[:3000]), *blocks(x[3000 + cut :], t0=30.0 + gap_s, seq=3000 + cut)]
    readings = run(parts)
    assert right_or_silent(readings) > 20
    after = [r for r in readings if 31.0 + gap_s < r.t < 37.9 + gap_s]
    assert {r.value is None for r in after} == {gap_s > 2.0}


@pytest.mark.parametrize(("every_s", "said"), [(1.0, False), (2.6, False), (3.0, True)])
def test_many_small_gaps(every_s, said):
    x, step = heart(), round(every_s * RATE)
    parts = [block for a in range(0, len(x), step) for block in blocks(x[a : a + step - 20], t0=a / RATE, seq=a)]
    readings = right_or_silent(run(parts))
    assert readings > 20 if said else readings == 0


@pytest.mark.parametrize("times", [2, 3, 4])
def test_samples_sent_again(times):
    assert right_or_silent(run(blocks(np.repeat(heart()[::times], times)[:6000]))) > 30


def test_a_stuck_block_is_no_pulse():
    x = heart()
    x[3000:3400] = x[3000]
    readings = run(blocks(x))
    right_or_silent(readings)
    assert all(r.value is None for r in readings if 31.5 < r.t < 41.5)


def test_a_counter_that_starts_again_begins_a_new_epoch():
    x = heart(40.0)
    readings = run([*blocks(x), *blocks(x, epoch=1, t0=40.3)])
    assert right_or_silent(readings) > 40
    fresh = [r for r in readings if 40.3 < r.t < 48.2]
    assert fresh
    assert {r.reason for r in fresh} == {"warming_up"}


@pytest.mark.parametrize("step", [20000.0, -20000.0, 3000.0])
def test_a_step_of_ambient_light(step):
    x = heart()
    x[3050:] += step
    assert right_or_silent(run(blocks(x))) > 30


def test_lamps_that_flicker_slowly():
    x = heart()
    x += 4000.0 * (np.sin(2 * np.pi * 0.07 * np.arange(len(x)) / RATE) > 0)
    right_or_silent(run(blocks(x)))


@pytest.mark.parametrize("height", [0.5, 0.7])
@pytest.mark.parametrize("seed", [1, 3, 4])
def test_light_that_steps_at_any_time_beside_a_slow_heart(seed, height):
    rng, x = np.random.default_rng(seed), heart(bpm=34.0)
    level = rng.choice([0.0, 1.0], size=201)
    x += 1500.0 * height * level[np.searchsorted(np.cumsum(rng.exponential(1.0, 200)), np.arange(len(x)) / RATE)]
    readings = run(blocks(x))
    assert right_or_silent(readings, 34.0) > 25
    assert all(r.detail["brady_bpm"] < 40.0 for r in readings if r.value is not None)


@pytest.mark.parametrize("kind", ["levels", "on and off"])
@pytest.mark.parametrize("mean_s", [0.7, 1.5])
@pytest.mark.parametrize("seed", [2, 3])
def test_levels_that_change_without_a_pulse_are_no_heart_that_stopped(kind, mean_s, seed):
    rng, t = np.random.default_rng(seed), np.arange(6000) / RATE
    level = rng.uniform(-500.0, 500.0, 401) if kind == "levels" else 300.0 * (np.arange(401) % 2)
    x = level[np.searchsorted(np.cumsum(rng.exponential(mean_s, 400)), t)]
    settle = np.exp(-np.arange(0.0, 3.0, 1.0 / RATE) / 0.3)
    readings = run(blocks(60000.0 + np.convolve(x, settle / settle.sum())[: len(t)] + rng.normal(size=len(t))))
    assert not [r for r in readings if r.reason == "no_pulse" or r.detail.get("asystole") == 1]


@pytest.mark.parametrize(("steps", "bpm"), [(4, 45.0), (4, 72.0), (6, 72.0), (6, 120.0), (16, 34.0), (16, 72.0)])
def test_a_coarse_converter_is_not_called_saturated(steps, bpm):
    x = np.round((heart(seconds=40.0, bpm=bpm) - 60000.0) * (steps / 1500.0) + 2000.0)
    readings = run(blocks(x))
    assert right_or_silent(readings, bpm) > 20
    assert not [r for r in readings if r.reason == "saturated"]


@pytest.mark.parametrize("every_s", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("height", [1.0, 2.0])
@pytest.mark.parametrize("bpm", [64.0, 77.0, 110.0])
def test_a_lamp_that_steps_as_a_heart_beats_is_not_counted(every_s, height, bpm):
    x = heart(bpm=bpm)
    x += 1500.0 * height * (np.arange(len(x)) / RATE // every_s % 2)
    right_or_silent(run(blocks(x)), bpm)


@pytest.mark.parametrize("length_s", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("times", [1, 3, 8])
def test_a_block_sent_over_and_over_is_not_counted(length_s, times):
    x, n = heart(bpm=77.0), round(length_s * RATE)
    readings = run(blocks(np.concatenate([x[:3000], np.tile(x[3000 - n : 3000], times), x[3000:]])))
    assert right_or_silent(readings, 77.0) > 20
    after_s = 30.0 + times * length_s
    assert {r.reason for r in readings if after_s < r.t < after_s + 7.9} == {"gap"}


@pytest.mark.parametrize("left", ["dark", "noise", "bright"])
def test_a_finger_that_leaves_and_comes_back(left):
    rng = np.random.default_rng(3)
    x = heart(90.0)
    x[3000:5000] = {"dark": 600.0, "noise": 600.0 + rng.normal(0, 4, 2000), "bright": 65535.0}[left]
    readings = run(blocks(x))
    right_or_silent(readings)
    assert all(r.value is None for r in readings if 31.5 < r.t < 57.5)
    assert readings[-1].value is not None


@pytest.mark.parametrize("lost", ["acc from 30 s", "acc until 30 s", "one axis NaN"])
def test_an_accelerometer_that_comes_and_goes(lost):
    rng = np.random.default_rng(5)
    acc = np.array([0.0, 0.0, 1.0]) + 0.01 * rng.normal(size=(6000, 3))
    if lost == "one axis NaN":
        acc[3000:, 1] = np.nan
    parts = []
    for block in blocks(heart()):
        there = {"acc from 30 s": block.t0 >= 30.0, "acc until 30 s": block.t0 < 30.0}.get(lost, True)
        if there:
            parts.append(Block("node/acc", block.seq, block.t0, RATE, acc[block.seq : block.next_seq].copy()))
        parts.append(block)
    assert right_or_silent(run(parts)) > 30


@pytest.mark.parametrize("unit", [1e-200, 1e-30, 1e-16, 1e-13, 1e-11, 1e30, 1e200, 1e300])
def test_the_unit_may_be_as_odd_as_a_number_can_be(unit):
    usual = [(r.value, r.reason) for r in run(blocks(heart(seconds=20.0)))]
    odd = [(r.value, r.reason) for r in run(blocks(heart(seconds=20.0) * unit))]
    assert [r[1] for r in odd] == [r[1] for r in usual]
    assert [r[0] for r in odd if r[0]] == pytest.approx([r[0] for r in usual if r[0]], abs=0.1)


@pytest.mark.parametrize("bpm", [22.0, 25.0, 28.0, 232.0, 240.0])
@pytest.mark.parametrize("seed", [4, 5, 6])
def test_a_heart_too_slow_or_too_fast_to_be_counted_is_not_said_at_its_double_or_half(bpm, seed):
    t = np.arange(4000) / RATE
    truth = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 42, seed=seed)
    readings = run(blocks(60000.0 + 1500.0 * synthesis.ppg(truth, t, seed=seed)))
    wrong = [r.value for r in readings if r.value is not None and abs(r.value - bpm) > max(5.0, 0.08 * bpm)]
    assert len(wrong) <= 0.15 * len(readings)


@pytest.mark.parametrize("hz", [0.8, 1.2, 1.7, 2.5, 3.3])
@pytest.mark.parametrize("form", ["sine", "noisy sine", "triangle", "square", "lamp"])
def test_what_rises_as_fast_as_it_falls_is_no_pulse(hz, form):
    t = np.arange(4000) / RATE
    sine, phase = np.sin(2 * np.pi * hz * t), (hz * t) % 1.0
    said = []
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(size=len(t))
        wave = {
            "sine": sine, "noisy sine": sine + 0.1 * noise, "triangle": 2 * abs(2 * phase - 1), "square": np.sign(sine),
            "lamp": 1.0 * (phase < 0.3),
        }[form]  # fmt: skip
        said += [r.value is not None for r in run(blocks(60000.0 + 500.0 * wave + noise))]
    assert sum(said) <= 0.1 * len(said)


@pytest.mark.parametrize("slide_s", [0.05, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0])
@pytest.mark.parametrize("away_s", [5.0, 15.0])
def test_a_finger_that_slides_off_is_no_stopped_heart(slide_s, away_s):
    x = heart(40.0 + away_s + 2 * slide_s)
    t = np.arange(len(x)) / RATE
    back = 20.0 + slide_s + away_s
    off = np.interp(t, [20.0, 20.0 + slide_s, back, back + slide_s], [0.0, 1.0, 1.0, 0.0])
    dark = 600.0 + np.random.default_rng(1).normal(0.0, 4.0, len(t))
    readings = run(blocks((1.0 - off) * x + off * dark))
    assert right_or_silent(readings) > 15
    assert not [r for r in readings if r.reason == "no_pulse" or r.detail.get("asystole") == 1]
    if slide_s <= 3.0:
        assert not [r for r in readings if r.detail.get("brady") == 1]


def test_a_heart_that_stops_on_a_wandering_level_is_still_told():
    t = np.arange(5000) / RATE
    truth = synthesis.beats([synthesis.Episode(0.0, "sinus", BPM), synthesis.Episode(30.0, "asystole")], 52, seed=4)
    level = 1500.0 * np.sin(2 * np.pi * 0.05 * t)
    readings = run(blocks(60000.0 + level + 1500.0 * synthesis.ppg(truth, t, seed=4)))
    assert [r for r in readings if r.reason == "no_pulse" and r.detail["asystole"] == 1 and r.t > 34]
