"""Spectra of a face's skin regions in the axes of skin and light, and what the pulse network makes of them. Pure.

Skin seen by a camera moves in few directions of colour: along its own colour with movement and lamps, along white with
shine (the dichromatic model that POS and CHROM stand on). Each region's colours are turned into three axes: one that
neither reaches, one that only shine reaches, and the skin's own colour, which both reach but where blood shows best.
Where in frequency a face moves or shines differs from face to face, so the network looks at the spectra along the three
axes and says, for every region, axis and frequency, how much to trust it; the trusted sum is the pulse wave. It says
also how likely each rate is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, power
from edge.dsp.ranks import median
from edge.dsp.tapers import hann_inside

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

ROWS = 4
"""Regions the network looks at; fewer are repeated."""
STEP_HZ = 0.05
BINS_HZ: Floats = np.arange(10.0, 81.0) * STEP_HZ
"""Where the network looks, 0.5 to 4 Hz; it sees half and twice of each frequency too."""
CHANNELS = 24
BLOOD_RGB: Floats = np.array([0.33, 0.77, 0.53]) / 0.77
"""How much red, green and blue beat with the blood, as shares of their means, over green's (Wang et al. 2017)."""
_STANDARD_SKIN: Floats = np.array([0.7682, 0.5121, 0.3841])  # de Haan 2013, for skin that looks grey
_FFT = round(RATE_HZ / (STEP_HZ / 2))
_AT = np.arange(20, 161, 2)  # of the transform's bins
_TWICE, _HALF = 2 * _AT, _AT // 2
_NOISE = slice(40, 161)
_GREY = 0.02  # of a colour, away from white
_LEAST_NOISE = 1e-7
_LOW, _HIGH = 0.05, 1e4  # power over that of the noise
_FAINT = 0.3  # of the noise: what is fainter goes with nothing
_GAIN = 6.0
_EDGE = 0.1  # of the window: what is fainter is not made louder again
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class SkinSpectra:
    """x ``(regions, 3, bins)``: Hann spectra along the three axes over the noise of the first, blood up. blood
    ``(regions, 3)``: what a pulse gives along each, over its mean. samples: of the window."""

    x: Complexes
    blood: Floats
    samples: int

    def trusted(self) -> Complexes:
        """Spectra at ``BINS_HZ`` weighed by what blood gives, which the network's gains multiply; as ``x``."""
        return np.asarray(self.x[:, :, _AT] * self.blood[:, :, None])


def skin_spectra(regions: Sequence[Floats]) -> SkinSpectra:
    """Of the colours ``(n, 3)`` of one to four regions at ``RATE_HZ``, n up to 600."""
    n = len(regions[0])
    window = hann_inside(n) / np.sqrt((hann_inside(n) ** 2).sum())
    ramp = np.arange(n) - (n - 1) / 2.0
    spectra, blood = [], []
    for rgb in regions:
        mean = rgb.mean(0)
        turn = _axes(mean)
        shown = -turn @ (mean * BLOOD_RGB)
        along = (rgb - mean) @ turn.T * np.where(shown < 0, -1.0, 1.0)
        along -= along.mean(0) + np.outer(ramp, ramp @ along / (ramp @ ramp))
        x = np.fft.rfft((along * window[:, None]).T, _FFT)
        noise = float(np.sqrt(median(np.abs(x[0, _NOISE]) ** 2) / np.log(2.0)))
        noise = max(noise, _LEAST_NOISE * float(np.abs(mean).sum()) + _TINY)
        spectra.append(x / noise)
        blood.append(np.abs(shown) / noise)
    shown = np.array(blood)
    return SkinSpectra(np.array(spectra), shown / max(float(np.sqrt((shown**2).sum(1).mean())), _TINY), n)


