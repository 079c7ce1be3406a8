"""Runs of True."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.runs import runs


@given(st.lists(st.booleans(), max_size=60))
def test_runs_are_all_there_is_and_never_touch(mark):
    begin, end = runs(np.array(mark, dtype=bool))
    rebuilt = [False] * len(mark)
    for a, b in zip(begin, end, strict=True):
        rebuilt[a:b] = [True] * (b - a)
    assert rebuilt == mark
    assert (end > begin).all()
    assert (begin[1:] > end[:-1]).all()
