"""Hann windows with their ends and without."""

import numpy as np
import pytest

from edge.dsp.tapers import hann, hann_inside


@pytest.mark.parametrize(("window", "numpys"), [(hann(7), np.hanning(7)), (hann_inside(5), np.hanning(7)[1:-1])])
def test_they_are_numpys_and_nobody_can_change_them(window, numpys):
    np.testing.assert_array_equal(window, numpys)
    with pytest.raises(ValueError, match="read-only"):
        window[0] = 1.0
