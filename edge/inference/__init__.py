"""Models by name: found, checked, proved on this machine's runtime, and run; the only code that knows ONNX Runtime or
LiteRT (``engines``).

``load`` trusts nothing: every file must have the SHA-256 of the card, and before a variant is used it must give the
golden answers on the runtime at hand. A variant that does not is left out and the next is taken; ``Model.notes`` say
so, and ``Model.faults`` hold those that mean something is broken (the runtime raises ``model_fault`` for them).

Which variant: the one asked for; else, with a state directory, the one stored there, or the fastest of a short
measurement that is then stored; else the first of the card. So without a state directory timing never decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.inference.bench import RUNS, Bench, Timing
from edge.inference.card import Card, FileCheck, catalogue, find_card, models_root, verify
from edge.inference.choice import store_choice, stored_choice
from edge.inference.engines import PlainLitertEngine, RuntimeAbsentError, runtime_versions
from edge.inference.held import HeldModels
from edge.inference.model import Model
from edge.types import ModelError

__all__ = [
    "Card",
    "FileCheck",
    "HeldModels",
    "Model",
    "Timing",
    "catalogue",
    "chosen",
    "load",
    "load_plain",
    "measure",
    "models_root",
    "runtime_versions",
    "store_fastest",
    "verify",
]


def load(
    name: str, *, root: str | Path | None = None, variant: str | None = None, state_dir: str | Path | None = None
) -> Model:
    """The model of that name, proved on this machine.

    variant: one to prefer (another is taken, with a fault, when it fails). state_dir: where the measured choice is
    kept. Raises ModelError, in one line, when there is no such model or variant, or none of its variants works.
    """
    card = find_card(name, root)
    bench = Bench(card)
    if variant is not None:
        card.variant(variant)
    state = Path(state_dir) if state_dir is not None else None
    versions = runtime_versions() if state is not None else {}
    first = variant or (stored_choice(state, card, versions) if state is not None else None)
    if first is not None and (engine := bench.prepare(first)) is not None:
        return bench.model(first, engine)
    if variant is None and state is not None:
        times = {t.variant: t.median_ms for t in bench.measure() if t.ok}
        if times:
            best = min(times, key=lambda v: times[v])
            bench.note(store_choice(state, card, versions, best, times))
            return bench.model(best, bench.engines[best])
    for candidate in card.variants:
        if (engine := bench.prepare(candidate.id)) is not None:
            if variant is not None:
                bench.note(f"{card.name}: {variant} was asked for; using {candidate.id}", fault=True)
            return bench.model(candidate.id, engine)
    raise ModelError(f"model {name}: no variant works: {'; '.join(bench.notes)}")


def chosen(state_dir: str | Path) -> dict[str, str]:
    """Model to the variant that was measured to be this machine's fastest and is kept there; nothing is measured."""
    versions = runtime_versions()
    cards = [card for card in catalogue().values() if isinstance(card, Card)]
    found = {card.name: stored_choice(Path(state_dir), card, versions) for card in cards}
    return {name: variant for name, variant in found.items() if variant is not None}


def measure(name: str, *, root: str | Path | None = None, runs: int = RUNS) -> list[Timing]:
    """Time every variant of a model on its golden inputs, each after its self-test; runs: how many timed runs."""
    return Bench(find_card(name, root)).measure(runs)


def store_fastest(
    name: str, timings: Sequence[Timing], state_dir: str | Path, *, root: str | Path | None = None
) -> str:
    """Have every start from now on take the fastest; returns what to say when that could not be written, else ''."""
    times = {t.variant: t.median_ms for t in timings if t.ok}
    if not times:
        return ""
    best = min(times, key=lambda v: times[v])
    return store_choice(Path(state_dir), find_card(name, root), runtime_versions(), best, times)


def load_plain(path: Path) -> PlainLitertEngine:
    """A third-party TFLite file without a card, whose hash the caller has checked; raises ModelError."""
    try:
        return PlainLitertEngine(path.read_bytes())
    except RuntimeAbsentError as missing:
        raise ModelError(f"face models need LiteRT: {missing}") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None
