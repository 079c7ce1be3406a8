#!/usr/bin/env python3
"""Write docs/pulse.md and docs/pulse.png: how good the pulse rate is, and what its quality is worth.

    python tools/train/pulse_rule.py --out counts.csv                      # CinC 2015 at rest, by record: the counts alone
    python tools/train/pulse_trees.py --out windows.csv                    # and with the networks of pulse.py
    python tools/train/motion.py --cross-validate --out motion.csv         # SPC 2015 under motion, by recording
    python tools/pulse_report.py --windows windows.csv --counts counts.csv --motion motion.csv

Risk against coverage: readings are sorted by what the analyzer itself says of them (quality at rest, standard
deviation under motion), and the error of the surest share is read off.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import sys
from pathlib import Path

import numpy as np

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tools" / "train")]

import slow_pulses
from data_folder import DATA
from pulse_beats import beat_scores, beat_table

from edge.dsp.rest.rule import ENOUGH, ENOUGH_BY_TREES

SHARES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
NEAR_BPM = 5.0
WITHIN = 0.988
RATES_BPM = (30, 60, 100, 120, 140, 200)


def at_rest(path: Path):
    """Error, bpm (NaN where nothing was counted), quality, reference, record, end and rate, bpm, of every window of
    ``pulse_rule.py --out`` or ``pulse_trees.py --out``."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    bpm, truth, quality, t = (np.array([float(r[k]) for r in rows]) for k in ("bpm", "reference", "quality", "t"))
    return abs(bpm - truth), quality, truth, np.array([r["record"] for r in rows]), t, bpm


def surest(right, quality) -> float:
    """The largest share of windows, the surest first, of which ``WITHIN`` are right."""
    shares = np.cumsum(right[np.argsort(-quality, kind="stable")]) / np.arange(1, len(right) + 1)
    return (np.flatnonzero(shares >= WITHIN).max(initial=-1) + 1) / len(right)


def what_limits(error, quality, truth, record, t, bpm) -> dict[str, float]:
    """Why more windows are not answered, for the text."""
    said, right = quality >= ENOUGH_BY_TREES, error <= NEAR_BPM
    slow = said & (truth >= 30) & (truth < 60)
    names, wrong = np.unique(record[said & ~right], return_counts=True)
    worst = record == names[wrong.argmax()]
    missed = worst & said & ~right
    last = t == t.max()
    return {
        "reach": surest(right, quality), "reach_without": surest(right[~worst], quality[~worst]),
        "worst_windows": worst.sum(), "worst_wrong": missed.sum(),
        "worst_told": float(np.median(bpm[missed])), "worst_ecg": float(np.median(truth[missed])),
        "slow": right[slow].mean(), "slows": slow.sum(), "counted_right": right.mean(),
        "uncounted": (~np.isfinite(error)).mean(), "wrong": wrong.sum(), "worst": np.sort(wrong)[-4:].sum(),
        "last": said[last].mean(), "lasts": last.sum(), "others": said[~last].mean(),
    }  # fmt: skip


def what_is_said(found) -> str:
    """Share of the windows with a rate, and of these within 5 bpm, in words."""
    share, within, _ = figures_of_counts(found)
    return f"{share:.3f} of the windows, {within:.4f} of them within 5 bpm"


def figures_of_counts(found) -> tuple[float, float, float]:
    """Share of the windows with a rate by the counts alone; of these the share within 5 bpm, and the mean absolute error,
    bpm."""
    error, quality = found[:2]
    said = quality >= ENOUGH
    return said.mean(), (error[said] <= NEAR_BPM).mean(), error[said].mean()


def in_motion(path: Path, data: Path):
    """Error, standard deviation and recording of every answered window of ``motion.py --cross-validate --out``, and the
    share answered."""
    truth = {p.name: np.load(p)["bpm"] for p in data.glob("*.npz")}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = [r for r in rows if r["bpm"]]
    error = np.array([abs(float(r["bpm"]) - truth[r["path"]][int(r["window"])]) for r in said])
    return error, np.array([float(r["sd"]) for r in said]), np.array([r["path"] for r in said]), len(said) / len(rows)


def moved_alone(windows: int = 500) -> tuple[float, float]:
    """Shares of generated windows of nothing but movement in which a rate is said: by the counts alone and by the shipped
    network; seeds of their own."""
    import pulse_rule

    from edge import inference
    from edge.analyzers import pulse

    analyzers = (pulse.build(), pulse.build(models=inference.load, motion="rule"))
    said = np.zeros(2)
    for window in pulse_rule.dead_windows(windows, 2):
        for k, analyzer in enumerate(analyzers):
            analyzer.reset()
            said[k] += analyzer({"ppg": window})[0].value is not None
    return tuple(said / windows)


