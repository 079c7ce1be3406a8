"""A torch network as ONNX and as a TFLite flatbuffer, and each of them in int8."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.compact import stripped
from quantize.runners import Arrays, LitertRunner


def onnx_fp32(model: Any, example: tuple[Any, ...], outputs: int) -> bytes:
    """The network as ONNX with inputs ``in_0`` … and outputs ``out_0`` …, without metadata."""
    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            example,
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=[f"in_{i}" for i in range(len(example))],
            output_names=[f"out_{i}" for i in range(outputs)],
        )
    return stripped(buffer.getvalue())


def onnx_int8(fp32: bytes, calibration: Sequence[Arrays]) -> bytes:
    """Static QDQ quantization: uint8 activations, int8 weights per channel in 7 bits, ranges by min and max.

    ``reduce_range`` keeps AVX2's 16-bit accumulation from saturating; int8 activations would leave convolutions in
    float.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Samples(CalibrationDataReader):
        def __init__(self) -> None:
            self._rest = iter(calibration)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            sample = next(self._rest, None)
            return None if sample is None else {f"in_{i}": np.asarray(x, np.float32) for i, x in enumerate(sample)}

    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (str(Path(folder) / f"{n}.onnx") for n in ("source", "prepared", "int8"))
        Path(source).write_bytes(fp32)
        quant_pre_process(source, prepared)
        quantize_static(
            prepared,
            target,
            Samples(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return stripped(Path(target).read_bytes())


def litert_fp32(model: Any, example: tuple[Any, ...]) -> bytes:
    """The network as a TFLite flatbuffer, one signature, inputs and outputs as the module has them."""
    import litert_torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = litert_torch.convert(model, example)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        converted.export(str(path))
        return path.read_bytes()


def litert_int8(fp32: bytes, calibration: Sequence[Arrays]) -> bytes:
    """Static int8 with ranges merged sample by sample: one calibration call over all samples averages the ranges
    and clips. Inputs and outputs of the file are int8; whoever runs it quantizes at the edge."""
    from ai_edge_quantizer import quantizer, recipe
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(fp32)
        work = quantizer.Quantizer(str(path), recipe.static_wi8_ai8())
        names = LitertRunner(fp32).inputs
        merged: dict[str, Any] = {}
        for sample in calibration:
            feed = {n: np.asarray(x, np.float32) for n, x in zip(names, sample, strict=True)}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = work.calibrate({"serving_default": [feed]}, num_threads=1)
            merged = {k: min_max_update(merged.get(k, {}), v) for k, v in found.items()}
        return bytes(work.quantize(merged, enable_progress_bar=False, enable_progress_report=False).quantized_model)
