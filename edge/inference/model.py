"""One loaded variant of a model: arrays in, arrays out, both checked against the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.inference.card import CARD, Card, FrozenTable, VariantFile
from edge.inference.engines import Arrays, Engine
from edge.types import ModelError


class Model:
    """One loaded variant of one model; safe to share between threads, keeps no state between runs.

    card: all of card.toml, frozen. identity: ``"murmur 1.0.0 onnx-int8"``. sha256: of the file in use; card_sha256: of
    card.toml. notes: what is worth saying of how it was chosen; faults: those of them that mean a broken file or a
    failed self-test. beside: what stands in the card's files beside the network, by name.
    """

    def __init__(
        self,
        card: Card,
        variant: VariantFile,
        engine: Engine,
        notes: Sequence[str] = (),
        faults: Sequence[str] = (),
        beside: Mapping[str, bytes] | None = None,
    ) -> None:
        self.card: Mapping[str, Any] = card.table
        self.name, self.version, self.variant = card.name, card.version, str(variant.id)
        self.identity = f"{card.name} {card.version} {variant.id}"
        self.sha256, self.card_sha256 = variant.sha256, card.sha256
        self.notes, self.faults = tuple(notes), tuple(faults)
        self.beside: Mapping[str, bytes] = FrozenTable(beside or {}, f"{card.folder / CARD}: beside.")
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
