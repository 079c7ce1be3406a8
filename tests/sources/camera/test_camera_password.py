"""The password of a camera at an address: its driver's alone."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import pytest

from edge.clock import ManualClock
from edge.sources import camera
from edge.types import ConfigError, SourceError


@pytest.mark.parametrize(
    ("setting", "opened", "told_of"),
    [
        ({"device": "rtsp://nurse@cam/1?key=7"}, "rtsp://nurse:hunter2@cam/1?key=7", "rtsp://cam/1"),
        ({"device": "http://cam/v?pwd={password}"}, "http://cam/v?pwd=hunter2", "http://cam/v"),
        (
            {"device": "rtspsrc location=rtsp://nurse@cam ! appsink", "backend": "gstreamer"},
            "rtspsrc location=rtsp://nurse:hunter2@cam ! appsink",
            "rtspsrc location=rtsp://cam ! appsink",
        ),
    ],
)
def test_a_cameras_password_is_its_drivers_alone(monkeypatch, tmp_path, setting, opened, told_of):
    (tmp_path / "secret").write_text("hunter2\n")
    asked = []

    def nothing_there(address, *_):
        asked.append(address)
        return SimpleNamespace(isOpened=lambda: False, release=lambda: None)

    monkeypatch.setattr(cv2, "VideoCapture", nothing_there)
    source = camera.build(name="c", clock=ManualClock(), password_file=str(tmp_path / "secret"), **setting)
    with pytest.raises(SourceError) as told:
        source.open()
    assert asked == [opened]
    assert str(told.value).startswith(f"{told_of}: cannot be opened")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"device": "rtsp://nurse:hunter2@cam/1"}, "device: holds a password.*; set password_file"),
        ({"device": "http://cam/1?user=nurse&pwd=hunter2"}, "device: holds a password.*write {password}"),
        ({"device": "http://cam/1?pwd={password}"}, "device: {password} stands for what password_file holds"),
        ({"device": "rtsp://cam/1", "password_file": "secret"}, "password_file: device names no user"),
        (
            {"device": "rtsp://nurse@cam/1", "password_file": "/nowhere/secret"},
            "password_file: /nowhere/secret: No such",
        ),
        ({"device": 0, "password_file": "secret"}, "password_file: device names no user"),
    ],
)
def test_a_password_in_the_configuration_or_for_nobody_is_refused(setting, why):
    with pytest.raises(ConfigError, match=why) as told:
        camera.build(name="c", clock=ManualClock(), **setting)
    assert "hunter2" not in str(told.value)
