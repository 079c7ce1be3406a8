"""``models/murmur/README.md`` and its picture from a cross-validation: only what was measured, with the command.

    python tools/train/murmur_report.py --work work-murmur --export models/murmur

Reads the window scores and ``report.json`` that ``tools/train/murmur.py --cross-validate`` left in ``--work``, and
``beside.json`` of ``murmur_beside.py``. What was tried is told by hand, in ``models/murmur/TRIED.md``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tools" / "train")]

import murmur_calibrate as calibrate
import murmur_compared
import murmur_data as dataset
import murmur_hear as hear
import murmur_picture
import murmur_promised
import numpy as np
from murmur_limits import LIMITS, NOISE, PASSING

from edge import inference
from edge.analyzers import murmur
from edge.dsp import synthesis
from edge.dsp.pcg import listening
from edge.dsp.pcg.decision import PatientVerdict
from edge.dsp.pcg.frontend import network_input
from edge.lane import Lane
from edge.types import Block

_DRAWS = 200  # of persons, for an interval

MEASURES = {
    "weighted_accuracy": "patient weighted accuracy (5 present, 3 unknown, 1 absent)",
    "patient_auroc": "patient AUROC, present against absent",
    "recall_present": "patients with a murmur recognised",
    "recall_unknown": "patients marked unknown recognised",
    "recall_absent": "patients without a murmur recognised",
}
OF_RECORDINGS = {
    "recording_auroc": "AUROC, heard here against absent",
    "recording_auroc_with_absent_here": "the same, silent sites of patients with a murmur as negatives",
    "sensitivity": "sensitivity",
    "specificity": 'specificity (a refusal or "cannot tell" counts as wrong)',
    "present_where_silent": "silent sites of patients with a murmur called present",
    "ece": "expected calibration error (10 bins)",
    "answered": "share of these recordings answered",
}


def main() -> int:
    """Write README.md and report.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--export", type=Path, default=ROOT / "models" / "murmur")
    options = parser.parse_args()
    notes = [n for path in sorted(options.work.glob("heard?.json")) for n in hear.read(path)]
    found = calibrate.cross_judged(hear.heard(notes))
    report = json.loads((options.work / "report.json").read_text(encoding="utf-8"))
    compared = json.loads((options.work / "beside.json").read_text(encoding="utf-8"))
    murmur_picture.draw(options.export / "report.png", found, compared)
    text = "\n".join(
        [
            in_short(report),
            LIMITS,
            MADE,
            main_table(report, found),
            groups(found),
            grades(found),
            murmur_promised.table(options.export / "card.toml"),
            other_sets(report),
            no_heart(),
            PASSING,
            NOISE,
            quantized(report),
            costs(),
            murmur_compared.tables(compared),
            TRIED,
        ]
    )
    (options.export / "README.md").write_text(text, encoding="utf-8")
    return 0


IN_SHORT = """# Murmur network

Of five seconds of heart sound: how likely it is that there is a murmur, that this cannot be told, or that it is no heart at
all; of the recordings of one person's sites together: present, absent or unknown.

On people it never heard (CirCor, five folds by person, int8, through the shipped analyzer):

| | |
|---|---|
{rows}
"""

