"""The camera source: files with their own times, live grabbing that never hangs, every refusal by name."""

from __future__ import annotations

import contextlib
import os
import threading
import tty

import cv2
import numpy as np
import pytest

from edge.clock import ManualClock, SystemClock
from edge.demo.face_video import write_video
from edge.sources import camera
from edge.types import ConfigError, SourceError
from source_and_sink import read_all


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "face.avi"
    write_video(path, seconds=1.0, fps=30.0, width=320, height=240)
    return path


def open_file(path, **kw):
    return camera.build(name="cam", clock=kw.pop("clock", ManualClock(5.0)), device=str(path), **{"pace": "max", **kw})


def test_a_file_gives_every_frame_with_its_own_time(video):
    found = read_all(open_file(video))
    assert [b.seq for b in found] == list(range(30))
    assert np.allclose([b.t0 for b in found], 5.0 + np.arange(30) / 30.0, atol=1e-3)
    assert {b.data.shape for b in found} == {(1, 240, 320, 3)}
    assert {(b.stream, b.epoch) for b in found} == {("cam/video", 0)}
    assert open_file(video).can_wait


def test_a_file_that_is_cut_off_says_how_many_frames_it_lacks(video, tmp_path):
    whole = video.read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    for path in (video, cut):
        source = open_file(path)
        assert source.missing == 0, "nothing is known before the end"
        found = read_all(source)
        assert source.missing == 30 - len(found)
        assert (source.missing == 0) == (path is video)


def test_a_file_in_real_time_waits_for_each_frame(video):
    clock = ManualClock()
    source = open_file(video, pace="real", clock=clock)
    read_all(source)
    assert clock.now() == pytest.approx(29 / 30, abs=0.05)
    assert not source.can_wait


def test_a_loop_goes_on_without_a_step_in_time(video):
    source = open_file(video, loop=True)
    source.open()
    found = []
    while len(found) < 75:
        found += source.read()
    source.close()
    assert np.allclose(np.diff([b.t0 for b in found]), 1 / 30, atol=1e-3)
    assert [b.seq for b in found] == list(range(75))


def test_opening_again_is_a_new_epoch(video):
    source = open_file(video)
    read_all(source)
    assert {b.epoch for b in read_all(source)} == {1}


@pytest.mark.parametrize(
    ("frame", "shape"),
    [
        (np.full((64, 48), 7, np.uint8), (64, 48, 3)),
        (np.full((64, 48, 1), 7, np.uint8), (64, 48, 3)),
        (np.full((64, 48, 4), 7, np.uint8), (64, 48, 3)),
        (np.full((64, 48, 3), 7 * 257, np.uint16), (64, 48, 3)),
    ],
)
def test_grey_alpha_and_deep_frames_become_three_channels(frame, shape):
    made = camera._three_channels(frame)
    assert made.shape == shape
    assert made.dtype == np.uint8
    assert (made == 7).all()


def test_what_is_no_video_is_refused_by_name(tmp_path):
    odd = tmp_path / os.fsdecode(b"\xe4.avi")  # as an old system wrote it
    odd.write_bytes(b"RIFF")
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    empty = tmp_path / "empty.avi"
    empty.touch()
    for device, said in (
        (text, "not a video"),
        (empty, "an empty file"),
        (tmp_path, "a folder"),
        (tmp_path / "none.mp4", "no such file"),
        (tmp_path / ("x" * 300), "File name too long"),
        (text / "deep.mp4", "Not a directory"),
        (odd, "its name is not UTF-8"),
        ("/dev/video77", "no such camera"),
    ):
        with pytest.raises(SourceError, match=said):
            open_file(device).open()


def test_a_serial_port_is_no_camera_and_nothing_is_read_from_it():
    here, there = os.openpty()
    tty.setraw(there)
    os.write(here, b"a pulse")
    with pytest.raises(SourceError, match="not a camera"):
        camera.build(name="cam", clock=ManualClock(), device=os.ttyname(there)).open()
    assert os.read(there, 99) == b"a pulse"
    os.close(here)
    os.close(there)


