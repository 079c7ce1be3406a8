"""Trees laid out as tables say what the questions, asked one by one, say."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dsp.boosted_trees import BoostedTrees
from edge.types import ModelError


def some(rng, trees=12, depth=3, classes=6, features=5):
    return BoostedTrees(
        rng.integers(features, size=(trees, 2**depth - 1)).astype(np.uint8),
        rng.normal(size=(trees, 2**depth - 1)).astype(np.float32),
        rng.integers(-127, 128, size=(trees, 2**depth)).astype(np.int8),
        0.01,
        rng.normal(size=classes),
    )


def content(trees, **other):
    file = io.BytesIO()
    kept = {name: getattr(trees, name) for name in ("feature", "threshold", "leaf", "step", "start")} | other
    np.savez(file, **{name: value for name, value in kept.items() if value is not None})
    return file.getvalue()


def asked(trees, x):
    """Question by question, as a person would."""
    logits = trees.start.copy()
    for t in range(len(trees.feature)):
        at = 0
        while at < trees.feature.shape[1]:
            at = 2 * at + (2 if x[trees.feature[t, at]] > trees.threshold[t, at] else 1)
        logits[t % len(logits)] += trees.step * trees.leaf[t, at - trees.feature.shape[1]]
    return logits


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6))
def test_all_trees_at_once_say_what_each_says(seed, depth, classes):
    rng = np.random.default_rng(seed)
    trees = some(rng, trees=3 * classes, depth=depth, classes=classes)
    for x in rng.normal(size=(4, 5)).astype(np.float32):
        np.testing.assert_allclose(trees(x), asked(trees, x), atol=1e-9)


def test_a_number_at_its_threshold_is_not_above_it():
    trees = BoostedTrees(
        np.array([[1]], np.uint8), np.array([[0.1]], np.float32), np.array([[-4, 5]], np.int8), 0.5, np.array([1.0])
    )
    at = float(np.float32(0.1))
    assert [trees(np.array([9.0, x]))[0] for x in (0.0, at, np.nextafter(np.float32(at), np.float32(1)))] == [
        -1.0,
        -1.0,
        3.5,
    ]


def test_what_is_written_is_read():
    trees = some(np.random.default_rng(5))
    again = BoostedTrees.from_bytes(trees.as_bytes())
    for name in ("feature", "threshold", "leaf", "start"):
        np.testing.assert_array_equal(getattr(again, name), getattr(trees, name))
    assert again.step == trees.step
    assert trees.parameters == 12 * (7 + 8) + 6


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"leaf": None}, "no boosted trees: .*leaf"),
        ({"feature": np.zeros((12, 6), np.uint8)}, "questions are not"),
        ({"threshold": np.zeros((11, 7), np.float32)}, "questions are not"),
        ({"feature": np.zeros(84, np.uint8)}, "questions are not"),
        ({"leaf": np.zeros((12, 7), np.int8)}, "leaves are not"),
        ({"start": np.zeros(5)}, "not the same number"),
        ({"start": np.zeros(0)}, "not the same number"),
        ({"step": np.zeros(2)}, "no boosted trees"),
        ({"leaf": np.zeros((12, 8))}, "tables are not of uint8, float32 and int8"),
        ({"feature": np.zeros((12, 7), "U3")}, "tables are not of uint8, float32 and int8"),
        ({"start": np.zeros((6, 2))}, "step and start are not finite numbers"),
        ({"start": np.array(1.0)}, "step and start are not finite numbers"),
        ({"start": np.full(6, np.nan)}, "step and start are not finite numbers"),
        ({"step": np.inf}, "step and start are not finite numbers"),
    ],
)
def test_tables_that_do_not_fit_are_refused(other, said):
    with pytest.raises(ModelError, match=said):
        BoostedTrees.from_bytes(content(some(np.random.default_rng(5)), **other))


def test_what_is_no_file_of_tables_is_refused():
    whole = content(some(np.random.default_rng(5)))
    locked = bytearray(whole)
    locked[6] = locked[whole.index(b"PK\1\2") + 8] = 1  # with a password, as its flags say
    for junk in (b"", b"PK\x03\x04", b"nothing of the kind", whole[:200], bytes(locked)):
        with pytest.raises(ModelError, match="no boosted trees"):
            BoostedTrees.from_bytes(junk)
