"""Another face from one picture to the next is a step; light, noise, movement and a spoilt picture are none."""

from __future__ import annotations

import numpy as np
import pytest

from edge.dsp.face.cut import SIDE, FaceCut


def face(seed):
    """Something as uneven as a face, 20 to 200."""
    coarse = np.random.default_rng(seed).uniform(20, 200, (6, 6))
    return np.kron(coarse, np.ones((SIDE // 6, SIDE // 6)))


def cuts(pictures):
    cut = FaceCut()
    return [i for i, picture in enumerate(pictures) if cut(picture)]


FIRST, SECOND = face(1), face(2)


def noisy(pictures, sd, seed=0):
    noise = np.random.default_rng(seed)
    return [picture + noise.normal(0, sd, picture.shape) for picture in pictures]


def test_another_face_is_told_with_the_second_picture_of_it():
    assert cuts([FIRST] * 10 + [SECOND] * 10) == [11]
    assert cuts(noisy([FIRST] * 10 + [SECOND] * 10, 5.0)) == [11]


def test_too_few_pictures_before_say_nothing():
    assert cuts([FIRST] * 4 + [SECOND] * 10) == []
    assert cuts([FIRST] * 5 + [SECOND] * 10) == [6]


@pytest.mark.parametrize(
    "pictures",
    [
        [FIRST] * 10 + [0.2 * FIRST + 3.0] * 10,  # the light goes out
        noisy([FIRST] * 20, 80.0),  # more noise than face
        [np.roll(FIRST, i, axis=1) for i in range(20)],  # a head that turns
        [FIRST] * 10 + [SECOND] + [FIRST] * 10,  # one spoilt picture
        [FIRST] * 10 + [face(seed) for seed in range(10, 20)],  # nothing stays
        [np.full((SIDE, SIDE), 7.0)] * 10 + [FIRST] + [FIRST] * 5 + [np.zeros((SIDE, SIDE))] * 5,  # flat
    ],
    ids=["light", "noise", "turning", "spoilt", "unrest", "flat"],
)
def test_what_is_no_other_face(pictures):
    assert cuts(pictures) == []


def test_a_box_that_moves_is_no_other_face():
    cut = FaceCut()
    assert not any(cut(FIRST) for _ in range(10))
    cut.begin(SECOND)
    assert not any(cut(SECOND) for _ in range(10))
