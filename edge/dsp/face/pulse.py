"""From the colour traces of a face's regions to a spectrum of heart rates by POS, and what speaks for a rate. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from edge.dsp.crest import crest
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, amplitude_at, band_pass, pos, power, snr_db
from edge.dsp.filters import butterworth, zero_phase
from edge.dsp.ppg.beats import find_beats
from edge.dsp.tapers import hann_inside

Floats = NDArray[np.float64]

_TINY = 1e-30


def pos_spectrum(
    regions: Sequence[Floats], pulses: Sequence[Floats], method: Callable[[Floats], Floats] = pos
) -> Floats:
    """Shares of power over ``GRID_BPM``, sum 1: POS of the mean colour of all regions, and the mean over each one's.

    regions: colours ``(n, 3)``. pulses: their band-passed POS ``(n,)``. method: what made the pulses, to compare others.
    """
    whole = band_pass(method(np.mean(list(regions), axis=0)))
    return _shares(_shares(power(whole)) + np.mean([_shares(power(p)) for p in pulses], axis=0))


def colour_signature(regions: Sequence[Floats], pulses: Sequence[Floats], bpm: float) -> Floats:
    """How much R, G and B beat with the pulse at a rate and its double, as shares of their means, ``(3,)``.

    What of each colour is in step with the POS wave, over all regions: light that changes alike in all colours is not
    in POS, so it averages out here where a plain amplitude would count it. Blood gives about 0.33 : 0.77 : 0.53 (Wang
    et al. 2017); a lamp on a photograph gives equal parts.
    """
    cross, own = np.zeros(3, np.complex128), 0.0
    tones = np.concatenate([_tones(len(pulses[0]), rate) for rate in (bpm, 2.0 * bpm)])
    for rgb, pulse in zip(regions, pulses, strict=True):
        p, c = tones @ pulse, tones @ band_pass(rgb / np.maximum(rgb.mean(0), 1e-9) - 1.0)
        cross += (np.conj(p)[:, None] * c).sum(0)
        own += float((np.abs(p) ** 2).sum())
    return np.asarray(cross.real / max(own, _TINY))


def _tones(n: int, bpm: float) -> NDArray[np.complex128]:
    """Hann-windowed tones within 5 bpm of a rate, ``(3, n)``."""
    t = np.arange(n) / RATE_HZ
    rates = np.array([bpm - 5.0, bpm, bpm + 5.0]) / 60.0
    return np.asarray(np.exp(-2j * np.pi * rates[:, None] * t) * hann_inside(n))


def both_spectra(by_pos: Floats, by_network: Floats) -> Floats:
    """One spectrum of two: their geometric mean, which keeps what both see, sum 1."""
    floor = 0.1 / len(GRID_BPM)
    return _shares(np.sqrt((by_pos + floor) * (by_network + floor)))


FEATURES = (
    "snr_db", "network_snr_db", "agreement", "network_agreement", "share", "green_excess", "plain_green_excess",
    "background", "halves", "network_halves", "apart",
)  # fmt: skip


def evidence(
    regions: Sequence[Floats],
    pulses: Sequence[Floats],
    waves: Floats,
    background: Floats,
    spectra: tuple[Floats, Floats, Floats],
    bpm: float,
) -> dict[str, float]:
    """What speaks for and against a pulse at ``bpm``: the names of ``FEATURES``, and three more that only refuse.

    regions, pulses, waves: colours, POS and the network's wave of each skin region. spectra: by POS, by the network and
    of both, over ``GRID_BPM``, sum 1.
    snr as in de Haan 2013, dB; agreement: mean correlation between regions; share: of the spectrum within 6 % of the
    rate; green excess: 1 - (R + B) / 2G, 0.44 for blood and 0 for a lamp; green: amplitude at the rate, of its mean;
    background: its amplitude at the rate over the skin's, background_green: that of green alone; hue_deg: of the
    change of colour, whatever white light adds to it; halves: how far, as a share, the rate of either half of the
    window is off; apart: ln of the ratio of POS's rate and the network's.
    """
    mean = np.mean(list(regions), axis=0)
    by_network = [np.asarray(band_pass(w)) for w in waves]
    whole, wave = band_pass(pos(mean)), np.mean(by_network, axis=0)
    red, green, blue = colour_signature(regions, pulses, bpm)
    plain = amplitude_at(mean, bpm)
    around = amplitude_at(background, bpm)
    rates = [float(GRID_BPM[int(s.argmax())]) for s in spectra[:2]]
    return {
        "snr_db": snr_db(whole, bpm),
        "network_snr_db": snr_db(wave, bpm),
        "agreement": _agreement(pulses),
        "network_agreement": _agreement(by_network),
        "share": float(spectra[2][np.abs(GRID_BPM / bpm - 1.0) < 0.06].sum()),
        "green_excess": float(1.0 - (red + blue) / (2.0 * green)) if green > _TINY else -1.0,
        "plain_green_excess": float(1.0 - (plain[0] + plain[2]) / max(2.0 * float(plain[1]), 1e-12)),
        "green": float(plain[1]),
        "background": float(around.mean()) / max(float(plain[1]), 1e-9),
        "background_green": float(around[1]) / max(float(plain[1]), 1e-9),
        "hue_deg": float(np.degrees(np.arctan2(green - blue, green - red))),
        "halves": _halves_apart(whole, bpm),
        "network_halves": _halves_apart(wave, bpm),
        "apart": float(abs(np.log(rates[0] / rates[1]))),
    }


_LEAST = np.array([-10.0, -10.0, -0.2, -0.2, 0.0, -0.5, -0.3, 0.02, 0.0, 0.0, 0.0])
_MOST = np.array([10.0, 12.0, 1.0, 1.0, 1.0, 0.6, 0.6, 2.0, 0.3, 0.3, 0.3])


def features(found: Mapping[str, float]) -> Floats:
    """Evidence as the acceptance rule takes it, ``(11,)``: held within bounds, the background's logarithm."""
    x = np.clip(np.nan_to_num(np.array([found[name] for name in FEATURES]), neginf=-10.0), _LEAST, _MOST)
    x[FEATURES.index("background")] = np.log(x[FEATURES.index("background")])
    return np.asarray(x)


