"""What every variant of every model answers on this machine; run here and inside the root, on the same inputs.

python answers.py gather RECORDING.evrec INPUTS.npz    the inputs that a replay gives the models, and the golden ones
python answers.py answer INPUTS.npz ANSWERS.npz        ``MODEL/VARIANT/out_0`` for each row
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge import inference
from edge.inference import Card, Model


def main(arguments: Sequence[str]) -> int:
    {"gather": gather, "answer": answer}[arguments[0]](Path(arguments[1]), Path(arguments[2]))
    return 0


def cards() -> dict[str, Card]:
    return {name: card for name, card in inference.catalogue().items() if isinstance(card, Card)}


def gather(recording: Path, out: Path) -> None:
    """Replay, and keep every input that each model is given; the golden inputs stand first."""
    from edge.cli import main as edge_vitals

    kept: dict[str, list[tuple[np.ndarray, ...]]] = {}
    run = Model.run

    def spy(model: Model, *inputs: Any) -> Any:
        kept.setdefault(model.name, []).append(tuple(np.array(x) for x in inputs))
        return run(model, *inputs)

    Model.run = spy  # type: ignore[method-assign, assignment]
    try:
        edge_vitals(["replay", str(recording)])
    finally:
        Model.run = run  # type: ignore[method-assign]
    arrays: dict[str, Any] = {}
    for name, card in cards().items():
        with np.load(card.folder / card.golden.file) as golden:
            for i in range(len(card.inputs)):
                rows = [golden[f"in_{i}"].astype(np.float32), *(inputs[i] for inputs in kept.get(name, ()))]
                arrays[f"{name}/in_{i}"] = np.concatenate(rows)
    np.savez_compressed(out, **arrays)


def answer(inputs: Path, out: Path) -> None:
    """Every variant on every row; a variant that cannot be used ends it, in one line."""
    answers: dict[str, Any] = {}
    with np.load(inputs) as given:
        for name, card in cards().items():
            rows = [given[f"{name}/in_{i}"] for i in range(len(card.inputs))]
            for variant in card.variants:
                model = inference.load(name, variant=variant.id)
                if model.variant != variant.id:
                    sys.exit(f"{name} {variant.id} cannot be used here: {'; '.join(model.notes)}")
                for i, output in enumerate(model.run(*rows)):
                    answers[f"{name}/{variant.id}/out_{i}"] = output
    np.savez_compressed(out, **answers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
