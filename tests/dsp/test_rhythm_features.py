"""The features are finite for anything, and part the rhythms they are meant to part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dsp import synthesis
from edge.dsp.rhythm_features import FEATURES, features, prepared

AT = {name: i for i, name in enumerate(FEATURES)}


def mean_features(rhythm, bpm=75.0, windows=8):
    truth = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], 10.0 * windows + 10, seed=2)
    rows = []
    for k in range(windows):
        t = 5.0 + 10.0 * k + np.arange(1000) / 100
        rows.append(features(prepared(synthesis.ppg(truth, t))))
    return np.mean(rows, axis=0)


def test_af_is_irregular_and_sinus_is_not():
    af, sinus = mean_features("af"), mean_features("sinus")
    for name in ("cv", "nrmssd", "jump10", "entropy", "log_sd1", "sample_entropy"):
        assert af[AT[name]] > sinus[AT[name]] + 0.05, name
    assert sinus[AT["near10"]] > 0.9


def test_early_beats_come_in_pairs_with_their_pause():
    pac, af = mean_features("pac"), mean_features("af")
    assert pac[AT["near10"]] > af[AT["near10"]]
    assert pac[AT["spread_inner"]] < 0.5 * af[AT["spread_inner"]]


def test_the_rate_is_told():
    assert mean_features("sinus", 60.0)[AT["median_ibi"]] == pytest.approx(1.0, abs=0.03)
    assert mean_features("sinus", 120.0)[AT["acf_lag"]] == pytest.approx(0.5, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["noise", "walk", "flat", "spike", "step", "tiny"]))
def test_any_wave_gives_finite_numbers(seed, kind):
    rng = np.random.default_rng(seed)
    x = {
        "noise": rng.standard_normal(1000),
        "walk": np.cumsum(rng.standard_normal(1000)),
        "flat": np.full(1000, 7.0),
        "spike": np.eye(1, 1000, int(rng.integers(1000)))[0],
        "step": (np.arange(1000) > rng.integers(1000)) * 1e6,
        "tiny": 1e-12 * rng.standard_normal(1000),
    }[kind]
    wave = prepared(x)
    assert abs(wave).max() <= 5.0
    found = features(wave)
    assert found.shape == (len(FEATURES),)
    assert np.isfinite(found).all()
