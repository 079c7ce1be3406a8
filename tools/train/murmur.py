"""Train, cross-validate and export the murmur network.

    python tools/train/murmur.py --cross-validate --out predictions.csv   five networks, each person unseen by one
    python tools/train/murmur.py --export models/murmur                   one network on all people
    python tools/train/murmur.py --recalibrate models/murmur              the network as it is, constants and figures new

Real data is found at EDGE_VITALS_DATA (default ../shared/data). Checkpoints, cached pictures and window scores live in
``--work`` and are used again; delete the folder to begin afresh. The export takes its calibration and figures from the
cross-validation in the same folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import zlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tools" / "train")]

import murmur_calibrate as calibrate
import murmur_data as dataset
import numpy as np
from data_folder import DATA

from edge.dsp.pcg.decision import Calibration

SPLIT_SEED = 1
FOLDS = 5
VERSION = "1.3.0"
TRAINED_ON = ROOT / "tools" / "train" / "murmur_trained_on.txt"
_LABELS = ["murmur", "unknown", "foreign"]


def main() -> int:
    """Parse, then cross-validate or export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA / "pcg", help="folder with labels.csv and audio")
    parser.add_argument("--work", type=Path, default=Path("work-murmur"), help="checkpoints, caches, window scores")
    parser.add_argument("--cross-validate", action="store_true")
    parser.add_argument("--out", type=Path, help="predictions of the cross-validation, from all folds trained so far")
    parser.add_argument("--export", type=Path, metavar="DIR", help="train on all people and write the model folder")
    parser.add_argument("--recalibrate", type=Path, metavar="DIR", help="put constants and figures into its card anew")
    parser.add_argument("--folds", default="0,1,2,3,4", help="which folds to train, where not all")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of training; another number ends in other weights")
    parser.add_argument("--picture", choices=["mel", "cwt"], default="mel", help="cwt: for comparison only")
    options = parser.parse_args()
    if options.recalibrate:
        _recalibrate(options)
        return 0
    import torch

    torch.set_num_threads(options.threads)
    corpus = dataset.load(options.data, options.work / "cache", folds=FOLDS, seed=SPLIT_SEED, picture=options.picture)
    if options.cross_validate:
        for fold in map(int, options.folds.split(",")):
            _fold(options, corpus, fold)
        if options.out:
            _report(options)
    if options.export:
        _export(options, corpus)
    return 0


def _fold(options: argparse.Namespace, corpus: dataset.Corpus, fold: int) -> None:
    """Train on the other folds, export, and hear this fold's recordings; nothing is done twice."""
    import murmur_fit
    import murmur_hear

    notes = options.work / f"heard{fold}.json"
    if notes.exists():
        return
    unseen = np.flatnonzero(corpus.fold == fold)
    model = _trained(
        options, corpus, f"fold{fold}", np.flatnonzero(corpus.fold != fold), murmur_fit.watch(corpus, unseen)
    )
    folder = options.work / f"models{fold}"
    _quantized(model, corpus, folder / "murmur", {}, calibrate.neutral(), fold=fold)
    quartet = murmur_hear.Quartet(folder)
    rows = [corpus.rows[i] for i in unseen]
    murmur_hear.write(notes, murmur_hear.hear(options.data, rows, [fold] * len(rows), quartet))


def _trained(options: argparse.Namespace, corpus: dataset.Corpus, name: str, chosen: Any, monitor: Any = None) -> Any:
    import murmur_fit

    path = options.work / f"{name}.pt"
    if not path.exists():
        model = murmur_fit.fit(corpus, chosen, epochs=options.epochs, seed=options.seed, log=name, monitor=monitor)
        murmur_fit.save(model, path)
    return murmur_fit.restore(path)


def _quantized(
    model: Any, corpus: dataset.Corpus, folder: Path, card: dict[str, Any], constants: Calibration, *, fold: int = -2
) -> Any:
    import torch
    from murmur_augment import crops, normalised, two_channels
    from quantize import export

    rng = np.random.default_rng(5)
    usable = np.flatnonzero(corpus.fold != fold)

    def windows(n: int) -> list[tuple[Any, ...]]:
        index = rng.choice(usable, n)
        power = torch.from_numpy(crops(corpus, index, rng.uniform(size=n), np.ones(n))).exp_()
        return [(x[None].numpy(),) for x in two_channels(normalised(power))]

    base = {
        "name": "murmur",
        "version": VERSION,
        "task": "murmur in 5 s of heart sound: present, cannot tell, not a heart sound",
        "input": {
            "rate_hz": 2000,
            "window_s": 5.0,
            "scaling": "log-mel, 40 bands 25-800 Hz, 20 ms frames: mean 0, deviation 1, clip 4; again less band means",
        },
        "output": {"labels": _LABELS, "kind": ["sigmoid", "values"]},
        **card,
        "calibration": constants.as_card(),
    }
    golden = [(_synthetic_window(k),) for k in range(4)]
    return export(
        model, (torch.zeros(1, 2, 40, 250),), windows(400), folder, "murmur", golden, base, parity=windows(200)
    )


