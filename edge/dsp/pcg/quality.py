"""Is this a usable heart sound, and how fast does the heart beat: measured on one window, without any model.

A heart rate is the period at which the picture of the sound repeats: autocorrelation over all mel bands at once, which
tells S1 from S2 by their colour. Speech is sustained voicing that no heart makes, found with zero-frequency filtering
(Murty and Yegnanarayana, IEEE TASLP 2008;16:1602). Thresholds are from the recordings of the training set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from edge.dsp.crest import crest
from edge.dsp.pcg.frontend import HOP_SAMPLES, RATE_HZ, Floats

Lags = NDArray[np.float64]  # correlation by lag, frames

FRAME_RATE_HZ = RATE_HZ / HOP_SAMPLES
RATES_BPM = (30.0, 220.0)
_PRIOR_BPM, _PRIOR_OCTAVES = 100.0, 1.0
_LOW_BANDS = 6  # up to about 120 Hz
_COLOUR_SHARE = 0.3
_NEARLY = 0.88
MAX_TOLD_BPM = 180.0
MIN_AGAIN = 0.3
MAX_BETWEEN = 0.7
MAX_HALVED = (0.85, 0.8)  # of all bands loud, and apart
_SEEN_SHARE = 0.75  # of the window; longer lags rest on too little
_RUN = 3  # samples at the rail, of which the middle one counts
MIN_PERIODICITY = 0.08
MAX_CLIPPED = 0.02
_AT_END = 2e-4  # of the range
MIN_PILED, _PILED = 0.04, 4.0  # none of 6,861 windows of CirCor, CinC 2016 and PASCAL has so many, but for silent ones
SPEECH_RUN_S = 0.15  # 0.4 % of CirCor's windows have more, 0.2 % of those with a murmur; half of speech is over 0.37
_MEAN = 21  # samples: 1.2 periods of 115 Hz
_KERNEL = 4 * (_MEAN - 1) - 2  # samples that the filter reaches over
MIN_FRICTION = 0.25
MIN_FRICTION_LOW_SHARE = 0.05  # rubbing has all frequencies; a tone or a telephone line has nothing under 200 Hz
MIN_LOW_SHARE = 0.01  # of 10,504 CirCor windows without murmur 0.3 % have less; tones and much music do
_HEART_BANDS, _HIGH_BANDS = 9, 18
_MURMUR_BANDS = slice(9, 24)  # 160 to 450 Hz
MIN_NOISE = -4.5  # -20 dB
MIN_SWELLING_NOISE, _PER_STEP = -5.0, 2.0
MIN_STEADY_NOISE, MAX_STEADY = -4.75, 1.4  # -21 dB; mean deviation of the bands' logarithms, 1.28 in steady noise
MIN_SWELL = 1.35


@dataclass(frozen=True, slots=True)
class Pulse:
    """rate_bpm of the heart, how strongly the sound repeats at it, 0..1, and whether it is told from other periods."""

    rate_bpm: float
    periodicity: float
    told_apart: bool


def heart_rate(picture: Floats) -> Pulse:
    """The repetition of a log-mel picture ``(40, frames)`` of 50 frames a second between 30 and 220 bpm.

    Correlation of the fourth root of the power below 120 Hz, mixed with that of all bands apart; a peak at half or two
    thirds of the period wins where both are nearly as strong there (in a fast heart whose systole lasts as long as its
    diastole three sounds come again as two beats do). Not told apart are two: a systole of half the cycle, which looks
    like a heart of twice the rate (of 1,018 steady CirCor windows 72 gave over 180 bpm, 58 of them the very end of the
    range), and S1 and S2 of a slow heart, which are as alike as two beats but do not come again after twice the time. Nor
    is a rate whose double is possible and nearly as strong: with early beats two beats come again better than one. Beats
    of over 180 bpm lie between frames more often than pairs of them, so heights are taken between frames.
    """
    frames = picture.shape[1]
    low_sound = np.sqrt(np.sqrt(np.exp(picture[:_LOW_BANDS]).sum(axis=0, keepdims=True)))
    loud, colour = _autocorrelations(low_sound, np.exp(0.5 * picture))
    both = (1.0 - _COLOUR_SHARE) * loud + _COLOUR_SHARE * colour
    shortest = int(60.0 * FRAME_RATE_HZ / RATES_BPM[1])
    longest = min(int(60.0 * FRAME_RATE_HZ / RATES_BPM[0]), int(0.6 * frames))
    inner = both[shortest:longest]
    peak = (inner >= both[shortest - 1 : longest - 1]) & (inner > both[shortest + 1 : longest + 1])
    lags = np.arange(shortest, longest)[peak]
    if not len(lags):
        return Pulse(0.0, 0.0, False)
    octaves = np.log2(60.0 * FRAME_RATE_HZ / lags / _PRIOR_BPM)
    lag = int(lags[(both[lags] * np.exp(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2)).argmax()])
    lag = _shorter(lag, 1 / 2, lags, both, colour)
    steady = min(max(float(both[lag]), 0.0), 1.0)
    lag = _shorter(lag, 2 / 3, lags, both, colour)
    fine = lag + crest(*both[lag - 1 : lag + 2])
    rate_bpm = min(max(float(60.0 * FRAME_RATE_HZ / fine), RATES_BPM[0]), RATES_BPM[1])
    told_apart = rate_bpm <= MAX_TOLD_BPM and _again(both, lag) >= MIN_AGAIN and _between(both, lag) <= MAX_BETWEEN
    return Pulse(rate_bpm, steady, told_apart and not _halved(both, colour, lag))


def _shorter(lag: int, share: float, lags: NDArray[np.int64], both: Lags, colour: Lags) -> int:
    """The peak at such a share of the period where it is nearly as strong there, or the period itself."""
    near = lags[np.abs(lags - share * lag) <= max(1.0, 0.03 * lag)]
    if not len(near) or both[lag] <= 0 or colour[lag] <= 0:
        return lag
    short = int(near[both[near].argmax()])
    return short if min(_height(both, short, lag), _height(colour, short, lag)) > _NEARLY else lag


def _height(values: Lags, short: int, lag: int) -> float:
    """Height of the peak at the lag ``short`` against the one at ``lag``, both taken between frames."""
    top, other = (_top(values, at) for at in (short, lag))
    return top / other if other > 0 else 0.0


def _top(values: Lags, at: int) -> float:
    """Highest value of the parabola through a peak and its neighbours; the value itself where there is no peak."""
    a, b, c = (float(v) for v in values[at - 1 : at + 2])
    bend = a - 2 * b + c
    rise = 0.5 * (a - c)
    return b - 0.5 * rise * rise / bend if bend < 0 and abs(rise) <= -bend else b


def _again(both: NDArray[np.float64], lag: int) -> float:
    """Correlation at twice the period against that at one; 1 where the window is too short to see it."""
    slack = max(2, round(0.16 * lag))
    if 2 * lag + slack >= _SEEN_SHARE * len(both) or both[lag] <= 0:
        return 1.0
    return float(both[2 * lag - slack : 2 * lag + slack + 1].max() / both[lag])


def _between(both: Lags, lag: int) -> float:
    """Correlation at half the period against that at all of it; 0 where a heart of twice the rate would not be told."""
    if 0.5 * lag < 60.0 * FRAME_RATE_HZ / MAX_TOLD_BPM or both[lag] <= 0:
        return 0.0
    slack = max(1, round(0.03 * lag))
    return float(both[lag // 2 - slack : lag // 2 + slack + 1].max() / both[lag])


def _halved(both: Lags, colour: Lags, lag: int) -> bool:
    """Whether two beats of a heart too fast to be told would look the same: half of the period comes again as well."""
    half = lag // 2
    if not 60.0 * FRAME_RATE_HZ / RATES_BPM[1] <= 0.5 * lag < 60.0 * FRAME_RATE_HZ / MAX_TOLD_BPM:
        return False
    half += int(both[half - 1 : half + 2].argmax()) - 1
    return _height(both, half, lag) > MAX_HALVED[0] and _height(colour, half, lag) > MAX_HALVED[1]


def clipped_share(x: NDArray[Any]) -> float:
    """Share of the samples of ``x`` (n,) that stand at the highest or lowest value as both their neighbours do."""
    if len(x) < _RUN:
        return 0.0
    low, high = x.min(), x.max()
    if not high > low:
        return 1.0
    slack = (float(high) - float(low)) * _AT_END
    share = 0
    for railed in (x >= high - slack, x <= low + slack):
        if np.count_nonzero(railed) < _RUN:
            continue
        share += int(np.count_nonzero(railed[2:] & railed[1:-1] & railed[:-2]))
    return share / len(x)


def piles_up(x: NDArray[Any]) -> bool:
    """Whether many of the samples ``x`` (n,) stand at the highest or lowest value and few beside it, as those of a clipped
    hum do, one or two at each of its crests; and as an even tone's may."""
    low, high = x.min(), x.max()
    slack = (float(high) - float(low)) * _AT_END
    at_end = int(np.count_nonzero((x >= high - slack) | (x <= low + slack)))
    if at_end <= MIN_PILED * len(x):
        return False
    near = int(np.count_nonzero((x >= high - 2 * slack) | (x <= low + 2 * slack)))
    return at_end > _PILED * (near - at_end)