def network_input(spectra: SkinSpectra) -> NDArray[np.float32]:
    """What the network takes, ``(1, 24, 4, 71)``: of every region at every frequency and its double the power along
    the axes, how they go together and with the sum of all regions, what blood gives; and the power of that sum."""
    rows = np.arange(ROWS) % len(spectra.x)
    x, blood = spectra.x[rows], spectra.blood[rows]
    at = x[:, :, _AT]
    size = np.abs(at) + _FAINT
    sums = [_summed(x, blood, axes) for axes in (1, 2, 3)]
    together = sums[0][_AT]
    whole = np.abs(together) + _FAINT
    shared = np.array([_log_power(s[where]) for where in (_AT, _TWICE, _HALF) for s in sums])  # (9, bins)
    pairs = [(at[:, a].conj() * at[:, b]).real / (size[:, a] * size[:, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    with_sum = (at.conj() * together).real / (size * whole)
    own = [_log_power(at), _log_power(x[:, :, _TWICE]), np.stack(pairs, axis=1), with_sum]
    own.append(np.repeat(blood[:, :, None] - 1.0, len(_AT), axis=2))
    table = np.concatenate([*own, np.repeat(shared[None], ROWS, axis=0)], axis=1)
    return np.asarray(table.transpose(1, 0, 2)[None], dtype=np.float32)


def network_answer(
    run: Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]], regions: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Pulse wave of each region ``(regions, n)`` and shares of probability over ``GRID_BPM``, sum 1.

    run: the network, ``(1, 24, 4, 71)`` to log-likelihoods ``(1, 1, 1, 71)`` and log-gains ``(1, 3, 4, 71)``.
    """
    spectra = skin_spectra(regions)
    likelihood, gains = run(network_input(spectra))
    waves = _waves(spectra, gains[0].astype(np.float64))
    return waves, rate_shares(likelihood.reshape(-1).astype(np.float64), waves)


def rate_shares(likelihood: Floats, waves: Floats) -> Floats:
    """The network's likelihoods over the rates, made as fine as the spectrum of its wave is; sum 1."""
    coarse = np.interp(GRID_BPM / 60.0, BINS_HZ, likelihood)
    fine = power(band_pass(waves.mean(0)))
    fine = fine / max(float(fine.max()), _TINY)
    shares = np.exp(coarse - coarse.max()) * (fine + 0.01)
    return np.asarray(shares / shares.sum())


def _waves(spectra: SkinSpectra, log_gains: Floats) -> Floats:
    regions = len(spectra.x)
    gains = np.exp(np.clip(log_gains, -_GAIN, _GAIN)).transpose(1, 0, 2)[:regions]
    full = np.zeros((regions, _FFT // 4 + 1), np.complex128)
    full[:, _AT // 2] = (spectra.trusted() * gains).sum(1)
    waves = np.fft.irfft(full, _FFT // 2)[:, : spectra.samples]
    window = hann_inside(spectra.samples)
    return np.asarray(waves / np.maximum(window, _EDGE))


def _axes(mean: Floats) -> Floats:
    """Rows: across skin and white, across skin towards white, along skin; unit length."""
    along = mean / max(float(np.linalg.norm(mean)), _TINY)
    across = _cross(along, np.ones(3))
    if np.linalg.norm(across) < _GREY:
        across = _cross(along, _STANDARD_SKIN)
    across /= max(float(np.linalg.norm(across)), _TINY)
    return np.stack([across, _cross(across, along), along])


def _cross(a: Floats, b: Floats) -> Floats:
    """Of two vectors; numpy's own takes many times as long for them."""
    return a[[1, 2, 0]] * b[[2, 0, 1]] - a[[2, 0, 1]] * b[[1, 2, 0]]


def _summed(x: Complexes, blood: Floats, axes: int) -> Complexes:
    """All regions' first axes in phase, weighed by what blood gives, over the noise, ``(bins,)``."""
    weight = blood[:, :axes, None]
    return np.asarray((x[:, :axes] * weight).sum((0, 1)) / max(float(np.sqrt((weight**2).sum())), _TINY))


def _log_power(x: Complexes) -> Floats:
    """Natural logarithm of the power, held between what the noise and the strongest movement give."""
    return np.asarray(np.log(np.minimum(np.abs(x) ** 2 + _LOW, _HIGH)))
