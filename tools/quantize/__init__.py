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
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from variants import VARIANTS

from quantize.compact import unnamed
from quantize.convert import litert_fp32, litert_int8, onnx_fp32, onnx_int8
from quantize.runners import Arrays, LitertRunner, OnnxRunner
from quantize.toml_text import toml

__all__ = [
    "KINDS",
    "LitertRunner",
    "OnnxRunner",
    "Parity",
    "amend_card",
    "export",
    "litert_fp32",
    "litert_int8",
    "onnx_fp32",
    "onnx_int8",
    "probabilities",
    "toml",
]

KINDS = ("softmax", "sigmoid", "probability", "values")
"""What an output is: logits of exclusive classes (last axis), logits of yes or no, probabilities, or plain numbers."""

ATOL_FP32 = 2e-3
ATOL_INT8 = 0.06  # int8 kernels round differently from one instruction set to the next
_CONVERSION_ATOL = 2e-3
_RUNNERS: Mapping[str, type[OnnxRunner] | type[LitertRunner]] = {"onnx": OnnxRunner, "litert": LitertRunner}


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
    beside: Mapping[str, bytes] | None = None,
) -> dict[str, Parity]:
    """Write the files of ``out_dir`` and return the parity of int8 and fp32 per runtime (``onnx``, ``litert``).

    model: ``torch.nn.Module`` of float32 tensors, put into eval mode here; example: one tensor per input, batch 1.
    calibration: some hundred samples of real input, each a tuple of float32 arrays with batch 1; golden: 4 to 16 such
    samples that every start-up will check; parity: samples the figures are measured on (default: golden).
    card: what only training knows: ``version``, ``task``, ``input`` (rate_hz, window_s, scaling), ``output`` (labels;
    kind, one of KINDS or a list of them, one per output), ``training``, ``figures``, ``calibration``, ``limits``.
    beside: content of NPZ files that the model needs whatever variant runs, by name.
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
    for variant in VARIANTS:
        file, content = files[variant]
        content = unnamed(content) if variant.startswith("litert") else content
        (out / file).write_bytes(content)
        runner = _RUNNERS[variant.partition("-")[0]](content)
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
    for extra, content in (beside or {}).items():
        (out / f"{extra}.npz").write_bytes(content)
        filled.setdefault("beside", {})[extra] = _file(out / f"{extra}.npz")
    (out / "card.toml").write_text(toml(filled), encoding="utf-8")
    report = {}
    for runtime in ("onnx", "litert"):
        pair = [_RUNNERS[runtime](files[f"{runtime}-{p}"][1]) for p in ("int8", "fp32")]
        report[runtime] = _parity(runtime, pair, parity or golden, kinds[0])
        print(report[runtime])
    for made in variants:
        print(f"{made['file']:<28} {made['bytes']:>8} bytes")
    return report


def amend_card(folder: str | Path, sections: Mapping[str, Any]) -> None:
    """Add or replace whole sections of a card, such as ``figures`` measured on the exported files; the rest stays."""
    path = Path(folder) / "card.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if fixed := sorted({"golden", "variants", "beside"} & set(sections)):
        raise ValueError(f"{', '.join(fixed)}: written by export alone")
    path.write_text(toml({**table, **sections}), encoding="utf-8")


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


def probabilities(output: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    """An output as the numbers that matter: softmax over the last axis, sigmoid, or as it is."""
    x = output.astype(np.float64)
    if kind == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True))
    return 1.0 / (1.0 + np.exp(-x)) if kind == "sigmoid" else x


def _difference(a: NDArray[np.float32], b: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    scale = max(1.0, float(np.abs(b).max())) if kind == "values" else 1.0
    return np.asarray(np.abs(probabilities(a, kind) - probabilities(b, kind)) / scale)


def _parity(runtime: str, pair: Sequence[Any], samples: Sequence[Arrays], kind: str) -> Parity:
    int8, fp32 = ([np.asarray(run(*s)[0]) for s in samples] for run in pair)
    differences = np.concatenate([_difference(a, b, kind).ravel() for a, b in zip(int8, fp32, strict=True)])
    cut = (lambda x: x > 0) if kind == "sigmoid" else (lambda x: x > 0.5) if kind == "probability" else _argmax
    same = np.concatenate([np.atleast_1d(cut(a) == cut(b)).ravel() for a, b in zip(int8, fp32, strict=True)])
    return Parity(runtime, float(differences.max()), float(differences.mean()), float(same.mean()), len(samples))


def _argmax(x: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.asarray(x.argmax(axis=-1))


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _npz(arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()