MADE = """## How it is made

6.6 k parameters in FunnelNet's line (arXiv 2405.09570: squeeze, depthwise-separable bottleneck, expansion, pooling),
1.6 M multiply-adds per 5 s of heart sound. Input: log-mel picture of 25–800 Hz in two channels (one mean and one
deviation per window; the same less each band's mean). Outputs: logits of *murmur*, *unknown* (cannot tell) and
*foreign* (not a heart sound), and the same over time. `card.toml` holds the constants that make them decisions.

Everything below is cross-validated: five folds by person (CirCor, stratified by label and murmur grade), every person
judged by a network that never saw them, thresholds and regressions from the other folds, one fixed decision rule, int8
in ONNX Runtime, through the shipped analyzer. The shipped network is then trained on all people by the same recipe;
its own figure on unseen people is not known here.

<!-- not run by tests: needs the recordings -->
```sh
python tools/train/murmur.py --work work-murmur --cross-validate --out predictions.csv
python tools/train/murmur.py --work work-murmur --export models/murmur
python tools/calibrate.py murmur --data ../shared/data/pcg --pred predictions.csv --card models/murmur \\
    --alpha 0.02 0.03 0.05 0.08 0.1 0.15 0.2
python tools/train/murmur_beside.py --work work-murmur
python tools/train/murmur_report.py --work work-murmur
```

Each of the six networks took five to six minutes of one core, and each fold half a minute to be quantized and heard. On one
thread, as it is by default, the same code, data and kind of processor give the same bits; the pictures come from the shipped
front end, so a later change there gives other ones.

Data: CirCor DigiScope 2022 (ODC-By), CinC 2016 (ODC-By), PASCAL 2011 (cite), and generated sounds (hearts with and
without murmur, noise, tones, hum, friction, speech-like and music-like sound, bursts, clicks, knocks, breath). No
recording is shipped; golden vectors are generated sounds.
"""

TRIED = """## What was tried
[TRIED.md](TRIED.md): changes of data, network, training, decision and of what else could judge, with their figures.
In short: a second channel of the picture (each band less its own mean), and noise features for "unknown", helped; other data
sets, self-supervision, distillation, larger networks, pretrained ones and other kinds of learner end where this one does.
What is missed are the same few people whoever listens, so chance between trainings (0.005 of recording AUROC, 0.01 of
weighted accuracy) is as large as what is left to gain.
"""


def in_short(report: dict[str, Any]) -> str:
    """What somebody who only wants to use it asks first."""
    found = report["onnx-int8"]["pooled"]

    def recordings(prefix: str) -> str:
        f = {key: f"{found[prefix + key]:.3f}" for key in ("sensitivity", "specificity", "recording_auroc")}
        return f"sensitivity {f['sensitivity']}, specificity {f['specificity']}, AUROC {f['recording_auroc']}"

    said = {key: f"{found[key]:.3f}" for key in MEASURES}
    people = (
        f"recognised of those with a murmur {said['recall_present']}, without one {said['recall_absent']}, marked "
        f"unknown by the listener {said['recall_unknown']}; weighted accuracy {said['weighted_accuracy']}, AUROC {said['patient_auroc']}"
    )
    sets = report["onnx-int8"]["other_sets"].values()
    elsewhere = {
        key: f"{min(f[key] for f in sets):.3f} to {max(f[key] for f in sets):.3f}" for key in ("auroc", "answered")
    }
    rows = {
        "a recording in the light of the person's others": recordings("together_"),
        "a recording by itself": recordings(""),
        "a person": people,
        "sets from elsewhere, left out whole, most of them labelled by any heart disease": f"AUROC {elsewhere['auroc']} where answered, which {elsewhere['answered']} of them are",
    }
    return IN_SHORT.format(rows="\n".join(f"| {who} | {what} |" for who, what in rows.items()))


