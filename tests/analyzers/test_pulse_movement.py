"""An accelerometer that rests, moves or dies, and a pulse sensor that is off beside it: no rate without a pulse."""

import msgspec
import numpy as np
import pytest

from edge import inference
from edge.analyzers import pulse
from edge.dsp import synthesis
from edge.lane import Lane
from edge.types import Block, Window

RATE, SECONDS, FAULT_S = 100.0, 70, 40
AT_REST = {"beats", "harmonics", "slopes", "mean"}
N, FAULT = round(SECONDS * RATE), round(FAULT_S * RATE)
T = np.arange(N) / RATE


@pytest.fixture(scope="module")
def model():
    return inference.load("motion", variant="onnx-int8")


def heart(bpm=100.0):
    truth = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], SECONDS + 2, seed=4)
    return 60000.0 + 1500.0 * synthesis.ppg(truth, T, seed=4)


def noise(width, seed=1):
    return np.random.default_rng(seed).normal(0.0, 1.0, (N, width))


def resting():
    return np.array([0.0, 0.0, 1.0]) + 0.003 * noise(3)


def walking():
    """Steps of 144 a minute: what they do to the pulse wave, and the accelerometer."""
    step = np.sin(2 * np.pi * 2.4 * T + 0.4 * np.sin(0.3 * T))
    return 2500.0 * step, np.stack([step, 0.4 * step**2, 1.0 + 0.2 * step], axis=1) + 0.01 * noise(3)


def run(ppg, acc, model, flags=lambda t: ()):
    lane = Lane(
        bed="b", source="node", primary="ppg", analyzers={"pulse": pulse.build(models=lambda _: model, rest="rule")}
    )
    readings = []
    for a in range(0, N, 50):
        lane.feed(Block("node/acc", a, a / RATE, RATE, acc[a : a + 50].copy()))
        words = frozenset(flags(a / RATE))
        readings += lane.feed(Block("node/ppg", a, a / RATE, RATE, ppg[a : a + 50, None].copy(), flags=words))
    assert not lane.take_faults()
    return [r for r in readings if r.reason != "warming_up"]


def test_under_motion_quality_is_what_the_deviation_leaves_of_a_fifth_of_the_rate(model):
    wobble, acc = walking()
    readings = run(heart() + wobble, acc, model)
    told = [r for r in readings if r.value is not None]
    assert len(told) > 50
    for r in told:
        assert r.quality == pytest.approx(1.0 - r.detail["sd"] / (0.2 * r.value))
        assert (r.detail["method"], r.detail["asystole"], r.unit, r.model) == ("spectrum", None, "bpm", model.identity)
        last = acc[round((r.t - 8.0) * RATE) : round(r.t * RATE)]
        length = np.linalg.norm(last, axis=1).mean()
        assert r.detail["motion"] == pytest.approx(np.sqrt(last.var(axis=0).sum()) / length, rel=1e-6)
    one = pulse.build(models=lambda _: model, rest="rule")
    for sd, value, reason in ((20.0, 100.0, ""), (20.1, None, "motion")):
        vague = one._of_spectrum(10.0, (100.0, sd), 0.3, "motion")
        assert (vague.value, vague.reason, vague.quality, vague.detail["sd"]) == (value, reason, 0.0, sd)


def test_at_rest_the_intervals_of_the_last_ten_seconds_are_told(model):
    for r in run(heart(75.0), resting(), model)[10:]:
        assert len(r.detail["ibi_s"]) in (12, 13)
        assert r.detail["ibi_s"] == pytest.approx([0.8] * len(r.detail["ibi_s"]), abs=0.1)
        assert r.detail["method"] in AT_REST
        assert 0.8 <= r.detail["sd"] < 4.0


@pytest.mark.parametrize("kind", ["white", "walk", "flat with noise"])
def test_no_pulse_beside_a_resting_accelerometer_is_no_rate(model, kind):
    x = {"white": 500.0 * noise(1)[:, 0], "walk": 30.0 * noise(1)[:, 0].cumsum(), "flat with noise": noise(1)[:, 0]}
    readings = run(60000.0 + x[kind], resting(), model)
    assert sum(r.value is not None for r in readings) <= 0.05 * len(readings)
    assert all(r.reason for r in readings if r.value is None)


@pytest.mark.parametrize("motion_g", [0.02, 0.06])
def test_the_rate_of_a_gentle_movement_is_not_said_for_the_heart(model, motion_g):
    step = np.sin(2 * np.pi * 1.9 * T) + 0.5 * np.sin(2 * np.pi * 3.8 * T + 0.5)  # 114 a minute
    acc = resting() + motion_g * step[:, None] * [0.3, 0.4, 1.0]
    for swing in (2500.0, 8000.0):
        readings = run(heart(80.0) + swing * step, acc, model)
        values = [r.value for r in readings if r.value is not None]
        assert all(abs(value - 80.0) <= 8.0 for value in values)
        assert all(r.reason == "motion" for r in readings if r.value is None)