def _agreement(waves: Sequence[Floats]) -> float:
    moving = [wave for wave in waves if wave.std() > 0]
    pairs = [float(np.corrcoef(a, b)[0, 1]) for a, b in combinations(moving, 2)]
    return float(np.mean(pairs)) if pairs else 0.0


def _halves_apart(x: Floats, bpm: float) -> float:
    middle = len(x) // 2
    return max(abs(peak_near(power(half), bpm, within=1.0) / bpm - 1.0) for half in (x[:middle], x[middle:]))


def peak_near(spectrum: Floats, bpm: float, within: float = 0.12) -> float:
    """Rate of the highest point within so much of ``bpm``, refined by a parabola, bpm."""
    near = np.abs(GRID_BPM / bpm - 1.0) <= within
    index = int(np.flatnonzero(near)[spectrum[near].argmax()])
    if not 0 < index < len(spectrum) - 1:
        return float(GRID_BPM[index])
    shift = np.clip(crest(*spectrum[index - 1 : index + 2]), -0.5, 0.5)
    return float(GRID_BPM[index] * np.exp(0.01 * shift))


_EVEN = 0.15  # of the intervals' deviation over their mean: beyond it beats were missed or invented
_NEAR = 0.12
_AGREE = 0.03
_EDGE_S = 0.4  # the filter bends the wave at the window's ends
_AROUND = (0.6, 1.8)  # of the rate: the fundamental and its wandering
_HALF_POWER, _HALF_NEAR = 0.03, 0.06
_CLOSE = (0.8, 1.25)  # of the rate, for the phase: what goes round is the pulse alone


def half_of_it(wave: Floats, bpm: float) -> bool:
    """Whether a rate whose half is too slow for the grid may be the double of that: a heart of 36 a minute, whose second
    beat is the dicrotic wave, has most of its power at 72.

    On generated faces 0.98 of right rates from 42 on have under 0.004 of their power there, of doubled ones over 0.037.
    """
    if bpm / 2.0 > (1.0 + _HALF_NEAR) * GRID_BPM[0]:
        return False
    near = np.linspace(1.0 - _HALF_NEAR, 1.0 + _HALF_NEAR, 13)
    return bool(power(wave, grid_bpm=bpm / 2 * near).max() > _HALF_POWER * power(wave, grid_bpm=bpm * near).max())


def mean_rate(wave: Floats, bpm: float) -> float:
    """Mean rate over a window whose spectrum peaks at ``bpm``, by its beats.

    A tapered spectrum weighs the middle of the window most and a wandering heart twice its nearest lobe; intervals
    count alike, and so do the turns of the phase. Where beats and phase do not agree, the middle of the three is taken;
    where beats are not even, what lies between phase and spectrum. None may lead far from the spectrum. wave: ``(n,)``
    at ``RATE_HZ``, either way up.
    """
    by_phase, by_beats = _rate_of_phase(wave, bpm), _rate_of_beats(wave, bpm)
    if abs(by_phase / bpm - 1.0) > _NEAR:
        by_phase = bpm
    if by_beats is None or abs(by_beats / bpm - 1.0) > _NEAR:
        return float(np.sqrt(by_phase * bpm))
    return by_beats if abs(by_beats / by_phase - 1.0) <= _AGREE else sorted((by_beats, by_phase, bpm))[1]


def _rate_of_beats(wave: Floats, bpm: float) -> float | None:
    peak = find_beats(_around(wave, bpm, _AROUND), RATE_HZ).peak
    ibi = np.diff(peak[(peak > _EDGE_S) & (peak < len(wave) / RATE_HZ - _EDGE_S)])
    if len(ibi) < 3 or ibi.std() > _EVEN * ibi.mean():
        return None
    return 60.0 / float(ibi.mean())


def _rate_of_phase(wave: Floats, bpm: float) -> float:
    """Turns a minute of the analytic signal (its negative frequencies are zero), from end to end."""
    spectrum = np.fft.fft(_around(wave, bpm, _CLOSE))
    spectrum[len(wave) // 2 + 1 :] = 0.0
    edge = round(_EDGE_S * RATE_HZ)
    phase = np.unwrap(np.angle(np.fft.ifft(spectrum)))[edge : len(wave) - edge]
    return float(60.0 * RATE_HZ * (phase[-1] - phase[0]) / (2.0 * np.pi * (len(phase) - 1)))


def _around(wave: Floats, bpm: float, shares: tuple[float, float]) -> Floats:
    low, high = (share * bpm / 60.0 for share in shares)
    return np.asarray(zero_phase(wave, butterworth(2, (low, high), RATE_HZ, "band")))


def _shares(spectrum: Floats) -> Floats:
    return np.asarray(spectrum / max(float(spectrum.sum()), _TINY))
