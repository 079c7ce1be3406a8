"""Fitting one murmur network: AdamW, one cycle, averaged weights; and a quick look at recordings it never saw."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from murmur_augment import Batches, crops, normalised, two_channels
from murmur_data import Corpus
from murmur_net import MurmurNet
from numpy.typing import NDArray
from roc import auroc
from torch import Tensor

from edge.dsp.pcg.frontend import FRAMES

BATCH = 64
STEPS = 4000 // BATCH  # an epoch
_AVERAGE = 0.998
_HEAD_WEIGHTS = (1.0, 0.6, 0.4)


class Learner:
    """One network on its way: weights, their average, optimiser and the one cycle of its learning rate."""

    def __init__(self, steps: int, *, channels: Sequence[int] = (8, 16, 24, 32), inputs: int = 2) -> None:
        self.model = MurmurNet(channels).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval()
        self._inputs, self._heads = inputs, torch.tensor(_HEAD_WEIGHTS)
        self._optimiser = torch.optim.AdamW(self.model.parameters(), lr=4e-3, weight_decay=0.02)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, 4e-3, total_steps=steps, pct_start=0.15, final_div_factor=200
        )
        self._done = 0

    def learn(self, x: Tensor, target: Tensor, weight: Tensor) -> float:
        """One step; returns the loss."""
        self.model.train()
        logits, _ = self.model(seen(x, self._inputs))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        loss = (loss * weight * self._heads).sum() / BATCH
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self._optimiser.step()
        self._schedule.step()
        self._done += 1
        _blend(self.average, self.model, min(_AVERAGE, self._done / (self._done + 19)))
        return float(loss.item())


def fit(
    corpus: Corpus, chosen: NDArray[np.int64], *, epochs: int, seed: int, log: str = "", monitor: Any = None
) -> Any:
    """Train on recordings ``chosen``; the averaged weights, in eval mode. monitor(model) -> text, every ten epochs."""
    torch.manual_seed(seed)
    learner = Learner(epochs * STEPS)
    started, loss_sum = time.time(), 0.0
    for step, batch in enumerate(drawn(Batches(corpus, chosen, seed=seed), epochs * STEPS), 1):
        loss_sum += learner.learn(*batch)
        if step % (10 * STEPS) == 0:
            text = monitor(learner.average) if monitor else ""
            mean = loss_sum / (10 * STEPS)
            print(f"{log} epoch {step // STEPS:3d} loss {mean:.4f} {time.time() - started:6.0f} s {text}", flush=True)
            loss_sum = 0.0
    return learner.average


def drawn(batches: Batches, steps: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """``steps`` batches, each drawn while the one before is learnt."""
    with ThreadPoolExecutor(1, thread_name_prefix="murmur-batches") as drawing:
        ready = drawing.submit(batches.draw, BATCH)
        for step in range(steps):
            batch = ready.result()
            if step + 1 < steps:
                ready = drawing.submit(batches.draw, BATCH)
            yield batch


def seen(x: Tensor, inputs: int) -> Tensor:
    """Pictures as a network of fewer input channels sees them: the last ones are blank."""
    return x if inputs == x.shape[1] else torch.cat([x[:, :inputs], torch.zeros_like(x[:, inputs:])], dim=1)


def _blend(average: MurmurNet, model: MurmurNet, keep: float) -> None:
    with torch.no_grad():
        for a, b in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if a.dtype.is_floating_point:
                a.mul_(keep).add_(b, alpha=1 - keep)
            else:
                a.copy_(b)


def recording_logits(
    model: MurmurNet, corpus: Corpus, chosen: NDArray[np.int64], inputs: int = 2
) -> NDArray[np.float64]:
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
            found.append(model(seen(two_channels(normalised(power)), inputs))[0].numpy())
    logits = np.concatenate(found).astype(float)
    return np.array([logits[index_ == i].mean(axis=0) for i in chosen])


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


def restore(path: Path) -> MurmurNet:
    """The network with the weights of ``path``, in eval mode."""
    model = MurmurNet()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()