def _synthetic_window(k: int) -> Any:
    """Golden input k: generated, since no recording may be shipped; half hearts, half not."""
    from edge.dsp.pcg import frontend

    rng = np.random.default_rng([11, k])
    kinds = ("noise", "speech", "music", "friction")
    x, rate = (
        (dataset.heart(rng, 4000.0, k // 2), 4000.0)
        if k % 2 == 0
        else (dataset.not_a_heart(kinds[k // 2 % 4], rng, 2000.0), 2000.0)
    )
    y, _ = frontend.remove_spikes(frontend.to_internal(x[: int(5 * rate)], rate))
    return frontend.network_input(frontend.log_mel(y))


def _notes(options: argparse.Namespace) -> list[dict[str, Any]]:
    import murmur_hear

    return [n for path in sorted(options.work.glob("heard?.json")) for n in murmur_hear.read(path)]


def _report(options: argparse.Namespace) -> None:
    """Predictions of the shipped variant and the figures of all four, pooled and per fold."""
    import murmur_hear

    notes = _notes(options)
    report: dict[str, Any] = {}
    for variant in murmur_hear.VARIANTS:
        recordings = murmur_hear.heard(notes, variant)
        found = calibrate.cross_judged(recordings)
        report[variant] = {
            "pooled": calibrate.figures(found),
            "folds": [
                calibrate.figures(found.where(lambda r, k=fold: r.fold == k))  # type: ignore[misc]
                for fold in sorted({r.fold for r in recordings})
            ],
            "other_sets": calibrate.other_sets(found.alone),
            "thresholds": [c.recording[3] for c in found.constants],
        }
        if variant == "onnx-int8" and options.out:
            _predictions(options.out, found)
    (options.work / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report["onnx-int8"]["pooled"], indent=1))
    print(json.dumps(report["onnx-int8"]["other_sets"], indent=1))


def _predictions(path: Path, found: calibrate.Cross) -> None:
    """The columns of ``tools/evaluate.py``, but for reasons."""
    together = {r.row["path"]: v for r, v in found.together}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "p_murmur", "quality", "decision", "p_alone", "decision_alone"])
        for r, alone in found.alone:
            v = together.get(r.row["path"], alone)
            p, p_alone = ("" if x is None else f"{x:.6f}" for x in (v.p, alone.p))
            writer.writerow([r.row["path"], p, f"{v.quality:.4f}", v.decision, p_alone, alone.decision])
    with path.with_name(f"{path.stem}.patients{path.suffix}").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "p_present", "p_unknown", "p_absent", "decision"])
        for patient, judged in found.people.items():
            shares = ("" if x is None else f"{x:.6f}" for x in (judged.p_present, judged.p_unknown, judged.p_absent))
            writer.writerow([patient, *shares, judged.decision])


def _fitted(options: argparse.Namespace) -> tuple[Calibration, dict[str, Any]]:
    """Constants from all folds, and the figures of the card."""
    import murmur_hear

    report = json.loads((options.work / "report.json").read_text(encoding="utf-8"))
    figures = {v: {k: round(x, 4) for k, x in found["pooled"].items()} for v, found in report.items()}
    return calibrate.fit(murmur_hear.heard(_notes(options))), figures


def _recalibrate(options: argparse.Namespace) -> None:
    from quantize import amend_card

    constants, figures = _fitted(options)
    amend_card(options.recalibrate, {"version": VERSION, "figures": figures, "calibration": constants.as_card()})


def _export(options: argparse.Namespace, corpus: dataset.Corpus) -> None:
    model = _trained(options, corpus, "all", np.arange(len(corpus.rows)))
    constants, figures = _fitted(options)
    card = {
        "training": {
            "script": "tools/train/murmur.py",
            "data": "CirCor DigiScope 2022, CinC 2016 (a, b, c, d, f), PASCAL 2011, generated negatives and heart sounds",
            "terms": "ODC-By (CirCor, CinC 2016); PASCAL: cite; no recording is shipped",
            "split": "five folds by person, stratified by label and murmur grade; other sets left out whole",
            "seed": options.seed,
            "epochs": options.epochs,
        },
        "figures": figures,
        "limits": {
            "text": "Cross-validated on children and adolescents, murmurs nearly all systolic. 'absent' does not rule "
            "out a diastolic murmur such as mitral stenosis. Not a medical device."
        },
    }
    print(_quantized(model, corpus, options.export, card, constants))
    marks = {zlib.crc32(dataset_key(row).encode()) for row in corpus.rows if row["dataset"] != "synthetic"}
    TRAINED_ON.write_text("".join(f"{m:08x}\n" for m in sorted(marks)), encoding="ascii")


def dataset_key(row: dict[str, str]) -> str:
    """What tells whether a recording's person took part in training: data set and patient, else path."""
    return f"{row['dataset']}/{row.get('patient') or row['path']}"


if __name__ == "__main__":
    sys.exit(main())
