"""``models/murmur/report.png``: ROC, reliability, and score against size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import murmur_calibrate as calibrate
import numpy as np
from numpy.typing import NDArray
from roc import auroc


def draw(path: Path, found: calibrate.Cross, compared: Sequence[dict[str, Any]]) -> None:
    """ROC of recordings together and by themselves, reliability together, and the score of short trainings against the
    network's size."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (roc, reliability, size) = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for judged, words, style in ((found.alone, "by themselves", "--"), (found.together, "together", "-")):
        p, y = _answered(judged)
        order = np.argsort(-p)
        x, height = np.cumsum(~y[order]) / (~y).sum(), np.cumsum(y[order]) / y.sum()
        roc.plot(x, height, style, color="#27476e", label=f"{words}, AUROC {auroc(p, y):.3f}")
    roc.plot([0, 1], [0, 1], ":", color="gray")
    roc.set(xlabel="1 - specificity", ylabel="sensitivity", title="recordings")
    roc.legend(loc="lower right", frameon=False)
    bins = np.minimum((p * 10).astype(int), 9)
    used = sorted(set(bins))
    reliability.plot([0, 1], [0, 1], ":", color="gray")
    reliability.plot(_means(p, bins, used), _means(y, bins, used), "o-", color="#b3202c")
    reliability.set(
        xlabel="probability said",
        ylabel="share with a murmur",
        title=f"reliability together, ECE {calibrate.ece(p, y):.3f}",
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


def _answered(judged: calibrate.Judged) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability, and whether there is a murmur, of CirCor's recordings that are present or absent and not refused."""
    known = [(r, v) for r, v in judged if r.circor and r.row["label_recording"] in ("present", "absent")]
    pick = [(r, v.p) for r, v in known if v.p is not None]
    return np.array([p for _, p in pick]), np.array([r.row["label_recording"] == "present" for r, _ in pick])


def _means(values: Any, bins: Any, used: Sequence[int]) -> list[float]:
    return [float(values[bins == k].mean()) for k in used]
