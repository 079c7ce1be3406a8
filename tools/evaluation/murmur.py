"""Murmur predictions: a row a recording, and a row a patient where labels.csv names patients.

``labels.csv`` with a column ``path`` lists the recordings; without one every sound file below the folder is taken.
Windows are cut by the lane from the whole recording, as live; the verdicts are those of ``edge.dsp.pcg.decision``.
Recordings of one patient, where labels.csv names it, are judged together; ``p_alone`` and ``decision_alone`` are those of
a recording by itself.
"""

from __future__ import annotations

import csv
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from evaluation._labels import listed

from edge import inference
from edge.analyzers import murmur
from edge.dsp.pcg.decision import Calibration, Verdict, judge_patient, judge_together
from edge.inference import Model
from edge.lane import Lane
from edge.types import Block, ConfigError

SOUNDS = (".flac", ".wav", ".ogg", ".aiff", ".aif")
TRAINED_ON = Path(__file__).resolve().parents[1] / "train" / "murmur_trained_on.txt"


def run(data: Path, out: Path, variant: str | None) -> int:
    """Write ``out`` and ``<out>.patients.csv``; prints what was refused and how many people were trained on."""
    from evaluate import progress

    rows = read_rows(data)
    model = inference.load("murmur", variant=variant)
    calibration = Calibration.from_card(model.card)
    _say_if_trained_on(rows)
    verdicts: dict[str, Verdict] = {}
    lost = 0
    for n, row in enumerate(rows, 1):
        try:
            verdicts[row["path"]] = hear(data / row["path"], model, calibration)
        except ConfigError as error:
            if (lost := lost + 1) == len(rows):
                raise
            print(f"murmur: {error}", file=sys.stderr)
            verdicts[row["path"]] = Verdict(None, "unknown", 0.0, 0, None, "no_signal")
        progress(n, len(rows), "murmur")
    people = by_patient(rows)
    write_recordings(out, verdicts, together(verdicts, people, calibration))
    write_patients(out.with_name(f"{out.stem}.patients{out.suffix}"), people, verdicts, calibration)
    refused = Counter(v.reason for v in verdicts.values() if v.p is None)
    said = ", ".join(f"{n} {word}" for word, n in refused.most_common()) or "none"
    print(f"{model.identity}: {len(rows)} recordings, {len(people)} patients; refused: {said}", file=sys.stderr)
    return 0


def read_rows(data: Path) -> list[dict[str, str]]:
    """Rows of labels.csv, or one with ``path`` for every sound file below the folder."""
    if data.is_file():
        raise ConfigError(f"--data {data}: a file: give the folder that it is in")
    if rows := listed(data):
        return rows
    found = sorted(p for p in data.rglob("*") if p.suffix.lower() in SOUNDS)
    if not found:
        raise ConfigError(f"{data}: neither recordings in a labels.csv nor sound files")
    return [{"path": p.relative_to(data).as_posix()} for p in found]


def hear(path: Path, model: Model, calibration: Calibration) -> Verdict:
    """One recording through the analyzer; a file that is missing or no sound raises ConfigError naming it."""
    import soundfile

    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (OSError, RuntimeError, TypeError) as error:  # TypeError: of sound without a header
        raise ConfigError(f"{path}: cannot be read as sound ({error})") from error
    if len(samples) == 0:
        return Verdict(None, "unknown", 0.0, 0, None, "too_short")
    analyzer = murmur.build(models=lambda _: model)
    lane = Lane(bed="bed", source="file", primary="pcg", analyzers={"murmur": analyzer})
    readings = lane.feed(Block("file/pcg", 0, 0.0, float(rate), np.ascontiguousarray(samples)))
    if faults := lane.take_faults():
        raise faults[0].error
    return murmur.recording_verdict(readings, calibration)


def by_patient(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    """The recordings of every patient that labels.csv names, each once however often it is listed."""
    people: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.get("patient"):
            people.setdefault(row["patient"], {})[row["path"]] = None
    return {patient: list(paths) for patient, paths in people.items()}


def together(
    verdicts: dict[str, Verdict], people: dict[str, list[str]], calibration: Calibration
) -> dict[str, Verdict]:
    """Every recording in the light of the patient's others; those of nobody as they are."""
    found = dict(verdicts)
    for paths in people.values():
        found.update(zip(paths, judge_together([verdicts[path] for path in paths], calibration), strict=True))
    return found


def write_recordings(path: Path, alone: dict[str, Verdict], judged: dict[str, Verdict]) -> None:
    """One row a recording: in the light of the others, and by itself."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "p_murmur", "quality", "decision", "reason", "p_alone", "decision_alone"])
        for name, v in judged.items():
            p, p_alone = ("" if x is None else f"{x:.6f}" for x in (v.p, alone[name].p))
            writer.writerow([name, p, f"{v.quality:.4f}", v.decision, v.reason, p_alone, alone[name].decision])


def write_patients(
    path: Path, people: dict[str, list[str]], verdicts: dict[str, Verdict], calibration: Calibration
) -> None:
    """One row a patient."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "p_present", "p_unknown", "p_absent", "decision"])
        for patient, paths in people.items():
            v = judge_patient([verdicts[path] for path in paths], calibration)
            shares = ("" if p is None else f"{p:.6f}" for p in (v.p_present, v.p_unknown, v.p_absent))
            writer.writerow([patient, *shares, v.decision])


def _say_if_trained_on(rows: list[dict[str, str]]) -> None:
    if not TRAINED_ON.exists():
        return
    known = set(TRAINED_ON.read_text(encoding="ascii").split())
    seen = sum(f"{zlib.crc32(_key(row).encode()):08x}" in known for row in rows)
    if seen:
        print(
            f"murmur: {seen} of {len(rows)} recordings are of people the shipped network was trained on; these are no "
            "figures of accuracy. Use tools/train/murmur.py --cross-validate for those.",
            file=sys.stderr,
        )


def _key(row: dict[str, str]) -> str:
    return f"{row.get('dataset', '')}/{row.get('patient') or row['path']}"
