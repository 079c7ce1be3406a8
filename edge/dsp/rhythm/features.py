"""What a rhythm network is told beside the wave, and trees are asked about: ten seconds as 68 numbers.

Irregularity alone cannot part atrial fibrillation from ectopy: half of the windows with premature beats look
irregular. So the sequence is described too: short-long pairs that add up to two usual intervals, weak early beats and
strong late ones, and whether the intervals gather at one value or spread. Interval measures after Charlton et al.
(share of large successive differences), Lake and Moorman (AJP Heart 2011;300:H319, coefficient of sample entropy),
Dash et al. (Ann Biomed Eng 2009;37:1701, turning points) and Park et al. (Poincare plots).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.beats import BeatList, band_passed, find_beats, gain_controlled
from edge.dsp.ranks import median

Floats = NDArray[np.float64]

RATE_HZ: Final = 100.0
WINDOW_S: Final = 10.0
SAMPLES: Final = 1000
_FEW = 4
_LIMIT = 5.0
_FFT = 2048
_BAND = slice(11, 164)  # 0.5 to 8 Hz
_FREQ_HZ = np.arange(_FFT // 2 + 1)[_BAND] * RATE_HZ / _FFT
_LAGS = slice(27, 200)  # 222 to 30 beats a minute
_UNBIASED = SAMPLES / (SAMPLES - np.arange(SAMPLES)[_LAGS])
_TAPER = np.hanning(SAMPLES)
_AROUND = np.arange(-25, 35)  # of a peak, samples
_EVERY = 5

INTERVAL_NAMES: Final = (
    *(
        "mean_ibi",
        "median_ibi",
        "cv",
        "nrmssd",
        "nmad",
        "jump10",
        "jump20",
        "entropy",
        "log_sd1",
        "log_sd2",
        "sd_ratio",
    ),
    *("turning", "min_ibi", "max_ibi", "q10", "q25", "q75", "q90", "short", "long", "near5", "near10", "lag1", "lag2"),
    *("compensated", "short_long", "sample_entropy", "alternating", "spread_inner", "largest_jump", "second_jump"),
)
AMPLITUDE_NAMES: Final = (
    *(
        "amp_cv",
        "amp_min",
        "amp_max",
        "amp_q25",
        "amp_with_ibi",
        "amp_lag1",
        "amp_early",
        "amp_late",
        "rise",
        "rise_cv",
    ),
)
WAVE_NAMES: Final = (
    *("template", "template_min", "template_sd", "skew", "kurtosis", "slope_skew", "acf", "acf_lag", "spec_top"),
    *("spec_entropy", "spec_at_beats", "high_share", "extra_beats", "extra_cv", "beats"),
)
USUAL_NAMES: Final = tuple(f"usual_at_{round(1000 * at / RATE_HZ)}_ms" for at in _AROUND[::_EVERY])
"""Heights of the usual beat before and behind its peak."""
TOLD: Final = (*INTERVAL_NAMES, *AMPLITUDE_NAMES, *WAVE_NAMES)
"""What the network is told, which sees the beats themselves."""
FEATURES: Final = (*TOLD, *USUAL_NAMES)
"""What the trees are asked about."""


def prepared(x: Floats) -> Floats:
    """A 10 s window at 100 Hz without holes, ``(1000,)``, as the network sees it: 0.5 to 8 Hz, z-score, within 5."""
    wave = band_passed(x, RATE_HZ)
    spread = float(wave.std())
    return np.clip(wave / spread, -_LIMIT, _LIMIT) if spread > 0 else wave


def features(wave: Floats, beats: BeatList | None = None) -> Floats:
    """The numbers of ``FEATURES`` for a prepared window; finite for any finite wave."""
    beats = find_beats(wave, RATE_HZ) if beats is None else beats
    ibi = beats.ibi
    parts = [_intervals(ibi), _amplitudes(beats), _shape(wave, beats)]
    found = np.concatenate(parts)
    return np.asarray(np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0))


def _intervals(ibi: Floats) -> Floats:
    n = len(ibi)
    if n < _FEW:
        return np.zeros(len(INTERVAL_NAMES))
    ordered = np.sort(ibi)
    mean, median = float(ibi.sum()) / n, _quantile(ordered, 0.5)
    r, ranked = ibi / median, ordered / median
    step = np.diff(ibi) / mean
    size = abs(step)
    ranked_size = np.sort(size)
    bins = ((ibi / mean - 0.3) * (12 / 1.6)).astype(np.int64)
    seen = np.bincount(bins[(ibi >= 0.3 * mean) & (bins < 12)], minlength=1) / n
    seen = seen[seen > 0]
    spread = _deviation(ibi) / mean
    sd1 = _deviation(step) / 2**0.5 + 1e-4
    sd2 = max(1e-8, 2 * spread**2 - sd1**2) ** 0.5 + 1e-4
    c = r - r.sum() / n
    power = float(c @ c) + 1e-6
    pair = r[:-1] + r[1:]
    uneven = abs(r[:-1] - r[1:]) > 0.2
    compensated = float(abs(pair[uneven] - 2.0).mean()) if uneven.any() else 0.0
    off = abs(r - 1.0)
    inner = np.sort(off)[: max(2, int(0.6 * n))]
    return np.array(
        [
            mean, median, spread, (float(step @ step) / (n - 1)) ** 0.5, _quantile(ranked_size, 0.5),
            _share(size > 0.1), _share(size > 0.2), -float(seen @ np.log(seen)),
            math.log(sd1), math.log(sd2), sd1 / (sd1 + sd2), _share(step[1:] * step[:-1] < 0),
            ranked[0], ranked[-1], *(_quantile(ranked, q) for q in (0.1, 0.25, 0.75, 0.9)),
            _share(r < 0.85), _share(r > 1.15), _share(off < 0.05), _share(off < 0.1),
            float(c[1:] @ c[:-1]) / power, float(c[2:] @ c[:-2]) / power,
            compensated, _share((r[:-1] < 0.88) & (r[1:] > 1.05)), _sample_entropy(r),
            float(abs(r[2:] - r[:-2]).sum()) / (n - 2) - float(size.sum()) / (n - 1), _deviation(inner),
            ranked_size[-1], ranked_size[-2],
        ]
    )  # fmt: skip


def _sample_entropy(r: Floats) -> float:
    """-ln of the share of alike pairs of intervals (within 0.06) whose successors are alike too, from half a count."""
    alike = abs(r[:, None] - r[None, :]) < 0.06
    upper = np.triu(alike, 1)
    longer = np.triu(alike[:-1, :-1] & alike[1:, 1:], 1)
    return float(-np.log((longer.sum() + 0.5) / (upper[:-1, :-1].sum() + 1.0)))


def _amplitudes(beats: BeatList) -> Floats:
    n = len(beats)
    if n < _FEW + 1:
        return np.zeros(len(AMPLITUDE_NAMES))
    height = np.sort(beats.amplitude)
    usual = _quantile(height, 0.5) + 1e-9
    a, ibi = beats.amplitude / usual, beats.ibi
    after = a[1:]
    r = ibi / _quantile(np.sort(ibi), 0.5)
    early, late = r < 0.88, r > 1.12
    rise = beats.peak - beats.onset
    return np.array(
        [
            _deviation(a), float(height[0]) / usual, min(float(height[-1]) / usual, 4.0),
            _quantile(height, 0.25) / usual,
            _correlation(after, r), _correlation(after, a[:-1]),
            float(after[early].mean()) - 1.0 if early.any() else 0.0,
            min(float(after[late].mean()), 4.0) - 1.0 if late.any() else 0.0,
            _quantile(np.sort(rise), 0.5), _deviation(rise),
        ]
    )  # fmt: skip


def _shape(wave: Floats, beats: BeatList) -> Floats:
    n = len(wave)
    z = wave - wave.sum() / n
    z = z / ((float(z @ z) / n) ** 0.5 + 1e-9)
    slope = np.diff(wave)
    slope = slope / (_deviation(slope) + 1e-9)
    square = z * z
    p = _power(z * _TAPER)[_BAND]
    p = p / (p.sum() + 1e-12)
    top = float(_FREQ_HZ[int(np.argmax(p))])
    rate = 1.0 / float(median(beats.ibi)) if len(beats) > 2 else 0.0
    acf = np.fft.irfft(_power(z), _FFT)[: _LAGS.stop]
    lagged = acf[_LAGS] / (acf[0] + 1e-12) * _UNBIASED
    best = int(np.argmax(lagged))
    extra = find_beats(gain_controlled(wave, RATE_HZ), RATE_HZ)
    extra_ibi = extra.ibi
    usual, alike = _usual(wave, beats)
    return np.array(
        [
            float(alike.mean()), float(alike.min()), float(alike.std()),
            float(square @ z) / n, float(square @ square) / n, float((slope * slope) @ slope) / (n - 1),
            float(lagged[best]), (_LAGS.start + best) / RATE_HZ, top, -float(p @ np.log(p + 1e-12)),
            float(p[abs(_FREQ_HZ - rate) < 0.15].sum()), float(p[_FREQ_HZ > 3.0].sum()),
            (len(extra) - len(beats)) / 4.0,
            extra_ibi.std() / extra_ibi.mean() if len(extra_ibi) > _FEW else 0.0,
            len(beats) / 10.0, *usual[::_EVERY].tolist(),
        ]
    )  # fmt: skip


def _power(x: Floats) -> Floats:
    spectrum = np.fft.rfft(x, _FFT)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def _share(mark: NDArray[np.bool_]) -> float:
    return np.count_nonzero(mark) / len(mark)


def _deviation(x: Floats) -> float:
    c = x - x.sum() / len(x)
    return math.sqrt(float(c @ c) / len(x))


def _quantile(ordered: Floats, q: float) -> float:
    """Of sorted numbers, linear between them."""
    at = q * (len(ordered) - 1)
    i = min(int(at), len(ordered) - 2)
    low = float(ordered[i])
    return low + (at - i) * (float(ordered[i + 1]) - low)


def _usual(wave: Floats, beats: BeatList) -> tuple[Floats, Floats]:
    """The median beat, 0.25 s before to 0.35 s after its peak, without mean and of power 1 each, and how each beat
    correlates with it; zeros for fewer than three."""
    at = np.round(beats.peak * RATE_HZ).astype(np.int64)
    at = at[(at >= -_AROUND[0]) & (at < len(wave) - _AROUND[-1] - 1)]
    if len(at) < 3:
        return np.zeros(len(_AROUND)), np.zeros(1)
    rows = wave[at[:, None] + _AROUND]
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows / (np.sqrt((rows * rows).sum(axis=1, keepdims=True)) + 1e-9)
    usual = median(rows)
    return usual, rows @ (usual / (np.sqrt(usual @ usual) + 1e-9))


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.sum() / len(a), b - b.sum() / len(b)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 1e-9 else 0.0
