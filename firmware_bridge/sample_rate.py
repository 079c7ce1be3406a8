"""How fast a stream's samples really come, by the device's own count and clock. Standard library only.

A sensor with an oscillator of its own may be some per cent off what the firmware declares, and a firmware may declare
what another board did; either way every heart rate would be off by as much.
"""

from __future__ import annotations

from typing import Final

_FIRST_S: Final = 3.0  # before any window is full
_FIRST_OFF: Final = 0.03
_SPAN_S: Final = 10.0
_OFF: Final = 0.01
_ALIKE: Final = 0.005  # between two spans in a row, or it is the device's time stamps that vary
_MOST: Final = 4.0  # times as fast or as slow as declared: beyond it the count or the clock is wrong, not the rate
_WRAP: Final = 1 << 32


class SampleRate:
    """``hz`` of one stream: as declared, until its frames say otherwise.

    Within ``_FIRST_S`` a rate more than 3 % off is noticed; later one that is more than 1 % off in two spans of 10 s
    that agree. One beyond four times or a quarter of what is declared is not believed.
    """

    def __init__(self, declared_hz: float) -> None:
        self.declared_hz = self.hz = declared_hz
        self._settled = False
        self._previous_hz = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin to measure anew: samples were lost uncounted, or the device's clock jumped."""
        self._begin: tuple[int, int] | None = None

    def add(self, index: int, device_us: int) -> bool:
        """The first sample of a frame, by its index and its time on the device (both wrap at 2^32); whether ``hz`` is
        another one from here on."""
        if self._begin is None:
            self._begin = index, device_us
            return False
        seconds = (device_us - self._begin[1]) % _WRAP / 1e6
        if seconds < (_SPAN_S if self._settled else _FIRST_S):
            return False
        measured_hz = (index - self._begin[0]) % _WRAP / seconds
        self._begin = index, device_us
        if not 1.0 / _MOST <= measured_hz / self.declared_hz <= _MOST:
            return False
        off = abs(measured_hz / self.hz - 1.0)
        if self._settled:
            wrong = off > _OFF and abs(measured_hz / (self._previous_hz or self.hz) - 1.0) < _ALIKE
            self._previous_hz = measured_hz
        else:
            wrong = off > _FIRST_OFF
        self._settled = True
        if wrong:
            self.hz = round(measured_hz, 1)
        return wrong
