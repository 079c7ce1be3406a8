"""Medians and quantiles against numpy's, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.dsp.ranks import median, quantile

numbers = st.floats(-1e9, 1e9, allow_nan=False)


@given(arrays.arrays(np.float64, st.integers(1, 40), elements=numbers))
def test_the_median_is_numpys(x):
    assert float(median(x)) == float(np.median(x))


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=numbers))
def test_the_median_of_rows_is_numpys(x):
    np.testing.assert_array_equal(median(x), np.median(x, axis=0))


@given(arrays.arrays(np.int64, st.integers(1, 20), elements=st.integers(-1000, 1000)))
def test_whole_numbers_may_have_a_median_between_them(x):
    assert float(median(x)) == float(np.median(x))


@pytest.mark.parametrize("q", [0.0, 0.1, 0.2, 0.5, 0.75, 0.8, 0.99])
@given(x=arrays.arrays(np.float64, st.integers(1, 40), elements=numbers))
def test_a_quantile_is_numpys(q, x):
    assert quantile(x, q) == float(np.quantile(x, q))
