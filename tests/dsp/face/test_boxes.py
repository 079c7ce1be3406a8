"""Anchors and boxes: one box a face, in pixels of the frame."""

from __future__ import annotations

import numpy as np

from edge.dsp.face.boxes import FULL_RANGE, SHORT_RANGE, faces
from edge.dsp.face.regions import REGIONS, background_boxes, yaw_pitch_deg


def test_there_is_an_anchor_for_every_output_of_the_networks():
    assert SHORT_RANGE.shape == (896, 2)
    assert FULL_RANGE.shape == (2304, 2)
    assert (SHORT_RANGE > 0).all()
    assert (SHORT_RANGE < 1).all()


def outputs(*found):
    """Network outputs with faces ``(anchor, dx, dy, w, h, logit)``."""
    regressors, logits = np.zeros((896, 16), np.float32), np.full(896, -10.0, np.float32)
    for anchor, dx, dy, w, h, logit in found:
        regressors[anchor, :4] = dx, dy, w, h
        logits[anchor] = logit
    return regressors, logits


def decode(*found):
    return faces(*outputs(*found), SHORT_RANGE, input_size=128, scale=5.0, shift=(0.0, 16.0))


def test_a_box_comes_back_in_frame_pixels():
    (face,) = decode((0, 60.0, 60.0, 32.0, 32.0, 4.0))
    x, y = (SHORT_RANGE[0] * 128 + 60.0 - [0, 16]) * 5.0
    assert np.allclose(face.centre, (x, y))
    assert (face.w, face.h) == (160.0, 160.0)
    assert face.score > 0.98


def test_boxes_of_one_face_become_one_and_two_faces_stay_two():
    one = decode((0, 60, 60, 32, 32, 2.0), (1, 61, 60, 32, 32, 4.0))
    assert len(one) == 1
    assert one[0].score > 0.98
    assert len(decode((0, 30, 60, 20, 20, 2.0), (1, 90, 60, 20, 20, 4.0))) == 2


def test_weak_boxes_and_huge_logits_are_handled():
    assert decode((0, 60, 60, 32, 32, -1.0)) == []
    assert decode((0, 60, 60, 32, 32, 1e9))[0].score == 1.0


def test_a_frontal_mesh_looks_straight_ahead_and_a_turned_one_does_not():
    mesh = np.zeros((468, 3))
    mesh[234], mesh[454] = (-50, 0, 0), (50, 0, 0)
    mesh[10], mesh[152] = (0, -70, 0), (0, 70, 0)
    assert yaw_pitch_deg(mesh) == (0.0, 0.0)
    angle = np.radians(30)
    mesh[234] = -50 * np.cos(angle), 0, 50 * np.sin(angle)
    mesh[454] = 50 * np.cos(angle), 0, -50 * np.sin(angle)
    assert abs(abs(yaw_pitch_deg(mesh)[0]) - 30) < 1e-6


def test_background_strips_stay_in_the_frame():
    assert all(0 <= a < b <= 640 for a, _, b, _ in background_boxes(200, 100, 200, 200, 640, 480))
    assert background_boxes(0, 0, 640, 480, 640, 480) == []


def test_regions_use_points_of_the_mesh():
    assert all(0 <= i < 468 for region in REGIONS.values() for i in region)
