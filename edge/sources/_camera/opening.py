"""A camera is opened in a thread of its own, since a driver's call may never return, and the program goes on without it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from edge.sources._camera.capture import Capture


class Opening:
    """One call of ``make``. A camera that comes after it was given up is let go of at once."""

    def __init__(self, make: Callable[[], Capture]) -> None:
        self._make = make
        self._capture: Capture | None = None
        self._error: Exception | None = None
        self._given_up = False
        self._lock, self._returned = threading.Lock(), threading.Event()
        threading.Thread(target=self._run, name="edge-camera-open", daemon=True).start()

    @property
    def hangs(self) -> bool:
        """Whether the driver has not returned yet."""
        return not self._returned.is_set()

    def wait(self, wait_s: float) -> Capture | None:
        """The open camera; None, and given up, where the driver did not return within ``wait_s``. Raises what it raised."""
        self._returned.wait(wait_s)
        with self._lock:
            self._given_up = self._capture is None
        if self._error is not None:
            raise self._error
        return self._capture

    def _run(self) -> None:
        try:
            capture = self._make()
            with self._lock:
                self._capture = None if self._given_up else capture
            if self._capture is None:
                with contextlib.suppress(Exception):
                    capture.release()
        except Exception as error:  # told by whoever waits
            self._error = error
        finally:
            self._returned.set()
