"""Heart sound of any rate becomes what the murmur network sees: 5 s of 40 log-mel bands, 250 frames of 20 ms, twice.

Every window is worked out from its own samples alone, so streaming and whole-file numbers are the same. One real FFT
does resampling to 2 kHz and the 25-800 Hz band together; spikes are removed after Schmidt (Physiol. Meas. 2010;31:513).
The picture has one mean and one deviation per window, so neither gain, DC nor the unit of the samples matters.
``scalogram`` is the alternative: a Morlet filter bank, one FFT forward and a band-cropped one back per octave.
"""

from __future__ import annotations

import math
import statistics
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import ifft, irfft, next_fast_len, rfft

Floats = NDArray[np.float32]

RATE_HZ = 2000
WINDOW_S = 5.0
HOP_SAMPLES = 40  # 20 ms
FRAME_SAMPLES = 100  # 50 ms
FRAMES = 250
BANDS = 40
BAND_HZ = (25.0, 800.0)
_FFT = 128
_EDGE_S = 0.1  # reflected at both ends, so that the FFT's wrap-around stays outside
_ABOVE_HZ = 40.0  # nothing is kept from there on
_PARTS = 4
_SPIKE_WINDOW = 1000  # 500 ms
_SPIKE_RATIO = 3.0
_MAX_SPIKE_SHARE = 0.2  # a beat every other window is a slow heart, not a fault
_MAX_SPIKES = 20
_LIKE_UPPER = 4
_FLOOR = 1e-5  # of the mean band power: 50 dB
CLIP = 4.0


