"""Trees as scikit-learn grows them say the same as tables, and what does not fit is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "train"))

import tree_tables

NODE = np.dtype(
    [("value", float), ("feature_idx", np.intp), ("num_threshold", float), ("left", np.uint32), ("right", np.uint32),
     ("is_leaf", np.uint8)]
)  # fmt: skip


def question(feature, threshold, left, right):
    return (0.0, feature, threshold, left, right, 0)


def leaf(value):
    return (value, 0, 0.0, 0, 0, 1)


def tree(*nodes):
    return np.array(list(nodes), NODE)


UNEVEN = tree(question(1, 0.5, 1, 2), leaf(-1.0), question(0, -2.0, 3, 4), leaf(0.25), leaf(1.27))
STUMP = tree(leaf(0.5))
DEEP = tree(
    question(0, 0.0, 1, 2), leaf(0.0), question(0, 1.0, 3, 4), leaf(0.0), question(0, 2.0, 5, 6), leaf(1.0), leaf(2.0)
)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_tables_say_what_the_trees_say(depth):
    tables = tree_tables.laid_out([UNEVEN, STUMP], np.array([0.1, -0.2]), depth)
    assert tables.feature.shape == (2, 2**depth - 1)
    assert tables.step == pytest.approx(0.01)
    for x, said in (((0.0, 0.5), -1.0), ((-2.0, 0.6), 0.25), ((-1.9, 0.6), 1.27)):
        assert tables(np.array(x)) == pytest.approx([0.1 + said, -0.2 + 0.5])


def test_a_tree_with_more_levels_than_the_tables_is_refused():
    assert tree_tables.laid_out([DEEP], np.zeros(1), 3)(np.array([5.0])) == pytest.approx([2.0])
    with pytest.raises(ValueError, match="tree 1 has more than 2 levels"):
        tree_tables.laid_out([UNEVEN, DEEP], np.zeros(1), 2)
