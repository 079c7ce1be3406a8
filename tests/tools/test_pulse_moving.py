"""Windows of an arm that moves: what they hold, and which references they are given."""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "train"))
import pulse_moving

RATE = 125.0


def test_each_ends_with_its_last_reference_and_has_the_mean_of_the_last_two(tmp_path):
    n = round(23.0 * RATE)  # so the reference of the 24th second has no signal any more
    ppg = np.stack([np.arange(n), -np.arange(n)]).astype(np.float32)
    for name in ("b.npz", "a.npz"):
        np.savez(tmp_path / name, ppg=ppg, acc=np.zeros((3, n)), bpm=100.0 + np.arange(9) ** 2, fs=RATE)
    found = list(pulse_moving.windows(tmp_path))
    assert [i for i, *_ in found] == [0] * 8 + [1] * 8
    assert [bpm for _, bpm, _ in found[:4]] == [
        100.0 + (9 + 16) / 2,
        100.0 + (16 + 25) / 2,
        100.0 + (25 + 36) / 2,
        100.0 + (36 + 49) / 2,
    ]
    assert [w.end for _, _, w in found[:4]] == [16.0, 18.0, 20.0, 22.0]
    for at, sign in ((0, 1), (4, -1)):
        for _, _, window in found[at : at + 4]:
            np.testing.assert_array_equal(window.data[:, 0], sign * np.round(window.t * RATE))
            assert (window.start, len(window.t)) == (window.end - 16.0, 2000)
