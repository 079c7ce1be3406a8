"""Alarm thresholds with a stated bound on missed events, and what confirmation by k of n windows buys.

    python tools/calibrate.py rhythm --data ../shared/data/ppg/liu2022.npz --pred predictions.csv --alpha 0.05 0.1
    python tools/calibrate.py murmur --data ../shared/data/pcg --pred predictions.csv
    python tools/calibrate.py rhythm --data ... --pred predictions.csv --card models/rhythm   also into its card.toml

predictions.csv is what ``tools/evaluate.py`` or ``tools/train/NAME.py --cross-validate`` writes: the people in it must
be unseen by the model. The unit is a person (``tools/conformal.py``); a refusal counts as missed. Confirmation runs
the product's own ``Detector`` over each person's windows in file order, 10 s apart; those of liu2022 may not be
contiguous, so its alarms an hour are of the windows, not of hours at a bedside. A person is falsely alerted by the
windows that are no events, put one after the other; and in file order, as at a bedside, where an alarm begins and
none of the last n windows is an event; these are counted by the hour of windows at which that can be.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from conformal import smallest_alpha, threshold

from edge.alarms.detector import Detector
from edge.alarms.judge import Verdict
from edge.alarms.rules import rules_from

WINDOW_S = 10.0
RULES = ((1, 1), (2, 3), (3, 5), (4, 5), (5, 7), (6, 8))


@dataclass(frozen=True)
class Scored:
    """Scores (NaN = refused), whether each should alarm, and whose it is, in order of time."""

    scores: np.ndarray
    events: np.ndarray
    people: np.ndarray


def rhythm(data: Path, pred: Path) -> Scored:
    """Windows of an NPZ like liu2022: an event is a window labelled AF."""
    with np.load(data, allow_pickle=False) as npz:
        names = [str(name) for name in npz["label_names"]]
        label, people = npz["label"], npz["subject"]
    scores = np.full(len(label), math.nan)
    for row in _rows(pred, "row", "p_AF"):
        if row["p_AF"]:
            scores[int(row["row"])] = float(row["p_AF"])
    return Scored(scores, label == names.index("AF"), people)


def murmur(data: Path, pred: Path) -> Scored:
    """Recordings of a labels.csv: an event is a recording in which the murmur is audible; unlabelled ones are left out.

    By itself, as the analyzer judges it, where the predictions say that beside what the person's other recordings make
    of it. One answered with "cannot tell" counts as refused, whatever its probability.
    """
    rows = _rows(pred, "path", "p_murmur", "decision")
    given = {
        row["path"]: ""
        if row.get("decision_alone", row["decision"]) == "unknown"
        else row.get("p_alone", row["p_murmur"])
        for row in rows
    }
    found: list[tuple[float, bool, str]] = []
    for row in _rows(data / "labels.csv", "path", "label_recording", "subject"):
        if row["path"] in given and row["label_recording"] in ("present", "absent", "absent_here"):
            score = float(given[row["path"]]) if given[row["path"]] else math.nan
            found.append((score, row["label_recording"] == "present", row["subject"]))
    if not found:
        sys.exit(f"{pred}: no row of it is in {data / 'labels.csv'}")
    scores, events, people = zip(*found, strict=True)
    return Scored(np.array(scores), np.array(events), np.array(people))


def bounds(scored: Scored, alphas: Sequence[float]) -> list[dict[str, Any]]:
    """For each bound on missed events: the threshold, and how often it is wrongly passed, person by person."""
    events = scored.events
    told = []
    for alpha in alphas:
        found = threshold(scored.scores[events].tolist(), scored.people[events].tolist(), alpha)
        false = math.nan
        if found.value is not None:
            passed = scored.scores >= found.value
            others = [passed[(scored.people == p) & ~events] for p in np.unique(scored.people)]
            false = float(np.mean([other.mean() for other in others if len(other)]))
        told.append(
            {**asdict(found), "false_alarm_share": None if math.isnan(false) else false, "words": found.words()}
        )
    return told


def conformal_section(found: Sequence[dict[str, Any]], smallest: float) -> dict[str, Any]:
    """The card's table [conformal]: only bounds that can be promised, thresholds rounded down so that they hold."""
    bounds_ = [
        {
            "missed": bound["alpha"],
            "threshold": math.floor(bound["value"] * 1e4) / 1e4,
            "missed_among_them": round(bound["risk"], 4),
            "wrongly_passed": round(bound["false_alarm_share"], 4),
        }
        for bound in found
        if bound["value"] is not None
    ]
    return {
        "unit": "person",
        "people": found[0]["people"],
        "events": found[0]["events"],
        "smallest_missed": round(smallest, 4),
        "bounds": bounds_,
    }


def confirmation(scored: Scored, at: float) -> list[dict[str, Any]]:
    """For each k of n at threshold ``at``: stretches of n event windows caught, people ever falsely alerted, alarms; the
    last two also in file order."""
    return [_confirm(scored, at, k, n) for k, n in RULES]


