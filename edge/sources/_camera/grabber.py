"""Frames of a live camera, grabbed in a thread of their own, since a driver's call may never return.

Thread, frames and capture belong to one opening: a call that comes back after its camera was given up lets go of the
camera and leaves nothing behind for the next opening, neither an old frame nor an end.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import deque

from edge.clock import Clock
from edge.sources._camera.capture import Capture, Frame
from edge.sources._camera.frame_times import FrameTimes

_JOIN_S = 1.0
_HELD = 4
_SAID = 200  # letters of a driver's message, which may be a page
_Grabbed = tuple[float, Frame | None, bool]


class Grabber:
    """Reads ``capture`` until ``close``; keeps the newest four frames, each with its time.

    times: of a recording, whose frames are stamped by its own clock and not handed on before their time; without it a
    frame's time is right after the grab. failed: what the driver said where the stream ended by its failure, else "".
    due: when the last frame of a recording is or was to be handed on, s.
    """

    def __init__(self, capture: Capture, clock: Clock, times: FrameTimes | None = None) -> None:
        self._capture, self._clock, self._times = capture, clock, times
        self._frames: deque[_Grabbed] = deque(maxlen=_HELD)
        self._arrived = threading.Condition()
        self._stop = threading.Event()
        self._dropped = 0
        self.failed, self.due = "", -math.inf
        self._thread = threading.Thread(target=self._grab, name="edge-camera", daemon=True)
        self._thread.start()

    def take(self, wait_s: float) -> tuple[list[_Grabbed], int]:
        """Time, frame (None for the end of the stream) and whether there was a cut before it, of each that came; and
        how many were dropped. Waits so long for one."""
        with self._arrived:
            if not self._frames:
                self._arrived.wait(wait_s)
            got, dropped = list(self._frames), self._dropped
            self._frames.clear()
            self._dropped = 0
        return got, dropped

    def close(self) -> None:
        """Stop; a thread that is stuck in the driver is not waited for longer than a second."""
        self._stop.set()
        self._thread.join(_JOIN_S)

    def _grab(self) -> None:
        start = self._clock.now()
        going_on = True
        while going_on:
            frame = self._read()
            t, cut = self._clock.now(), False
            if self._times is not None and frame is not None:
                own, cut = self._times.next(self._capture.time_s())
                t = self.due = start + own
                while (early_s := t - self._clock.now()) > 0 and not self._stop.wait(min(early_s, _JOIN_S)):
                    pass
            going_on = self._put(frame, t, cut)
        with contextlib.suppress(Exception):  # here, since a driver dies of a release in the midst of a read
            self._capture.release()

    def _read(self) -> Frame | None:
        try:
            return self._capture.read()
        except Exception as error:  # of a device that is gone: as good as the stream's end
            self.failed = " ".join(str(error).split())[:_SAID] or type(error).__name__
            return None

    def _put(self, frame: Frame | None, t: float, cut: bool) -> bool:
        """Hand on what was read; whether to read on."""
        with self._arrived:
            if self._stop.is_set():
                return False
            self._dropped += len(self._frames) == _HELD
            self._frames.append((t, frame, cut))
            self._arrived.notify()
        return frame is not None