def main_table(report: dict[str, Any], judged: calibrate.Cross) -> str:
    """Pooled figures with a bootstrap over persons, and mean and spread of the folds."""
    found = report["onnx-int8"]
    spread = bootstrap(judged)

    def figure(key: str) -> str:
        low, high = np.nanquantile([s[key] for s in spread], [0.025, 0.975])
        folds = [f[key] for f in found["folds"]]
        mean = f"{np.nanmean(folds):.3f} ± {np.nanstd(folds, ddof=1):.3f}"
        return f"{found['pooled'][key]:.3f} | {low:.3f}–{high:.3f} | {mean}"

    head = "pooled | 95 % interval (persons) | mean of folds ± deviation |"
    lines = ["## CirCor, five-fold by person", ""]
    lines += [f"| patients | {head}", "|---|---|---|---|"]
    lines += [f"| {words} | {figure(key)} |" for key, words in MEASURES.items()]
    for title, prefix in (("together", "together_"), ("by themselves", "")):
        lines += ["", f"| recordings {title} | {head}", "|---|---|---|---|"]
        lines += [f"| {words} | {figure(prefix + key)} |" for key, words in OF_RECORDINGS.items()]
    gains = "; ".join(f"{words} {_gain(spread, key)}" for key, words in OF_RECORDINGS.items() if key in _GAINED)
    lines += ["", f"Gained by being judged together, people drawn anew, the same for both: {gains}."]
    sites = Counter(r.row["patient"] for r, _ in judged.together)
    several = sum(n for n in sites.values() if n > 1)
    beside = (
        f"{several:,} of the {sites.total():,} recordings have others beside them, at most {max(sites.values()) - 1}"
    )
    return "\n".join([*lines, "", f"{TOGETHER}\n{beside}.", "", "![ROC and reliability](report.png)", ""])


def _gain(spread: list[dict[str, float]], key: str) -> str:
    low, middle, high = np.nanquantile([s["together_" + key] - s[key] for s in spread], [0.025, 0.5, 0.975])
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


_GAINED = ("recording_auroc", "recording_auroc_with_absent_here", "sensitivity", "specificity")
TOGETHER = """"Together": a recording in the light of the same person's others. Its log odds and the mean of theirs are weighed by a
logistic rule that learns from the other folds where a murmur is heard, silent sites of patients with a murmur among
the negatives; no label of another recording is used, and one that could not tell by itself counts for none. Where noise
would hide a quiet murmur, a recording speaks no more against one than the others do, and where noise would be taken
for a murmur no more for one; one that the network cannot tell speaks as they do. So what "cannot tell" by itself is told
beside others that can, unless noise hides half of what was heard of the person. A murmur is seldom heard at one site alone, so quiet ones are found that were missed, and noise at one site is believed less;
the price is that silent sites of patients with a murmur are called present more often. By themselves is what one
recording is worth when nothing else is known, as in the literature that judges single recordings. `tools/evaluate.py
murmur` writes both (`p_murmur` and `p_alone`), `edge-vitals analyze murmur --one-person` says both, and so does a bed
whose microphone is moved (`patient.sites`). The live windows, the alarm without a site and everything below but where
it says so are of recordings by themselves."""


def bootstrap(judged: calibrate.Cross) -> list[dict[str, float]]:
    """Figures over persons drawn with replacement."""
    by: dict[str, tuple[list[Any], list[Any]]] = {}
    for at, part in enumerate((judged.alone, judged.together)):
        for r, v in part:
            if r.circor:
                by.setdefault(r.row["subject"], ([], []))[at].append((r, v))
    names, rng, out = sorted(by), np.random.default_rng(0), []
    for _ in range(_DRAWS):
        sample: tuple[list[Any], list[Any]] = ([], [])
        of: dict[str, PatientVerdict] = {}
        for draw, i in enumerate(rng.integers(0, len(names), len(names))):
            for drawn, mine in zip(sample, by[names[i]], strict=True):
                for r, v in mine:
                    again = f"{r.row['patient']}#{draw}"
                    of[again] = judged.people[r.row["patient"]]
                    drawn.append((replace(r, row={**r.row, "patient": again}), v))
        out.append(calibrate.figures(calibrate.Cross(*sample, of, [])))
    return out


def groups(judged: calibrate.Cross) -> str:
    """Age, sex and site."""
    circ = [r for r, _ in judged.together]
    lines = ["## By age, sex and site", "", "Together; in brackets by themselves.", ""]
    lines += ["| group | recordings | recording AUROC | sensitivity | specificity |", "|---|---|---|---|---|"]
    for column in ("age", "sex", "location"):
        for value in sorted({r.row[column] for r in circ}):
            heard = [r.row["label_recording"] == "present" for r in circ if r.row[column] == value]
            if sum(heard) < 5:
                continue
            f = calibrate.figures(judged.where(lambda r, c=column, v=value: r.row.get(c) == v))  # type: ignore[misc]
            name = "age not stated" if value == "nan" else value
            told = " | ".join(
                f"{f['together_' + key]:.3f} ({f[key]:.3f})"
                for key in ("recording_auroc", "sensitivity", "specificity")
            )
            lines.append(f"| {name} | {len(heard)} ({sum(heard)} with murmur) | {told} |")
    return "\n".join([*lines, ""])


