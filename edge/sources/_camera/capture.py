"""What the camera source needs of a driver, OpenCV or picamera2: a frame, the time a file gives it, an end."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.passwords import for_others, with_password
from edge.types import SourceError

Frame = NDArray[np.uint8]
UNTIMED = "its frames have no times, so no rate can be counted; put it into a file that has: ffmpeg -framerate FPS -i IN -c copy OUT.mkv"
_ANSWER_MS = 8000  # OpenCV's own patience with an address is 30 s
_JPEG = b"\xff\xd8\xff"


class Capture(Protocol):
    """An open camera or file. rate_hz: frames a second as the driver says, 0 where what it says makes no sense; frames:
    how many a file counts, 0 where it does not."""

    rate_hz: float
    frames: int

    def read(self) -> Frame | None:
        """The next frame; None at the end, or when the camera is gone."""

    def time_s(self) -> float | None:
        """The file's own time of the last frame, s; None where it has none."""

    def release(self) -> None:
        """Let go of the device."""


class _OpenCv:
    """A capture of OpenCV."""

    def __init__(self, cv2: Any, capture: Any, *, counted: bool) -> None:
        self._cv2, self._capture = cv2, capture
        fps = float(capture.get(cv2.CAP_PROP_FPS) or 0.0)
        self.rate_hz = fps if 1.0 <= fps <= 240.0 else 0.0
        self.frames = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT) or 0)) if counted else 0

    def read(self) -> Frame | None:
        ok, frame = self._capture.read()
        return frame if ok else None

    def time_s(self) -> float | None:
        ms = float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC))
        return ms / 1000.0 if np.isfinite(ms) and ms >= 0.0 else None

    def release(self) -> None:
        self._capture.release()


class _PiCamera:
    """A CSI camera through picamera2; number: which of those the board has."""

    frames = 0

    def __init__(self, number: int, wanted: tuple[float, int, int], locks: Mapping[str, float]) -> None:
        try:
            from picamera2 import Picamera2
        except Exception as error:  # ValueError where its parts are built for another NumPy
            raise SourceError(_no_picamera2(error), "package_missing") from None
        self.rate_hz, width, height = wanted
        try:
            self._camera = Picamera2(number)
        except Exception as error:  # an IndexError where there is no such camera, a RuntimeError where another has it
            raise SourceError(
                f"CSI camera {number}: cannot be opened: not there, or busy ({error})", "camera_busy"
            ) from None
        try:
            locked = _pi_controls(locks)
            if unknown := [name for name in locked if name not in self._camera.camera_controls]:
                raise SourceError(f"CSI camera {number}: cannot lock {', '.join(unknown)}")
            controls = {"FrameRate": self.rate_hz, **locked}
            video = {"size": (width, height), "format": "RGB888"}  # which is B, G, R in memory
            self._camera.configure(self._camera.create_video_configuration(main=video, controls=controls))
            self._camera.start()
        except Exception as error:
            self.release()
            raise error if isinstance(error, SourceError) else SourceError(f"CSI camera {number}: {error}") from None

    def read(self) -> Frame | None:
        frame: Frame = self._camera.capture_array("main")
        return frame

    def time_s(self) -> float | None:
        return None

    def release(self) -> None:
        self._camera.close()