def _confirm(scored: Scored, at: float, k: int, n: int) -> dict[str, Any]:
    caught: list[bool] = []
    delays: list[float] = []
    alarms, false_people, other_people, other_windows = 0, 0, 0, 0
    alarms_in_order, people_in_order, windows_in_order = 0, 0, 0
    for person in np.unique(scored.people):
        mine = scored.people == person
        scores, events = scored.scores[mine], scored.events[mine]
        stretches = [s for s in range(len(events) - n + 1) if events[s : s + n].all()]
        fired = [_first_alarm(scores[s : s + n], at, k, n) for s in stretches]
        free = [not events[max(0, i - n + 1) : i + 1].any() for i in range(len(events))]
        raised_in_order = sum(free[i] for i in _onsets(scores, at, k, n))
        alarms_in_order += raised_in_order
        people_in_order += raised_in_order > 0
        windows_in_order += sum(free)
        caught += [when is not None for when in fired]
        delays += [(when + 1) * WINDOW_S for when in fired if when is not None]
        others = scores[~events]
        if len(others):
            raised = len(_onsets(others, at, k, n))
            alarms += raised
            false_people += raised > 0
            other_people += 1
            other_windows += len(others)
    hours, hours_in_order = (count * WINDOW_S / 3600 for count in (other_windows, windows_in_order))
    return {
        "k": k,
        "n": n,
        "stretches": len(caught),
        "caught": float(np.mean(caught)) if caught else None,
        "delay_p50_s": float(np.median(delays)) if delays else None,
        "people_falsely_alerted": false_people,
        "people_without": other_people,
        "false_alarms_an_hour": alarms / hours if hours else None,
        "people_falsely_alerted_in_order": people_in_order,
        "false_alarms_an_hour_in_order": alarms_in_order / hours_in_order if hours_in_order else None,
    }


def _follow(scores: np.ndarray, at: float, k: int, n: int) -> list[bool]:
    settings = {"k": k, "n": n, "spacing_s": WINDOW_S, "off_delay_s": 0}
    detector = Detector(rules_from({"af": settings})["af"])
    verdicts: list[Verdict] = ["unknown" if math.isnan(score) else "yes" if score >= at else "no" for score in scores]
    return [detector.feed(i * WINDOW_S, verdict) for i, verdict in enumerate(verdicts)]


def _first_alarm(scores: np.ndarray, at: float, k: int, n: int) -> int | None:
    return next((i for i, present in enumerate(_follow(scores, at, k, n)) if present), None)


def _onsets(scores: np.ndarray, at: float, k: int, n: int) -> list[int]:
    """The windows with which an alarm begins."""
    present = [False, *_follow(scores, at, k, n)]
    return [i for i, (was, now) in enumerate(pairwise(present)) if now and not was]


def _rows(path: Path, *needed: str) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    missing = [name for name in needed if rows and name not in rows[0]]
    if not rows or missing:
        sys.exit(f"{path}: no rows" if not rows else f"{path}: no column {', '.join(missing)}")
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Print thresholds and the effect of confirmation; ``--json`` for the card's [calibration]."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["rhythm", "murmur"])
    parser.add_argument("--data", type=Path, required=True, help="NPZ like liu2022 or folder with labels.csv")
    parser.add_argument("--pred", type=Path, required=True, help="predictions of people the model never saw")
    parser.add_argument("--alpha", type=float, nargs="+", default=[0.05, 0.1, 0.15, 0.2])
    parser.add_argument("--at", type=float, help="threshold for the table of confirmation (default: the last alpha's)")
    parser.add_argument("--card", type=Path, help="model folder whose card gets the bounds as its table [conformal]")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    scored = rhythm(args.data, args.pred) if args.task == "rhythm" else murmur(args.data, args.pred)
    people = len(np.unique(scored.people[scored.events]))
    report: dict[str, Any] = {"task": args.task, "people_with_events": people, "smallest_alpha": smallest_alpha(people)}
    report["bounds"] = bounds(scored, args.alpha)
    at = args.at if args.at is not None else report["bounds"][-1]["value"]
    if args.task == "rhythm" and at is not None:
        report["confirmed_at"], report["confirmation"] = at, confirmation(scored, at)
    if args.card is not None:
        from quantize import amend_card

        amend_card(args.card, {"conformal": conformal_section(report["bounds"], report["smallest_alpha"])})
    if args.json:
        print(json.dumps(report, indent=1))
        return 0
    print(f"{people} people with events: no bound under {report['smallest_alpha']:.3f} can be promised")
    for found in report["bounds"]:
        false = "" if found["false_alarm_share"] is None else f"; wrongly passed {found['false_alarm_share']:.3f}"
        print(f"alpha {found['alpha']:g}: {found['words']}{false}")
    for row in report.get("confirmation", ()):
        caught = (
            "no stretch" if row["caught"] is None else f"{row['caught']:.3f} of {row['stretches']} stretches caught"
        )
        delay = "" if row["delay_p50_s"] is None else f" after {row['delay_p50_s']:.0f} s"
        hour, hour_in_order = (
            "-" if row[key] is None else f"{row[key]:.2f}"
            for key in ("false_alarms_an_hour", "false_alarms_an_hour_in_order")
        )
        print(
            f"{row['k']} of {row['n']} at {at:.3g}: {caught}{delay}; {row['people_falsely_alerted']} of "
            f"{row['people_without']} people ever falsely alerted, {hour} false alarms an hour of windows; in file order "
            f"{row['people_falsely_alerted_in_order']}, {hour_in_order}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
