"""The shipped pulse network on generated faces of known truth, whose waves are nobody's: a few of what the report counts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "train"))

from camera_traces import generate

from edge import inference
from edge.dsp.face.columns import SKIN
from edge.dsp.face.pulse import pos_spectrum
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, pos
from edge.dsp.face.spectra import network_answer
from edge.dsp.resample import to_grid

FACES = 60
SECONDS = 10.0


@pytest.fixture(scope="module")
def wave():
    """One stretch of pulse at 60 bpm, unit deviation."""
    t = np.arange(600) / 30.0
    x = np.cos(2 * np.pi * t) + 0.4 * np.cos(4 * np.pi * t + 1.0) + 0.15 * np.cos(6 * np.pi * t + 2.0)
    return [(x / x.std(), 60.0)]


def found(wave, *, ac_dc, motion, variant="onnx-int8", camera=lambda rgb: rgb):
    """How many of the faces the network and POS find within 5 bpm."""
    run = inference.load("camera_pulse", variant=variant).run
    rng = np.random.default_rng(31)
    right = np.zeros(2, dtype=int)
    for _ in range(FACES):
        face = generate(rng, wave, ac_dc=ac_dc, motion=motion)
        colours = [camera(face.colours[area]) for area in SKIN]
        regions = [to_grid(face.t, rgb, 0.0, SECONDS, RATE_HZ, 0.25)[0] for rgb in colours]
        spectra = network_answer(run, regions)[1], pos_spectrum(regions, [band_pass(pos(rgb)) for rgb in regions])
        right += [abs(GRID_BPM[s.argmax()] - face.bpm) <= 5.0 for s in spectra]
    return right.tolist()


def test_the_network_finds_weak_pulses_that_pos_does_not(wave):
    by_network, by_pos = found(wave, ac_dc=0.0004, motion=0.01)
    assert by_network >= by_pos + 6
    assert by_network >= 0.65 * FACES


@pytest.mark.parametrize("variant", ["onnx-int8", "litert-int8"])
def test_int8_finds_nearly_every_pulse_that_is_not_weak(wave, variant):
    model = inference.load("camera_pulse", variant=variant)
    assert next(v["bytes"] for v in model.card["variants"] if v["id"] == variant) <= 60_000
    assert found(wave, ac_dc=0.0016, motion=0.01, variant=variant)[0] >= 0.95 * FACES


@pytest.mark.parametrize("tint", [(1.06, 1.0, 0.92), (0.95, 1.0, 1.05)])
def test_a_gamma_and_another_white_do_not_matter(wave, tint):
    """Shine is not where the network's axes have it."""
    by_network, by_pos = found(
        wave, ac_dc=0.0016, motion=0.02, camera=lambda rgb: 255.0 * (rgb * tint / 255.0) ** (1 / 2.2)
    )
    assert by_network >= max(by_pos, 0.95 * FACES)
