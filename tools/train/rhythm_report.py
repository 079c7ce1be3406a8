"""From fitted rhythm networks to files: cross-validated predictions, calibration, and the folder ``models/rhythm``."""

from __future__ import annotations

import csv
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data_folder import DATA
from net_size import parameters
from numpy.typing import NDArray
from rhythm_context import NONE_LIMIT, Constants, alone, cross_fitted
from rhythm_data import Windows
from rhythm_fit import Scale
from rhythm_trees import DEPTH, SHARE, Both, said
from roc import auroc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import quantize
from evaluation.rhythm import predict
from variants import VARIANTS

from edge.dsp.rhythm.decision import LABELS, blended
from edge.dsp.rhythm.features import FEATURES, TOLD

VERSION = "1.7.0"
_AF = LABELS.index("AF")


def line(name: str, logits: NDArray[np.float64], label: NDArray[np.int64]) -> str:
    """One line of figures of one fold, windows by themselves."""
    p = alone(logits, 1.0)
    refused = float(np.mean(logits.argmax(axis=1) == len(LABELS)))
    accuracy = float(np.mean(p.argmax(axis=1) == label))
    return f"{name}: accuracy {accuracy:.4f}, AF AUROC {auroc(p[:, _AF], label == _AF):.4f}, not a pulse {refused:.4f}"


def calibration_card(scale: Scale, constants: Constants) -> dict[str, Any]:
    """The card's table ``calibration``."""
    return {
        "temperature": constants.temperature,
        "trees_share": SHARE,
        "usual": [round(float(x), 6) for x in constants.usual],
        "own_slope": constants.own_slope,
        "before_slope": constants.before_slope,
        "af_threshold": constants.threshold,
        "none_limit": NONE_LIMIT,
        "feature_mean": [round(float(x), 6) for x in scale.mean],
        "feature_sd": [round(float(x), 6) for x in scale.sd],
    }


def export_folds(
    work: Path,
    logits: NDArray[np.float64],
    fold: NDArray[np.int64],
    person: NDArray[np.int64],
    real: Windows,
    pool: Windows,
    scale: Scale,
    seed: int,
) -> None:
    """Each fold's network, its trees and the constants of the other folds as a model of its own, ``models0/rhythm`` and
    so on.

    logits: of every window by the network that never saw it, fp32, blended.
    """
    for k in np.unique(fold):
        other, both = fold != k, Both.kept(work, f"fold{k}", scale)
        constants = Constants.fitted(logits[other], real.label[other], person[other])
        example, calibration, golden = _inputs(real.take(np.flatnonzero(other)), pool, scale, seed)
        card = {
            "name": "rhythm",
            "version": "0",
            "task": "a fold",
            "output": {"kind": "softmax"},
            "calibration": calibration_card(scale, constants),
        }
        trees = {"trees": both.trees.as_bytes()}
        quantize.export(both.network, example, calibration, folder_of(work, k), "rhythm", golden, card, beside=trees)
        told = f"slopes {constants.own_slope} and {constants.before_slope}, AF threshold {constants.threshold}"
        print(f"fold {k}: temperature {constants.temperature}, {told}", flush=True)


def folder_of(work: Path, k: int) -> Path:
    """Where the model of a fold lies."""
    return work / f"models{k}" / "rhythm"


def model_of(work: Path, k: int, variant: str = VARIANTS[0]) -> Any:
    """The model of a fold as ``export_folds`` left it."""
    from edge import inference

    return inference.load("rhythm", root=folder_of(work, k).parent, variant=variant)


def write_cross_validation(out: Path, fold: NDArray[np.int64], work: Path) -> None:
    """Every window by the int8 model of the fold it is in, through the shipped analyzer."""
    d = np.load(DATA / "ppg" / "liu2022.npz")
    rows: dict[int, dict[str, str]] = {}
    for k in np.unique(fold):
        mine = np.flatnonzero(fold == k)
        found = predict(d["ppg"][mine], 100.0, model_of(work, k), d["subject"][mine])
        rows |= {int(i): {**row, "row": str(i)} for i, row in zip(mine, found, strict=True)}
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[i] for i in sorted(rows))


def figures_of_variants(
    work: Path, fold: NDArray[np.int64], person: NDArray[np.int64], real: Windows, scale: Scale
) -> dict[str, dict[str, float]]:
    """Cross-validated figures, in context, of the four files each fold's network became, with its trees; nothing refused."""
    logits = {variant: np.zeros((len(fold), len(LABELS) + 1)) for variant in VARIANTS}
    for k in np.unique(fold):
        mine = np.flatnonzero(fold == k)
        windows = real.take(mine)
        feature, trees = scale(windows.feature), said(Both.kept(work, f"fold{k}", scale).trees, windows)
        for variant, found in logits.items():
            net = model_of(work, k, variant)
            rows = [net.run(windows.wave[i][None, None, None], feature[i][None])[0][0] for i in range(len(mine))]
            found[mine] = blended(np.array(rows, dtype=np.float64), trees, SHARE)
    return {v: _figures(cross_fitted(x, real.label, person, fold), real.label) for v, x in logits.items()}


