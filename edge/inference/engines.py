"""The two runtimes behind one call: float32 arrays in, float32 arrays out, one thread, no spinning.

Nothing outside ``edge.inference`` imports this file. A runtime that is not installed, or that cannot be imported or build
an interpreter, is ``RuntimeAbsentError``: no fault of the model. int8 files of LiteRT take and give int8; the
conversion stands here.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.types import ModelError

Arrays = tuple[NDArray[np.float32], ...]

PACKAGES: Mapping[str, tuple[str, ...]] = {"onnx": ("onnxruntime",), "litert": ("ai-edge-litert", "tflite-runtime")}
"""Which packages serve a runtime, the preferred one first; the extra that brings it has the runtime's name."""


class RuntimeAbsentError(Exception):
    """This machine has no such runtime, or it does not work here."""


class Engine(Protocol):
    """One loaded file."""

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> Arrays:
        """Run once; inputs and outputs in the card's order."""


def build_engine(runtime: str, content: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> Engine:
    """Load ``content`` into a runtime; raises RuntimeAbsentError, or ModelError when the file does not load or fit."""
    return OnnxEngine(content, inputs, outputs) if runtime == "onnx" else LitertEngine(content, inputs, outputs)


def runtime_versions() -> dict[str, str]:
    """Package to version of the runtimes installed here; reads metadata only."""
    found = {}
    for packages in PACKAGES.values():
        for package in packages:
            try:
                found[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
    return found


class OnnxEngine:
    """ONNX Runtime. The graph clean-up of quantize-dequantize pairs stays off: it gives wrong results.

    Newer builds for Linux keep a device id and a database of events below the home and send them to their
    maker; only this variable, read at the import, stops it.
    """

    def __init__(self, content: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        onnxruntime = _library("onnx", "onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has a class per status and promises none of them
            raise ModelError(f"ONNX Runtime refuses the file: {_line(error)}") from None
        _named(inputs, [x.name for x in self._session.get_inputs()])
        _named(outputs, [x.name for x in self._session.get_outputs()])
        self._inputs, self._outputs = list(inputs), list(outputs)

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> Arrays:
        try:
            return tuple(self._session.run(self._outputs, dict(zip(self._inputs, inputs, strict=True))))
        except Exception as error:  # as above
            raise ModelError(f"ONNX Runtime cannot run the file: {_line(error)}") from None


def _library(runtime: str, *modules: str) -> Any:
    """The first of these that can be imported; raises RuntimeAbsentError with what to install, or what went wrong with one
    that is there."""
    broken = ""
    for module in modules:
        package = module.partition(".")[0]
        try:
            return importlib.import_module(module)
        except Exception as error:  # it may look for libraries, files or a processor, and raise anything
            absent = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == package
            broken = broken or ("" if absent else f"{package} is installed and cannot be loaded: {_line(error)}")
    raise RuntimeAbsentError(broken or f"{runtime} is not installed: pip install 'edge-vitals[{runtime}]'")


def _interpreter(content: bytes) -> Any:
    """LiteRT's, or that of its forerunner tflite-runtime, which imports beside NumPy 2 and then cannot build one."""
    library = _library("litert", "ai_edge_litert.interpreter", "tflite_runtime.interpreter")
    try:
        with _native_stderr_silenced():
            interpreter = library.Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
    except SystemError:
        raise RuntimeAbsentError("tflite-runtime needs numpy below 2: pip install 'edge-vitals[litert]'") from None
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"LiteRT refuses the file: {_line(error)}") from None
    return interpreter


class LitertEngine:
    """LiteRT with a signature that names inputs and outputs, as ours have."""

    def __init__(self, content: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        interpreter = _interpreter(content)
        try:
            runner = interpreter.get_signature_runner()
        except ValueError as error:  # there is none, or more than one
            raise ModelError(f"LiteRT refuses the file: {_line(error)}") from None
        into, out = runner.get_input_details(), runner.get_output_details()
        _named(inputs, into)
        _named(outputs, out)
        self._into, self._out = [into[name] for name in inputs], [out[name] for name in outputs]
        self._interpreter = interpreter
        self._lock = threading.Lock()  # an interpreter holds its tensors; lanes share a model

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> Arrays:
        with self._lock:
            try:
                for detail, x in zip(self._into, inputs, strict=True):
                    self._interpreter.set_tensor(detail["index"], _to_tensor(x, detail))
                self._interpreter.invoke()
                return tuple(_from_tensor(self._interpreter.get_tensor(d["index"]), d) for d in self._out)
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"LiteRT cannot run the file: {_line(error)}") from None


class PlainLitertEngine:
    """A TFLite file without a signature, such as the face models: one float32 input, all its outputs in file order."""

    def __init__(self, content: bytes) -> None:
        self._interpreter = _interpreter(content)
        (into,) = self._interpreter.get_input_details()
        self.shape: tuple[int, ...] = tuple(into["shape"])
        self._into = into["index"]
        self._out = [d["index"] for d in self._interpreter.get_output_details()]

    def __call__(self, x: NDArray[np.float32]) -> Arrays:
        self._interpreter.set_tensor(self._into, x)
        self._interpreter.invoke()
        return tuple(self._interpreter.get_tensor(index) for index in self._out)


def _to_tensor(x: NDArray[np.float32], detail: Mapping[str, Any]) -> NDArray[Any]:
    if detail["dtype"] is np.float32:
        return x
    scale, zero = detail["quantization"]
    steps = np.rint(x / np.float32(scale)) + np.float32(zero)
    return np.asarray(np.clip(steps, -128, 127), np.int8)


def _from_tensor(q: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[np.float32]:
    if detail["dtype"] is np.float32:
        return np.asarray(q, np.float32)
    scale, zero = detail["quantization"]
    return np.asarray((q.astype(np.float32) - np.float32(zero)) * np.float32(scale), np.float32)


def _named(wanted: Sequence[str], there: Any) -> None:
    if set(wanted) != set(there):
        raise ModelError(f"the file has {', '.join(sorted(there))} where the card says {', '.join(wanted)}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


@contextmanager
def _native_stderr_silenced() -> Iterator[None]:
    """Keep the library's own greeting off the user's terminal: it is printed by C++ past ``sys.stderr``."""
    try:
        kept = os.dup(2)
    except OSError:  # a service without a terminal may have none
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