def _no_picamera2(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "picamera2":
        seen = "a virtual environment sees it where it was made with --system-site-packages"
        return f"picamera2 is missing; apt install python3-picamera2; {seen}"
    return (
        f"picamera2 is installed and cannot be loaded: {' '.join(str(error).split())}; docs/wiring.md has what it needs"
    )


def _pi_controls(locks: Mapping[str, float]) -> dict[str, Any]:
    """By libcamera's names and in its units: an exposure in µs."""
    controls: dict[str, Any] = {}
    if "exposure" in locks:
        controls |= {"AeEnable": False, "ExposureTime": round(locks["exposure"])}
    if "gain" in locks:
        controls |= {"AeEnable": False, "AnalogueGain": locks["gain"]}
    if "white_balance_k" in locks:
        controls |= {"AwbEnable": False, "ColourTemperature": round(locks["white_balance_k"])}
    return controls


def open_capture(
    device: int | str,
    backend: str,
    is_file: bool,
    wanted: tuple[float, int, int],
    locks: Mapping[str, float],
    password: str = "",
) -> Capture:
    """Open a camera, an address or a video file; raises SourceError with a remedy.

    wanted: frames a second, width and height in pixels, asked of a live camera; locks: see ``camera.build``; password:
    of the user whom an address names.
    """
    if backend == "picamera2":
        return _PiCamera(int(device), wanted, locks)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # the decoder's own lines say nothing that our error does not
    try:
        import cv2
    except ImportError:
        told = f"{for_others(str(device))}: OpenCV is missing; pip install 'edge-vitals[camera]'"
        raise SourceError(told, "package_missing") from None
    cv2.setNumThreads(1)
    logging = getattr(cv2.utils, "logging", None)  # not in every build
    if logging is not None:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    if is_file:
        check_file(str(device))
    elif _is_device(device):
        _check_device(device)
    address = with_password(str(device), password) if password else str(device)
    if backend == "gstreamer":
        capture = cv2.VideoCapture(address, cv2.CAP_GSTREAMER)
    elif _is_device(device):  # left to choose, OpenCV tries its reader of files first, which empties a serial port
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    elif _is_address(device):
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _ANSWER_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _ANSWER_MS]
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, timeouts)
    else:
        capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        capture.release()
        hint, fault = ("not a video", "file_unreadable") if is_file else ("busy, or not a camera", "camera_busy")
        if _is_address(device):
            hint, fault = "nothing answers there, or what answers is not a video stream", "camera_unreachable"
        raise SourceError(f"{for_others(str(device))}: cannot be opened: {hint}", fault)
    if not is_file and backend == "opencv":
        _set(cv2, capture, wanted, locks)
    counted = _says_how_many(str(device)) if is_file else _is_address(device)
    return _OpenCv(cv2, capture, counted=counted)


def _is_device(device: int | str) -> bool:
    return isinstance(device, int) or device.startswith("/dev/")


def _is_address(device: int | str) -> bool:
    return "://" in str(device)


def check_file(path: str) -> None:
    """Raise SourceError where a file cannot be a video, before a decoder sees it."""
    try:
        there = os.stat(path)
    except OSError as error:
        told = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise SourceError(f"{path}: {told}", "file_unreadable") from None
    if path.encode(errors="ignore").decode() != path:  # OpenCV ends the whole process then
        raise SourceError(f"{path}: its name is not UTF-8, as OpenCV needs it; rename the file", "file_unreadable")
    if not os.access(path, os.R_OK):
        raise SourceError(f"{path}: no permission to read it", "file_unreadable")
    if stat.S_ISDIR(there.st_mode) or there.st_size == 0:
        what = "a folder" if stat.S_ISDIR(there.st_mode) else "an empty file"
        raise SourceError(f"{path}: not a video: {what}", "file_unreadable")
    if _head(path).startswith(_JPEG):  # of which a decoder makes up 25 a second
        raise SourceError(f"{path}: a picture, or pictures in a row: {UNTIMED}", "file_unreadable")


def _says_how_many(path: str) -> bool:
    """AVI and MP4 count their frames; of other files a decoder only guesses, by their length."""
    head = _head(path)
    return head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:] == b"AVI ")


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(12)


def _check_device(device: int | str) -> None:
    path = f"/dev/video{device}" if isinstance(device, int) else str(device)
    if not os.path.exists(path):
        raise SourceError(f"{path}: no such camera; is it plugged in?", "camera_missing")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path}: no permission; add the user to the group video", "camera_permission")


def _set(cv2: Any, capture: Any, wanted: tuple[float, int, int], locks: Mapping[str, float]) -> None:
    """Ask for a format and lock what was configured; a camera that cannot simply does not."""
    fps, width, height = wanted
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    capture.set(cv2.CAP_PROP_FPS, fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if "exposure" in locks:
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, 1)  # V4L2: manual
        capture.set(cv2.CAP_PROP_EXPOSURE, locks["exposure"])
    if "gain" in locks:
        capture.set(cv2.CAP_PROP_GAIN, locks["gain"])
    if "white_balance_k" in locks:
        capture.set(cv2.CAP_PROP_AUTO_WB, 0)
        capture.set(cv2.CAP_PROP_WB_TEMPERATURE, locks["white_balance_k"])
