"""Exported files run in ONNX Runtime and LiteRT: float32 in and out, in the order of the torch module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], ...]


class OnnxRunner:
    """A model in ONNX Runtime, one thread; ``inputs`` and ``outputs`` are its names in the module's order."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.inputs = [x.name for x in self._session.get_inputs()]
        self.outputs = [x.name for x in self._session.get_outputs()]

    def __call__(self, *inputs: NDArray[np.float32]) -> Arrays:
        return tuple(self._session.run(self.outputs, dict(zip(self.inputs, inputs, strict=True))))


class LitertRunner:
    """A model in LiteRT, one thread; the signature's numbered names give the module's order."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        signature = self._interpreter.get_signature_list()["serving_default"]
        self.inputs = sorted(signature["inputs"], key=_number)
        self.outputs = sorted(signature["outputs"], key=_number)
        self._run = self._interpreter.get_signature_runner("serving_default")
        self._in, self._out = self._run.get_input_details(), self._run.get_output_details()

    def __call__(self, *inputs: NDArray[np.float32]) -> Arrays:
        found = self._run(**{n: quantized(x, self._in[n]) for n, x in zip(self.inputs, inputs, strict=True)})
        return tuple(dequantized(found[n], self._out[n]) for n in self.outputs)


def quantized(x: NDArray[np.float32], detail: Mapping[str, Any]) -> NDArray[Any]:
    """``x`` as the tensor of ``detail`` wants it: float32, or int8 by its scale and zero point."""
    x = np.asarray(x, np.float32)
    if detail["dtype"] is np.float32:
        return x
    scale, zero = detail["quantization"]
    return np.clip(np.rint(x / np.float32(scale)) + np.float32(zero), -128, 127).astype(np.int8)


def dequantized(q: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[np.float32]:
    """A tensor of ``detail`` as float32."""
    if detail["dtype"] is np.float32:
        return np.array(q, np.float32)
    scale, zero = detail["quantization"]
    return (q.astype(np.float32) - np.float32(zero)) * np.float32(scale)


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