def curve(error, doubt, total: int):
    """``(coverage, mean absolute error, share within 5 bpm)`` after each reading, the surest first."""
    order = np.argsort(doubt, kind="stable")
    n = np.arange(1, len(order) + 1)
    return n / total, np.cumsum(error[order]) / n, np.cumsum(error[order] <= 5) / n


def risk_table(error, doubt, total: int) -> list[str]:
    coverage, mean, within = curve(error, doubt, total)
    lines = ["| surest share | mean absolute error, bpm | within 5 bpm |", "|---|---|---|"]
    for share in SHARES:
        if share <= coverage[-1] + 1e-9:
            k = max(0, int(share * total) - 1)
            lines.append(f"| {share:.2f} | {mean[k]:.2f} | {within[k]:.4f} |")
    if coverage[-1] < 1:
        lines.append(f"| {coverage[-1]:.2f} (all that can be counted) | {mean[-1]:.2f} | {within[-1]:.4f} |")
    return lines


def by_rate(network, counts) -> list[str]:
    """What is answered at slow, usual and fast hearts, by the counts alone and with the network."""
    lines = [
        "| rate by the ECG, bpm | windows | counts alone: a rate is said | within 5 bpm | with the network: said | within 5 bpm |",
        "|---|---|---|---|---|---|",
    ]
    truth = network[2]
    for low, high in itertools.pairwise(RATES_BPM):
        mine = (truth >= low) & (truth < high)
        cells = [str(mine.sum())]
        for (error, quality, *_), enough in ((counts, ENOUGH), (network, ENOUGH_BY_TREES)):
            said = mine & (quality >= enough)
            cells += [f"{said.sum() / mine.sum():.3f}", f"{(error[said] <= NEAR_BPM).mean():.3f}"]
        lines.append(f"| {low} to {high} | {' | '.join(cells)} |")
    return lines


def per_recording(moving, rule) -> list[str]:
    lines = [
        "| recording | network: mean absolute error, bpm | largest | rule alone | largest |",
        "|---|---|---|---|---|",
    ]
    for name in sorted(set(moving[2])):
        cells = []
        for error, _, recording, _ in (moving, rule):
            mine = error[recording == name]
            cells += [f"{mine.mean():.2f}", f"{mine.max():.1f}"]
        lines.append(f"| {name.removesuffix('.npz')} | {' | '.join(cells)} |")
    return lines


def mean_of_recordings(said) -> float:
    error, _, recording, _ = said
    return float(np.mean([error[recording == name].mean() for name in sorted(set(recording))]))


def plot(rest, moving, out: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    for axis, (title, (error, doubt, total)) in zip(axes, (("at rest", rest), ("under motion", moving)), strict=True):
        coverage, mean, _ = curve(error, doubt, total)
        start = len(coverage) // 10
        axis.plot(coverage[start:], mean[start:], color="#1b6ca8")
        axis.set(title=title, xlabel="share answered, the surest first", ylabel="mean absolute error, bpm", xlim=(0, 1))
        axis.set_ylim(0, None)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, dpi=90)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--windows", type=Path, required=True, help="of pulse_trees.py --out")
    arguments.add_argument("--counts", type=Path, required=True, help="of pulse_rule.py --out")
    arguments.add_argument("--motion", type=Path, required=True)
    arguments.add_argument("--out", type=Path, default=ROOT / "docs")
    options = arguments.parse_args()
    network_at_rest, counts = at_rest(options.windows), at_rest(options.counts)
    error, quality, truth, record, t, bpm = network_at_rest
    counted = np.isfinite(error)
    rest = (error[counted], 1.0 - quality[counted], len(error))
    said = counted & (quality >= ENOUGH_BY_TREES)
    spc = options.data / "pulse" / "spc2015"
    network = in_motion(options.motion, spc)
    rule = in_motion(options.motion.with_name(f"{options.motion.stem}.rule{options.motion.suffix}"), spc)
    m_error, sd, _, answered = network
    moving = (m_error, sd, round(len(m_error) / answered))
    plot(rest, moving, options.out / "pulse.png")
    cinc2015 = options.data / "ppg" / "cinc2015.npz"
    text = TEMPLATE.format(
        moved=moved_alone(),
        **what_limits(error, quality, truth, record, t, bpm),
        windows=len(error), records=len(set(record)), enough=ENOUGH_BY_TREES, coverage=said.mean(),
        within=(error[said] <= 5).mean(), mae=error[said].mean(), rest="\n".join(risk_table(*rest)),
        rates="\n".join(by_rate(network_at_rest, counts)), counts=what_is_said(counts),
        counted="{:.3f} | {:.4f} | {:.2f}".format(*figures_of_counts(counts)),
        answered=answered, mean_recording=mean_of_recordings(network), m_mae=m_error.mean(),
        rule_recording=mean_of_recordings(rule), rule_two_sd=(rule[0] < 2 * rule[1]).mean(),
        two_sd=(m_error < 2 * sd).mean(), motion="\n".join(risk_table(*moving)),
        recordings="\n".join(per_recording(network, rule)),
        beats="\n".join(beat_table(beat_scores(cinc2015))), slow_hearts="\n".join(slow_pulses.table(cinc2015)),
    )  # fmt: skip
    (options.out / "pulse.md").write_text(text, encoding="utf-8")
    return 0


