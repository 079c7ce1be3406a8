"""When the frames of a recorded video were taken, by the video's own clock. Pure."""

from __future__ import annotations

_CUT_S = 10.0  # a step so long is a cut, not a pause
_BACK_S = 0.25  # and so is one so far back: steps of the nominal rate, which may be another, went on for too long
_UNTIMED = 10


class FrameTimes:
    """Times from the video's start, which never go back. rate_hz: its nominal rate, for single frames whose time is
    missing or does not rise."""

    def __init__(self, rate_hz: float) -> None:
        self._step_s = 1.0 / rate_hz
        self._anchor = self._last = 0.0
        self._frames = 0
        self._rose = False

    @property
    def untimed(self) -> bool:
        """Whether the video tells no times at all, as a raw H.264 stream: what rate it had is not known then."""
        return self._frames >= _UNTIMED and not self._rose

    def next(self, own_s: float | None) -> tuple[float, bool]:
        """Time of the next frame, s, of which the video says ``own_s``; and whether there was a cut before it: what
        follows is put right behind, and is no continuation."""
        first, self._frames = self._frames == 0, self._frames + 1
        expected = 0.0 if first else self._last + self._step_s
        t = expected if own_s is None else self._anchor + own_s
        rises = own_s is not None and t > self._last
        cut = not first and own_s is not None and not -_BACK_S < t - self._last < _CUT_S
        if cut:
            self._anchor += expected - t
        self._rose |= rises
        self._last = t if rises and not cut and t < _CUT_S + self._last else expected
        return self._last, cut
