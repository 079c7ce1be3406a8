"""A camera, a network stream or a video file: grabs and stamps frames, one block a frame, and nothing else.

A live camera is opened and grabbed in threads of their own, since a driver's call may never return; ``open`` gives up
after 20 s, ``read``, which takes the newest frames, after ``silence_s``. A live frame is stamped right after the grab;
those of a recording, in a file or at an address, carry its own times. Frames go to the lane's inbox and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from edge.clock import Clock
from edge.passwords import PLACE, for_others, holds_password, password_in, takes_password
from edge.ranges import Count, Pace, Positive, Silence, Text
from edge.sources._camera.capture import UNTIMED, Capture, Frame, check_file, open_capture
from edge.sources._camera.frame_times import FrameTimes
from edge.sources._camera.grabber import Grabber
from edge.sources._camera.opening import Opening
from edge.types import Block, ConfigError, SourceError

_WAIT_S = 0.4
_OPEN_S = 20.0  # an address may take 8 s twice; a service manager that watches has more patience
_MIN_SIDE = 32
_LOOSELY = 0.05  # a file of uneven frame times may state its frames as duration by rate


def build(
    *,
    name: str,
    clock: Clock,
    device: int | str = 0,
    fps: Positive = 30.0,
    width: Count = 640,
    height: Count = 480,
    backend: Literal["opencv", "gstreamer", "picamera2"] = "opencv",
    pace: Pace = "real",
    loop: bool = False,
    silence_s: Silence = 3.0,
    exposure: float | None = None,
    gain: float | None = None,
    white_balance_k: float | None = None,
    password_file: Text | None = None,
    checking: bool = False,
) -> Camera:
    """A camera.

    device: an index, ``/dev/video0``, an RTSP or HTTP address, a video file, for ``gstreamer`` a pipeline that ends in
    ``appsink``, for ``picamera2`` an index. fps: pictures a second asked of a live camera. width, height: pixels asked
    of it. backend: opencv, gstreamer (a system OpenCV that has it, as on a Jetson) or picamera2 (CSI cameras of a Pi).
    pace: of a file, "real" or "max". loop: start a file again. silence_s: without a frame for so long the camera is
    closed and opened again.
    exposure: locked instead of following the light, in the camera's own unit (0.1 ms by V4L2, 1 µs by picamera2); a
    multiple of 10 ms (50 Hz mains) or 8.33 ms (60 Hz) does not flicker. gain: locked, in the camera's own unit.
    white_balance_k: locked, kelvin. password_file: a file that holds the password of the user whom an address names,
    ``rtsp://USER@HOST/...``, or what ``{password}`` stands for in it, as in ``http://HOST/video?user=USER&pwd={password}``.
    """
    if device == "":
        raise ConfigError("device: names no camera and no file")
    if backend == "picamera2" and not isinstance(device, int):
        raise ConfigError(f"device: {device!r}; picamera2 counts its cameras: 0, 1")
    wanted = {"exposure": exposure, "gain": gain, "white_balance_k": white_balance_k}
    locks = {key: value for key, value in wanted.items() if value is not None}
    if locks and (backend == "gstreamer" or "://" in str(device)):
        where = "in the pipeline" if backend == "gstreamer" else "in the camera itself"
        raise ConfigError(f"{next(iter(locks))}: cannot be set from here; set it {where}")
    password = _password(device, password_file)
    if checking:
        _check(device, backend)
    return Camera(
        name=name,
        clock=clock,
        device=device,
        wanted=(fps, width, height),
        backend=backend,
        at_once=pace == "max",
        loop=loop,
        silence_s=silence_s,
        locks=locks,
        password=password,
    )


def holds(settings: Mapping[str, Any]) -> str:
    """The camera that no second source can read, or would read the same face from; "" of a file."""
    device, backend = settings.get("device", 0), settings.get("backend", "opencv")
    if _is_file(device, backend):
        return ""
    if backend == "picamera2":
        return f"CSI camera {device}"
    path = f"/dev/video{device}" if isinstance(device, int) else device
    return os.path.realpath(path) if path.startswith("/dev/") else path


class Camera:
    """See ``build``. ``counters``: frames grabbed, and dropped because a newer one came. ``missing``: how many a file
    that was read to its end lacks of those it announces, 0 where it may only have counted them loosely."""

    def __init__(
        self,
        *,
        name: str,
        clock: Clock,
        device: int | str,
        wanted: tuple[float, int, int],
        backend: str,
        at_once: bool,
        loop: bool,
        silence_s: float,
        locks: Mapping[str, float],
        password: str,
    ) -> None:
        self._name, self._clock, self._device, self._wanted = name, clock, device, wanted
        self._backend, self._loop, self._silence_s, self._locks = backend, loop, silence_s, dict(locks)
        self._password, self._shown = password, for_others(str(device))
        self._is_file = _is_file(device, backend)
        self.can_wait = at_once and self._is_file
        self.counters: dict[str, int] = {"frames": 0, "dropped": 0}
        self.missing = self._taken = 0
        self._capture: Capture | None = None
        self._grabber: Grabber | None = None
        self._opening: Opening | None = None
        self._epoch, self._seq, self._shape = -1, 0, (0, 0)
        self._start = self._offset = self._last_t = 0.0
        self._rate = wanted[0]
        self._times = FrameTimes(self._rate)
        self._held: tuple[Frame, float, bool] | None = None
        self._last_frame = 0.0

    def open(self) -> None:
        capture = self._opened() if self._is_file else self._opened_in_time()
        self._epoch, self._seq, self._shape = self._epoch + 1, 0, (0, 0)
        self._taken = 0
        self._start = self._last_frame = self._clock.now()
        self._offset, self._held = 0.0, None
        self._rate = capture.rate_hz or self._wanted[0]
        self._times = FrameTimes(self._rate)
        if self._is_file:
            self._capture = capture
        else:  # what counts its frames is no camera but a recording that a server hands out
            self._grabber = Grabber(capture, self._clock, self._times if capture.frames else None)

    def read(self) -> list[Block]:
        """The frames that came, after waiting at most 0.4 s. Raises SourceError when the camera is silent or gone,
        EOFError at a file's end."""
        if self._grabber is not None:
            return self._read_live(self._grabber)
        return [] if self._capture is None else self._read_file(self._capture)

    def close(self) -> None:
        grabber, self._grabber = self._grabber, None
        capture, self._capture = self._capture, None
        if grabber is not None:
            grabber.close()
        if capture is not None:
            with contextlib.suppress(Exception):
                capture.release()

    def _opened(self) -> Capture:
        return open_capture(self._device, self._backend, self._is_file, self._wanted, self._locks, self._password)

    def _opened_in_time(self) -> Capture:
        """A live camera. One call that hangs in the driver is enough: while it does, no other is made."""
        if self._opening is None or not self._opening.hangs:
            self._opening = Opening(self._opened)
            if (capture := self._opening.wait(_OPEN_S)) is not None:
                return capture
        if "://" in str(self._device):  # whose name is asked for longer than an address is waited for
            raise SourceError(f"{self._shown}: no answer for {_OPEN_S:g} s", "camera_unreachable")
        raise SourceError(f"{self._shown}: opening it hangs in its driver; unplug it and plug it in", "camera_silent")

    def _read_live(self, grabber: Grabber) -> list[Block]:
        got, dropped = grabber.take(_WAIT_S)
        self.counters["dropped"] += dropped
        now = self._clock.now()
        if not got:
            if now - max(self._last_frame, grabber.due) > self._silence_s:
                told = f"{self._shown}: no frame for {self._silence_s:g} s; is the camera connected?"
                raise SourceError(told, "camera_silent")
            return []
        blocks = []
        for stamp, frame, cut in got:
            if frame is None:
                said = f" ({for_others(grabber.failed)})" if grabber.failed else ""
                told = f"{self._shown}: the stream ended{said}; unplugged, or the address is gone"
                raise SourceError(told, "camera_silent")
            self._last_frame = now
            blocks += self._block(frame, stamp, cut)
        return blocks

    def _read_file(self, capture: Capture) -> list[Block]:
        if self._held is None:
            frame = capture.read()
            if frame is None:
                return self._at_the_end(capture)
            t, cut = self._times.next(capture.time_s())
            if self._times.untimed:
                raise SourceError(f"{self._shown}: {UNTIMED}", "file_unreadable")
            self._last_t = self._offset + t
            self._held = frame, self._start + self._last_t, cut
        frame, due, cut = self._held
        if not self.can_wait:
            wait_s = due - self._clock.now()
            self._clock.sleep(max(0.0, min(_WAIT_S, wait_s)))
            if wait_s > _WAIT_S:
                return []
        self._held = None
        return self._block(frame, due, cut)

    def _at_the_end(self, capture: Capture) -> list[Block]:
        if not self._seq:
            raise SourceError(f"{self._shown}: not a video, or a video without a frame", "file_unreadable")
        missing = capture.frames - self._taken
        self.missing = missing if missing > _LOOSELY * capture.frames else 0
        if not self._loop:
            raise EOFError
        capture.release()
        self._taken = 0
        self._capture = self._opened()
        self._offset, self._times = self._last_t + 1.0 / self._rate, FrameTimes(self._rate)
        return []

    def _block(self, frame: Frame, t: float, cut: bool) -> list[Block]:
        frame = _three_channels(frame)
        if min(frame.shape[:2]) < _MIN_SIDE:
            told = f"{self._shown}: frames of {frame.shape[1]} x {frame.shape[0]} pixels are too small"
            raise SourceError(told, "camera_small")
        if frame.shape[2] != 3:
            wanted = "videoconvert ! video/x-raw,format=BGR ! appsink"
            raise SourceError(f"{self._shown}: frames of 2 channels, as YUYV has; end the pipeline in {wanted}")
        self.counters["frames"] += 1
        self._taken += 1
        if cut or self._shape != frame.shape[:2]:
            if self._seq:
                self._epoch, self._seq = self._epoch + 1, 0
            self._shape = frame.shape[:2]
        block = Block(f"{self._name}/video", self._seq, t, self._rate, frame[None], self._epoch, ("b", "g", "r"))
        self._seq += 1
        return [block]


