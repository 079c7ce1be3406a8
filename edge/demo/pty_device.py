"""A simulated microcontroller on a pseudo-terminal: what opens it cannot tell it from a serial port.

The port is a symbolic link, as under ``/dev/serial/by-id``, which vanishes while unplugged and comes back to another
terminal when plugged in again.
"""

from __future__ import annotations

import contextlib
import os
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

from edge.clock import Clock, SystemClock

_STEP_S = 0.02
_JOIN_S = 2.0
_READ_BYTES = 4096


class Device(Protocol):
    """What is pumped: ``firmware_bridge.simulator.Simulator`` has this shape."""

    def step(self, now: float) -> bytes: ...

    def receive(self, data: bytes, now: float) -> None: ...


class PtyDevice:
    """Runs a device in its own thread; a context manager that stops within two seconds.

    path: the link that stands for the port. on_step: called with the device's own time, s, after every step.
    dropped_bytes: what a full terminal did not take.
    """

    def __init__(
        self,
        device: Device,
        path: str | Path,
        *,
        clock: Clock | None = None,
        on_step: Callable[[float], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self._device, self._clock, self._on_step = device, clock or SystemClock(), on_step
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._master: int | None = None
        self._slave: int | None = None
        self._thread = threading.Thread(target=self._pump, name="edge-pty-device", daemon=True)
        self.dropped_bytes = 0

    def __enter__(self) -> Self:
        self.replug()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_JOIN_S)
        self.unplug()

    def unplug(self) -> None:
        """The cable is pulled: the link is gone and the far end sees the line drop. Harmless when unplugged."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            for end in (self._slave, self._master):
                if end is not None:
                    os.close(end)
            self._master = self._slave = None

    def replug(self) -> None:
        """Plugged in again, as another terminal under the same name. Harmless when plugged in."""
        with self._lock:
            if self._master is not None:
                return
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
            self.path.symlink_to(os.ttyname(self._slave))

    def _pump(self) -> None:
        started = self._clock.now()
        while not self._stop.is_set():
            now = self._clock.now() - started
            data = self._device.step(now)
            with self._lock:
                if self._master is not None:
                    self._exchange(self._master, data, now)
            if self._on_step is not None:
                self._on_step(now)
            self._stop.wait(_STEP_S)

    def _exchange(self, master: int, data: bytes, now: float) -> None:
        """Write without ever waiting: what a full terminal does not take is lost, as on a real line."""
        try:
            taken = os.write(master, data) if data else 0
        except BlockingIOError:
            taken = 0
        self.dropped_bytes += len(data) - taken
        with contextlib.suppress(OSError):
            heard = os.read(master, _READ_BYTES)
            if heard:
                self._device.receive(heard, now)
