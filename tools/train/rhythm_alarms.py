"""What confirmation by k of n windows does on ICU records: false AF alerts an hour against alerts missed and delay.

    python tools/train/rhythm_alarms.py --work WORK     after tools/train/rhythm.py --cross-validate --work WORK
    python tools/train/rhythm_alarms.py --shipped       by the shipped file (records it may have been fitted to)

CinC 2015, 190 s of each record whose ECG surely looks like AF all through, or surely does not, and whose pulse shows
the beats of the ECG in most windows. Each record goes through the shipped analyzer, a reading every two seconds, with
the int8 model of the fold that was not fitted to it; the product's own ``Detector`` confirms. Records are three minutes
long, so a long rule has little room: delays are of those alerted.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import icu_pulses
import rhythm
from calibrate import RULES
from data_folder import DATA
from icu_pulses import PLETH_HZ, Foreign
from rhythm_report import model_of

from edge import inference
from edge.alarms.detector import Detector
from edge.alarms.judge import judge
from edge.alarms.rules import rules_from
from edge.analyzers.rhythm import build
from edge.types import Reading, Window

_SPACING_S, _WINDOW_S, _HOP_S = 10.0, 10.0, 2.0
_SPAN_S = 190.0
_LEAST = 10  # windows a record must have that are sure, of 19


@dataclass(frozen=True, slots=True)
class Record:
    """One record: whether its ECG looks like AF, and the readings of ppg.rhythm over it."""

    looks_af: bool
    readings: list[Reading]


def chosen(there: Foreign) -> dict[int, bool]:
    """Records that are surely one thing in at least ten windows, and never surely the other: is it AF?"""
    found = {}
    for r in np.unique(there.record):
        mine = there.record == r
        alike = there.alike[mine] >= icu_pulses.ALIKE
        af, other = there.looks_af[mine], there.looks_other[mine]
        if (af & alike).sum() >= _LEAST and not other.any():
            found[int(r)] = True
        if (other & alike).sum() >= _LEAST and other.all():
            found[int(r)] = False
    return found


def readings(pleth: np.ndarray, model: Any) -> list[Reading]:
    """ppg.rhythm of one record through the shipped analyzer, a window every two seconds."""
    analyzer = build(models=lambda _: model)
    found = []
    for end in np.arange(_WINDOW_S, _SPAN_S + 0.1, _HOP_S):
        a, b = int((end - _WINDOW_S) * PLETH_HZ), int(end * PLETH_HZ)
        data = pleth[a:b].astype(np.float64)[:, None]
        window = Window("icu/ppg", end - _WINDOW_S, end, np.arange(a, b) / PLETH_HZ, data, PLETH_HZ, 1.0, ())
        found.append(next(r for r in analyzer({"ppg": window}) if r.metric == "ppg.rhythm"))
    return found


def line(records: list[Record], k: int, n: int) -> str:
    """One row of the table: records alerted and median delay where AF; alerts an hour and records where not."""
    condition = rules_from({"af": {"k": k, "n": n, "spacing_s": _SPACING_S, "off_delay_s": 20.0}})["af"]
    delays, alerted, alerts, others = [], 0, 0, 0
    for record in records:
        detector = Detector(condition)
        was, onsets = False, []
        for reading in record.readings:
            now = detector.feed(reading.t, judge(condition, reading).verdict)
            if now and not was:
                onsets.append(reading.t)
            was = now
        if record.looks_af:
            delays += onsets[:1]
        else:
            others += 1
            alerts += len(onsets)
            alerted += bool(onsets)
    af = len(records) - others
    delay = f"{np.median(delays):.0f}" if delays else "-"
    return (
        f"| {k} of {n} | {len(delays) / af:.2f} of {af} | {delay} | {alerts / (others * _SPAN_S / 3600):.2f} | "
        f"{alerted} of {others} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "rhythm")
    parser.add_argument("--shipped", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    there = icu_pulses.kept(args.work / "icu.npz", rhythm.SEED)
    fold_of = dict(zip(there.record.tolist(), there.folds(rhythm.FOLDS).tolist(), strict=True))
    wanted = chosen(there)
    shipped = inference.load("rhythm") if args.shipped else None
    models = {} if shipped else {k: model_of(args.work, k) for k in range(rhythm.FOLDS)}
    pleth = np.load(DATA / "ppg" / "cinc2015.npz")["pleth"]
    records = [Record(af, readings(pleth[r], shipped or models[fold_of[r]])) for r, af in wanted.items()]
    print("| rule | AF records alerted | delay, s | false alerts an hour | other records ever alerted |")
    print("|---|---|---|---|---|")
    for k, n in RULES:
        print(line(records, k, n))
    return 0


if __name__ == "__main__":
    sys.exit(main())
