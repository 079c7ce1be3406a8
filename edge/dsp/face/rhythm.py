"""Whether a face's pulse wave has one rate that holds until now: what speaks against saying a number. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.dsp.face.pulse import half_of_it
from edge.dsp.face.rppg import BAND_HZ, RATE_HZ, band_pass, power
from edge.dsp.ppg.beats import find_beats
from edge.dsp.tapers import hann_inside

Floats = NDArray[np.float64]

_LATELY_S, _FADED = 2.0, 0.5
_BESIDE, _UNEVEN = 0.08, 0.12
_FAR_BESIDE = 0.3
_TOO_FAST_BPM: Floats = np.linspace(222.0, 260.0, 20)
_NEAR, _NEAR_HZ = 0.06, 0.15  # of a harmonic, and a line's width in a window of 10 s
_NFFT = 1200
_EDGE_S = 0.4  # the filter bends the wave at the window's ends
_TINY = 1e-30


def doubt(wave: Floats, waves: Floats, bpm: float) -> str:
    """Why ``bpm`` may not be said of a wave: ``half`` (it may be the double of a slow rate), ``fast`` (there is more above
    220), ``faded`` (the pulse stopped a moment ago), ``irregular``; "" when nothing speaks against it.

    wave: of the whole face, ``(n,)``; waves: of each region, ``(regions, n)``; both at ``RATE_HZ``.
    """
    if half_of_it(wave, bpm):
        return "half"
    if power(wave, grid_bpm=_TOO_FAST_BPM).max() > power(wave, grid_bpm=np.array([bpm]))[0]:
        return "fast"
    if faded(wave):
        return "faded"
    return "irregular" if irregular(wave, waves, bpm) else ""


def faded(wave: Floats) -> bool:
    """Whether the last 2 s hold less than half of the window's wave. A window of 10 s has its rate for 7 s after the
    last beat; of right rates on generated faces 0.004 have so little there."""
    return float(wave[-round(_LATELY_S * RATE_HZ) :].std()) < _FADED * float(wave.std())


def irregular(wave: Floats, waves: Floats, bpm: float) -> bool:
    """Whether regions move together beside the rate and its harmonics, and beats are uneven too, or they do so very
    much: of fibrillation and extra beats, the highest line of the spectrum is not the mean rate. Noise is uneven, but
    each region's own.

    On pulses made of real beats (``ppg/rr``) other than it was chosen on, 49 of 57 rates off by more than 5 bpm are
    irregular, of 234 in sinus rhythm 1.
    """
    common = beside(waves, bpm)
    return common > _FAR_BESIDE or (common > _BESIDE and _unevenness(wave) > _UNEVEN)


def beside(waves: Floats, bpm: float) -> float:
    """Share of the power that regions have in common which lies beside ``bpm`` and its harmonics; about 0 for noise."""
    each = np.fft.rfft(band_pass(waves.T).T * hann_inside(waves.shape[1]), _NFFT, axis=1)
    common = np.abs(each.sum(0)) ** 2 - (np.abs(each) ** 2).sum(0)
    at_hz = np.arange(each.shape[1]) * RATE_HZ / _NFFT
    harmonic = np.clip(np.round(at_hz * 60.0 / bpm), 1.0, 3.0) * bpm / 60.0
    inside = (at_hz > BAND_HZ[0]) & (at_hz < BAND_HZ[1])
    away = inside & (np.abs(at_hz - harmonic) > np.maximum(_NEAR * harmonic, _NEAR_HZ))
    return float(common[away].sum() / max(float(common[inside].sum()), _TINY))


def _unevenness(wave: Floats) -> float:
    """Deviation of the intervals between beats over their mean; 0 where there are too few to tell."""
    peak = find_beats(wave, RATE_HZ).peak
    ibi = np.diff(peak[(peak > _EDGE_S) & (peak < len(wave) / RATE_HZ - _EDGE_S)])
    return float(ibi.std() / ibi.mean()) if len(ibi) > 2 else 0.0
