"""The test bench of a model's variants: each is loaded, must give the golden answers, and can be timed on them."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.inference.card import Card, VariantFile
from edge.inference.engines import Engine, RuntimeAbsentError, build_engine
from edge.inference.model import Model
from edge.types import ModelError

RUNS = 15
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


class Bench:
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
                card.content(file)
            except ModelError as error:
                self.engines[file.id] = None
                self.note(self._why(file, str(error)), fault=True)

    def note(self, text: str, *, fault: bool = False) -> None:
        if text and text not in self.notes:
            self.notes.append(text)
            if fault:
                self.faults.append(text)

    def model(self, variant_id: str, engine: Engine | None) -> Model:
        """What ``prepare`` gave as a model; raises ModelError where a file beside the network is broken."""
        assert engine is not None
        beside = {name: self.card.content(part) for name, part in self.card.beside.items()}
        return Model(self.card, self.card.variant(variant_id), engine, self.notes, self.faults, beside)

    def prepare(self, variant_id: str) -> Engine | None:
        """The variant, loaded and self-tested; None, with a note, when it cannot be used."""
        if variant_id not in self.engines:
            self.engines[variant_id] = self._prepared(self.card.variant(variant_id))
        return self.engines[variant_id]

    def _prepared(self, file: VariantFile) -> Engine | None:
        try:
            content = self.card.content(file)
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

    def measure(self, runs: int = RUNS) -> list[Timing]:
        """Time every variant, each in turn."""
        found = []
        for file in self.card.variants:
            engine = self.prepare(file.id)
            if engine is None:
                found.append(Timing(self.card.name, file.id, False, text=self.why[file.id]))
                continue
            times = _times_ms(engine, self.golden_inputs(), runs)
            found.append(Timing(self.card.name, file.id, True, statistics.median(times), min(times)))
        return found

    def golden(self) -> dict[str, NDArray[np.float32]]:
        """The arrays of the golden file: ``in_0`` …, and ``<variant>/out_0`` … as they were when it was made."""
        if self._golden is None:
            content = self.card.content(self.card.golden)
            try:
                with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                    self._golden = {k: np.asarray(arrays[k], np.float32) for k in arrays.files}
            except Exception as error:  # of NumPy, zip and zlib, which promise none
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
        answers = [model.run(*inputs) for inputs in self.golden_inputs()]
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


def _times_ms(engine: Engine, samples: Sequence[Sequence[NDArray[np.float32]]], runs: int) -> list[float]:
    for i in range(_WARM_UP):
        engine(samples[i % len(samples)])
    times: list[float] = []
    while len(times) < runs:
        before = time.perf_counter()
        engine(samples[len(times) % len(samples)])
        times.append((time.perf_counter() - before) * 1e3)
    return times
