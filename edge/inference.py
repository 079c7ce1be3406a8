"""Models by name: found, checked, proved on this machine's runtime, and run. With ``edge._engines``, the only code
that knows ONNX Runtime or LiteRT.

``load`` trusts nothing: every file must have the SHA-256 of the card, and before a variant is used it must give the
golden answers on the runtime at hand. A variant that does not is left out and the next is taken; ``Model.notes`` say
so, and ``Model.faults`` hold those that mean something is broken (the runtime raises ``model_fault`` for them).

Which variant: the one asked for; else, with a state directory, the one stored there, or the fastest of a short
measurement that is then stored; else the first of the card. So without a state directory timing never decides.
"""

from __future__ import annotations

import io
import statistics
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge._engines import (
    Arrays,
    Engine,
    PlainLitertEngine,
    RuntimeAbsentError,
    build_engine,
    runtime_versions,
)
from edge.model_card import Card, FileCheck, VariantFile, catalogue, find_card, models_root, verify
from edge.model_choice import store_choice, stored_choice
from edge.types import ModelError

__all__ = [
    "Card",
    "FileCheck",
    "Model",
    "Timing",
    "catalogue",
    "load",
    "measure",
    "models_root",
    "runtime_versions",
    "verify",
]

_RUNS = 15
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """How a variant does here: ``ok`` or why not; median and least time of one run, ms (NaN when not ok)."""

    model: str
    variant: str
    ok: bool
    median_ms: float = float("nan")
    min_ms: float = float("nan")
    text: str = ""


class Model:
    """One loaded variant of one model; safe to share between threads, keeps no state between runs.

    card: all of card.toml, frozen. identity: ``"murmur 1.0.0 onnx-int8"``. sha256: of the file in use; card_sha256:
    of card.toml. notes: what
    is worth saying of how it was chosen; faults: those of them that mean a broken file or a failed self-test.
    """

    def __init__(
        self, card: Card, variant: VariantFile, engine: Engine, notes: Sequence[str] = (), faults: Sequence[str] = ()
    ) -> None:
        self.card: Mapping[str, Any] = card.table
        self.name, self.version, self.variant = card.name, card.version, str(variant.id)
        self.identity = f"{card.name} {card.version} {variant.id}"
        self.sha256, self.card_sha256 = variant.sha256, card.sha256
        self.notes, self.faults = tuple(notes), tuple(faults)
        self._shapes, self._out_shapes = card.inputs, card.outputs
        self._engine = engine

    def __repr__(self) -> str:
        return f"<Model {self.identity}>"

    def become(self, other: Model) -> None:
        """Go on as another variant of the same model: whoever holds this one runs that from now on."""
        if other.card is not self.card and (other.name, other.version) != (self.name, self.version):
            raise ModelError(f"{self.identity}: {other.identity} is not a variant of it")
        self._engine = other._engine
        self.variant, self.identity, self.sha256 = other.variant, other.identity, other.sha256

    def run(self, *inputs: NDArray[np.float32]) -> Arrays:
        """Outputs for inputs, both in the card's order, batch first.

        inputs: finite float32, ``(b, …)`` with the card's shapes behind the batch; rows are run one by one, so a row's
        answer never depends on its neighbours. Raises ModelError on another shape or type, or a number that is not
        finite going in or coming out.
        """
        batch = self._checked(inputs)
        if batch == 1:
            return self._one([np.ascontiguousarray(x) for x in inputs])
        rows = [self._one([np.ascontiguousarray(x[i : i + 1]) for x in inputs]) for i in range(batch)]
        return tuple(np.concatenate([row[i] for row in rows]) for i in range(len(self._out_shapes)))

    def _one(self, inputs: Sequence[NDArray[np.float32]]) -> Arrays:
        outputs = self._engine(inputs)
        for output, shape in zip(outputs, self._out_shapes, strict=True):
            if output.shape != shape:
                raise ModelError(f"{self.identity}: gave {output.shape} where the card says {shape}")
            if not np.isfinite(output).all():
                raise ModelError(f"{self.identity}: gave a number that is not finite")
        return outputs

    def _checked(self, inputs: Sequence[NDArray[np.float32]]) -> int:
        if len(inputs) != len(self._shapes):
            raise ModelError(f"{self.identity}: takes {len(self._shapes)} input(s), not {len(inputs)}")
        batch = len(inputs[0]) if getattr(inputs[0], "ndim", 0) else 0
        for i, (x, shape) in enumerate(zip(inputs, self._shapes, strict=True)):
            if getattr(x, "dtype", None) != np.float32:
                raise ModelError(f"{self.identity}: input {i} must be float32, not {getattr(x, 'dtype', type(x))}")
            if x.shape[1:] != shape[1:] or len(x) != batch or batch == 0:
                raise ModelError(f"{self.identity}: input {i} must be (batch, {str(shape[1:])[1:]}, not {x.shape}")
            if not np.isfinite(x).all():
                raise ModelError(f"{self.identity}: input {i} holds a number that is not finite")
        return batch


