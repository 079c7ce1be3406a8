"""The pulse analyzer with the network that reads rates at rest: what it names, when it is asked, what stays silent."""

import sys
from pathlib import Path

import numpy as np
import pytest

from edge import inference
from edge.analyzers import pulse
from edge.dsp import synthesis
from edge.types import ConfigError, Window

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "train"))
import synthetic_ppg

RATE = 100.0
N = 1600
T = np.arange(N) / RATE


@pytest.fixture(scope="module")
def model():
    return inference.load("pulse")


def heart(bpm, rhythm="sinus", seed=3, noise=0.03):
    truth = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], 30.0, seed=seed)
    return synthesis.ppg(truth, 6.0 + T, noise=noise, seed=seed)


def window(x, t=T):
    return {"ppg": Window("node/ppg", 0.0, 16.0, t, 5e4 + 1e3 * np.asarray(x)[:, None], RATE, len(t) / N, ())}


def at_rest(model, **settings):
    return pulse.build(models=lambda _: model, motion="rule", **settings)


@pytest.mark.parametrize("bpm", [45.0, 72.0, 110.0, 150.0, 190.0])
def test_a_clean_pulse_is_read_by_the_network_and_named_so(model, bpm):
    (reading,) = at_rest(model)(window(heart(bpm)))
    assert reading.value == pytest.approx(bpm, rel=0.02)
    assert reading.model == str(model.identity)
    assert reading.model.startswith("pulse 1.3.0 ")


@pytest.mark.parametrize(("bpm", "within"), [(60.0, 0.1), (75.0, 0.1), (90.0, 0.1), (120.0, 0.1), (150.0, 0.1)])
def test_a_pulse_as_even_as_a_pacemaker_has_a_rate(model, bpm, within):
    """Every beat alike: a rise of 0.15 of the beat, a slow fall and a dicrotic wave, under noise of a hundredth. At 150 all
    five counts are as likely, and the beats' is said: the network's own is read off a grid of 2 %."""
    x = (bpm / 60.0 * T) % 1.0
    wave = (x / 0.15) ** 2 * np.exp(2 * (1 - x / 0.15)) + 0.3 * np.exp(-0.5 * ((x - 0.5) / 0.08) ** 2)
    (reading,) = at_rest(model)(window(wave + 0.01 * np.random.default_rng(7).standard_normal(N)))
    assert reading.value == pytest.approx(bpm, abs=within)


def test_without_it_the_rule_reads_and_names_no_model(model):
    (reading,) = pulse.build(models=lambda _: pytest.fail("asked for a model"), motion="rule", rest="rule")(
        window(heart(72.0))
    )
    assert reading.value == pytest.approx(72.0, rel=0.02)
    assert reading.model == ""


@pytest.mark.parametrize("lost", [(5.0, 5.6), (0.0, 7.5)])
def test_around_a_gap_and_of_less_than_16_s_it_reads_as_well(model, lost):
    seen = (lost[0] > T) | (lost[1] <= T)
    (reading,) = at_rest(model)(window(heart(72.0)[seen], T[seen]))
    assert reading.value == pytest.approx(72.0, rel=0.02)
    assert reading.model == str(model.identity)


def test_a_network_that_cannot_be_had_is_a_clear_error():
    with pytest.raises(ConfigError, match=r"pulse: rest is"):
        pulse.build(rest="network", models=None)


@pytest.mark.parametrize("variant", ["onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32"])
def test_every_variant_reads_alike(variant):
    analyzer = at_rest(inference.load("pulse", variant=variant))
    for bpm in (50.0, 80.0, 130.0):
        (reading,) = analyzer(window(heart(bpm, noise=0.15)))
        assert reading.value == pytest.approx(bpm, rel=0.03)


NOTHING = {
    "white": lambda rng: rng.standard_normal(N),
    "pink": lambda rng: synthetic_ppg.coloured(rng, 1.0, N),
    "drift": lambda rng: synthetic_ppg.coloured(rng, 2.5, N),
    "movement": lambda rng: synthetic_ppg.wander(rng, N),
    "tone": lambda rng: np.sin(2 * np.pi * rng.uniform(0.5, 3.5) * T) + 0.02 * rng.standard_normal(N),
    "lamp": lambda rng: ((rng.uniform(0.5, 3.5) * T) % 1.0 > 0.5) + 0.02 * rng.standard_normal(N),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_what_is_no_pulse_has_no_rate(model, kind):
    analyzer = at_rest(model)
    for seed in range(12):
        analyzer.reset()
        (reading,) = analyzer(window(NOTHING[kind](np.random.default_rng([7, seed]))))
        assert reading.value is None
        assert reading.reason in {"low_quality", "no_pulse"}


def test_a_slow_even_fibrillation_is_still_that_of_its_beats(model):
    said = 0
    for seed in range(6):
        x = heart(40.0, "af", seed=seed)
        with_network, without = (one(window(x))[0] for one in (at_rest(model), pulse.build()))
        if with_network.value is not None:
            said += 1
            assert abs(with_network.value - without.value) <= 1.0
    assert said >= 4