def _figures(p: NDArray[np.float64], label: NDArray[np.int64]) -> dict[str, float]:
    guess = p.argmax(axis=1)
    recalls = [float(np.mean(guess[label == c] == c)) for c in range(len(LABELS))]
    limit = np.quantile(p[label == _AF, _AF], 0.15)
    return {
        "accuracy": round(float(np.mean(guess == label)), 4),
        "balanced_accuracy": round(float(np.mean(recalls)), 4),
        "af_auroc": round(auroc(p[:, _AF], label == _AF), 4),
        "specificity_at_af_sensitivity_85": round(float(np.mean(p[label != _AF, _AF] < limit)), 4),
    }


Sample = list[tuple[NDArray[np.float32], ...]]


def _inputs(real: Windows, pool: Windows, scale: Scale, seed: int) -> tuple[tuple[torch.Tensor, ...], Sample, Sample]:
    """An example, the windows that set int8's scales, and golden ones, which are synthetic: no recording is shipped."""
    rng = np.random.default_rng(seed)

    def sample(windows: Windows, rows: NDArray[np.int64]) -> Sample:
        w = windows.take(rows)
        return [(w.wave[i][None, None, None], scale(w.feature[i])[None]) for i in range(len(w))]

    pulses = np.flatnonzero(pool.label < len(LABELS))
    nothing = np.flatnonzero(pool.label == len(LABELS))
    calibration = sample(real, rng.choice(len(real), 300, replace=False))
    calibration += sample(pool, rng.choice(pulses, 80, replace=False)) + sample(pool, rng.choice(nothing, 40))
    golden = sample(pool, np.array([int(rng.choice(np.flatnonzero(pool.label == c))) for c in range(len(LABELS))]))
    golden += sample(pool, rng.choice(nothing, 2, replace=False))
    return tuple(torch.from_numpy(x) for x in golden[0]), calibration, golden


def export(both: Both, real: Windows, pool: Windows, work: Path, out: Path, seed: int) -> None:
    """The four variants, golden vectors and card; calibrated on the cross-validated logits."""
    cross = work / "cross.npz"
    if not cross.exists():
        sys.exit("rhythm: thresholds come from the cross-validation; run with --cross-validate first (same --work)")
    d = np.load(cross)
    constants = Constants.fitted(d["logits"], d["label"], d["person"])
    example, calibration, golden = _inputs(real, pool, both.scale, seed)
    few = real.take(np.random.default_rng(seed + 1).choice(len(real), 600, replace=False))
    parity = [(few.wave[i][None, None, None], both.scale(few.feature[i])[None]) for i in range(len(few))]
    figures = work / "figures.json"
    card = {
        "name": "rhythm",
        "version": VERSION,
        "task": "rhythm of a 10 s contact pulse wave",
        "input": {
            "rate_hz": 100,
            "window_s": 10,
            "scaling": "wave: 0.5-8 Hz, z-score, clipped at 5; features: minus mean, over sd, clipped at 4",
            "features": list(TOLD),
        },
        "output": {"labels": [*LABELS, "not a pulse"], "kind": "softmax"},
        "training": {
            "script": "tools/train/rhythm.py",
            "data": "Liu et al., J Am Heart Assoc 2022;11:e023555 (28 people, 10,620 windows); synthetic pulses from "
            "MIT-BIH AF, Long-Term AF and Arrhythmia databases (PhysioNet); ICU pulses of the PhysioNet/CinC Challenge "
            "2015, which carry no rhythm labels: weakly labelled AF or not AF by a rule on the intervals of their ECG, "
            "only where it is sure in the minute around and in the whole record and pulse and ECG show the same beats",
            "terms": "Liu: cite, recordings not redistributed; PhysioNet: ODC-By 1.0",
            "split": "7 folds of 4 people and a seventh of the ICU records for the figures; shipped weights fitted on all",
            "seed": seed,
            "parameters": parameters(both.network),
            "trees": {
                "count": len(both.trees.feature),
                "features": len(FEATURES),
                "depth": DEPTH,
                "parameters": both.trees.parameters,
            },
            "first_window_crc32": zlib.crc32(np.load(DATA / "ppg" / "liu2022.npz")["ppg"][0].tobytes()),
        },
        "calibration": calibration_card(both.scale, constants),
        "figures": json.loads(figures.read_text(encoding="utf-8")) if figures.exists() else {},
        "limits": {
            "text": "Adults at rest, fingertip, clean signal. One window is no diagnosis: confirm over several. "
            "Ectopy in runs can look like AF, and AF with a slow even rate like sinus. VT cannot be "
            "told from SVT reliably. Not a medical device."
        },
    }
    report = quantize.export(
        both.network, example, calibration, out, "rhythm", golden, card, parity=parity,
        beside={"trees": both.trees.as_bytes()},
    )  # fmt: skip
    (work / "parity.json").write_text(json.dumps({k: vars_of(v) for k, v in report.items()}), encoding="utf-8")


def vars_of(value: Any) -> dict[str, Any]:
    """A slotted dataclass as a mapping."""
    return {name: getattr(value, name) for name in type(value).__slots__}
