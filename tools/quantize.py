"""A trained network becomes the files of ``models/NAME``: fp32 and int8, for ONNX Runtime and for LiteRT.

``export`` is what the training scripts call. It writes the four variants, ``golden.npz`` (inputs and what each variant
answered when it was made) and ``card.toml`` with the hash of every file, and measures how far int8 is from fp32 in
both runtimes. Needs torch, litert-torch, onnx and onnxruntime; nothing in ``edge`` imports this file.

Networks take and give float32, batch first; 1-D signals go in as ``(1, channels, 1, n)`` and height-1 convolutions,
which both converters handle well. One-input and many-input networks, and states carried from call to call, are alike:
what the module's ``forward`` takes and returns, in that order, is the order everywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], ...]

KINDS = ("softmax", "sigmoid", "probability", "values")
"""What an output is: logits of exclusive classes (last axis), logits of yes or no, probabilities, or plain numbers."""

ATOL_FP32 = 2e-3
ATOL_INT8 = 0.06  # int8 kernels round differently from one instruction set to the next
_CONVERSION_ATOL = 2e-3


@dataclass(frozen=True, slots=True)
class Parity:
    """int8 against fp32 of one runtime on the parity inputs, first output: largest and mean difference of
    probabilities (for ``values``: relative to the largest value), and the share of equal arg-max answers."""

    runtime: str
    max_abs: float
    mean_abs: float
    argmax_agreement: float
    n: int

    def __str__(self) -> str:
        return (
            f"{self.runtime:<7} int8 against fp32 on {self.n} inputs: largest difference {self.max_abs:.4f}, "
            f"mean {self.mean_abs:.4f}, same answer {self.argmax_agreement:.4f}"
        )


def export(
    model: Any,
    example: tuple[Any, ...],
    calibration: Sequence[Arrays],
    out_dir: str | Path,
    name: str,
    golden: Sequence[Arrays],
    card: Mapping[str, Any],
    *,
    parity: Sequence[Arrays] | None = None,
    atol_int8: float = ATOL_INT8,
) -> dict[str, Parity]:
    """Write the files of ``out_dir`` and return the parity of int8 and fp32 per runtime (``onnx``, ``litert``).

    model: ``torch.nn.Module`` of float32 tensors, put into eval mode here; example: one tensor per input, batch 1.
    calibration: some hundred samples of real input, each a tuple of float32 arrays with batch 1; golden: 4 to 16 such
    samples that every start-up will check; parity: samples the figures are measured on (default: golden).
    card: what only training knows: ``version``, ``task``, ``input`` (rate_hz, window_s, scaling), ``output`` (labels;
    kind, one of KINDS or a list of them, one per output), ``training``, ``figures``, ``calibration``, ``limits``.
    """
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    model = model.eval().cpu()
    expected = _torch_outputs(model, golden)
    kinds = _kinds(card, len(expected[0]))
    files = {
        "onnx-fp32": (f"{name}.fp32.onnx", onnx_fp32(model, example, len(expected[0]))),
        "litert-fp32": (f"{name}.fp32.tflite", litert_fp32(model, example)),
    }
    files["onnx-int8"] = (f"{name}.int8.onnx", onnx_int8(files["onnx-fp32"][1], calibration))
    files["litert-int8"] = (f"{name}.int8.tflite", litert_int8(files["litert-fp32"][1], calibration))
    arrays = {f"in_{i}": np.concatenate([g[i] for g in golden]).astype(np.float32) for i in range(len(golden[0]))}
    variants, runs = [], {}
    for variant in ("onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32"):
        file, content = files[variant]
        (out / file).write_bytes(content)
        runner = OnnxRunner(content) if variant.startswith("onnx") else LitertRunner(content)
        runs[variant] = [runner(*g) for g in golden]
        for i in range(len(expected[0])):
            arrays[f"{variant}/out_{i}"] = np.concatenate([o[i] for o in runs[variant]])
        if variant.endswith("fp32"):
            _same_as_torch(variant, runs[variant], expected, kinds)
        variants.append({"id": variant, **_file(out / file), "inputs": runner.inputs, "outputs": runner.outputs})
    (out / "golden.npz").write_bytes(_npz(arrays))
    filled = dict(card)
    filled.setdefault("name", name)
    shapes = {"input": [list(x.shape) for x in example], "output": [list(o.shape) for o in expected[0]]}
    for side, found in shapes.items():
        filled[side] = {**filled.get(side, {}), "shape": found}
    filled["output"]["kind"] = list(kinds)
    filled["golden"] = {**_file(out / "golden.npz"), "atol_probability": atol_int8, "atol_fp32": ATOL_FP32}
    filled["variants"] = variants
    (out / "card.toml").write_text(toml(filled), encoding="utf-8")
    report = {}
    for runtime in ("onnx", "litert"):
        pair = [_runner(runtime, files[f"{runtime}-{p}"][1]) for p in ("int8", "fp32")]
        report[runtime] = _parity(runtime, pair, parity or golden, kinds[0])
        print(report[runtime])
    for variant in variants:
        print(f"{variant['file']:<28} {variant['bytes']:>8} bytes")
    return report


def amend_card(folder: str | Path, sections: Mapping[str, Any]) -> None:
    """Add or replace whole sections of a card, such as ``figures`` measured on the exported files; the rest stays."""
    path = Path(folder) / "card.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if fixed := sorted({"golden", "variants"} & set(sections)):
        raise ValueError(f"{', '.join(fixed)}: written by export alone")
    path.write_text(toml({**table, **sections}), encoding="utf-8")


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
    return _stripped(buffer.getvalue())


def onnx_int8(fp32: bytes, calibration: Sequence[Arrays]) -> bytes:
    """Static QDQ quantization: uint8 activations, int8 weights per channel in 7 bits, ranges by min and max.

    ``reduce_range`` keeps AVX2's 16-bit accumulation from saturating; int8 activations would leave convolutions in
    float.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Samples(CalibrationDataReader):  # type: ignore[misc]
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
        return _stripped(Path(target).read_bytes())


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