def to_internal(x: NDArray[Any], rate_hz: float) -> Floats:
    """``x`` (n,) of any unit at ``rate_hz`` as float32 at 2 kHz, 25-800 Hz, zero mean; length n · 2000 / rate."""
    x = np.asarray(x, np.float32)
    n = len(x)
    whole = _grid(rate_hz)  # samples that are a whole number of 2 kHz samples
    left = min((n - 1) // whole, round(_EDGE_S * rate_hz / whole)) * whole
    total = whole * next_fast_len(-(-(n + 2 * left) // whole), real=True)
    right = min(n - 1, total - n - left)
    x = x - x.mean()
    padded = np.concatenate(
        [
            2 * x[0] - x[left:0:-1],
            x,
            2 * x[-1] - x[-2 : -2 - right : -1],
            np.zeros(total - n - left - right, np.float32),
        ]
    )
    out_total = round(total * RATE_HZ / rate_hz)
    band = _band(padded, float(rate_hz), out_total)
    kept = np.zeros(out_total // 2 + 1, np.complex64)
    kept[: len(band)] = band
    y = irfft(kept, out_total)
    start = round(left * RATE_HZ / rate_hz)
    m = round(n * RATE_HZ / rate_hz)
    return np.asarray(y[start : start + m] * np.float32(out_total / total), np.float32)


def remove_spikes(y: Floats) -> tuple[Floats, int]:
    """``y`` at 2 kHz without isolated bursts, and how many there were.

    A 500 ms window whose largest sample is over three times the median of all windows' largest holds a spike; it is
    zeroed between the zero crossings around it. Where more than a fifth of the windows would be spikes, none is one.
    """
    whole = len(y) // _SPIKE_WINDOW
    if whole < 3:
        return y, 0
    peaks = np.abs(y[: whole * _SPIKE_WINDOW]).reshape(whole, _SPIKE_WINDOW).max(axis=1)
    median = statistics.median(peaks.tolist())
    over = peaks > _SPIKE_RATIO * median
    if not over.any() or over.mean() > _MAX_SPIKE_SHARE:
        return y, 0
    y = y.copy()
    removed = 0
    while removed < _MAX_SPIKES and peaks.max() > _SPIKE_RATIO * median:
        window = int(peaks.argmax())
        at = window * _SPIKE_WINDOW
        middle = at + int(np.abs(y[at : at + _SPIKE_WINDOW]).argmax())
        a, b = _crossings(y, middle)
        y[a:b] = 0.0
        removed += 1
        for w in range(a // _SPIKE_WINDOW, min(whole - 1, (b - 1) // _SPIKE_WINDOW) + 1):
            peaks[w] = np.abs(y[w * _SPIKE_WINDOW : (w + 1) * _SPIKE_WINDOW]).max()
    return y, removed


def log_mel(y: Floats) -> Floats:
    """Log power of ``y`` at 2 kHz in 40 mel bands, ``(40, len(y) // 40)``, natural log, floor 50 dB below the mean."""
    return _log(mel_power(y))


def with_upper_bands(picture: Floats, rate_hz: float) -> Floats:
    """A log-mel picture of sound that was sampled at ``rate_hz``, those bands filled that such sound cannot hold.

    They get the four highest bands that were heard, again and again: the network never saw a heart without them, and
    murmurs above 400 Hz look much alike in all. Itself from 1.7 kHz on.
    """
    heard = _bands_below(0.495 * rate_hz)
    if heard >= BANDS:
        return picture
    picture = picture.copy()
    picture[heard:] = np.resize(picture[heard - _LIKE_UPPER : heard], picture[heard:].shape)
    return picture


def mel_power(y: Floats) -> Floats:
    """Power of ``y`` at 2 kHz in 40 mel bands, ``(40, len(y) // 40)``: 50 ms Hann frames centred on every 20 ms."""
    frames = len(y) // HOP_SAMPLES
    half = (FRAME_SAMPLES - HOP_SAMPLES) // 2
    padded = np.concatenate([y[half:0:-1], y, y[-2 : -2 - half : -1]])
    step = padded.itemsize
    cut = np.lib.stride_tricks.as_strided(padded, (frames, FRAME_SAMPLES), (HOP_SAMPLES * step, step), writeable=False)
    window, bank = _mel_bank()
    longer = np.zeros((frames, _FFT), np.float32)
    np.multiply(cut, window, out=longer[:, :FRAME_SAMPLES])
    spectrum = rfft(longer, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(bank @ power.T, np.float32)


def scalogram(y: Floats) -> Floats:
    """Log of ``wavelet_power``, floor 50 dB below the mean."""
    return _log(wavelet_power(y))


def wavelet_power(y: Floats) -> Floats:
    """Power of a Morlet wavelet transform of ``y`` at 2 kHz, ``(BANDS, len(y) // 40)``, low frequencies first.

    Constant-Q bands from 25 to 800 Hz; each octave's inverse FFT is cropped to its band, then power is averaged over
    the 20 ms frames.
    """
    frames = len(y) // HOP_SAMPLES
    n = frames * HOP_SAMPLES
    spectrum = rfft(y[:n])
    out = np.zeros((BANDS, frames), np.float32)
    for first, last, low, length, responses in _wavelets(n):
        part = np.zeros((last - first, length), np.complex64)
        width = responses.shape[1]
        part[:, :width] = spectrum[low : low + width] * responses
        band = ifft(part, axis=1)
        power = (band.real**2 + band.imag**2).reshape(last - first, frames, length // frames).mean(axis=2)
        out[first:last] = power * np.float32((length / n) ** 2)
    return out


def normalised(picture: Floats) -> Floats:
    """One mean and one deviation per window, clipped to ± 4."""
    centred = picture - picture.mean()
    return np.asarray(np.clip(centred / (_deviation(centred) + np.float32(1e-3)), -CLIP, CLIP), np.float32)


def network_input(picture: Floats) -> Floats:
    """A log-mel picture of 3 to 5 s as the network takes it, ``(1, 2, 40, 250)``; a short one is repeated.

    The second channel is the first less each band's own mean: what beats, without the colour of the microphone.
    """
    frames = picture.shape[1]
    if frames < FRAMES:
        picture = np.tile(picture, (1, -(-FRAMES // frames)))
    level = normalised(picture[:, :FRAMES])
    beat = level - level.mean(axis=1, keepdims=True)
    beat /= _deviation(beat) + np.float32(1e-3)
    return np.stack([level, np.clip(beat, -CLIP, CLIP)])[None]


def _deviation(centred: Floats) -> np.float32:
    """Of values whose mean is 0."""
    return np.float32(math.sqrt(np.vdot(centred, centred) / centred.size))


def _log(power: Floats) -> Floats:
    mean = power.mean()
    if not mean > 0:
        return np.zeros(power.shape, np.float32)
    return np.asarray(np.log(power / mean + np.float32(_FLOOR)), np.float32)


def _crossings(y: Floats, middle: int) -> tuple[int, int]:
    sign = y[middle] >= 0
    before = np.flatnonzero((y[:middle] >= 0) != sign)
    after = np.flatnonzero((y[middle:] >= 0) != sign)
    a = int(before[-1]) + 1 if len(before) else 0
    return a, middle + int(after[0]) if len(after) else len(y)


def _grid(rate_hz: float) -> int:
    rate = round(rate_hz)
    return rate // math.gcd(rate, RATE_HZ) if rate == rate_hz else 1


def _band(x: Floats, rate_hz: float, out_total: int) -> NDArray[np.complex64]:
    """The lowest bins of the spectrum of ``x`` (n,), those that are kept, weighted.

    Four transforms of every fourth sample side by side take a third of the time of one, and low bins are soon made of
    them (decimation in time: Cooley and Tukey, Math. Comput. 1965;19:297).
    """
    n = len(x)
    mask = _band_mask(n, rate_hz, out_total)
    bins, quarter = len(mask), n // _PARTS
    if n % _PARTS or bins > quarter:
        return np.asarray(rfft(x)[:bins] * mask, np.complex64)
    parts = rfft(np.ascontiguousarray(x.reshape(quarter, _PARTS).T), axis=1)
    mirrored = parts[:, max(0, quarter - bins) + 1 : quarter - quarter // 2][:, ::-1].conj()
    low = np.concatenate([parts, mirrored], axis=1)[:, :bins]
    return np.asarray((low * _turned_mask(n, rate_hz, out_total)).sum(axis=0), np.complex64)


@lru_cache(maxsize=16)
def _turned_mask(total: int, rate_hz: float, out_total: int) -> NDArray[np.complex64]:
    """The weights of the bins, turned as far as each of the four parts lies later, ``(4, bins)``."""
    mask = _band_mask(total, rate_hz, out_total)
    turns = np.outer(np.arange(_PARTS), np.arange(len(mask))) / total
    return np.asarray(mask * np.exp(-2j * np.pi * turns), np.complex64)


@lru_cache(maxsize=16)
def _band_mask(total: int, rate_hz: float, out_total: int) -> Floats:
    top = BAND_HZ[1] + _ABOVE_HZ
    bins = min(total // 2 + 1, out_total // 2 + 1, math.ceil(top * total / rate_hz))
    f = np.arange(bins) * (rate_hz / total)
    low, high = BAND_HZ
    rise = np.clip((f - (low - 8.0)) / 10.0, 0.0, 1.0)
    fall = np.clip((high + _ABOVE_HZ - f) / 60.0, 0.0, 1.0)
    return np.asarray((0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 - 0.5 * np.cos(np.pi * fall)), np.float32)


def _mel_edges_hz() -> NDArray[np.float64]:
    low, high = (1127.0 * np.log1p(f / 700.0) for f in BAND_HZ)
    return np.asarray(700.0 * np.expm1(np.linspace(low, high, BANDS + 2) / 1127.0))


@lru_cache(maxsize=16)
def _bands_below(hz: float) -> int:
    """How many bands lie under a frequency with all of their width."""
    return int((_mel_edges_hz()[2:] <= hz).sum())


@lru_cache(maxsize=1)
def _mel_bank() -> tuple[Floats, Floats]:
    edges = _mel_edges_hz()
    f = np.arange(_FFT // 2 + 1) * (RATE_HZ / _FFT)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bank = np.maximum(0.0, np.minimum((f - left) / (centre - left), (right - f) / (right - centre)))
    bank /= bank.sum(axis=1, keepdims=True)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(FRAME_SAMPLES) + 0.5) / FRAME_SAMPLES)
    return np.asarray(window, np.float32), np.asarray(bank, np.float32)


@lru_cache(maxsize=4)
def _wavelets(n: int) -> tuple[tuple[int, int, int, int, Floats], ...]:
    """Per group of scales: first, last, lowest bin, inverse FFT length (a multiple of the frames), responses."""
    frames = n // HOP_SAMPLES
    centres = np.geomspace(BAND_HZ[0] * 1.2, BAND_HZ[1] / 1.1, BANDS)
    bin_hz = RATE_HZ / n
    f = np.arange(n // 2 + 1) * bin_hz
    groups = []
    size = 8
    for first in range(0, BANDS, size):
        chosen = centres[first : first + size]
        sigma = chosen / 8.0
        low = max(0, int((chosen[0] - 3.0 * sigma[0]) / bin_hz))
        high = min(n // 2, int((chosen[-1] + 3.0 * sigma[-1]) / bin_hz) + 1)
        length = frames * next_fast_len(max(2, -(-(high - low) // frames)))
        response = np.exp(-0.5 * ((f[low:high] - chosen[:, None]) / sigma[:, None]) ** 2)
        groups.append((first, first + len(chosen), low, length, np.asarray(response, np.float32)))
    return tuple(groups)
