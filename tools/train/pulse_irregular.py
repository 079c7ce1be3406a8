"""Windows of CinC 2015 whose ECG is irregular and whose pulse shows the same beats, of records that look like fibrillation.

What looks like fibrillation is said by ``icu_pulses``. The rate of such a window is the mean of its ECG's last 10 s. Beats
of the ECG are automatic, and a pulse too weak to be seen is none of the wave's: where one beat in twenty is another the
mean is off by as much, so ``ALIKE`` is high, and what is left is good for comparing ways of counting.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pulse_rule
from pulse_rule import GRID_HZ, LEAST_S, SPAN_S

from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import Upright, band_passed, find_beats
from edge.types import Window

MEAN_S = 10.0
ALIKE = 0.9
SURELY_ALIKE = 0.95
"""From there on a window is learnt from."""
UNEVEN = 0.1


def windows(path: Path):
    """``(record, alike, bpm, window)`` of every one, ``alike`` from ``ALIKE`` to 1."""
    import icu_pulses  # which loads what only training has

    rule = icu_pulses.fitted_rule(np.random.default_rng(pulse_rule.SEED))
    with np.load(path, allow_pickle=False) as file:
        waves, rate_hz, flat = file["pleth"], float(file["fs"]), file["flat_last20s"]
        beats, offsets = file["ecg_beats_250hz"] / icu_pulses.ECG_HZ, file["beat_offsets"]
    for i, wave in enumerate(waves):
        own = beats[offsets[i] : offsets[i + 1]]
        likely = icu_pulses.minutes(own, pulse_rule.ENDS_S - MEAN_S, rule)
        if likely is None or np.median(likely) <= icu_pulses.SURE:
            continue
        for end in pulse_rule.ENDS_S:
            late = own[(own > end - MEAN_S) & (own <= end)]
            rr = np.diff(late)
            if (flat[i] and end > 180.0) or len(rr) <= 3 or rr.std() <= UNEVEN * rr.mean():
                continue
            a, b = round((end - SPAN_S) * rate_hz), round(end * rate_hz)
            x = wave[a:b].astype(np.float64)[:, None]
            window = Window("file/ppg", end - SPAN_S, float(end), np.arange(a, b) / rate_hz, x, rate_hz, 1.0, ())
            alike = icu_pulses.likeness(late - (end - MEAN_S), _pulses(window))
            if alike >= ALIKE:
                yield i, alike, 60.0 / float(rr.mean()), window


def _pulses(window: Window):
    """Beats of the last 10 s of the wave, s from where these begin."""
    signal = quality.usable(window, SPAN_S, GRID_HZ, 0, LEAST_S, holes=True)
    if signal.reason:
        return np.empty(0)
    peaks = find_beats(Upright()(band_passed(signal.x, GRID_HZ, hum=True)), GRID_HZ).peak
    since = len(signal.x) / GRID_HZ - MEAN_S
    return peaks[peaks > since] - since