def voiced_s(y: Floats, sound: Floats) -> float:
    """Longest sustained voicing in ``y`` at 2 kHz, s: a steady pitch of 80-320 Hz with harmonics above 300 Hz.

    sound: the log-mel picture of ``y``, to see the harmonics. Zero-frequency filtering: differentiate, four cumulative
    sums, four times less the local mean over 1.2 periods, which together are a short filter; upward crossings tell pitch.
    """
    above = _share_above_300(sound)
    if not (above > -3.5).any():
        return 0.0
    size = next_fast_len(len(y) + _KERNEL, real=True)
    z = irfft(rfft(y, size) * _zero_frequency(size), size)[_KERNEL // 2 :][: len(y)]
    crossings = np.flatnonzero((z[:-1] < 0) & (z[1:] >= 0))
    if len(crossings) < 5:
        return 0.0
    gaps = np.diff(crossings)
    steady = np.abs(np.diff(gaps)) <= np.maximum(1, 0.2 * gaps[1:])
    pitch = (gaps[1:] >= RATE_HZ / 320) & (gaps[1:] <= RATE_HZ / 80)
    loud = above[np.minimum(crossings[2:] // HOP_SAMPLES, len(above) - 1)] > -2.5
    return _longest_s(crossings[2:], steady & pitch & loud)


def power_shares(power: Floats) -> tuple[float, float]:
    """Shares of the power of a mel picture under 200 Hz, where hearts sound loudest, and above 350 Hz."""
    bands = power.sum(axis=1)
    total = float(bands.sum())
    return float(bands[:_HEART_BANDS].sum()) / total, float(bands[_HIGH_BANDS:].sum()) / total


def hides_murmurs(sound: Floats, noise_between: float) -> bool:
    """Whether noise would hide a quiet murmur: it fills what is between the heart's sounds, loud or steadily.

    Of CirCor's 1,908 recordings of people without a murmur 14 have it in half of their windows, of the 381 with one 2.
    """
    return noise_between > MIN_NOISE or (noise_between > MIN_STEADY_NOISE and _swell(sound) < MAX_STEADY)


def feigns_murmurs(sound: Floats, pulse: Pulse, noise_between: float) -> bool:
    """Whether noise between the heart's sounds would be taken for a murmur: it swells, as breath does, out of step.

    Steady noise is not taken for a murmur, and a murmur swells with every beat: the more the bands of a log-mel picture
    where murmurs are come again a beat later, the louder it may be. Of CirCor's 381 recordings with a murmur 2 have it in
    half of their windows.
    """
    if noise_between <= MIN_SWELLING_NOISE or _swell(sound) <= MIN_SWELL:
        return False
    return noise_between - _PER_STEP * max(0.0, _in_step(sound[_MURMUR_BANDS], pulse)) > MIN_SWELLING_NOISE


def noise_between(power: Floats) -> float:
    """Natural logarithm of the power where murmurs are in the quieter fifth of the time, against the peaks of all bands,
    of a mel picture."""
    last = power.shape[1] - 1
    quieter, loudest = round(0.2 * last), round(0.95 * last)
    between = np.partition(power[_MURMUR_BANDS].sum(axis=0), quieter)[quieter]
    return float(np.log(between / np.partition(power.sum(axis=0), loudest)[loudest]))


def friction_share(sound: Floats) -> float:
    """Share of frames of a log-mel picture that are loud and as strong above 300 Hz as below: rubbing, not beating."""
    above = _share_above_300(sound)
    level = sound.max(axis=0)
    return float(((above > 0.5) & (level > np.median(level))).mean())


def _swell(sound: Floats) -> float:
    return float(sound[_MURMUR_BANDS].std(axis=1).mean())


def _in_step(bands: Floats, pulse: Pulse) -> float:
    """Correlation of bands ``(n, frames)`` with themselves a beat later, the best within two frames; 1 without a beat."""
    if not pulse.rate_bpm:
        return 1.0
    beat = round(60.0 * FRAME_RATE_HZ / pulse.rate_bpm)
    return max(_later(bands, lag) for lag in range(beat - 2, beat + 3))


def _later(bands: Floats, lag: int) -> float:
    one, other = (part - part.mean(axis=1, keepdims=True) for part in (bands[:, :-lag], bands[:, lag:]))
    size = float(np.vdot(one, one)) * float(np.vdot(other, other))
    return float(np.vdot(one, other)) / math.sqrt(size) if size > 0 else 0.0


def _share_above_300(picture: Floats) -> Floats:
    split = 15  # band of about 300 Hz
    return np.asarray(picture[split:].max(axis=0) - picture[:split].max(axis=0), np.float32)


def _autocorrelations(one: Floats, many: Floats) -> tuple[Lags, Lags]:
    """Of a row (1, frames), and of rows (bands, frames) together; 1 at no lag, nearly unbiased at long ones."""
    rows = np.concatenate([one, many])
    frames = rows.shape[1]
    size = 1 << (2 * frames - 1).bit_length()
    spectrum = rfft(rows - rows.mean(axis=1, keepdims=True), size, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    totals = irfft(np.stack([power[0], power[1:].sum(axis=0)]), size, axis=1)[:, :frames].astype(np.float64)
    unbiased = 1.0 - np.arange(frames) / (frames + 25.0)
    first, second = (t / (t[0] * unbiased) if t[0] > 0 else np.zeros(frames) for t in totals)
    return first, second


@lru_cache(maxsize=4)
def _zero_frequency(size: int) -> NDArray[np.complex64]:
    """Spectrum of the filter of ``voiced_s``: sums that never end are cut off by the means that are taken away."""
    less_mean = np.full(_MEAN, -1.0 / _MEAN)
    less_mean[_MEAN // 2] += 1.0
    twice = np.cumsum(np.cumsum(np.convolve(less_mean, less_mean)))[:-2]
    kernel = np.convolve(np.convolve(twice, twice), [1.0, -1.0])
    return np.asarray(rfft(kernel, size), np.complex64)


def _longest_s(at: NDArray[np.int64], good: NDArray[np.bool_]) -> float:
    best = 0
    start: int | None = None
    for position, ok in zip(at.tolist(), good.tolist(), strict=True):
        if not ok:
            start = None
            continue
        start = position if start is None else start
        best = max(best, position - start)
    return best / RATE_HZ
