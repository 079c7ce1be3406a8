"""What rules a camera's rate out, one rule at a time, on either side of its limit."""

from __future__ import annotations

import numpy as np
import pytest

from edge import inference
from edge.analyzers.camera_pulse import Rule, seen_reason
from edge.dsp.face.columns import COLUMNS
from edge.types import ModelError, Window

BLOOD = {
    "background": 0.1,
    "background_green": 0.1,
    "green": 0.01,
    "green_excess": 0.44,
    "hue_deg": 29.0,
    "agreement": 0.95,
    "network_agreement": 0.95,
    "apart": 0.0,
    "snr_db": 6.0,
    "network_snr_db": 6.0,
}


@pytest.fixture(scope="module")
def rule():
    return Rule(inference.load("camera_pulse").card["calibration"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"background": 0.75}, ""),
        ({"background": 0.76}, "flicker"),
        ({"background_green": 0.5}, ""),
        ({"background_green": 0.51}, "flicker"),
        ({"green": 0.03}, ""),
        ({"green": 0.031}, "flicker"),
        ({"green_excess": 0.1}, ""),
        ({"green_excess": 0.09}, "static_image"),
        ({"green_excess": 0.09, "agreement": 0.9}, "no_pulse"),
        ({"green_excess": 0.09, "agreement": 0.4, "network_agreement": 0.41}, "no_pulse"),
        ({"green_excess": 0.09, "agreement": 0.41, "network_agreement": 0.4}, "no_pulse"),
        ({"green_excess": 0.09, "agreement": 0.4, "network_agreement": 0.4}, "low_quality"),
        ({"hue_deg": 8.0}, ""),
        ({"hue_deg": 7.9}, "no_pulse"),
        ({"hue_deg": 43.0}, ""),
        ({"hue_deg": 43.1}, "no_pulse"),
        ({"hue_deg": 43.1, "agreement": 0.4, "network_agreement": 0.4}, "low_quality"),
        ({"apart": 0.1}, ""),
        ({"apart": 0.11}, "disagreement"),
        ({"apart": 0.11, "snr_db": 0.0}, ""),
        ({"apart": 0.11, "network_snr_db": 0.0}, ""),
    ],
)
def test_a_rate_is_said_of_what_changes_as_blood_does_and_of_nothing_else(rule, change, reason):
    assert rule.refusal(BLOOD | change, 1.0) == reason


def test_a_rate_that_is_not_likely_enough_is_not_said(rule):
    assert rule.refusal(BLOOD, rule.accept) == ""
    assert rule.refusal(BLOOD, np.nextafter(rule.accept, 0.0)) == "low_quality"
    assert rule.refusal(BLOOD | {"apart": 0.11}, 0.0) == "disagreement"


def test_a_card_whose_rule_asks_for_other_evidence_is_refused():
    calibration = inference.load("camera_pulse").card["calibration"]
    with pytest.raises(ModelError, match="fitted on other evidence"):
        Rule({**calibration, "features": calibration["features"][::-1]})


def window(*, frames=300, coverage=1.0, holes=(), until=10.0, **columns):
    """10 s of a still, bright face; columns: values of every frame, or of the last ``(value, frames)``."""
    t = np.arange(frames) * until / frames
    rng = np.random.default_rng(0)
    data = np.zeros((frames, len(COLUMNS)))
    for name, value in {"present": 1.0, "brightness": 120.0, "change": 1.5}.items():
        data[:, COLUMNS.index(name)] = value + (0.0 if name == "present" else 0.1 * rng.normal(size=frames))
    for name, told in columns.items():
        value, last = told if isinstance(told, tuple) else (told, frames)
        data[frames - last :, COLUMNS.index(name)] = value
    return Window("cam/roi", 0.0, 10.0, t, data, 30.0, coverage, holes)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({}, ""),
        ({"until": 8.0}, "gap"),
        ({"brightness": (np.nan, 1)}, "low_quality"),
        ({"change": (np.inf, 1)}, "low_quality"),
        ({"present": (np.nan, 1)}, "low_quality"),
        ({"brightness": 12.0}, ""),
        ({"brightness": 11.9}, "too_dark"),
        ({"change": (0.0, 30)}, ""),
        ({"change": (0.0, 31)}, "static_image"),
        ({"present": (0.0, 30)}, ""),
        ({"present": (0.0, 31)}, "no_face"),
        ({"moved": (0.0, 1)}, ""),
        ({"moved": (1.0, 1)}, "face_moved"),
        ({"moved": 1.0}, "face_moved"),
        ({"motion": 0.0119}, ""),
        ({"motion": 0.0121}, "motion"),
        ({"motion": (0.0238, 30)}, ""),
        ({"motion": 0.0238, "frames": 150}, ""),
        ({"motion": 0.0242, "frames": 150}, "motion"),
        ({"holes": ((0.0, 0.99),), "coverage": 0.901}, ""),
        ({"holes": ((0.0, 1.01),), "coverage": 0.899}, "warming_up"),
        ({"holes": ((0.1, 1.2),), "coverage": 0.89}, "gap"),
        ({"holes": ((0.1, 0.6), (3.0, 3.5)), "coverage": 0.9}, ""),
        ({"frames": 120}, ""),
        ({"frames": 119}, "gap"),
    ],
)
def test_what_the_camera_saw_rules_a_rate_out_by_itself(seen, reason):
    assert seen_reason(window(**seen)) == reason
