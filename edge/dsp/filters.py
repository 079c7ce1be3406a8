"""Butterworth filters without ``scipy.signal``, whose import costs a second and 80 MB.

Transforms of float64 are ``numpy.fft``'s: to the bit those of ``scipy.fft``, whose import costs 20 MB and a quarter of a
second. Only heart sound, in float32, uses the latter, which is up to twice as fast in it, and which numpy below 2 has not.
numpy's own rounds otherwise: the int8 network then decides 4 of 8,158 windows of 601 recordings in another way.

``butterworth`` designs second-order sections (bilinear transform of the analogue prototype, as in Oppenheim and
Schafer, Discrete-Time Signal Processing); ``zero_phase`` applies them to a whole window in the frequency domain.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ODD: list[int] = [3**a * 5**b for a in range(16) for b in range(12)]


@lru_cache(maxsize=64)
def butterworth(order: int, cut_hz: float | tuple[float, float], rate_hz: float, kind: str = "low") -> Floats:
    """Sections ``(n, 6)`` of b0 b1 b2 1 a1 a2, read-only and remembered.

    kind: "low" or "high" with one corner, "band" with two (``order`` then counts each flank). Raises ValueError when a
    corner does not lie between 0 and half the rate.
    """
    corners = np.atleast_1d(np.asarray(cut_hz, dtype=np.float64))
    if order < 1 or len(corners) != (2 if kind == "band" else 1):
        raise ValueError("order counts from 1; low and high take one corner, band takes two")
    if not ((corners > 0) & (corners < rate_hz / 2)).all() or (np.diff(corners) <= 0).any():
        raise ValueError(f"corners {corners.tolist()} Hz must rise between 0 and {rate_hz / 2:g} Hz")
    warped = 2.0 * rate_hz * np.tan(np.pi * corners / rate_hz)
    prototype = np.exp(1j * np.pi * (2 * np.arange(1, order + 1) + order - 1) / (2 * order))
    if kind == "low":
        poles, zeros = prototype * warped[0], -np.ones(order)
        reference = 1.0
    elif kind == "high":
        poles, zeros = warped[0] / prototype, np.ones(order)
        reference = -1.0
    elif kind == "band":
        width, centre = warped[1] - warped[0], warped[0] * warped[1]
        half = prototype * width / 2
        root = np.sqrt(half * half - centre)
        poles = np.concatenate([half + root, half - root])
        zeros = np.concatenate([np.ones(order), -np.ones(order)])
        reference = np.exp(2j * np.arctan(np.sqrt(centre) / (2.0 * rate_hz)))
    else:
        raise ValueError(f"kind is low, high or band, not {kind!r}")
    digital = (2.0 * rate_hz + poles) / (2.0 * rate_hz - poles)
    sections = _paired(digital, zeros)
    gain = abs(_at(sections, np.array([reference]))[0])
    sections[:, :3] /= gain ** (1.0 / len(sections))
    sections.flags.writeable = False
    return sections


def zero_phase(x: Floats, sections: Floats, pad: int | None = None, hum: int = 1) -> Floats:
    """``x`` filtered forwards and backwards at once (gain squared, no delay), along the first axis.

    x: ``(n,)`` or ``(n, channels)`` without holes; both ends are continued by point reflection over ``pad`` samples,
    about the level there, from which what repeats every ``hum`` samples is gone (1: the last sample).
    """
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    if n < 2:
        return np.zeros_like(x)
    pad = min(n - 1, n - 1 if pad is None else pad)
    end = n + 2 * pad
    length = _fast_length(end + pad)
    rows = x.T  # a transform runs along memory
    longer = np.empty((*rows.shape[:-1], length))
    longer[..., pad : pad + n] = rows
    longer[..., :pad] = 2 * _level(rows, hum) - rows[..., pad:0:-1]
    longer[..., pad + n : end] = 2 * _level(rows[..., ::-1], hum) - rows[..., -2 : -pad - 2 : -1]
    level = longer[..., end - 1 : end]
    longer[..., end:] = level + (longer[..., :1] - level) * _ramp(length - end)
    spectrum = np.fft.rfft(longer)
    spectrum *= _gain_squared(sections.tobytes(), length)
    return np.asarray(np.fft.irfft(spectrum, length)[..., pad : pad + n].T)


@lru_cache(maxsize=256)
def _fast_length(least: int) -> int:
    """The smallest length from ``least`` of no prime factor over 5, which transforms fast."""
    return min(odd << (-(-least // odd) - 1).bit_length() for odd in _ODD)


def _level(rows: Floats, hum: int) -> Floats:
    """The first values of rows, ``(..., 1)``: continued from the means of the first two stretches of ``hum`` samples."""
    if hum < 2 or rows.shape[-1] < 2 * hum:
        return rows[..., :1]
    near = rows[..., :hum].mean(axis=-1, keepdims=True)
    far = rows[..., hum : 2 * hum].mean(axis=-1, keepdims=True)
    return np.asarray(near + (near - far) * (hum - 1) / (2 * hum))


@lru_cache(maxsize=64)
def _ramp(n: int) -> Floats:
    """``n`` steps from above 0 to below 1."""
    return np.linspace(0.0, 1.0, n + 2)[1:-1]


@lru_cache(maxsize=64)
def _gain_squared(sections: bytes, length: int) -> Floats:
    """Squared gain at every bin of a real transform of ``length``, ``(length // 2 + 1,)``."""
    rows = np.frombuffer(sections, dtype=np.float64).reshape(-1, 6)
    return np.asarray(np.abs(_at(rows, np.exp(2j * np.pi * np.arange(length // 2 + 1) / length))) ** 2)


def within_reach(x: NDArray[Any], least: float = 1e-15) -> NDArray[Any]:
    """``x`` itself, or times a power of two where the unit is so odd that squares would leave what a float32 holds, or
    nothing in it is over ``least``."""
    with np.errstate(invalid="ignore"):
        size = max(float(x.max(initial=0)), -float(x.min(initial=0)))
        if not np.isfinite(size):
            size = float(np.abs(x, where=np.isfinite(x), out=np.zeros(x.shape)).max())
    if size == 0.0 or least < size < 1e15:
        return x
    return np.asarray(np.ldexp(np.asarray(x, np.float64), -int(np.frexp(size)[1])))


def detrend(x: Floats) -> Floats:
    """``x`` without its straight line of least squares, along the first axis."""
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    if n < 2:
        return x - x
    k = np.arange(n) - (n - 1) / 2
    k = k.reshape(-1, *([1] * (x.ndim - 1)))
    return np.asarray(x - x.mean(axis=0) - k * (k * x).sum(axis=0) / (k * k).sum())


def _at(sections: Floats, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    gain = np.ones(len(z), dtype=np.complex128)
    back = 1.0 / z
    for b0, b1, b2, _, a1, a2 in sections:
        gain *= (b0 + back * (b1 + back * b2)) / (1.0 + back * (a1 + back * a2))
    return gain


def _paired(poles: NDArray[np.complex128], zeros: Floats) -> Floats:
    """Conjugate poles share a section, real poles pair up; zeros at 1 and -1 are dealt out evenly."""
    upper = poles[poles.imag > 1e-12]
    real = np.sort(poles[abs(poles.imag) <= 1e-12].real)
    denominators = [(1.0, -2.0 * p.real, abs(p) ** 2) for p in upper[np.argsort(-abs(upper))]]
    pairs = zip(real[0::2], real[1::2], strict=False)
    denominators += [(1.0, -(a + b), a * b) for a, b in pairs]
    if len(real) % 2:
        denominators.append((1.0, -float(real[-1]), 0.0))
    left = sorted(zeros.tolist())
    rows = []
    for denominator in denominators:
        if denominator[2] == 0.0:
            rows.append([1.0, -left.pop(), 0.0, *denominator])
            continue
        a = left.pop()
        b = left.pop(0)
        rows.append([1.0, -(a + b), a * b, *denominator])
    return np.array(rows)
