#!/usr/bin/env python3
"""Fit the rule that says how likely a rate at rest is right (edge/dsp/rest/rate.py) on CinC 2015, and cross-validate it.

    python tools/train/pulse_rule.py                       # a minute: prints the weights and the cross-validated figures
    python tools/train/pulse_rule.py --out windows.csv     # record, t, reference, bpm, quality; each by the other folds

Windows of 16 s end every 10 s from 30 s to 200 s of each record. A window counts where the ECG's own beats of its last
10 s are regular (standard deviation at most a tenth of the mean). Five folds, whole records, dealt by one seed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import synthetic_ppg
from data_folder import DATA
from logistic import logistic

from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import Upright, band_passed
from edge.dsp.rest import rule as rest_rule
from edge.dsp.rest.belief import believed
from edge.dsp.rest.counts import count
from edge.dsp.rest.look import look
from edge.dsp.rest.rate import choose
from edge.dsp.rest.rule import FIGURES, by_weights
from edge.types import Window

SEED, FOLDS = 0, 5
SPAN_S, LEAST_S, GRID_HZ = 16.0, 8.0, 100.0
ENDS_S = np.arange(30.0, 201.0, 10.0)
RIGHT_BPM = 5.0
RIGHT_SHARE = 0.988
RIDGE = 1.0
DEAD = 160
LIMITS = (0.0, 0.5, 0.7, 0.75, rest_rule.ENOUGH, 0.85, 0.9, 0.95, 0.98)


def reference(beats_s, end):
    """Median rate by the ECG of the last 10 s, bpm; None where its beats are few or irregular."""
    rr = np.diff(beats_s[(beats_s > end - 10.0) & (beats_s <= end)])
    if len(rr) <= 3 or rr.std() > 0.1 * rr.mean():
        return None
    return 60.0 / float(np.median(rr))


def windows(path: Path, ends_s=ENDS_S) -> Iterator[tuple[int, float, float, Window]]:
    """Record's number, end, reference and window."""
    with np.load(path, allow_pickle=False) as file:
        waves, rate_hz, flat = file["pleth"], float(file["fs"]), file["flat_last20s"]
        beats, offsets = file["ecg_beats_250hz"] / 250.0, file["beat_offsets"]
    for i, wave in enumerate(waves):
        for end in ends_s:
            truth = reference(beats[offsets[i] : offsets[i + 1]], end)
            if truth is None or (flat[i] and end > 180.0):
                continue
            a, b = round((end - SPAN_S) * rate_hz), round(end * rate_hz)
            t = np.arange(a, b) / rate_hz
            x = wave[a:b].astype(np.float64)[:, None]
            yield i, float(end), truth, Window("file/ppg", end - SPAN_S, float(end), t, x, rate_hz, 1.0, ())


def fitted(rows, right):
    """Offset and weights of a logistic rule, with a ridge on standardised figures."""
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    z = np.column_stack([np.ones(len(rows)), (rows - centre) / scale])
    w = logistic(z, right, [0.0, *[RIDGE] * rows.shape[1]])
    weights = w[1:] / scale
    return float(w[0] - weights @ centre), tuple(weights.tolist())


def folds(records):
    """Fold of every window; whole records."""
    order = np.random.default_rng(SEED).permutation(int(records.max()) + 1)
    fold = np.empty(len(order), dtype=int)
    fold[order] = np.arange(len(order)) % FOLDS
    return fold[records]


def counted(window: Window, network=None):
    """A window's counts, with what ``network`` believes where it is given; None where it is refused before any count."""
    signal = quality.usable(window, SPAN_S, GRID_HZ, 0, LEAST_S, holes=True)
    if signal.reason:
        return None
    wave = Upright()(band_passed(signal.x, GRID_HZ, hum=True))
    belief = believed(wave, GRID_HZ, network) if network else None
    return count(wave, look(signal.x, wave, GRID_HZ, signal.holes), GRID_HZ, belief)


def collect(path: Path):
    """Every window that counts: ``(record, end, truth, counts)``."""
    return [(record, end, truth, counted(window)) for record, end, truth, window in windows(path)]


