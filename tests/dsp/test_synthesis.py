"""The synthetic heart does what its script says, and time alone decides every sample."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp.synthesis import Episode, acceleration, beats, pcg, ppg


@pytest.mark.parametrize("rate", [45.0, 72.0, 150.0])
def test_sinus_keeps_its_rate(rate):
    heart = beats([Episode(0.0, "sinus", rate)], 120.0)
    assert heart.rate_bpm(0.0, 120.0) == pytest.approx(rate, rel=0.02)
    assert np.diff(heart.t).std() / np.diff(heart.t).mean() < 0.05


def test_af_is_irregular_without_memory():
    heart = beats([Episode(0.0, "af", 90.0)], 300.0)
    ibi = np.diff(heart.t)
    assert ibi.std() / ibi.mean() > 0.18
    assert abs(np.corrcoef(ibi[:-1], ibi[1:])[0, 1]) < 0.15


def test_a_premature_ventricular_beat_is_early_weak_and_compensated():
    heart = beats([Episode(0.0, "pvc", 60.0)], 120.0)
    early = [i for i, kind in enumerate(heart.kind) if kind == "V" and i + 1 < len(heart.t)]
    assert len(early) > 10
    for i in early:
        assert heart.interval_s[i] < 0.75
        assert heart.interval_s[i] + heart.interval_s[i + 1] == pytest.approx(2.0, abs=0.05)
        assert heart.amplitude[i] < 0.6


def test_episodes_follow_each_other():
    heart = beats([Episode(0.0), Episode(30.0, "asystole"), Episode(40.0, "sinus", 100.0)], 60.0)
    assert not ((heart.t > 31.5) & (heart.t < 40.0)).any()
    assert heart.rate_bpm(42.0, 60.0) == pytest.approx(100.0, rel=0.05)


def test_any_chunking_gives_the_same_samples():
    heart = beats([Episode(0.0), Episode(10.0, "af", 90.0)], 30.0, seed=3)
    t = np.arange(3000) / 100.0
    sound_t = np.arange(40_000) / 4000.0
    for signal, times in (
        (lambda t: ppg(heart, t, seed=5), t),
        (lambda t: pcg(heart, t, murmur=[(4.0, 8.0)], seed=5), sound_t),
        (lambda t: acceleration(t, motion=[(3.0, 4.0)], seed=5), t),
    ):
        whole = signal(times)
        assert np.array_equal(np.concatenate([signal(c) for c in np.array_split(times, 37)]), whole)


def test_a_murmur_adds_energy_between_the_sounds_and_only_while_it_lasts():
    heart = beats([Episode(0.0)], 20.0)
    t = np.arange(80_000) / 4000.0
    extra = pcg(heart, t, murmur=[(5.0, 15.0)]) - pcg(heart, t)
    assert np.abs(extra[t < 5.0]).max() == 0.0
    assert np.abs(extra[t >= 15.0]).max() == 0.0
    assert extra[(t > 5.0) & (t < 15.0)].std() > 0.03


def test_unknown_rhythms_are_refused():
    with pytest.raises(ValueError, match="unknown rhythm"):
        Episode(0.0, "waltz")
