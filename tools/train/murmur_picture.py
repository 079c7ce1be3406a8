"""``models/murmur/report.png``: ROC, reliability, and score against size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import murmur_calibrate as calibrate
import numpy as np
from murmur_calibrate import Heard
from roc import auroc

from edge.dsp.pcg.decision import Verdict


def draw(path: Path, judged: Sequence[tuple[Heard, Verdict]], compared: Sequence[dict[str, Any]]) -> None:
    """ROC of recordings, their reliability, and the score of short trainings against the network's size."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pick = [
        (r, v) for r, v in judged if r.circor and r.row["label_recording"] in ("present", "absent") and v.p is not None
    ]
    p = np.array([float(v.p or 0.0) for _, v in pick])
    y = np.array([r.row["label_recording"] == "present" for r, _ in pick])
    figure, (roc, reliability, size) = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    order = np.argsort(-p)
    roc.plot(np.cumsum(~y[order]) / (~y).sum(), np.cumsum(y[order]) / y.sum(), color="#27476e")
    roc.plot([0, 1], [0, 1], ":", color="gray")
    roc.set(xlabel="1 - specificity", ylabel="sensitivity", title=f"recordings, AUROC {auroc(p, y):.3f}")
    bins = np.minimum((p * 10).astype(int), 9)
    used = sorted(set(bins))
    reliability.plot([0, 1], [0, 1], ":", color="gray")
    reliability.plot(_means(p, bins, used), _means(y, bins, used), "o-", color="#b3202c")
    reliability.set(
        xlabel="probability said", ylabel="share with a murmur", title=f"reliability, ECE {calibrate.ece(p, y):.3f}"
    )
    sized = [
        c for c in compared if c["fold"] == 1 and (c["name"] == "as shipped" or c["name"].endswith(" the channels"))
    ]
    points = sorted((c["parameters"], c["auroc"]) for c in sized)
    size.plot(*zip(*points, strict=True), "o-", color="#27476e")
    size.set(xscale="log", xlabel="weights", ylabel="recording AUROC")
    size.minorticks_off()
    size.set_xticks([n for n, _ in points], [f"{n:,}" for n, _ in points])
    size.set_title(f"size: fold 1, {sized[0]['epochs']} epochs, float")
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def _means(values: Any, bins: Any, used: Sequence[int]) -> list[float]:
    return [float(values[bins == k].mean()) for k in used]