def dead_windows(count: int = DEAD, seed: int = SEED):
    """So many windows of nothing but movement."""
    n = round(SPAN_S * GRID_HZ)
    t = np.arange(n) / GRID_HZ
    waves = [1000.0 * synthetic_ppg.wander(np.random.default_rng([seed, k]), n) for k in range(count)]
    return [Window("file/ppg", 0.0, SPAN_S, t, x[:, None], GRID_HZ, 1.0, ()) for x in waves]


def collect_dead():
    """Counts of ``DEAD`` windows of nothing but movement."""
    return [counted(window) for window in dead_windows()]


def cross_validated(found, dead):
    """Each window by the rule of the other folds, ``(record, end, truth, bpm, quality)``, NaN and 0 without a count; the
    qualities of the dead, also by the other folds; and the rule of all."""
    fold = folds(np.array([f[0] for f in found]))
    rows, right, at = [], [], []
    for n, (_, _, truth, counts) in enumerate(found):
        for bpm, figures, _ in counts.candidates if counts else ():
            rows.append(figures)
            right.append(abs(bpm - truth) <= RIGHT_BPM)
            at.append(fold[n])
    for k, counts in enumerate(dead):
        for _, figures, _ in counts.candidates if counts else ():
            rows.append(figures)
            right.append(False)
            at.append(k % FOLDS)
    x, y, of = np.array(rows), np.array(right, dtype=float), np.array(at)
    rules = [by_weights(*fitted(x[of != k], y[of != k])) for k in range(FOLDS)]
    answers = []
    for n, (i, end, truth, counts) in enumerate(found):
        best = choose(counts, rules[fold[n]]) if counts else None
        answers.append((i, end, truth, best.bpm if best else float("nan"), best.quality if best else 0.0))
    worth = [choose(c, rules[k % FOLDS]).quality if c else 0.0 for k, c in enumerate(dead)]
    return answers, np.array(worth), fitted(x, y)


def table(answers):
    """Lines of coverage, share within 5 bpm and mean absolute error, by quality from which a rate is said."""
    truth, bpm, quality = (np.array([a[k] for a in answers]) for k in (2, 3, 4))
    for limit in LIMITS:
        said = (quality >= limit) & np.isfinite(bpm)
        error = abs(bpm - truth)[said]
        slow = error[(truth[said] >= 30) & (truth[said] < 60)]
        yield limit, float(said.mean()), float((error <= RIGHT_BPM).mean()), float(error.mean()), slow


def lines(answers):
    """The table of ``answers`` in words."""
    for limit, coverage, within, error, slow in table(answers):
        at_slow = f"{(slow <= RIGHT_BPM).mean():.3f} of {len(slow)}" if len(slow) else "none"
        yield f"quality >= {limit:.2f}: said {coverage:.3f}, within 5 bpm {within:.4f}, MAE {error:.2f}; slow {at_slow}"


def surest(answers) -> float:
    """The largest share of all windows, surest first, of which ``RIGHT_SHARE`` are within 5 bpm."""
    told = sorted((a for a in answers if not np.isnan(a[3])), key=lambda a: -a[4])
    right = np.cumsum([abs(bpm - truth) <= RIGHT_BPM for _, _, truth, bpm, _ in told]) / np.arange(1, len(told) + 1)
    return float(np.flatnonzero(right >= RIGHT_SHARE).max(initial=-1) + 1) / len(answers)


def worst_record(answers, limit: float) -> int | None:
    """The record of which most rates of at least that quality are wrong; None where all are right."""
    wrong = [i for i, _, truth, bpm, quality in answers if quality >= limit and abs(bpm - truth) > RIGHT_BPM]
    return max(sorted(set(wrong)), key=wrong.count, default=None)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--out", type=Path, help="CSV of every window by the folds that never saw its record")
    options = arguments.parse_args()
    answers, dead, (offset, weights) = cross_validated(collect(options.data / "ppg" / "cinc2015.npz"), collect_dead())
    print(f"{len(answers)} windows of {len({a[0] for a in answers})} records")
    for line in lines(answers):
        print(line)
    print(f"of {DEAD} windows of movement a rate is said in {(dead >= rest_rule.ENOUGH).mean():.3f}")
    print("OFFSET =", round(offset, 3))
    print("WEIGHTS =", tuple(round(w, 3) for w in weights), FIGURES)
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["record", "t", "reference", "bpm", "quality"])
            writer.writerows(answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
