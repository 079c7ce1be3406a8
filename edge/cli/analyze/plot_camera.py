"""The picture of ``analyze camera``: traces of skin and background, the pulse, its spectrum, and the rates said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.dsp.face_columns import COLUMNS
from edge.dsp.resample import to_grid
from edge.dsp.rppg import GRID_BPM, RATE_HZ, band_pass, pos, power
from edge.types import Block, ConfigError, Reading


def draw(path: str | Path, rates: Sequence[Reading], traces: Sequence[Block], *, title: str) -> None:
    """Draw to a PNG; raises ConfigError when matplotlib is missing."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise ConfigError("--plot needs matplotlib; pip install 'edge-vitals[plot]'") from None
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    data = np.concatenate([b.data for b in traces])
    t = np.array([b.t0 for b in traces]) - traces[0].t0
    figure, (colours, wave, rate, spectrum) = plt.subplots(4, 1, figsize=(10, 9), constrained_layout=True)
    figure.suptitle(title)
    for name, colour in (("forehead_r", "tab:red"), ("forehead_g", "tab:green"), ("forehead_b", "tab:blue")):
        colours.plot(t, data[:, COLUMNS.index(name)], colour, lw=0.8, label=name.replace("_", " "))
    colours.plot(t, data[:, COLUMNS.index("background_g")], "0.6", lw=0.8, label="background g")
    colours.set(xlabel="s", ylabel="mean colour")
    colours.legend(loc="upper right", fontsize="small")
    green = [COLUMNS.index(f"forehead_{c}") for c in "rgb"]
    seen = np.isfinite(data[:, green]).all(1)
    if seen.sum() > 2 * RATE_HZ:
        rgb, _ = to_grid(t[seen], data[seen][:, green], 0.0, float(t[-1]), RATE_HZ, 0.25)
        pulse = band_pass(pos(rgb))
        wave.plot(np.arange(len(pulse)) / RATE_HZ, pulse, "tab:purple", lw=0.9)
        tail = pulse[-round(10 * RATE_HZ) :]
        spectrum.plot(GRID_BPM, power(tail), "tab:purple")
    wave.set(xlabel="s", ylabel="POS, forehead")
    spectrum.set(xlabel="bpm", ylabel="power, last 10 s")
    said = [(r.t - traces[0].t0, r.value) for r in rates if isinstance(r.value, float)]
    silent = [(r.t - traces[0].t0, r.reason) for r in rates if r.value is None]
    if said:
        rate.plot(*zip(*said, strict=True), "o-", color="tab:green", label="said")
    rate.plot([s for s, _ in silent], [42.0] * len(silent), "x", color="0.6", label="silent")
    for at, reason in silent[:: max(1, len(silent) // 8)]:
        rate.annotate(reason, (at, 46.0), rotation=45, fontsize="x-small", color="0.4")
    rate.set(xlabel="s", ylabel="bpm", ylim=(38, max([120.0, *[v + 15 for _, v in said]])), xlim=(0, t[-1]))
    rate.legend(loc="upper right", fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)
