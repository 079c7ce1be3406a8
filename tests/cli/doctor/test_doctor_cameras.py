"""Faults of cameras and files, each produced with pictures, files or devices that cannot be cameras."""

from __future__ import annotations

import os
import threading
import wave as wave_file

import numpy as np
import pytest

from doctor_findings import in_child, listening, needs_root, words
from edge.clock import ManualClock


@pytest.fixture
def video(tmp_path):
    import cv2

    def make(picture, frames=40, fps=30.0):
        path = str(tmp_path / "v.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), fps, (160, 120))
        for i in range(frames):
            writer.write(picture(i))
        writer.release()
        return path

    return make


SCENE = np.random.default_rng(2).integers(60, 180, (120, 160, 3)).astype(np.int16)


def seen(path, more=""):
    return listening(f'kind = "camera"\ndevice = "{path}"\n{more}', 60.0, ManualClock())


def moving(i, offset=0, gain=1.0):
    return np.clip(np.roll(SCENE, i // 6, axis=1) * gain + offset + i % 2, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("word", "picture"),
    [
        ("", moving),
        ("camera_frozen", lambda i: SCENE.astype(np.uint8)),
        ("camera_dark", lambda i: moving(i, gain=0.1)),
        ("camera_bright", lambda i: moving(i, offset=160)),
        ("camera_grey", lambda i: np.repeat(moving(i)[:, :, :1], 3, axis=2)),
        ("camera_flicker", lambda i: moving(0, gain=1.0 + 0.05 * (-1) ** i)),
    ],
)
def test_pictures(video, word, picture):
    assert words(seen(video(picture))) == ([word] if word else [])


def test_camera_slow(video):
    assert words(seen(video(moving, fps=6.0))) == ["camera_slow"]


def test_camera_missing():
    assert words(listening('kind = "camera"\ndevice = "/dev/video97"')) == ["camera_missing"]


@needs_root
def test_camera_permission():
    master, slave = os.openpty()
    os.chmod(os.ttyname(slave), 0o600)
    text = f'kind = "camera"\ndevice = "{os.ttyname(slave)}"'
    assert in_child(lambda: words(listening(text)), nobody=True) == ["camera_permission"]
    os.close(master)
    os.close(slave)


def test_camera_unreachable():
    assert words(listening('kind = "camera"\ndevice = "rtsp://127.0.0.1:1/bed"')) == ["camera_unreachable"]


def test_camera_busy():
    assert words(listening('kind = "camera"\ndevice = "/dev/null"')) == ["camera_busy"]


def test_camera_silent(video, monkeypatch):
    assert words(seen(video(moving, frames=2))) == ["camera_silent"]
    hangs = threading.Event()

    class Capture:
        rate_hz = None
        frames = 0

        def read(self):
            hangs.wait(20.0)

        def time_s(self):
            return None

        def release(self):
            hangs.set()

    monkeypatch.setattr("edge.sources.camera.open_capture", lambda *given: Capture())
    live = 'kind = "camera"\ndevice = "rtsp://127.0.0.1/bed1"\nsilence_s = 0.5\n'
    assert words(listening(live, 5.0)) == ["camera_silent"]
    hangs.set()  # and now it ends
    assert words(listening(live, 5.0)) == ["camera_silent"]


def test_camera_small(tmp_path):
    import cv2

    path = str(tmp_path / "s.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (16, 16))
    for _ in range(5):
        writer.write(np.zeros((16, 16, 3), np.uint8))
    writer.release()
    assert words(seen(path)) == ["camera_small"]


def test_file_unreadable(tmp_path):
    (tmp_path / "x.avi").write_bytes(b"no video at all")
    assert words(seen(tmp_path / "none.avi")) == ["file_unreadable"]
    assert words(seen(tmp_path / "x.avi")) == ["file_unreadable"]


def test_a_recording_that_cannot_be_read_says_why(tmp_path):
    with wave_file.open(str(tmp_path / "heart.wav"), "wb") as out:
        out.setparams((1, 2, 2000, 0, "NONE", ""))
        out.writeframes(bytes(8000))
    whole = (tmp_path / "heart.wav").read_bytes()
    (tmp_path / "heart.wav").write_bytes(whole[:4000])
    (failed,) = listening(f'kind = "files"\npath = "{tmp_path}/heart.wav"\n', 5.0, ManualClock())
    assert failed.fault == "file_unreadable"
    assert "half-written: promises 2.0 s" in failed.text