def grades(judged: calibrate.Cross) -> str:
    """Sensitivity by systolic grade, of patients and of recordings, by the decision and at 93 % specificity."""
    circ, people = [r for r, _ in judged.together], judged.people
    label = {r.row["patient"]: r.row["label"] for r in circ}
    grade = {r.row["patient"]: r.row["systolic_grade"] for r in circ}
    absent = [p.p_present for k, p in people.items() if label[k] == "absent" and p.p_present is not None]
    limit = float(np.quantile(absent, 0.93))
    lines = ["## By murmur grade", "", "Recordings together; in brackets by themselves.", ""]
    lines += ["| systolic grade | patients | recognised by the decision | at 93 % specificity of patients "]
    lines[-1] += "| recordings where it is heard | recognised by the decision | at 93 % specificity of recordings |"
    lines += ["|---|---|---|---|---|---|---|"]
    for value in ("I/VI", "II/VI", "III/VI"):
        mine = [people[k] for k in people if grade[k] == value and label[k] == "present"]
        said = np.mean([p.decision == "present" for p in mine])
        above = np.mean([p.p_present is not None and p.p_present > limit for p in mine])
        together, alone = (of_grade(of, value) for of in (judged.together, judged.alone))
        recordings = " | ".join(f"{a:.3f} ({b:.3f})" for a, b in zip(together[1:], alone[1:], strict=True))
        lines.append(f"| {value} | {len(mine)} | {said:.3f} | {above:.3f} | {together[0]} | {recordings} |")
    return "\n".join([*lines, ""])


def of_grade(judged: calibrate.Judged, grade: str) -> tuple[int, float, float]:
    """Recordings in which a murmur of that grade is heard, the share found, and the share found at 93 % specificity."""
    clean = [v.p for r, v in judged if r.circor and r.row["label_recording"] == "absent" and v.p is not None]
    limit = float(np.quantile(clean, 0.93))
    mine = [v for r, v in judged if r.row["label_recording"] == "present" and r.row["systolic_grade"] == grade]
    above = np.mean([v.p is not None and v.p > limit for v in mine])
    return len(mine), float(np.mean([v.decision == "present" for v in mine])), float(above)


