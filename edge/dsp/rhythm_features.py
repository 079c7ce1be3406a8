"""What a rhythm network is told beside the wave: intervals, amplitudes and shapes of ten seconds, as 56 numbers.

Irregularity alone cannot part atrial fibrillation from ectopy: half of the windows with premature beats look
irregular. So the sequence is described too: short-long pairs that add up to two usual intervals, weak early beats and
strong late ones, and whether the intervals gather at one value or spread. Interval measures after Charlton et al.
(share of large successive differences), Lake and Moorman (AJP Heart 2011;300:H319, coefficient of sample entropy),
Dash et al. (Ann Biomed Eng 2009;37:1701, turning points) and Park et al. (Poincare plots).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from edge.dsp.beats import BeatList, band_passed, find_beats, gain_controlled

Floats = NDArray[np.float64]

RATE_HZ: Final = 100.0
WINDOW_S: Final = 10.0
SAMPLES: Final = 1000
_FEW = 4
_LIMIT = 5.0

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
FEATURES: Final = (*INTERVAL_NAMES, *AMPLITUDE_NAMES, *WAVE_NAMES)


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
    if len(ibi) < _FEW:
        return np.zeros(len(INTERVAL_NAMES))
    mean, median = float(ibi.mean()), float(np.median(ibi))
    r = ibi / median
    d = np.diff(ibi) / mean
    size = np.sort(abs(d))
    histogram = np.histogram(ibi / mean, bins=12, range=(0.3, 1.9))[0] / len(ibi)
    seen = histogram[histogram > 0]
    sd1 = d.std() / 2**0.5 + 1e-4
    sd2 = max(1e-8, 2 * (ibi.std() / mean) ** 2 - sd1**2) ** 0.5 + 1e-4
    turns = float(np.mean(d[1:] * d[:-1] < 0))
    c = r - r.mean()
    power = float(c @ c) + 1e-6
    pair = r[:-1] + r[1:]
    uneven = abs(r[:-1] - r[1:]) > 0.2
    compensated = float(np.mean(abs(pair[uneven] - 2.0))) if uneven.any() else 0.0
    q10, q25, q75, q90 = np.quantile(r, (0.1, 0.25, 0.75, 0.9))
    inner = np.sort(abs(r - 1.0))[: max(2, int(0.6 * len(r)))]
    return np.array(
        [
            mean, median, ibi.std() / mean, np.sqrt(np.mean(d * d)), np.median(abs(d)),
            np.mean(size > 0.1), np.mean(size > 0.2), -(seen * np.log(seen)).sum(),
            np.log(sd1), np.log(sd2), sd1 / (sd1 + sd2), turns,
            r.min(), r.max(), q10, q25, q75, q90,
            np.mean(r < 0.85), np.mean(r > 1.15), np.mean(abs(r - 1) < 0.05), np.mean(abs(r - 1) < 0.1),
            float(c[1:] @ c[:-1]) / power, float(c[2:] @ c[:-2]) / power,
            compensated, np.mean((r[:-1] < 0.88) & (r[1:] > 1.05)), _sample_entropy(r),
            np.mean(abs(r[2:] - r[:-2])) - np.mean(abs(d)), inner.std(), size[-1], size[-2],
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
    a = beats.amplitude / (np.median(beats.amplitude) + 1e-9)
    after, ibi = a[1:], beats.ibi
    r = ibi / np.median(ibi)
    early, late = r < 0.88, r > 1.12
    rise = beats.peak - beats.onset
    return np.array(
        [
            a.std(), a.min(), min(a.max(), 4.0), np.quantile(a, 0.25),
            _correlation(after, r), _correlation(a[1:], a[:-1]),
            float(after[early].mean()) - 1.0 if early.any() else 0.0,
            min(float(after[late].mean()), 4.0) - 1.0 if late.any() else 0.0,
            float(np.median(rise)), float(rise.std()),
        ]
    )  # fmt: skip


def _shape(wave: Floats, beats: BeatList) -> Floats:
    n = len(wave)
    z = (wave - wave.mean()) / (wave.std() + 1e-9)
    slope = np.diff(wave)
    slope = slope / (slope.std() + 1e-9)
    spectrum = abs(fft.rfft(z * np.hanning(n), 2048)) ** 2
    freq = np.arange(len(spectrum)) * RATE_HZ / 2048
    band = (freq >= 0.5) & (freq <= 8.0)
    p = spectrum[band] / (spectrum[band].sum() + 1e-12)
    f = freq[band]
    top = float(f[int(np.argmax(p))])
    rate = 1.0 / float(np.median(beats.ibi)) if len(beats) > 2 else 0.0
    power = abs(fft.rfft(z, 2048)) ** 2
    acf = fft.irfft(power, 2048)[:n]
    acf = acf / (acf[0] + 1e-12) * (n / np.maximum(n - np.arange(n), n / 4))
    lags = slice(round(0.27 * RATE_HZ), round(2.0 * RATE_HZ))
    lag = lags.start + int(np.argmax(acf[lags]))
    extra = find_beats(gain_controlled(wave, RATE_HZ), RATE_HZ)
    extra_ibi = extra.ibi
    template, lowest, spread = _template(wave, beats)
    return np.array(
        [
            template, lowest, spread, float(np.mean(z**3)), float(np.mean(z**4)), float(np.mean(slope**3)),
            float(acf[lag]), lag / RATE_HZ, top, float(-(p * np.log(p + 1e-12)).sum()),
            float(p[abs(f - rate) < 0.15].sum()), float(p[f > 3.0].sum()),
            (len(extra) - len(beats)) / 4.0,
            extra_ibi.std() / extra_ibi.mean() if len(extra_ibi) > _FEW else 0.0,
            len(beats) / 10.0,
        ]
    )  # fmt: skip


def _template(wave: Floats, beats: BeatList) -> tuple[float, float, float]:
    """Mean, least and spread of the beats' correlation with their median, 0.25 s before to 0.35 s after the peak."""
    at = np.round(beats.peak * RATE_HZ).astype(np.int64)
    at = at[(at >= 25) & (at < len(wave) - 35)]
    if len(at) < 3:
        return 0.0, 0.0, 0.0
    rows = wave[at[:, None] + np.arange(-25, 35)]
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows / (np.sqrt((rows * rows).sum(axis=1, keepdims=True)) + 1e-9)
    middle = np.median(rows, axis=0)
    alike = rows @ (middle / (np.sqrt(middle @ middle) + 1e-9))
    return float(alike.mean()), float(alike.min()), float(alike.std())


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 1e-9 else 0.0