def probabilities(output: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    """An output as the numbers that matter: softmax over the last axis, sigmoid, or as it is."""
    x = output.astype(np.float64)
    if kind == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True))
    return 1.0 / (1.0 + np.exp(-x)) if kind == "sigmoid" else x


def toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A nested mapping of str, numbers, bools and lists as TOML; ``None`` values are left out."""
    plain, tables = [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = toml(value, (*path, key))
            header = f"\n[{'.'.join(map(_key, (*path, key)))}]\n"
            tables.append(header + inner)
        elif isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
            name = ".".join(map(_key, (*path, key)))
            tables += [f"\n[[{name}]]\n{toml(v, (*path, key))}" for v in value]
        elif value is not None:
            plain.append(f"{_key(key)} = {_literal(value)}\n")
    return "".join(plain + tables)


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _literal(str(key))


def _literal(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, list | tuple | np.ndarray):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _kinds(card: Mapping[str, Any], outputs: int) -> tuple[str, ...]:
    given = card["output"]["kind"]
    kinds = (given, *["values"] * (outputs - 1)) if isinstance(given, str) else tuple(given)
    if len(kinds) != outputs or any(k not in KINDS for k in kinds):
        raise ValueError(f"card: output.kind must name one of {KINDS} for each of {outputs} outputs, not {given!r}")
    return kinds


def _torch_outputs(model: Any, samples: Sequence[Arrays]) -> list[Arrays]:
    import torch

    found = []
    with torch.no_grad():
        for sample in samples:
            output = model(*(torch.from_numpy(np.asarray(x, np.float32)) for x in sample))
            output = output if isinstance(output, tuple | list) else (output,)
            found.append(tuple(o.numpy() for o in output))
    return found


def _same_as_torch(variant: str, got: list[Arrays], expected: list[Arrays], kinds: tuple[str, ...]) -> None:
    for run, truth in zip(got, expected, strict=True):
        for i, kind in enumerate(kinds):
            if run[i].shape != truth[i].shape:
                raise ValueError(f"{variant}: output {i} is {run[i].shape}, in torch {truth[i].shape}")
            difference = _difference(run[i], truth[i], kind).max()
            if difference > _CONVERSION_ATOL:
                raise ValueError(f"{variant}: output {i} differs from torch by {difference:.4f}")


def _difference(a: NDArray[np.float32], b: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    scale = max(1.0, float(np.abs(b).max())) if kind == "values" else 1.0
    return np.asarray(np.abs(probabilities(a, kind) - probabilities(b, kind)) / scale)


def _runner(runtime: str, content: bytes) -> OnnxRunner | LitertRunner:
    return OnnxRunner(content) if runtime == "onnx" else LitertRunner(content)


def _parity(runtime: str, pair: Sequence[Any], samples: Sequence[Arrays], kind: str) -> Parity:
    int8, fp32 = ([np.asarray(run(*s)[0]) for s in samples] for run in pair)
    differences = np.concatenate([_difference(a, b, kind).ravel() for a, b in zip(int8, fp32, strict=True)])
    cut = (lambda x: x > 0) if kind == "sigmoid" else (lambda x: x > 0.5) if kind == "probability" else _argmax
    same = np.concatenate([np.atleast_1d(cut(a) == cut(b)).ravel() for a, b in zip(int8, fp32, strict=True)])
    return Parity(runtime, float(differences.max()), float(differences.mean()), float(same.mean()), len(samples))


def _argmax(x: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.asarray(x.argmax(axis=-1))


def _stripped(content: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    model.producer_name = model.producer_version = ""
    del model.graph.value_info[:]
    for i, node in enumerate(model.graph.node):
        node.doc_string, node.name = "", f"n{i}"
        del node.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _npz(arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))
    return buffer.getvalue()