def test_what_a_heart_does_to_an_accelerometer_is_no_movement(model):
    truth = synthesis.beats([synthesis.Episode(0.0, "sinus", 100.0)], SECONDS + 2, seed=4)
    acc = resting()
    for beat in truth.t:
        acc[:, 2] += 0.005 * np.exp(-0.5 * ((T - beat - 0.1) / 0.03) ** 2) * np.sin(2 * np.pi * 7.0 * (T - beat))
    readings = run(heart(), acc, model)
    assert sum(r.value is not None for r in readings) >= 0.95 * len(readings)
    assert {r.detail["method"] for r in readings if r.value is not None} <= AT_REST


def test_a_pressed_chest_without_a_pulse_has_seldom_a_rate(model):
    said = total = 0
    for seed, bpm in enumerate((100.0, 105.0, 110.0, 115.0, 120.0)):
        press = np.sin(2 * np.pi * bpm / 60.0 * T) + 0.4 * np.sin(4 * np.pi * bpm / 60.0 * T + 1.0)
        spectrum = np.fft.rfft(noise(1, seed)[:, 0])
        rest = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1.0) ** 0.5, N)  # pink
        ppg = 60000.0 + 900.0 * press + 150.0 * rest / rest.std() + 30.0 * noise(1, seed + 50)[:, 0]
        readings = run(ppg, resting() + 0.15 * press[:, None] * [0.3, 0.4, 1.0], model)
        said += sum(r.value is not None for r in readings)
        total += len(readings)
    assert said <= 0.3 * total


def test_noise_among_steps_is_no_rate(model):
    readings = run(60000.0 + 250.0 * noise(1)[:, 0], walking()[1], model)
    assert sum(r.value is not None for r in readings) <= 0.05 * len(readings)


@pytest.mark.parametrize("steps_hz", [1.5, 2.0, 2.4, 3.0])
@pytest.mark.parametrize("jitter", [0.003, 0.03])
def test_a_sensor_that_sees_nothing_but_steps_has_no_rate(model, steps_hz, jitter):
    step = np.sin(2 * np.pi * steps_hz * T + 0.4 * np.sin(0.3 * T))
    acc = np.stack([step, 0.4 * step**2, 1.0 + 0.2 * step], axis=1) + jitter * noise(3)
    for hiss in (0.0, 100.0):
        readings = run(60000.0 + 2500.0 * step + hiss * noise(1, 3)[:, 0], acc, model)
        assert {(r.value, r.reason, r.quality) for r in readings} == {(None, "motion", 0.0)}
    readings = run(60000.0 + 0.3 * (heart() - 60000.0) + 2500.0 * step, acc, model)
    said = [r.value for r in readings if r.value is not None]
    assert len(said) > 0.7 * len(readings)
    assert np.median(abs(np.array(said) - 100.0)) < 3.0


@pytest.mark.parametrize("where", ["ppg", "acc"])
def test_single_samples_that_are_no_number_cost_no_rate_among_steps(model, where):
    wobble, acc = walking()
    x, odd = heart() + wobble, np.random.default_rng(7).random(N) < 0.02
    if where == "ppg":
        x[odd] = np.nan
    else:
        acc[odd, 1] = np.nan
    readings = run(x, acc, model)[5:]
    assert all(abs(r.value - 100.0) < 5.0 for r in readings)


@pytest.mark.parametrize(("lost_s", "reasons"), [(0.3, {""}), (0.5, {"motion"})])
def test_an_accelerometer_with_holes_leaves_a_rate_only_while_enough_is_seen(model, lost_s, reasons):
    wobble, acc = walking()
    x, one, told = heart() + wobble, pulse.build(models=lambda _: model, rest="rule"), []
    there = np.arange(N) % 100 >= round(lost_s * RATE)
    for start in range(8):
        span = slice(start * 100, start * 100 + 1600)
        seen = np.arange(N)[span][there[span]]
        ppg = Window("n/ppg", float(start), start + 16.0, T[span], x[span, None], RATE, 1.0, ())
        moved = Window("n/acc", float(start), start + 16.0, T[seen], acc[seen], RATE, 1.0 - lost_s, ())
        told += one({"ppg": ppg, "acc": moved})
    assert {r.reason for r in told[3:]} == reasons
    assert all(abs(r.value - 100.0) < 5.0 for r in told[3:] if r.value is not None)


@pytest.mark.parametrize("bpm", [72.0, 130.0])
def test_a_wave_that_ceases_to_follow_steps_does_not_get_their_rate(model, bpm):
    wobble, acc = walking()
    x = heart(bpm) + wobble
    x[FAULT : FAULT + 1400] = 60000.0 + 250.0 * noise(1)[FAULT : FAULT + 1400, 0]
    readings = run(x, acc, model)
    assert {(r.value, r.reason) for r in readings if FAULT_S + 8 <= r.t <= FAULT_S + 14} == {(None, "motion")}
    assert all(abs(r.value - bpm) < 6.0 for r in readings if r.t <= FAULT_S and r.value is not None)
    assert all(abs(r.value - bpm) < 5.0 for r in readings if r.t > FAULT_S + 26)  # 12 s after it is back


