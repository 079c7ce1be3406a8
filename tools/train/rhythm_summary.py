"""Figures by person from cross-validated rhythm predictions, and what k of n windows do on long sequences.

    python tools/train/rhythm_summary.py predictions.csv            accuracy and AF by person, with bootstrap intervals
    python tools/train/rhythm_summary.py --hours 20                 false AF alerts an hour on long sequences
    python tools/train/rhythm_summary.py --onsets 60                how soon AF is told after ten minutes without

The sequences are made from real interval records with ectopy and without AF (``ppg/rr``), and from records in AF, since
the real windows are not contiguous; the shipped network and analyzer judge them. Onsets are told in the light of the
windows before, as at a bedside, and each window by itself.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(Path(__file__).resolve().parent)]

import synthetic_ppg
from data_folder import DATA
from evaluation.rhythm import predict
from roc import auroc

from edge import inference
from edge.dsp.rhythm.decision import LABELS
from edge.inference import Model

Floats = NDArray[np.float64]

_PAC, _AF = LABELS.index("PAC"), LABELS.index("AF")
_DRAWS = 1000
_RULES = ((1, 1), (3, 5), (5, 7), (6, 8))
_WAYS = {"in context": True, "each by itself": False}
_OTHERS = ("PVC", "PAC", "SR")


def by_person(path: Path) -> dict[str, Any]:
    """Accuracy, balanced accuracy, AF AUROC, sensitivity and specificity with intervals over people; k of n."""
    d = np.load(DATA / "ppg" / "liu2022.npz")
    label, person = d["label"].astype(int), d["subject"].astype(int)
    with path.open(encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda r: int(r["row"]))
    p = np.array([[float(r[f"p_{c}"] or "nan") for c in LABELS] for r in rows])
    called = np.array([r["decision"] == "af" for r in rows])
    guess = np.where(np.isnan(p[:, 0]), -1, np.nan_to_num(p).argmax(axis=1))
    people = np.unique(person)
    rng = np.random.default_rng(0)

    def figures(rows_: NDArray[np.int64]) -> dict[str, float]:
        y, g, c, s = label[rows_], guess[rows_], called[rows_], np.nan_to_num(p[rows_, _AF])
        recalls = [float((g[y == k] == k).mean()) for k in range(6) if (y == k).any()]
        return {
            "accuracy": float((g == y).mean()),
            "balanced_accuracy": float(np.mean(recalls)),
            "af_auroc": auroc(s, y == _AF),
            "af_sensitivity": float(c[y == _AF].mean()),
            "af_specificity": float(1 - c[y != _AF].mean()),
        }

    index = {q: np.flatnonzero(person == q) for q in people}
    over = np.nan_to_num(p[:, _AF]) >= np.nanquantile(p[label == _AF, _AF], 0.15)
    pac = [int(over[index[q]][label[index[q]] == _PAC].sum()) for q in people]
    drawn = [figures(np.concatenate([index[q] for q in rng.choice(people, len(people))])) for _ in range(200)]
    each = {int(q): float((guess[index[q]] == label[index[q]]).mean()) for q in people}
    return {
        "figures": figures(np.arange(len(label))),
        "interval_95": {k: np.quantile([x[k] for x in drawn], (0.025, 0.975)).round(3).tolist() for k in drawn[0]},
        "accuracy_by_person": {"least": min(each.values()), "median": float(np.median(list(each.values()))), **each},
        "pac_called_af_at_sensitivity_85": {"windows": sum(pac), "most_of_one_person": max(pac)},
        "alarm_rate": {c: float(called[label == k].mean()) for k, c in enumerate(LABELS)},
        "calibration": _reliability(np.nan_to_num(p).max(axis=1), guess == label, ~np.isnan(p[:, 0])),
        "k_of_n": {f"{k} of {n}": _confirmed(called, label, index, k, n, rng) for k, n in _RULES},
    }


def _reliability(
    sure: NDArray[np.float64], right: NDArray[np.bool_], answered: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """For bands of the largest probability: windows, its mean, and how many of the answers were right."""
    rows = []
    for low, high in pairwise((0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)):
        band = answered & (sure >= low) & (sure < high)
        if band.any():
            said, held = float(sure[band].mean()), float(right[band].mean())
            rows.append({"from": low, "windows": int(band.sum()), "said": round(said, 3), "right": round(held, 3)})
    return rows


def _confirmed(
    called: NDArray[np.bool_],
    label: NDArray[np.int64],
    index: dict[int, NDArray[np.int64]],
    k: int,
    n: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Stretches of n random windows of one person: all AF, how many are caught; no AF, who is ever alerted."""
    caught, alerted, with_af, without = [], 0, 0, 0
    for rows in index.values():
        af, other = rows[label[rows] == _AF], rows[label[rows] != _AF]
        if len(af) >= n:
            with_af += 1
            caught.append(np.mean([called[rng.choice(af, n, replace=False)].sum() >= k for _ in range(_DRAWS)]))
        if len(other) >= n:
            without += 1
            # in stored order, as a stream would come
            sums = np.convolve(called[other].astype(int), np.ones(n, int), mode="valid")
            alerted += bool((sums >= k).any())
    return {
        "caught": round(float(np.mean(caught)), 3),
        "people_with_af": with_af,
        "alerted": alerted,
        "people": without,
    }