def load(
    name: str, *, root: str | Path | None = None, variant: str | None = None, state_dir: str | Path | None = None
) -> Model:
    """The model of that name, proved on this machine.

    variant: one to prefer (another is taken, with a fault, when it fails). state_dir: where the measured choice is
    kept. Raises ModelError, in one line, when there is no such model or variant, or none of its variants works.
    """
    card = find_card(name, root)
    bench = _Bench(card)
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


def measure(
    name: str,
    *,
    root: str | Path | None = None,
    runs: int = _RUNS,
    seconds: float | None = None,
    state_dir: str | Path | None = None,
) -> list[Timing]:
    """Time every variant of a model on its golden inputs, each after its self-test.

    runs: how many timed runs; seconds: instead, how long each variant may take. state_dir: store the fastest there.
    """
    card = find_card(name, root)
    timings = _Bench(card).measure(runs, seconds)
    times = {t.variant: t.median_ms for t in timings if t.ok}
    if state_dir is not None and times:
        store_choice(Path(state_dir), card, runtime_versions(), min(times, key=lambda v: times[v]), times)
    return timings


class _Bench:
    """Prepares variants of one card, each at most once, and remembers what went wrong."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.engines: dict[str, Engine | None] = {}
        self.notes: list[str] = []
        self.faults: list[str] = []
        self.why: dict[str, str] = {}
        self._golden: dict[str, NDArray[np.float32]] | None = None
        for file in card.variants:  # an altered file is news even when another variant is the one in use
            try:
                card.content(file.file, file.sha256)
            except ModelError as error:
                self.engines[file.id] = None
                self.note(self._why(file, str(error)), fault=True)

    def note(self, text: str, *, fault: bool = False) -> None:
        if text and text not in self.notes:
            self.notes.append(text)
            if fault:
                self.faults.append(text)

    def model(self, variant_id: str, engine: Engine | None) -> Model:
        assert engine is not None
        return Model(self.card, self.card.variant(variant_id), engine, self.notes, self.faults)

    def prepare(self, variant_id: str) -> Engine | None:
        """The variant, loaded and self-tested; None, with a note, when it cannot be used."""
        if variant_id not in self.engines:
            self.engines[variant_id] = self._prepared(self.card.variant(variant_id))
        return self.engines[variant_id]

    def _prepared(self, file: VariantFile) -> Engine | None:
        try:
            content = self.card.content(file.file, file.sha256)
            engine = build_engine(file.runtime, content, file.inputs, file.outputs)
            self._self_test(file, engine)
        except RuntimeAbsentError as missing:
            self.note(self._why(file, str(missing)))
            return None
        except ModelError as error:
            self.note(self._why(file, f"{self.card.name} {file.id}: {error}"), fault=True)
            return None
        return engine

    def _why(self, file: VariantFile, text: str) -> str:
        self.why[file.id] = text
        return text

    def measure(self, runs: int = _RUNS, seconds: float | None = None) -> list[Timing]:
        """Time every variant, each in turn."""
        found = []
        for file in self.card.variants:
            engine = self.prepare(file.id)
            if engine is None:
                found.append(Timing(self.card.name, file.id, False, text=self.why[file.id]))
                continue
            times = _times_ms(engine, self.golden_inputs(), runs, seconds)
            found.append(Timing(self.card.name, file.id, True, statistics.median(times), min(times)))
        return found

    def golden(self) -> dict[str, NDArray[np.float32]]:
        """The arrays of the golden file: ``in_0`` …, and ``<variant>/out_0`` … as they were when it was made."""
        if self._golden is None:
            content = self.card.content(self.card.golden.file, self.card.golden.sha256)
            try:
                with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                    self._golden = {k: np.asarray(arrays[k], np.float32) for k in arrays.files}
            except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
                raise ModelError(f"{self.card.folder / self.card.golden.file}: not a golden file: {error}") from None
        return self._golden

    def golden_inputs(self) -> list[list[NDArray[np.float32]]]:
        """One list of inputs per golden sample."""
        golden = self.golden()
        count = len(self.card.inputs)
        if any(f"in_{i}" not in golden or golden[f"in_{i}"].shape[1:] != self.card.inputs[i][1:] for i in range(count)):
            raise ModelError(f"{self.card.folder / self.card.golden.file}: its inputs are not those of the card")
        rows = min(len(golden[f"in_{i}"]) for i in range(count))
        if rows == 0:
            raise ModelError(f"{self.card.folder / self.card.golden.file}: holds no sample")
        return [[np.ascontiguousarray(golden[f"in_{i}"][r : r + 1]) for i in range(count)] for r in range(rows)]

    def _self_test(self, file: VariantFile, engine: Engine) -> None:
        golden, model = self.golden(), Model(self.card, file, engine)
        allowed = self.card.golden.atol_fp32 if file.id.endswith("fp32") else self.card.golden.atol_probability
        try:
            answers = [model.run(*inputs) for inputs in self.golden_inputs()]
        except RuntimeError as error:
            raise ModelError(f"self-test failed: {' '.join(str(error).split())[:200]}") from None
        for i, kind in enumerate(self.card.kinds):
            expected = golden.get(f"{file.id}/out_{i}")
            got = np.concatenate([answer[i] for answer in answers])
            if expected is None or expected.shape != got.shape:
                raise ModelError(f"{self.card.golden.file} holds no answers of it")
            difference = float(_difference(got, expected, kind).max())
            if not difference <= allowed:
                raise ModelError(
                    f"self-test failed: off the golden answers by {difference:.3g}, allowed {allowed:.3g}; "
                    "not used on this machine"
                )


def _difference(a: NDArray[np.float32], b: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    if kind == "values":
        return np.asarray(np.abs(a.astype(np.float64) - b) / max(1.0, float(np.abs(b).max())))
    return np.asarray(np.abs(_probability(a, kind) - _probability(b, kind)))


def _probability(output: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    x = output.astype(np.float64)
    if kind == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True))
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -500.0, 500.0)))) if kind == "sigmoid" else x


def _times_ms(
    engine: Engine, samples: Sequence[Sequence[NDArray[np.float32]]], runs: int, seconds: float | None
) -> list[float]:
    for i in range(_WARM_UP):
        engine(samples[i % len(samples)])
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < runs if seconds is None else (not times or time.perf_counter() - started < seconds):
        before = time.perf_counter()
        engine(samples[len(times) % len(samples)])
        times.append((time.perf_counter() - before) * 1e3)
    return times


def load_plain(path: Path) -> PlainLitertEngine:
    """A third-party TFLite file without a card, whose hash the caller has checked; raises ModelError."""
    try:
        return PlainLitertEngine(path.read_bytes())
    except ImportError:
        raise ModelError("face models need LiteRT: pip install 'edge-vitals[litert]'") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None
