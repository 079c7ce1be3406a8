"""Power at whole heart rates, and which of them stand for themselves."""

import numpy as np
import pytest

from edge.dsp.rest.rate_spectrum import shares, strongest, whole

RATE = 100.0


def test_harmonics_find_the_rate_between_bins():
    t = np.arange(1000) / RATE
    x = np.sin(2 * np.pi * 1.2567 * t) + 0.5 * np.sin(4 * np.pi * 1.2567 * t)
    assert strongest(shares(x, RATE)) == pytest.approx(75.4, abs=0.3)
    assert not shares(np.zeros(1000), RATE).any()


def spread(bpm, **masses):
    """Power at a rate and at its half, double and triple, shares of the own."""
    share = np.zeros(751)
    for part, at in (("own", 1.0), ("half", 0.5), ("double", 2.0), ("triple", 3.0)):
        share[round(at * bpm)] += masses.get(part, 1.0 if part == "own" else 0.0)
    return share


@pytest.mark.parametrize(
    ("bpm", "masses", "believed"),
    [
        (60, {}, True),
        (60, {"own": 0.0}, False),
        (60, {"double": 9.9}, True),
        (60, {"double": 10.1}, False),
        (60, {"triple": 0.99}, True),
        (60, {"triple": 1.01}, False),
        (68, {"half": 0.069}, True),
        (68, {"half": 0.071}, False),
        (69, {"half": 0.39}, True),
        (84, {"half": 0.39}, True),
        (84, {"half": 0.41}, False),
        (85, {"half": 50.0}, True),
    ],
)
def test_a_rate_has_power_of_its_own_and_is_not_the_double_of_a_heart(bpm, masses, believed):
    assert whole(float(bpm), spread(bpm, **masses)) is believed


def test_no_rate_is_none_of_a_heart():
    assert not whole(float("nan"), np.ones(751))
    assert not whole(0.0, np.ones(751))