def long_sequences(hours: int, seed: int) -> dict[str, Any]:
    """Alerts an hour without AF, for each rule, windows 10 s apart, in context and by windows themselves."""
    rng = np.random.default_rng(seed)
    records = synthetic_ppg.load_intervals(DATA / "ppg" / "rr")
    model = inference.load("rhythm")
    hits = {name: np.zeros((hours, 360), dtype=bool) for name in _WAYS}
    for h in range(hours):
        waves = _stretch(records, _OTHERS[h % 3], 360, int(rng.integers(2**31)), rng)
        for name, together in _WAYS.items():
            hits[name][h, : len(waves)] = _called(waves, model, together=together)
    found: dict[str, Any] = {"hours": hours}
    for name, told in hits.items():
        for k, n in _RULES:
            over = _over(told, k, n)
            begun = over[:, 0].sum() + (over[:, 1:] & ~over[:, :-1]).sum()
            found[f"{k} of {n}, {name}"] = {"false_per_hour": round(float(begun) / hours, 2)}
    return found


def onsets(count: int, seed: int) -> dict[str, Any]:
    """Ten minutes without AF, then five of it: how long until each rule tells, in context and by windows themselves."""
    rng = np.random.default_rng(seed)
    records = synthetic_ppg.load_intervals(DATA / "ppg" / "rr")
    model = inference.load("rhythm")
    called: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in _WAYS}
    done = 0
    while done < count:
        person = int(rng.integers(2**31))
        before = _stretch(records, _OTHERS[done % 3], 60, person, rng)
        after = _stretch(records, "AF", 30, person, rng)
        if len(before) == 60 and len(after) == 30:
            done += 1
            for name, together in _WAYS.items():
                called[name].append(_called([*before, *after], model, together=together))
    found: dict[str, Any] = {"onsets": count}
    for name, told in called.items():
        for k, n in _RULES:
            over = _over(np.array(told), k, n)
            already = int(over[:, 59].sum())  # told already, falsely: no onset to be told
            delays = [10.0 * (int(np.argmax(row[60:])) + 1) for row in over if row[60:].any() and not row[59]]
            p50, p90 = np.quantile(delays, (0.5, 0.9)).round(1) if delays else (None, None)
            spread = {"p50": p50, "p90": p90}
            found[f"{k} of {n}, {name}"] = {"told_before": already, "told": len(delays), "delay_s": spread}
    return found


def _over(hits: NDArray[np.bool_], k: int, n: int) -> NDArray[np.bool_]:
    """Where at least ``k`` of the last ``n`` of a row were called."""
    return np.array([np.convolve(row.astype(int), np.ones(n, int))[: len(row)] >= k for row in hits])


def _called(waves: list[Floats], model: Model, *, together: bool) -> NDArray[np.bool_]:
    """Whether each window was called AF; together: they are one person's, one after the other."""
    rows = predict(np.stack(waves), 100.0, model, np.zeros(len(waves)) if together else None)
    return np.array([row["decision"] == "af" for row in rows])


def _stretch(
    records: synthetic_ppg.Intervals, pool: str, count: int, person: int, rng: np.random.Generator
) -> list[Floats]:
    """Up to ``count`` windows in a row of one record, from a beat of ``pool`` on; those with AF in them are skipped over, or
    those without where ``pool`` is AF. person: the seed of the pulse's shape."""
    wanted = records.pools["AF"] if pool == "AF" else np.concatenate([records.pools[c] for c in ("SR", "PVC", "PAC")])
    wanted = np.sort(wanted)
    origin = float(records.t[int(rng.choice(records.pools[pool]))])
    waves: list[Floats] = []
    while len(waves) < count and origin < records.t[-1] - 30:
        first = int(np.searchsorted(records.t, origin))
        place = int(np.searchsorted(wanted, first))
        if place < len(wanted) and wanted[place] == first:
            a, b = np.searchsorted(records.t, (origin - 3.0, origin + 11.0))
            part = slice(int(a), int(b))
            train = synthetic_ppg.Train(records.t[part] - origin, records.ibi[part], records.kind[part], pool == "AF")
            waves.append(synthetic_ppg.render(train, np.random.default_rng(person)))
        elif place >= len(wanted):
            break
        elif records.t[wanted[place]] > origin + 600:
            origin = float(records.t[wanted[place]]) - 10.0
        origin += 10.0
    return waves


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path, nargs="?")
    parser.add_argument("--hours", type=int, default=0)
    parser.add_argument("--onsets", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.predictions is not None:
        print(json.dumps(by_person(args.predictions), indent=1))
    if args.hours:
        print(json.dumps(long_sequences(args.hours, args.seed), indent=1))
    if args.onsets:
        print(json.dumps(onsets(args.onsets, args.seed), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