def other_sets(report: dict[str, Any]) -> str:
    """Databases left out whole."""
    lines = ["## Sets left out whole", ""]
    lines.append("Each judged by the one network that had nothing of it (no person ids exist, so folds would leak).")
    lines.append("CinC's label is any heart disease, not murmur: coronary disease (b) makes none. Score: mean of")
    lines.append(
        "sensitivity and specificity as in the CinC 2016 challenge (winner 0.86, trained for that label), of the"
    )
    lines.append(
        "murmur decision as it stands, and at the threshold that is best on the other CinC databases; a refusal"
    )
    lines.append("is wrong there, but where CinC calls a recording noisy, and AUROC is of the answered. Many clips of")
    lines.append("PASCAL's set b are under 3 s, which are not judged.")
    lines += [
        "",
        "| set | recordings | abnormal or murmur | answered | AUROC | score | score, threshold from elsewhere "
        "| artifacts answered unknown |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, f in report["onnx-int8"]["other_sets"].items():
        artifacts = f"{f['artifacts_unknown']:.2f}" if "artifacts_unknown" in f else ""
        elsewhere = f"{f['score_elsewhere']:.3f} (p ≥ {f['limit_elsewhere']:.2f})" if "score_elsewhere" in f else ""
        lines.append(
            f"| {name} | {f['n']} | {f['positive']} | {f['answered']:.3f} | {f['auroc']:.3f} | {f['score']:.3f} "
            f"| {elsewhere} | {artifacts} |"
        )
    return "\n".join([*lines, ""])


def no_heart(recordings: int = 24) -> str:
    """Generated sounds that are no heart, of seeds of their own, through the shipped analyzer and network."""
    lines = ["## What is no heart", ""]
    lines.append(
        f"{recordings} generated recordings of 12 s a kind, of other seeds than those of training, through the"
    )
    lines.append("shipped analyzer; real hearts are in the tables above (share of these recordings answered).")
    lines += ["", "| kind | windows | answered | reasons given |", "|---|---|---|---|"]
    model = inference.load("murmur")
    for kind in dataset.KINDS:
        said: Counter[str] = Counter()
        for k in range(recordings):
            said.update(_heard(model, dataset.not_a_heart(kind, np.random.default_rng([99, k]), 4000.0)))
        n, answered = said.total(), said.pop("", 0)
        reasons = ", ".join(f"{reason} {count}" for reason, count in said.most_common())
        lines.append(f"| {kind} | {n} | {answered / n:.3f} | {reasons} |")
    return "\n".join([*lines, ""])


def _heard(model: inference.Model, x: Any) -> list[str]:
    """The reason of every full window of a sound at 4 kHz; "" where there is a number."""
    lane = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": murmur.build(models=lambda _: model)})
    readings = lane.feed(Block("s/pcg", 0, 0.0, 4000.0, np.asarray(x)[:, None], 0))
    return [r.reason for r in readings if r.metric == "pcg.murmur" and r.t >= 5.0]


def quantized(report: dict[str, Any]) -> str:
    """int8 against fp32, fold by fold, both runtimes."""
    lines = ["## int8 against fp32 (AUROC of recordings by themselves per fold, same windows)", ""]
    folds = len(report["onnx-int8"]["folds"])
    lines += ["| variant | " + " | ".join(f"fold {k}" for k in range(folds)) + " | pooled | patient AUROC |"]
    lines.append("|---" * (folds + 3) + "|")
    for variant, f in report.items():
        each = " | ".join(f"{x['recording_auroc']:.4f}" for x in f["folds"])
        lines.append(
            f"| {variant} | {each} | {f['pooled']['recording_auroc']:.4f} | {f['pooled']['patient_auroc']:.4f} |"
        )
    return "\n".join([*lines, ""])


def costs() -> str:
    """Front end and each variant on this machine, one thread, least of repeats."""
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], 6.0, seed=1)
    x = synthesis.pcg(beats, np.arange(20_000) / 4000, murmur=[(0.0, 9.0)], noise=0.02)
    sound, _ = listening.listen_to(x, 4000.0)
    if sound is None:
        raise RuntimeError("the synthetic heart was refused")
    picture = network_input(sound.picture)
    lines = [
        "## Cost per hop",
        "",
        "5 s at 4 kHz, one thread of an x86-64 core (AVX2 or newer), median and least of 300:",
        "",
    ]
    lines += ["| part | median ms | least ms |", "|---|---|---|"]
    rows: list[tuple[str, Callable[[], Any]]] = [
        ("front end, quality, heart rate", lambda: network_input(_picture(x))),
    ]
    for variant in hear.VARIANTS:
        model = inference.load("murmur", variant=variant)
        rows.append((f"network, {variant}", lambda m=model: m.run(picture)))  # type: ignore[misc]
    for name, work in rows:
        spent = []
        for _ in range(300):
            start = time.perf_counter()
            work()
            spent.append(1e3 * (time.perf_counter() - start))
        lines.append(f"| {name} | {statistics.median(spent):.2f} | {min(spent):.2f} |")
    return "\n".join([*lines, ""])


def _picture(x: Any) -> Any:
    sound, _ = listening.listen_to(x, 4000.0)
    return None if sound is None else sound.picture


if __name__ == "__main__":
    sys.exit(main())