class FakeCapture:
    """A live capture that gives prepared frames, then blocks until released."""

    rate_hz = 30.0
    frames = 0

    def __init__(self, frames):
        self.pictures, self.hold = list(frames), threading.Event()

    def read(self):
        if self.pictures:
            return self.pictures.pop(0)
        self.hold.wait(20.0)
        return None

    def time_s(self):
        return None

    def release(self):
        self.hold.set()


FRAME = np.zeros((48, 64, 3), np.uint8)


def test_pictures_in_a_row_have_no_times_and_are_refused(tmp_path):
    """A decoder says 25 a second of them, whatever the camera did."""
    path = tmp_path / "raw.mjpeg"
    path.write_bytes(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes() * 30)
    with pytest.raises(SourceError, match="no times"):
        open_file(path).open()


class Untimed(FakeCapture):
    """What OpenCV makes of a raw H.264 stream: every frame at 0."""

    def time_s(self):
        return 0.0


def test_a_stream_without_times_is_refused_before_a_rate_can_be_made_of_it(monkeypatch, video):
    monkeypatch.setattr(camera, "open_capture", lambda *a: Untimed([FRAME] * 30))
    source = open_file(video)
    source.open()
    with pytest.raises(SourceError, match="no times"):
        for _ in range(30):
            source.read()


def test_a_recording_at_an_address_plays_by_its_own_times(video):
    """A decoder hands it out as fast as it can: 40 times too fast, were its frames stamped as they come."""
    source = camera.build(name="cam", clock=SystemClock(), device=video.as_uri())
    source.open()
    found = []
    with pytest.raises(SourceError, match="the stream ended"):
        while True:
            found += source.read()
    source.close()
    times = np.array([b.t0 for b in found])
    assert len(times) > 15
    assert np.allclose((times - times[0]) * 30, np.round((times - times[0]) * 30), atol=0.05)
    assert times[-1] - times[0] > 0.7


def test_a_pause_in_a_recording_at_an_address_is_no_silence(monkeypatch):
    """It was opened again after 3 s, and its first seconds came for ever."""
    times = [0.0, 5.0]

    class Paused(FakeCapture):
        frames = 2

        def time_s(self):
            return times.pop(0)

    clock, capture = ManualClock(), Paused([FRAME, FRAME])
    monkeypatch.setattr(camera, "open_capture", lambda *a: capture)
    monkeypatch.setattr(camera, "_WAIT_S", 0.0)
    source = camera.build(name="cam", clock=clock, device="http://recorder/1")
    source.open()
    while source._grabber.due < 5.0:
        pass
    assert [b.t0 for b in source.read()] == [0.0]
    clock.advance(4.9)
    assert source.read() == []
    capture.hold.set()
    source.close()


def test_frames_that_are_too_small_are_refused(tmp_path):
    path = tmp_path / "tiny.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (16, 16))
    for _ in range(3):
        writer.write(np.zeros((16, 16, 3), np.uint8))
    writer.release()
    source = open_file(path)
    source.open()
    with pytest.raises(SourceError, match="too small"):
        source.read()
    source.close()


def live(monkeypatch, frames, clock, **kw):
    capture = FakeCapture(frames)
    monkeypatch.setattr(camera, "open_capture", lambda *a: capture)
    return camera.build(name="cam", clock=clock, device=0, **kw), capture


def test_frames_that_a_pipeline_did_not_convert_are_refused(monkeypatch):
    source, capture = live(monkeypatch, [np.zeros((48, 64, 2), np.uint8)], SystemClock())
    source.open()
    with pytest.raises(SourceError, match=r"2 channels.*videoconvert"):
        source.read()
    capture.hold.set()
    source.close()


def test_a_live_camera_that_hangs_is_lost_and_closing_is_bounded(monkeypatch):
    clock = ManualClock()
    source, capture = live(monkeypatch, [FRAME], clock)
    source.open()
    while not (got := source.read()):
        pass
    assert len(got) == 1
    clock.advance(4.0)
    with pytest.raises(SourceError, match="no frame for 3 s"):
        source.read()
    capture.hold.set()
    source.close()