def _three_channels(frame: Frame) -> Frame:
    """Grey as three equal channels, an alpha channel dropped, more than 8 bits scaled to 8."""
    if frame.dtype != np.uint8:
        frame = (frame / (np.iinfo(frame.dtype).max / 255.0)).astype(np.uint8)
    if frame.ndim == 2:
        frame = frame[:, :, None]
    if frame.shape[2] == 1:
        frame = np.repeat(frame, 3, axis=2)
    return np.ascontiguousarray(frame[:, :, :3])


def _is_file(device: int | str, backend: str) -> bool:
    return isinstance(device, str) and backend == "opencv" and "://" not in device and not device.startswith("/dev/")


def _password(device: int | str, password_file: str | None) -> str:
    """ "" where none is needed; raises ConfigError, which never holds it."""
    address = str(device) if "://" in str(device) else ""
    if holds_password(address):
        told = f"set password_file, and write {PLACE} in its place where no user stands before an @"
        raise ConfigError(f"device: holds a password, and what is configured is told and recorded; {told}")
    if password_file is None:
        if PLACE in address:
            raise ConfigError(f"device: {PLACE} stands for what password_file holds; set that, too")
        return ""
    if not takes_password(address):
        raise ConfigError(f"password_file: device names no user; write rtsp://USER@HOST/... or ...?password={PLACE}")
    return password_in(password_file, "password_file")


def _check(device: int | str, backend: str) -> None:
    if backend != "picamera2":
        import cv2  # noqa: F401
    if _is_file(device, backend):
        try:
            check_file(str(device))
        except SourceError as error:
            raise ConfigError(str(error)) from None
