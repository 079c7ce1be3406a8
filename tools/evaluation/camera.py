"""Camera predictions: ``path,t,bpm,quality,reason``, a row a second, through the shipped transform and analyzer."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from evaluation._labels import listed

VIDEO = {".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mpg"}


def run(data: Path, out: Path, variant: str | None) -> int:
    """Every video below the folder."""
    from evaluate import progress

    from edge import inference
    from edge.cli.analyze.camera import watch
    from edge.cli.analyze.one_file import as_text
    from edge.transforms import face_roi
    from edge.types import ConfigError, SourceError

    parts = (inference.load("camera_pulse", variant=variant or "onnx-int8"), face_roi.build())
    paths = clips(data)
    if not paths:
        raise ConfigError(f"--data {data}: no video in it")
    with out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "t", "bpm", "quality", "reason"])
        for done, path in enumerate(paths, 1):
            try:
                readings = [r for r in watch(data / path, parts=parts)[0] if r.metric == "camera.hr"]
                rows = [(r.t, "" if r.value is None else r.value, round(r.quality, 3), r.reason) for r in readings]
            except SourceError as error:
                print(f"camera: {error}", file=sys.stderr)
                rows = []
            for row in rows or [(0.0, "", 0.0, "too_short")]:
                table.writerow([as_text(path), *row])
            progress(done, len(paths), "clips")
    return 0


def clips(data: Path) -> list[str]:
    """Every video below the folder, relative to it: those of labels.csv in its order, then the others."""
    named = list(dict.fromkeys(row["path"] for row in listed(data)))
    found = sorted(str(p.relative_to(data)) for p in data.rglob("*") if p.suffix.lower() in VIDEO and p.is_file())
    return named + [path for path in found if path not in named]
