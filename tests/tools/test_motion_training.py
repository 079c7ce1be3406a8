"""What the card of the motion network says of predictions."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "train"))
import motion

TRUTH = {"a.npz": [100.0, 100.0], "b.npz": [80.0, 80.0]}
ROWS = [
    ["a.npz", "0", "101.0", "1.0"],
    ["a.npz", "1", "", ""],
    ["b.npz", "0", "77.0", "1.0"],
    ["b.npz", "1", "85.0", "9.0"],
]


def test_a_refusal_has_no_error_and_each_recording_counts_once():
    assert motion.by_recording(motion.said_of(ROWS, TRUTH), TRUTH) == [1.0, 4.0]
    assert motion.figures_of(ROWS, TRUTH) == {
        "mean_absolute_error_bpm": 2.5,
        "surest_80_percent_bpm": 2.0,
        "under_two_sd": 0.6667,
        "answered": 0.75,
    }


def test_interval_holds_95_of_a_hundred_means_of_recordings_drawn_anew():
    assert motion.interval([2.0] * 13) == (2.0, 2.0)
    assert motion.interval([0.0] * 8 + [1.0] * 8) == (pytest.approx(0.25), pytest.approx(0.75))
