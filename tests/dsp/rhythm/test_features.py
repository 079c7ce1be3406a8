"""The features are finite for anything, and part the rhythms they are meant to part."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dsp import synthesis
from edge.dsp.ppg.beats import find_beats, gain_controlled
from edge.dsp.rhythm.features import FEATURES, features, prepared

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


def share(marks):
    return sum(map(bool, marks)) / len(marks)


def intervals(ibi):
    n, r = len(ibi), ibi / np.median(ibi)
    step = np.diff(ibi) / ibi.mean()
    size, cv = abs(step), ibi.std() / ibi.mean()
    p = np.histogram(ibi / ibi.mean(), np.linspace(0.3, 1.9, 13))[0] / n
    p = p[p > 0]
    sd1 = step.std() / 2**0.5 + 1e-4
    sd2 = max(1e-8, 2 * cv**2 - sd1**2) ** 0.5 + 1e-4
    c = r - r.mean()
    uneven = [(a, b) for a, b in pairwise(r) if abs(a - b) > 0.2]
    pairs = [(i, j) for i in range(n - 1) for j in range(i) if abs(r[i] - r[j]) < 0.06]
    both = sum(abs(r[i + 1] - r[j + 1]) < 0.06 for i, j in pairs)
    return {
        "mean_ibi": ibi.mean(), "median_ibi": np.median(ibi), "cv": cv, "nrmssd": np.mean(step**2) ** 0.5,
        "nmad": np.median(size), "jump10": share(size > 0.1), "jump20": share(size > 0.2), "entropy": -(p * np.log(p)).sum(),
        "log_sd1": np.log(sd1), "log_sd2": np.log(sd2), "sd_ratio": sd1 / (sd1 + sd2),
        "turning": share([a * b < 0 for a, b in pairwise(step)]), "min_ibi": r.min(), "max_ibi": r.max(),
        **{f"q{q}": np.percentile(r, q) for q in (10, 25, 75, 90)},
        "short": share(r < 0.85), "long": share(r > 1.15), "near5": share(abs(r - 1) < 0.05), "near10": share(abs(r - 1) < 0.1),
        **{f"lag{k}": (c[k:] * c[:-k]).sum() / ((c * c).sum() + 1e-6) for k in (1, 2)},
        "compensated": np.mean([abs(a + b - 2) for a, b in uneven]) if uneven else 0.0,
        "short_long": share([a < 0.88 and b > 1.05 for a, b in pairwise(r)]),
        "sample_entropy": -np.log((both + 0.5) / (len(pairs) + 1)),
        "alternating": abs(r[2:] - r[:-2]).mean() - size.mean(),
        "spread_inner": np.sort(abs(r - 1))[: max(2, int(0.6 * n))].std(),
        "largest_jump": sorted(size)[-1], "second_jump": sorted(size)[-2],
    }  # fmt: skip


def amplitudes(beats):
    a, r, rise = (
        beats.amplitude / np.median(beats.amplitude),
        beats.ibi / np.median(beats.ibi),
        beats.peak - beats.onset,
    )
    early, late = a[1:][r < 0.88], a[1:][r > 1.12]
    return {
        "amp_cv": a.std(), "amp_min": a.min(), "amp_max": min(a.max(), 4.0), "amp_q25": np.percentile(a, 25),
        "amp_with_ibi": np.corrcoef(a[1:], r)[0, 1], "amp_lag1": np.corrcoef(a[1:], a[:-1])[0, 1],
        "amp_early": early.mean() - 1 if len(early) else 0.0, "amp_late": min(late.mean(), 4.0) - 1 if len(late) else 0.0,
        "rise": np.median(rise), "rise_cv": rise.std(),
    }  # fmt: skip


def shape(wave, beats):
    z, slope = (wave - wave.mean()) / wave.std(), np.diff(wave) / np.diff(wave).std()
    hz = np.arange(1025) * 100 / 2048
    band = (hz >= 0.5) & (hz <= 8.0)
    p = (abs(np.fft.rfft(z * np.hanning(1000), 2048)) ** 2)[band]
    p, hz = p / p.sum(), hz[band]
    acf = {k: (z[k:] @ z[:-k]) / (z @ z) * 1000 / (1000 - k) for k in range(27, 200)}
    lag = max(acf, key=acf.get)
    extra = find_beats(gain_controlled(wave, 100.0), 100.0)
    at = np.round(beats.peak * 100).astype(int)
    rows = np.array([wave[i - 25 : i + 35] for i in at if 25 <= i < 965])
    rows = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    middle = np.median(rows, axis=0)
    alike = rows @ middle / (60**0.5 * (middle @ middle) ** 0.5)
    return {
        "template": alike.mean(), "template_min": alike.min(), "template_sd": alike.std(),
        "skew": np.mean(z**3), "kurtosis": np.mean(z**4), "slope_skew": np.mean(slope**3),
        "acf": acf[lag], "acf_lag": lag / 100, "spec_top": hz[p.argmax()], "spec_entropy": -(p * np.log(p)).sum(),
        "spec_at_beats": p[abs(hz - 1 / np.median(beats.ibi)) < 0.15].sum(), "high_share": p[hz > 3].sum(),
        "extra_beats": (len(extra) - len(beats)) / 4, "extra_cv": extra.ibi.std() / extra.ibi.mean(), "beats": len(beats) / 10,
        **{f"usual_at_{10 * i - 250}_ms": middle[i] / 60**0.5 for i in range(0, 60, 5)},
    }  # fmt: skip


@pytest.mark.parametrize("rhythm", ["sinus", "af", "pac", "pvc"])
@pytest.mark.parametrize("bpm", [48.0, 75.0, 130.0])
def test_every_number_is_what_its_name_says(rhythm, bpm):
    truth = synthesis.beats([synthesis.Episode(0.0, rhythm, bpm)], 40.0, seed=5)
    for k in range(3):
        wave = prepared(synthesis.ppg(truth, 5.0 + 10.0 * k + np.arange(1000) / 100, noise=0.1 * k, seed=k))
        beats = find_beats(wave, 100.0)
        told = {**intervals(beats.ibi), **amplitudes(beats), **shape(wave, beats)}
        assert tuple(told) == FEATURES
        np.testing.assert_allclose(features(wave), list(told.values()), rtol=1e-6, atol=1e-6)