TEMPLATE = """# Pulse rate: how good it is, and what its quality is worth

Written by `tools/pulse_report.py`; its first lines say how to make it again.

![risk against coverage](pulse.png)

## At rest: CinC 2015

{windows} windows of 16 s from {records} records, every 10 s from 30 s to 200 s, where the ECG's automatic beats of the
last 10 s are regular. Whole records are held out (five folds). A rate is said from quality {enough:.2f} on: that is
{coverage:.3f} of the windows, {within:.4f} of them within 5 bpm ({slow:.3f} of the {slows} at 30 to 60 a minute), mean
absolute error {mae:.2f} bpm. By the counts alone, where no runtime is installed: {counts}.
The network is [models/pulse](../models/pulse/README.md).

{rest}

{rates}

Fast hearts are answered least: their pulse is small, rises nearly as slowly as it falls, and a rate far from the usual is
asked for more proof. The network gives most there.

What keeps it from answering more: in {uncounted:.3f} of the windows there is nothing to count (sensor off, flat,
clipped), and the likeliest of what is counted is right in {counted_right:.3f} of all. The surest {reach:.3f} hold 0.988
within 5 bpm; 0.88 of the windows at that share would need it to be right in 0.869 and the rule to know nearly every time.
Without the network, too, the third count, the harmonics of the slopes, had gained 0.016 of windows counted right over two,
and 0.008 of answers; being silent on lamps, hum, hangs, steps of the light and on what may be half or double of a heart
costs about a hundredth of the answers; with the network, whose trees have learnt such waves, less. Rates of a few seconds
before were tried as further evidence: less than a hundredth more at the same share within 5 bpm, which is not worth a
reading that leans on the past. Boosted trees in place of the logistic rule over the counts alone gave 0.009. The curve does not go to zero: {worst} of the
{wrong} wrong answers come from four records; in the worst a clean pulse and the automatic beats of the ECG disagree for
minutes ({worst_told:.0f} against {worst_ecg:.0f} a minute), and no rule on the pulse can see that. Without that one record, of
{worst_windows} of the {windows} windows and {worst_wrong} of the wrong answers, the surest {reach_without:.3f} hold 0.988.

Noise as slow as hearts, of a hand that moves, has rates too. What tells it from a pulse is that it rises no faster than
it falls. With that among its figures, and such windows among those it was fitted on, a rate is said in
{moved[0]:.3f} of 500 others by the counts alone, in {moved[1]:.3f} with the network.

Hum and the flicker of lamps that slow sampling folded down (60 Hz is 10 Hz at 25 or 50 samples a second) are taken out
where they stand alone above whatever lies less than a heart's rate below, or above whatever they could be a harmonic of:
so 5 Hz beside a fast heart, too, but not within a few beats a minute of its own harmonics. Steps of the light lower than
those that break the wave are taken out where they stand alone between two samples that hardly move.

What is counted are pulses. A heart beat too early to fill is one the finger may not show: where early beats leave a rise
of their own the rate and `brady` are unknown, since half the heart's rate would be said; where they leave none (a
quarter of the amplitude and less), the rate of the pulses is said, and it is half the heart's in bigeminy. Only an ECG
can tell.

The usual interval of a heart in fibrillation is not its mean. Where beats do not keep step with the rate that was counted
(0.97 of the windows above do), the mean over them is said if they are clean, and otherwise nothing. With the network the mean
is one of the counts besides, and the trees see how far beats keep step; what irregular pulses of intensive care get stands
in [models/pulse](../models/pulse/README.md).

A radio that drops leaves no stretch of 8 s without a gap. Gaps of up to 1.5 s with 2.5 s or more between them are read around:
the wave goes on in a line there for filters and spectra, no beat is told in one or right beside it, and an interval that
spans one is none. A silence is what was seen of it: 4 s in one piece, or 5 s on both sides of gaps, each of which may hide a
beat, if one piece is 1.3 times as long as every interval of this heart that was seen. With 0.5 s of 3.2 s lost 0.698 of the
windows have a rate by the counts alone, 0.9870 of them within 5 bpm, with 1 s of 3.6 s 0.574 and 0.9863
(`pulse_gaps.py --gap 0.5 3.2 --gap 1 3.6`). Of the windows above with a gap in every few seconds, and of all of them, by the
counts alone (`tools/train/pulse_gaps.py`) and with networks that never saw the record (`pulse_trees.py`; a window that ends
in a gap has no rate):

| lost | ends in a gap | counts alone: a rate is said | within 5 bpm | mean absolute error, bpm | with the network: said | within 5 bpm | mean absolute error, bpm |
|---|---|---|---|---|---|---|---|
| nothing | 0.000 | {counted} | {coverage:.3f} | {within:.4f} | {mae:.2f} |
| 0.5 s of 7 s | 0.051 | 0.765 | 0.9913 | 0.78 | 0.795 | 0.9890 | 0.91 |
| 1 s of 7 s | 0.126 | 0.695 | 0.9887 | 0.78 | 0.737 | 0.9873 | 0.95 |
| 1.4 s of 8 s | 0.159 | 0.669 | 0.9896 | 0.87 | 0.709 | 0.9885 | 1.01 |

In the long pauses of a slow heart noise rises as well, and what counts maxima a beat calls the wave poor. There the pauses
are looked at: where nothing in them can be a beat, the high waves are all beats there are, in step or not. What that is
worth, and its price, by `tools/train/slow_pulses.py`:

{slow_hearts}

Movements seconds apart that settle slowly are, without any other pulse, a slow uneven heart: nothing in the wave tells
them from one.

Bedside alarms go off when the patient or the sensor moves: of the last windows, just before the alarm, {last:.3f} of
{lasts} are answered, of the others {others:.3f}.

## Under motion: SPC 2015

13 recordings of treadmill and arm exercise, each by a network that never saw it (int8), causal, 8 s windows every 2 s.
Answered {answered:.3f}; mean absolute error {mean_recording:.2f} bpm as the mean of recordings, {m_mae:.2f} over all
windows; errors under two standard deviations in {two_sd:.3f}. By the rule without learned weights {rule_recording:.2f}
and {rule_two_sd:.3f}.

{motion}

{recordings}

The step of the forward pass, the blend of network and rule, the lags and the memory of the fit, the tapers, and the
scale of the standard deviation were chosen on these same recordings, so the figures are a little better than fresh
people would give.

The rate by ECG is that of the beats within 8 s. With Hann tapers, which read the rate of the middle, the rule's error was
1.27 bpm and its rate 0.9 s late. What is left are bursts of a few windows where the spectrum does not hold the heart at
all: the step rate and the heart rate the same (DATA_10), or an arm exercise that begins and ends within the window
(DATA_S04). Squares of the acceleration as further regressors and a velocity beside the rate were tried on all, the
movement at half the rate as a further input of the network on five, and none of them helps.

Gaps such as those above count in no fit and in no spectrum here; of the last 8 s at least 0.6 must be seen. With a gap in
pulse and accelerometer every few seconds, by `tools/train/motion_gaps.py` (a window that ends in a gap has no rate):

| lost | network: a rate is said | mean absolute error, bpm | within 5 bpm | under two sd |
|---|---|---|---|---|
| nothing | 0.986 | 0.84 | 0.974 | 0.978 |
| 0.5 s of 7 s | 0.936 | 0.88 | 0.972 | 0.977 |
| 1 s of 7 s | 0.852 | 0.92 | 0.967 | 0.975 |
| 1.4 s of 8 s | 0.865 | 1.03 | 0.964 | 0.979 |
| 1.4 s of 5.5 s | 0.757 | 1.11 | 0.952 | 0.967 |

That 0.6 of the 8 s will do was chosen on every second recording (the other six: 0.97 bpm with 1.4 s of 5.5 s lost, 0.86
with nothing), and that nothing beside a gap is left out, as 0.1 or 0.2 s make no difference. The guards against a rate without a pulse hold: among steps, noise and a pressed chest
(generated) no larger share has one with gaps than without.

Without its accelerometer a step cannot be told from a beat, both being regular: read as a pulse at rest, 0.418 of the windows
of a channel are answered and only 0.787 of the answers lie within 10 bpm (`pulse_trees.py`; by the counts alone 0.468 and
0.667). A source that moves needs an accelerometer.

## Beats: CinC 2015

30 s of each record with a pulse and an unbroken ECG, against the ECG's automatic beats of any rhythm, within 150 ms at
the best constant delay from heart to finger. Of beats found one after the other, the usual difference of their interval to
the ECG's stands beside (the median record of medians).

{beats}
"""

if __name__ == "__main__":
    sys.exit(main())
