"""The parts of the export that need no torch: its cards can be read back, and the edges of int8 files round right."""

from __future__ import annotations

import importlib
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import inference
from edge.inference import bench, engines

MURMUR = Path(__file__).resolve().parents[2] / "models" / "murmur"


@pytest.fixture(scope="module")
def quantize() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
        yield importlib.import_module("quantize")


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from("aé€𝄞\"'\\\n\t\r\x00\x7f #=[]{}"), max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
KEYS = st.text(st.sampled_from('abc-_ 12.é"'), min_size=1, max_size=6)
TABLES = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=4)


@given(table=TABLES, rows=st.lists(st.dictionaries(KEYS, VALUES, min_size=1, max_size=2), max_size=3))
def test_cards_are_read_back_as_written(quantize: ModuleType, table: dict, rows: list) -> None:
    whole = {**table, "variants": rows} if rows else table
    assert tomllib.loads(quantize.toml(whole)) == whole


def test_figures_of_numpy_are_written_and_none_is_left_out(quantize: ModuleType) -> None:
    text = quantize.toml(
        {"auroc": np.float32(0.5), "n": np.int64(3), "ok": np.bool_(True), "none": None, "a": np.arange(2)}
    )
    assert tomllib.loads(text) == {"auroc": 0.5, "n": 3, "ok": True, "a": [0, 1]}


def test_export_and_runtime_agree_on_the_edges_of_int8(quantize: ModuleType) -> None:
    x = np.random.default_rng(0).normal(0, 3, 1000).astype(np.float32)
    for scale, zero in ((0.0237, -3), (0.5, 127), (1e-3, -128)):
        detail = {"dtype": np.int8, "quantization": (scale, zero)}
        q = quantize.runners.quantized(x, detail)
        np.testing.assert_array_equal(q, engines._to_tensor(x, detail))
        np.testing.assert_array_equal(quantize.runners.dequantized(q, detail), engines._from_tensor(q, detail))
    for kind in ("softmax", "sigmoid", "values"):
        np.testing.assert_allclose(quantize.probabilities(x[None], kind), bench._probability(x[None], kind))


def test_figures_are_added_to_a_card_and_the_model_still_loads(quantize: ModuleType, tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).resolve().parents[1] / "models" / "tiny", tmp_path / "tiny")
    before = inference.load("tiny", root=tmp_path).card
    quantize.amend_card(tmp_path / "tiny", {"figures": {"onnx-int8": {"auroc": 0.9}, "people": 28}})
    after = inference.load("tiny", root=tmp_path)
    assert after.faults == ()
    assert after.card == {**before, "figures": {"onnx-int8": {"auroc": 0.9}, "people": 28}}
    with pytest.raises(ValueError, match="variants: written by export alone"):
        quantize.amend_card(tmp_path / "tiny", {"variants": []})


@pytest.mark.parametrize("name", ["murmur.int8.tflite", "murmur.fp32.tflite"])
def test_a_flatbuffer_without_names_is_called_alike_and_answers_the_same(quantize: ModuleType, name: str) -> None:
    pytest.importorskip(
        "ai_edge_litert.tools.flatbuffer_utils", reason="LiteRT as old as this runs models, and makes none"
    )
    from quantize.compact import unnamed
    from quantize.runners import LitertRunner

    content = (MURMUR / name).read_bytes()
    small = unnamed(content)
    before, after = LitertRunner(content), LitertRunner(small)
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    with np.load(MURMUR / "golden.npz") as golden:
        example = golden["in_0"][:1]
    for a, b in zip(before(example), after(example), strict=True):
        assert np.array_equal(a, b)
    assert unnamed(small) == small
