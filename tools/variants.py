"""The files that every model is exported as. The first one decides; answers that tools keep are in this order."""

from __future__ import annotations

from typing import Final

from edge.inference.card import VariantId

VARIANTS: Final[tuple[VariantId, ...]] = ("onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32")
