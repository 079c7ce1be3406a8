"""Beats of the pulse against the ECG's automatic ones on CinC 2015, for docs/pulse.md: found, invented, and in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.dsp.ppg import pulse_rate, quality
from edge.dsp.ppg.beats import Upright, band_passed, find_beats

BEGIN_S, SPAN_S, RATE_HZ, ECG_HZ = 100.0, 30.0, 125.0, 250.0
NEAR_S = 0.15
DELAYS_S = np.arange(0.0, 0.7, 0.04)
NOTHING = (0.0, 0.0, 0.0, np.nan, np.nan)
QUALITY = 5
COLUMNS = ("sensitivity", "precision", "F1", "intervals of peaks, ms", "of onsets, ms")


def beat_scores(path: Path):
    """``COLUMNS`` and then the noise quality of 30 s of every record that has a pulse and an ECG there, ``(n, 6)``."""
    with np.load(path, allow_pickle=False) as d:
        waves, ecg_all, offsets = d["pleth"], d["ecg_beats_250hz"] / ECG_HZ, d["beat_offsets"]
    found = []
    for i, wave in enumerate(waves):
        x = wave[round(BEGIN_S * RATE_HZ) : round((BEGIN_S + SPAN_S) * RATE_HZ)].astype(np.float64)
        ecg = ecg_all[offsets[i] : offsets[i + 1]]
        ecg = ecg[(ecg > BEGIN_S) & (ecg < BEGIN_S + SPAN_S)] - BEGIN_S
        if x.std() == 0 or len(ecg) < 15 or (np.diff(x) == 0).mean() > 0.3 or np.diff(ecg).max() > 2.5:
            continue
        band = Upright()(band_passed(x, RATE_HZ))
        beats = pulse_rate.systolic_only(find_beats(band, RATE_HZ))
        if len(beats) < 4:
            found.append((*NOTHING, 0.0))
            continue
        found.append((*matched(beats, ecg), quality.noise_quality(x, band, beats, RATE_HZ)))
    return np.array(found)


def matched(beats, ecg_s):
    """Sensitivity, precision and their F1 within 150 ms at the best constant delay from heart to finger, up to 0.7 s; and
    by how much the usual interval of matched neighbours differs from the ECG's, by peaks and by onsets, ms."""
    best, delay_s = (0.0, 0.0), 0.0
    for delay in DELAYS_S.tolist():
        off = abs(beats.peak[:, None] - delay - ecg_s[None, :])
        score = (float((off.min(axis=0) <= NEAR_S)[1:-2].mean()), float((off.min(axis=1) <= NEAR_S)[1:-1].mean()))
        best, delay_s = max((best, delay_s), (score, delay), key=lambda each: min(each[0]))
    off = abs(beats.peak[:, None] - delay_s - ecg_s[None, :])
    nearest = off.argmin(axis=0)
    both = (off.min(axis=0) <= NEAR_S)[1:] & (off.min(axis=0) <= NEAR_S)[:-1] & (np.diff(nearest) == 1)
    apart = (abs(np.diff(at[nearest]) - np.diff(ecg_s))[both] for at in (beats.peak, beats.onset))
    jitter = [1000.0 * float(np.median(each)) if both.any() else np.nan for each in apart]
    return (*best, 2 * best[0] * best[1] / max(sum(best), 1e-9), *jitter)


def beat_table(scores) -> list[str]:
    lines = [f"| noise quality of the 30 s | records | {' | '.join(COLUMNS)} |", "|---" * (2 + len(COLUMNS)) + "|"]
    bounds = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.9), (0.9, 1.01), (0.0, 1.01))
    for low, high in bounds:
        rows = scores[(scores[:, QUALITY] >= low) & (scores[:, QUALITY] < high)]
        if len(rows):
            shares = [f"{x:.3f}" for x in rows[:, :3].mean(axis=0)]
            usual = [f"{x:.0f}" for x in np.nanmedian(rows[:, 3:QUALITY], axis=0)]
            name = "all" if high - low > 1 else f"{low:.2f} to {min(high, 1.0):.2f}"
            lines.append(f"| {name} | {len(rows)} | {' | '.join(shares + usual)} |")
    return lines