def test_a_grab_that_returns_after_its_camera_was_given_up_leaves_nothing(monkeypatch):
    old, new = FakeCapture([FRAME]), FakeCapture([FRAME + 9])
    frozen, released = threading.Event(), threading.Event()

    def read():
        frame = old.pictures.pop(0)
        if frame is None:
            frozen.set()
            old.hold.wait(20.0)
            return FRAME + 1
        return frame

    old.pictures, old.read, old.release = [FRAME, None, FRAME, FRAME], read, released.set
    captures = iter((old, new))
    monkeypatch.setattr(camera, "open_capture", lambda *a: next(captures))
    source = camera.build(name="cam", clock=SystemClock(), device=0)
    source.open()
    assert frozen.wait(20.0)
    source.close()
    source.open()
    old.hold.set()
    assert released.wait(20.0), "the thread that was stuck lets go of its camera"
    assert len(old.pictures) == 2, "and reads no more of it"
    seen = source.read()
    assert [int(b.data.max()) for b in seen] == [9]
    new.hold.set()
    source.close()


@pytest.mark.parametrize(
    ("device", "said", "fault"),
    [
        (0, "0: opening it hangs in its driver", "camera_silent"),
        ("rtsp://cam/1", "rtsp://cam/1: no answer for 0.01 s", "camera_unreachable"),
    ],
)
def test_an_opening_that_hangs_is_a_lost_camera_and_is_not_tried_beside_itself(monkeypatch, device, said, fault):
    """Its thread goes round, so the program is not started anew for it."""
    late, calls, hold = FakeCapture([]), [], threading.Event()

    def opened(*a):
        calls.append(a)
        hold.wait(20.0)
        return late

    monkeypatch.setattr(camera, "open_capture", opened)
    monkeypatch.setattr(camera, "_OPEN_S", 0.01)
    source = camera.build(name="cam", clock=SystemClock(), device=device)
    for _ in range(3):
        with pytest.raises(SourceError, match=said) as lost:
            source.open()
        source.close()
    assert (len(calls), lost.value.fault) == (1, fault)
    hold.set()
    assert late.hold.wait(20.0), "what comes too late is let go of"
    new = FakeCapture([FRAME])
    monkeypatch.setattr(camera, "open_capture", lambda *a: new)
    monkeypatch.setattr(camera, "_OPEN_S", 20.0)
    while True:
        with contextlib.suppress(SourceError):  # until the first call has returned
            source.open()
            break
    assert [b.seq for b in source.read()] == [0]
    new.hold.set()
    source.close()


def test_a_driver_that_raises_is_a_stream_that_ended(monkeypatch):
    source, capture = live(monkeypatch, [], SystemClock())
    capture.read = lambda: 1 // 0
    source.open()
    with pytest.raises(SourceError, match=r"the stream ended \(.*division.* by zero\); unplugged"):
        source.read()
    source.close()


def test_a_live_stream_that_ends_is_lost(monkeypatch):
    source, capture = live(monkeypatch, [FRAME, None], SystemClock())
    source.open()
    with pytest.raises(SourceError, match="the stream ended; unplugged"):
        for _ in range(10):
            source.read()
    capture.hold.set()
    source.close()


def test_another_resolution_midway_is_a_new_epoch(monkeypatch):
    other = np.zeros((96, 64, 3), np.uint8)
    source, capture = live(monkeypatch, [FRAME, FRAME, other], SystemClock())
    source.open()
    found = []
    while len(found) < 3:
        found += source.read()
    assert [(b.epoch, b.seq) for b in found] == [(0, 0), (0, 1), (1, 0)]
    capture.hold.set()
    source.close()


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"backend": "picamera2", "device": "/dev/video0"}, "device: '/dev/video0'; picamera2 counts"),
        ({"backend": "gstreamer", "device": "x ! appsink", "gain": 2.0}, "gain: .* in the pipeline"),
        ({"device": "rtsp://cam/1", "exposure": 100}, "exposure: .* in the camera itself"),
    ],
)
def test_what_would_be_ignored_is_refused(setting, why):
    with pytest.raises(ConfigError, match=why):
        camera.build(name="c", clock=ManualClock(), **setting)
