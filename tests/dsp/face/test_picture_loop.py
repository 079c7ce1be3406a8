"""Pictures that come again are told from those of a live sensor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.face.picture_loop import seen_before


def live(n, seed=0, levels=40):
    """Brightness and change of ``n`` pictures, in the coarse steps of a small 8-bit copy."""
    return np.random.default_rng(seed).integers(0, levels, (n, 2)) / 2304.0


@pytest.mark.parametrize("length", [15, 30, 60, 120, 200])
def test_a_loop_is_seen_once_it_fills_two_seconds(length):
    pictures = live(300)
    pictures[240:] = pictures[np.arange(240, 300) - length * (1 + (np.arange(60) // length))]
    assert seen_before(pictures, 60)


def test_one_lost_picture_and_a_seam_do_not_hide_it():
    pictures = np.concatenate([live(240)[:200], live(240)[140:200]])
    pictures[[205, 230]] = -1.0
    assert seen_before(pictures, 60)


@given(st.integers(0, 10_000), st.integers(4, 100))
def test_a_live_sensor_never_repeats_itself(seed, levels):
    assert not seen_before(live(300, seed, levels), 60)


def test_where_hardly_anything_changes_or_little_is_there_nothing_is_told():
    assert not seen_before(np.full((300, 2), 100.0), 60)
    assert not seen_before(live(50), 60)
    assert not seen_before(np.tile(live(5), (2, 1)), 5)
