"""A network's answer as shares of belief, and what a rate's figures say of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.rest.belief import FIGURES, Belief, believed
from edge.dsp.rest.spectra import GRID_BPM, network_input


def belief(nowhere=0.0, **shares):
    """Shares of the grid's rates nearest to those named, ``bpm_60=0.5``."""
    share = np.zeros(len(GRID_BPM))
    for name, value in shares.items():
        share[np.argmin(abs(GRID_BPM - float(name[4:])))] += value
    return Belief(share, nowhere)


@given(st.lists(st.floats(-80, 80), min_size=96, max_size=96))
def test_shares_are_those_of_a_softmax_in_which_nowhere_has_the_logit_zero(logits):
    z = np.array(logits, dtype=np.float32)
    found = Belief.of(z.reshape(1, 1, 1, 96))
    assert found.share.sum() + found.nowhere == pytest.approx(1.0)
    assert found.share == pytest.approx(np.exp(z.astype(float) - z.max()) * found.share.max(), rel=1e-6, abs=1e-12)
    assert found.nowhere == pytest.approx(
        float(np.exp(-z.astype(float).max()) * found.share.max()), rel=1e-6, abs=1e-12
    )


def test_the_rate_is_where_most_lies_within_5_bpm_and_not_the_highest_share():
    assert belief(bpm_50=0.4, bpm_98=0.3, bpm_100=0.3).bpm == pytest.approx(99.0, abs=1.5)
    assert belief(bpm_50=0.7, bpm_98=0.15, bpm_100=0.15).bpm == pytest.approx(50.0, abs=0.6)


def test_without_any_belief_there_is_still_a_rate():
    assert np.isfinite(Belief(np.zeros(96), 1.0).bpm)


def test_figures_of_a_rate():
    seen = belief(nowhere=0.1, bpm_80=0.5, bpm_40=0.2, bpm_160=0.15, bpm_120=0.05)
    expected = {"believed": 0.5, "elsewhere": 0.2, "nowhere": 0.1, "in_half": 0.2, "in_double": 0.15}
    assert dict(zip(FIGURES, seen.figures(80.0), strict=True)) == pytest.approx(
        {name: np.log(part + 1e-3) for name, part in expected.items()}
    )
    assert seen.within(80.0) == pytest.approx(0.5)
    assert seen.within(90.0) == 0.0


def test_what_lies_within_6_bpm_is_not_elsewhere():
    alone = dict(zip(FIGURES, belief(bpm_80=1.0).figures(80.0), strict=True))
    assert alone["elsewhere"] == pytest.approx(np.log(1e-3))


@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 200.0])
def test_the_network_reads_the_last_16_s_at_50_hz(rate_hz):
    asked = []

    def network(x):
        asked.append(x)
        return np.zeros((1, 1, 1, 96), dtype=np.float32)

    wave = np.random.default_rng(0).standard_normal(round(17 * rate_hz))
    found = believed(wave, rate_hz, network)
    assert found is not None
    assert found.nowhere == pytest.approx(1 / 97)
    step = round(rate_hz / 50.0)
    np.testing.assert_array_equal(asked, [network_input(wave[-round(16 * rate_hz) :: step])])


@pytest.mark.parametrize("samples", [800, 801, 1599])
def test_of_a_shorter_wave_it_reads_all_that_there_is_up_to_the_last_sample_but_one(samples):
    asked = []
    wave = np.random.default_rng(0).standard_normal(samples)
    believed(wave, 100.0, lambda x: asked.append(x) or np.zeros((1, 1, 1, 96), dtype=np.float32))
    np.testing.assert_array_equal(asked, [network_input(wave[samples - 2 :: -2][::-1])])
