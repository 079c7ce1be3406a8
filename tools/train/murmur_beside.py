"""Short trainings beside the recipe: shape, picture, augmentation, and the split by clip that leaks.

    python tools/train/murmur_beside.py --work work-murmur

Each comparison trains for ``--epochs`` on the other folds and is judged on one fold's unseen people, in float, from
cached pictures. Networks that differ in themselves alone learn from the same batches. Answers are kept in
``work/beside.json``, which ``murmur_report.py`` shows; what is there already is not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tools" / "train")]

import murmur_data as dataset
import numpy as np
from data_folder import DATA
from murmur import FOLDS, SPLIT_SEED
from numpy.typing import NDArray
from roc import auroc

from edge.dsp.pcg.frontend import FRAMES


@dataclass(frozen=True, slots=True)
class Network:
    """A shape of ``MurmurNet``, and how many of the picture's two channels it sees."""

    name: str
    channels: tuple[int, ...] = (8, 16, 24, 32)
    inputs: int = 2


@dataclass(frozen=True, slots=True)
class Run:
    """Networks that learn from the same batches of one fold, picture and augmentation."""

    fold: int
    networks: tuple[Network, ...]
    picture: str = "mel"
    augment: float = 1.0
    by_clip: bool = False
    more_seed: int = 0


SHIPPED = Network("as shipped")
WAVELETS = Network("wavelet scalogram")
BARE = Network("no noise, colour or mixup")
RUNS = (
    Run(
        1,
        (
            SHIPPED,
            Network("half the channels", (4, 8, 12, 16)),
            Network("twice the channels", (16, 32, 48, 64)),
            Network("first channel of the picture only", inputs=1),
        ),
    ),
    Run(1, (WAVELETS,), picture="cwt"),
    Run(1, (BARE,), augment=0.0),
    Run(1, (replace(BARE, name=f"{BARE.name}, split by clip"),), augment=0.0, by_clip=True),
    Run(1, (replace(SHIPPED, name="as shipped, another seed"),), more_seed=1),
    Run(0, (SHIPPED,)),
    Run(0, (WAVELETS,), picture="cwt"),
)


def main() -> int:
    """Do what is missing of RUNS."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA / "pcg", help="folder with labels.csv and audio")
    parser.add_argument("--work", type=Path, default=Path("work-murmur"), help="as of tools/train/murmur.py")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    notes = options.work / "beside.json"
    found: list[dict[str, Any]] = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else []
    for run in RUNS:
        if {(run.fold, n.name) for n in run.networks} <= {(f["fold"], f["name"]) for f in found}:
            continue
        corpus = dataset.load(options.data, options.work / "cache", folds=FOLDS, seed=SPLIT_SEED, picture=run.picture)
        if run.by_clip:
            corpus = leaking(corpus, run.fold, options.seed)
        found += compare(corpus, run, options.epochs, options.seed + run.more_seed)
        notes.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


def compare(corpus: dataset.Corpus, run: Run, epochs: int, seed: int) -> list[dict[str, Any]]:
    """Train the networks of one run and judge the fold they did not see: one dict a network."""
    import murmur_fit as fitting
    import torch
    from murmur_augment import Batches
    from murmur_net import multiply_adds
    from net_size import parameters

    torch.manual_seed(seed)
    steps = epochs * fitting.STEPS
    learners = [fitting.Learner(steps, channels=n.channels, inputs=n.inputs) for n in run.networks]
    batches = Batches(corpus, np.flatnonzero(corpus.fold != run.fold), seed=seed, augment=run.augment)
    for batch in fitting.drawn(batches, steps):
        for learner in learners:
            learner.learn(*batch)
    known = np.isin(corpus.group, ["present", "absent"])
    unseen = np.flatnonzero((corpus.fold == run.fold) & known)
    heard = corpus.group[unseen] == "present"
    found = []
    for learner, network in zip(learners, run.networks, strict=True):
        area = {
            key: auroc(fitting.recording_logits(learner.average, part, chosen, network.inputs)[:, 0], y)
            for key, (part, chosen, y) in {
                "auroc": (corpus, unseen, heard),
                "clip_auroc": (corpus, unseen, heard) if run.by_clip else _as_clips(corpus, unseen),
            }.items()
        }
        if run.by_clip:
            del area["auroc"]
        model = learner.average
        found.append(
            {
                "fold": run.fold,
                "name": network.name,
                "epochs": epochs,
                "parameters": parameters(model),
                "multiply_adds": multiply_adds(model),
                **area,
            }
        )
        print(found[-1], flush=True)
    return found


def leaking(corpus: dataset.Corpus, fold: int, seed: int) -> dataset.Corpus:
    """Clips, of which half of those that should be unseen are dealt to training at random: people on both sides."""
    cut = clips(corpus)
    circor = np.array([row["dataset"] == "circor2022" for row in cut.rows])
    leaked = (cut.fold == fold) & circor & (np.random.default_rng(seed).uniform(size=len(cut.rows)) < 0.5)
    return replace(cut, fold=np.where(leaked, -1, cut.fold))


def clips(corpus: dataset.Corpus) -> dataset.Corpus:
    """Every recording cut into clips of 5 s, the last one with what is left over."""
    cuts, of = [], []
    for i, (first, end) in enumerate(zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)):
        starts = range(int(first), max(int(first) + 1, int(end) - FRAMES + 1), FRAMES)
        cuts += list(starts)
        of += [i] * len(starts)
    index = np.array(of)
    return replace(
        corpus,
        rows=[corpus.rows[i] for i in of],
        targets=corpus.targets[index],
        weights=corpus.weights[index],
        group=corpus.group[index],
        fold=corpus.fold[index],
        offsets=np.array([*cuts, corpus.offsets[-1]]),
    )


def _as_clips(
    corpus: dataset.Corpus, chosen: NDArray[np.int64]
) -> tuple[dataset.Corpus, NDArray[np.int64], NDArray[np.bool_]]:
    """The chosen recordings' clips, for a figure that compares with that of a split by clip."""
    cut = clips(corpus)
    paths = {corpus.rows[i]["path"] for i in chosen}
    mine = np.array([k for k, row in enumerate(cut.rows) if row["path"] in paths])
    return cut, mine, cut.group[mine] == "present"


if __name__ == "__main__":
    sys.exit(main())