@pytest.mark.parametrize("level", [600.0, 262143.0])
def test_a_sensor_that_goes_off_under_steps_leaves_no_rate_until_eight_seconds_after(model, level):
    wobble, acc = walking()
    x = heart() + wobble
    x[FAULT : FAULT + 1000] = level + np.round(2.0 * noise(1)[FAULT : FAULT + 1000, 0])
    for r in run(x, acc, model):
        if FAULT_S + 1 < r.t < FAULT_S + 17.5:
            assert r.value is None, (r.t, r.value)
        elif r.value is not None:
            assert abs(r.value - 100.0) < max(5.0, 2 * r.detail["sd"]), (r.t, r.value)


@pytest.mark.parametrize("height", [4000.0, 6000.0, 9000.0])
@pytest.mark.parametrize("bpm", [75.0, 125.0])
def test_a_lamp_that_is_switched_among_steps_moves_no_rate(model, bpm, height):
    """No movement explains it, so it is what is left of the wave, and a rate was made of it."""
    wobble, acc = walking()
    rng, light = np.random.default_rng(2), np.zeros(N)
    for at_s in np.arange(15.0, SECONDS, 3.0):
        light[round((at_s + rng.uniform(-1.0, 1.0)) * RATE) :] += rng.choice([-height, height])
    readings = run(heart(bpm) + wobble + light, acc, model)
    said = [r.value for r in readings if r.value is not None]
    assert len(said) > 0.95 * len(readings)
    assert all(abs(value - bpm) < 6.0 for value in said), said


@pytest.mark.parametrize("dead", ["held", "zero", "nan"])
def test_an_accelerometer_that_dies_among_steps_takes_the_rate_with_it(model, dead):
    wobble, acc = walking()
    acc[FAULT:] = {"held": acc[acc[:, 0].argmax()].copy(), "zero": 0.0, "nan": np.nan}[dead]
    late = [r for r in run(heart() + wobble, acc, model) if r.t > FAULT_S + 8]
    assert {(r.value, r.reason) for r in late} == {(None, "motion")}


def test_an_accelerometer_that_dies_at_rest_takes_nothing(model):
    acc = resting()
    acc[FAULT:] = 0.0
    late = [r for r in run(heart(), acc, model) if r.t > FAULT_S + 8]
    assert all(abs(r.value - 100.0) < 4 for r in late)


@pytest.mark.parametrize("moves", [False, True])
def test_what_the_device_calls_off_is_off(model, moves):
    wobble, acc = walking() if moves else (0.0, resting())
    readings = run(heart() + wobble, acc, model, flags=lambda t: {"sensor_off"} if 20 <= t < 30 else ())
    assert {r.reason for r in readings if 20.6 < r.t < 30.9} == {"sensor_off"}
    assert {r.reason for r in readings if 31.1 < r.t < 37.5} == {"low_quality"}  # on again, and not yet settled
    assert all(r.value is not None for r in readings if r.t > 39)


def told_again(ppg, acc, model, at_s):
    """Readings after ``at_s`` of a lane that was there all the time, and of one that goes on from its state then."""
    one, other = (
        Lane(
            bed="b", source="node", primary="ppg", analyzers={"pulse": pulse.build(models=lambda _: model, rest="rule")}
        )
        for _ in range(2)
    )
    found = [[], []]
    for a in range(0, N, 50):
        if a == round(at_s * RATE):
            assert other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
        blocks = (
            Block("node/acc", a, a / RATE, RATE, acc[a : a + 50].copy()),
            Block("node/ppg", a, a / RATE, RATE, ppg[a : a + 50, None].copy()),
        )
        for block in blocks:
            readings = one.feed(block)
            if a >= round(at_s * RATE):
                found[0] += readings
                found[1] += other.feed(block)
            else:
                other.prime(block)
    assert one.state() == other.state()
    return one.state()["analyzers"]["pulse"], found


@pytest.mark.parametrize("moves", [False, True])
def test_from_a_state_it_goes_on_as_if_it_had_been_there_all_the_time(model, moves):
    wobble, acc = walking() if moves else (0.0, resting())
    even = 500.0 * np.sin(2 * np.pi * 1.7 * T)  # by itself it does not tell which way up it is
    x = np.where(T < 30.0, 120000.0 - heart(), 60000.0 + even) + wobble
    x[4700:4800] = x[4700]  # a break: what was tracked before it is older than one hop
    state, (there, restored) = told_again(x, acc, model, 49.0)
    assert restored == there
    assert len(there) == 21
    assert (state["sign"], state["last_t"]) == (1.0 if moves else -1.0, SECONDS)
    assert moves is any(r.detail.get("method") == "spectrum" for r in there if r.value is not None)


def test_a_state_from_before_movement_was_remembered_is_taken(model):
    one = pulse.build(models=lambda _: model, rest="rule")
    old = {k: v for k, v in one.state().items() if k != "movement"}
    one.restore(old)
    assert one.state() == {**old, "movement": [None, 0.0]}
