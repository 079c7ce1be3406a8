"""The top of a parabola through three values."""

import pytest

from edge.dsp.crest import crest


@pytest.mark.parametrize("top", [-0.5, -0.2, 0.0, 0.3, 0.5])
def test_the_top_of_a_parabola_is_found(top):
    assert crest(*(4.0 - 3.0 * (at - top) ** 2 for at in (-1.0, 0.0, 1.0))) == pytest.approx(top)


@pytest.mark.parametrize("values", [(1.0, 1.0, 1.0), (0.0, 1.0, 2.0), (2.0, 1.0, 3.0)], ids=["flat", "slope", "valley"])
def test_what_has_no_top_has_it_in_the_middle(values):
    assert crest(*values) == 0.0
