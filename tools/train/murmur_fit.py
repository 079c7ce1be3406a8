"""Fitting one murmur network: AdamW, one cycle, averaged weights; and a quick look at recordings it never saw."""

from __future__ import annotations

import copy
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from murmur_augment import Batches, crops, normalised, two_channels
from murmur_data import Corpus
from murmur_net import MurmurNet
from numpy.typing import NDArray

from edge.dsp.pcg_frontend import FRAMES

BATCH = 64
CROPS_PER_EPOCH = 4000
_AVERAGE = 0.998
_HEAD_WEIGHTS = (1.0, 0.6, 0.4)


def fit(
    corpus: Corpus,
    chosen: NDArray[np.int64],
    *,
    epochs: int,
    seed: int,
    width: float = 1.0,
    log: str = "",
    monitor: Any = None,
) -> MurmurNet:
    """Train on recordings ``chosen``; the averaged weights, in eval mode. monitor(model) -> text, every ten epochs."""
    torch.manual_seed(seed)
    model = MurmurNet(width).to(memory_format=torch.channels_last)
    average = copy.deepcopy(model).eval()
    batches = Batches(corpus, chosen, seed=seed)
    steps = epochs * (CROPS_PER_EPOCH // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 4e-3, total_steps=steps, pct_start=0.15, final_div_factor=200
    )
    heads = torch.tensor(_HEAD_WEIGHTS)
    started = time.time()
    loss_sum = 0.0
    drawing = ThreadPoolExecutor(1)
    ready = drawing.submit(batches.draw, BATCH)
    for step in range(steps):
        model.train()
        x, target, weight = ready.result()
        ready = drawing.submit(batches.draw, BATCH)
        logits, _ = model(x)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        loss = (loss * weight * heads).sum() / BATCH
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        _blend(average, model, min(_AVERAGE, (step + 1) / (step + 20)))
        loss_sum += loss.item()
        if (step + 1) % (10 * (CROPS_PER_EPOCH // BATCH)) == 0:
            epoch = (step + 1) // (CROPS_PER_EPOCH // BATCH)
            text = monitor(average) if monitor else ""
            mean = loss_sum / (10 * (CROPS_PER_EPOCH // BATCH))
            print(f"{log} epoch {epoch:3d} loss {mean:.4f} {time.time() - started:6.0f} s {text}", flush=True)
            loss_sum = 0.0
    drawing.shutdown()
    return average


def _blend(average: MurmurNet, model: MurmurNet, keep: float) -> None:
    with torch.no_grad():
        for a, b in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if a.dtype.is_floating_point:
                a.mul_(keep).add_(b, alpha=1 - keep)
            else:
                a.copy_(b)


def recording_logits(model: MurmurNet, corpus: Corpus, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean logits over windows a second apart, ``(n, 3)``, from cached pictures: for watching, never for figures."""
    index, where = [], []
    for i in chosen:
        spare = max(0, int(corpus.offsets[i + 1] - corpus.offsets[i]) - FRAMES - 1)
        starts = np.arange(0, spare + 1, 50) / max(1, spare + 1)
        index += [i] * len(starts)
        where += list(starts)
    index_, where_ = np.array(index), np.array(where)
    found = []
    with torch.no_grad():
        for a in range(0, len(index_), 256):
            part = index_[a : a + 256]
            power = torch.from_numpy(crops(corpus, part, where_[a : a + 256], np.ones(len(part)))).exp_()
            found.append(model(two_channels(normalised(power)))[0].numpy())
    logits = np.concatenate(found).astype(float)
    return np.array([logits[index_ == i].mean(axis=0) for i in chosen])


def auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; ties count half."""
    _, inverse, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[inverse]
    n1 = int(positive.sum())
    return float((rank[positive].sum() - n1 * (n1 + 1) / 2) / max(1, n1 * (~positive).sum()))


def watch(corpus: Corpus, held_out: NDArray[np.int64]) -> Any:
    """A monitor that prints recording and patient AUROC on held-out CirCor people, and what foreign sound scores."""
    group = corpus.group
    circor = np.array([i for i in held_out if corpus.rows[i]["dataset"] == "circor2022"])
    others = {}
    for name in ("cinc2016", "pascal2011_a", "pascal2011_b"):
        mine = [i for i in held_out if corpus.rows[i]["dataset"] == name and group[i].startswith("other")]
        if mine:
            others[name] = np.array(mine)

    def look(model: MurmurNet) -> str:
        logits = recording_logits(model, corpus, circor)
        murmur = logits[:, 0]
        pick = np.isin(group[circor], ["present", "absent"])
        text = f"rec {auroc(murmur[pick], group[circor][pick] == 'present'):.4f}"
        patients: dict[str, list[float]] = {}
        truth: dict[str, str] = {}
        for i, m in zip(circor, murmur, strict=True):
            row = corpus.rows[i]
            patients.setdefault(row["patient"], []).append(m)
            truth[row["patient"]] = row["label"]
        ids = [p for p in patients if truth[p] != "unknown"]
        score = np.array([max(patients[p]) + np.mean(patients[p]) for p in ids])
        text += f" patient {auroc(score, np.array([truth[p] == 'present' for p in ids])):.4f}"
        text += f" unknown {auroc(logits[:, 1], group[circor] == 'unknown'):.3f}"
        for name, mine in others.items():
            y = np.array([corpus.rows[i]["label"] in ("abnormal", "murmur") for i in mine])
            text += f" {name} {auroc(recording_logits(model, corpus, mine)[:, 0], y):.3f}"
        return text

    return look


def save(model: MurmurNet, path: Path) -> None:
    """Weights to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)


def restore(path: Path, width: float = 1.0) -> MurmurNet:
    """The network with the weights of ``path``, in eval mode."""
    model = MurmurNet(width)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()
