"""CSI cameras through a picamera2 that is played: which one, what is locked, and every way in which one is not there."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edge.clock import ManualClock, SystemClock
from edge.sources import camera
from edge.types import SourceError


class FakePi:
    """What picamera2 is to us; ``told`` what was asked of it."""

    camera_controls = ("AeEnable", "ExposureTime", "AnalogueGain", "AwbEnable", "ColourTemperature")

    def __init__(self, number):
        if number > 1:
            raise IndexError("list index out of range")
        self.told = {"number": number}
        FakePi.last = self

    def create_video_configuration(self, main, controls):
        return {"main": main, "controls": controls}

    def configure(self, configuration):
        self.told |= configuration["controls"]

    def start(self):
        if self.told.get("ExposureTime") == 1:
            raise RuntimeError("Device or resource busy")

    def capture_array(self, _):
        return np.zeros((48, 64, 3), np.uint8)

    def close(self):
        self.told["closed"] = True


@pytest.fixture
def pi(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=FakePi))
    return lambda **kw: camera.build(name="c", clock=SystemClock(), backend="picamera2", **kw)


def test_the_second_csi_camera_is_the_second_and_what_is_locked_is_told_it(pi):
    source = pi(device=1, exposure=10000, gain=2.0, white_balance_k=4000)
    source.open()
    told = dict(FakePi.last.told)
    source.close()
    assert told == {
        "number": 1, "FrameRate": 30.0, "AeEnable": False, "ExposureTime": 10000, "AnalogueGain": 2.0,
        "AwbEnable": False, "ColourTemperature": 4000,
    }  # fmt: skip


def test_a_csi_camera_that_is_not_there_busy_or_cannot_lock_is_a_lost_source(pi, monkeypatch):
    with pytest.raises(SourceError, match="CSI camera 2: cannot be opened"):
        pi(device=2).open()
    with pytest.raises(SourceError, match="CSI camera 0: Device or resource busy"):
        pi(exposure=1).open()
    assert FakePi.last.told["closed"]
    monkeypatch.setattr(FakePi, "camera_controls", ("AwbEnable",))
    with pytest.raises(SourceError, match="CSI camera 0: cannot lock ColourTemperature"):
        pi(white_balance_k=4000).open()
    assert FakePi.last.told["closed"]


def test_picamera_is_asked_for_only_when_configured():
    source = camera.build(name="c", clock=ManualClock(), backend="picamera2")
    with pytest.raises(SourceError, match=r"python3-picamera2.*--system-site-packages"):
        source.open()
    source.close()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("import libcamera_that_is_not_there", "No module named 'libcamera_that_is_not_there'"),
        ("raise ValueError('numpy.dtype size changed\\n  Expected 96')", "numpy.dtype size changed Expected 96"),
    ],
)
def test_a_picamera_that_cannot_be_loaded_says_why_and_is_not_called_missing(content, told, tmp_path, monkeypatch):
    """That of a system is built for the system's NumPy, and that is no ImportError."""
    (tmp_path / "picamera2.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    source = camera.build(name="c", clock=SystemClock(), backend="picamera2")
    with pytest.raises(SourceError) as raised:
        source.open()
    source.close()
    assert raised.value.fault == "package_missing"
    assert str(raised.value).startswith(f"picamera2 is installed and cannot be loaded: {told}; ")
