"""What is spoiled or missing is left out and said; only when nothing is left does loading fail."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import inference
from edge.inference import bench
from edge.inference import card as model_card
from edge.types import ModelError
from tiny_models import ALL, broken, edit_card, timed, without


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


SPOILS = {
    "altered": altered,
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-100]),
    "empty": lambda p: p.write_bytes(b""),
    "missing": lambda p: p.unlink(),
    "a folder": lambda p: (p.unlink(), p.mkdir()),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_a_spoiled_file_is_left_out_and_said(root: Path, spoil: Any) -> None:
    spoil(root / "tiny" / "tiny.int8.onnx")
    model = inference.load("tiny", root=root)
    assert model.variant == "onnx-fp32"
    assert len(model.faults) == 1
    assert "tiny.int8.onnx" in model.faults[0]
    assert [c.file for c in inference.verify(root) if not c.ok] == ["tiny.int8.onnx"]
    timings = {t.variant: t for t in inference.measure("tiny", root=root, runs=1)}
    assert not timings["onnx-int8"].ok
    assert "tiny.int8.onnx" in timings["onnx-int8"].text
    assert timings["onnx-fp32"].median_ms > 0


def test_a_spoiled_file_is_said_even_when_another_variant_is_stored(root: Path, tmp_path: Path) -> None:
    chosen = inference.load("tiny", root=root, state_dir=tmp_path).variant
    other = next(v for v in model_card.find_card("tiny", root).variants if v.id != chosen)
    altered(root / "tiny" / other.file)
    model = inference.load("tiny", root=root, state_dir=tmp_path)
    assert model.variant == chosen
    assert other.file in model.faults[0]


def beside(root: Path, content: bytes) -> Path:
    """A file beside the network, named in the card."""
    (root / "tiny" / "table.npz").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    edit_card(
        root, "[golden]", f'[beside.table]\nfile = "table.npz"\nsha256 = "{sha256}"\nbytes = {len(content)}\n\n[golden]'
    )
    return root / "tiny" / "table.npz"


def test_what_stands_beside_the_network_comes_with_every_variant(root: Path) -> None:
    beside(root, b"numbers")
    for variant in ALL:
        assert inference.load("tiny", root=root, variant=variant).beside == {"table": b"numbers"}
    assert all(c.ok for c in inference.verify(root))


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_without_what_stands_beside_the_network_there_is_no_model(root: Path, spoil: Any) -> None:
    spoil(beside(root, b"numbers" * 40))
    with pytest.raises(ModelError, match=r"table\.npz: (altered|missing|cannot be read)"):
        inference.load("tiny", root=root)
    assert [c.file for c in inference.verify(root) if not c.ok] == ["table.npz"]


def test_a_variant_asked_for_that_fails_gives_way_with_a_fault(root: Path) -> None:
    altered(root / "tiny" / "tiny.fp32.tflite")
    model = inference.load("tiny", root=root, variant="litert-fp32")
    assert model.variant == "onnx-int8"
    assert any("litert-fp32 was asked for; using onnx-int8" in f for f in model.faults)


def test_a_stored_choice_that_fails_gives_way(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {"OnnxEngine": [4.0, 3.0], "LitertEngine": [1.0, 2.0]})
    inference.load("tiny", root=root, state_dir=tmp_path)
    altered(root / "tiny" / "tiny.int8.tflite")
    timed(monkeypatch, {"OnnxEngine": [4.0, 3.0], "LitertEngine": [2.0]})
    model = inference.load("tiny", root=root, state_dir=tmp_path)
    assert model.variant == "litert-fp32"
    assert "tiny.int8.tflite" in model.faults[0]


def resealed(root: Path, file: str, content: bytes) -> None:
    """Replace a file and give the card its hash: the file is whole, what it does is another matter."""
    card = model_card.find_card("tiny", root)
    old = next(f.sha256 for f in (*card.variants, card.golden) if f.file == file)
    (root / "tiny" / file).write_bytes(content)
    edit_card(root, old, hashlib.sha256(content).hexdigest())


def golden_arrays(root: Path) -> dict[str, np.ndarray]:
    with np.load(root / "tiny" / "golden.npz") as golden:
        return {k: golden[k] for k in golden.files}


def saved(arrays: Mapping[str, np.ndarray], save: Callable[..., None] = np.savez) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def damaged(archive: bytes) -> bytes:
    """One whose first array cannot be unpacked."""
    return archive[:60] + b"\xff" * 30 + archive[90:]


def test_a_variant_that_does_not_give_the_golden_answers_here_is_left_out(root: Path) -> None:
    wrong = np.tile(np.float32([9.0, -9.0, 0.0]), (4, 1))
    resealed(root, "golden.npz", saved(golden_arrays(root) | {"onnx-int8/out_0": wrong}))
    model = inference.load("tiny", root=root)
    assert model.variant == "onnx-fp32"
    assert "onnx-int8: self-test failed: off the golden answers by" in model.faults[0]


@pytest.mark.parametrize("variant", ["onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32"])
@pytest.mark.parametrize(("output", "off"), [(0, 0.1), (1, 0.02)])  # a logit: 0.003 to 0.025 in its probability
def test_weights_that_were_not_rounded_must_give_their_golden_answers_nearly_exactly(
    root: Path, variant: str, output: int, off: float
) -> None:
    arrays = golden_arrays(root)
    arrays[f"{variant}/out_{output}"] = (
        arrays[f"{variant}/out_{output}"] + np.eye(1, 3 - output, dtype=np.float32) * off
    )
    resealed(root, "golden.npz", saved(arrays))
    taken = inference.load("tiny", root=root, variant=variant).variant
    assert (taken == variant) is variant.endswith("int8")


@pytest.mark.parametrize(
    ("kind", "off"),
    [
        ("softmax", [[0.0, 1 / (1 + np.e) - 0.5, 0.5 - 1 / (1 + np.e)]]),
        ("sigmoid", [[0.0, 1 / (1 + np.e) - 0.5, -0.5]]),
        ("probability", [[0.0, -1.0, -1000.0]]),
        ("values", [[0.0, -1.0 / 1000.0, -1.0]]),
    ],
)
def test_answers_are_compared_as_what_they_are(kind: str, off: list[list[float]]) -> None:
    given, golden = np.float32([[-1000.0, -1.0, 0.0]]), np.float32([[-1000.0, 0.0, 1000.0]])
    if kind == "softmax":
        golden = np.float32([[-1000.0, 7.0, 7.0]])
    np.testing.assert_allclose(bench._difference(given, golden, kind), np.abs(off), atol=1e-12)


def test_small_values_are_compared_as_they_are() -> None:
    off = bench._difference(np.float32([[0.25, -0.5]]), np.float32([[0.5, 0.25]]), "values")
    assert off.tolist() == [[0.25, 0.75]]


def test_a_file_with_anothers_content_fails_its_self_test(root: Path) -> None:
    resealed(root, "tiny.int8.tflite", (root / "tiny" / "tiny.int8.onnx").read_bytes())
    model = inference.load("tiny", root=root, variant="litert-int8")
    assert model.variant == "onnx-int8"
    assert "LiteRT refuses the file" in model.faults[0]


def test_a_tflite_file_without_a_signature_is_left_out(root: Path) -> None:
    content = bytearray((root / "tiny" / "tiny.int8.tflite").read_bytes())
    (model,) = struct.unpack_from("<I", content)
    (back,) = struct.unpack_from("<i", content, model)
    struct.pack_into("<H", content, model - back + 18, 0)  # signature_defs, the eighth field of schema.fbs' Model
    resealed(root, "tiny.int8.tflite", bytes(content))
    loaded = inference.load("tiny", root=root, variant="litert-int8")
    assert loaded.variant == "onnx-int8"
    assert "tiny litert-int8: LiteRT refuses the file: SignatureDef" in loaded.faults[0]


@pytest.mark.parametrize("variant", ALL)
def test_a_file_that_takes_another_shape_than_the_card_says_is_left_out(root: Path, variant: str) -> None:
    arrays = golden_arrays(root)
    resealed(root, "golden.npz", saved(arrays | {"in_1": arrays["in_1"][..., :16]}))
    edit_card(root, "[1, 1, 1, 32]", "[1, 1, 1, 16]")
    runtime = "ONNX Runtime" if variant.startswith("onnx") else "LiteRT"
    with pytest.raises(ModelError, match=f"tiny {variant}: {runtime} cannot run the file: .*32") as error:
        inference.load("tiny", root=root, variant=variant)
    assert "\n" not in str(error.value)


NO_ANSWERS: dict[str, Callable[[dict[str, np.ndarray]], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"not an archive",
    "wrong inputs": lambda arrays: saved(arrays | {"in_1": np.zeros((4, 1, 1, 8), np.float32)}),
    "damaged before the card was written": lambda arrays: damaged(saved(arrays, np.savez_compressed)),
    "no sample": lambda arrays: saved({name: array[:0] for name, array in arrays.items()}),
    "inputs alone": lambda arrays: saved({name: array for name, array in arrays.items() if "out" not in name}),
    "answers of fewer samples": lambda arrays: saved(
        {name: array[:3] if "out" in name else array for name, array in arrays.items()}
    ),
    "no numbers": lambda arrays: saved(
        {name: np.full_like(array, np.nan) if "out" in name else array for name, array in arrays.items()}
    ),
}


@pytest.mark.parametrize("content", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_without_golden_answers_no_variant_is_used(
    root: Path, content: Callable[[dict[str, np.ndarray]], bytes]
) -> None:
    resealed(root, "golden.npz", content(golden_arrays(root)))
    with pytest.raises(ModelError, match=r"model tiny: no variant works: .*golden") as error:
        inference.load("tiny", root=root)
    assert "\n" not in str(error.value)


def test_golden_answers_that_were_altered_are_not_believed(root: Path) -> None:
    altered(root / "tiny" / "golden.npz")
    assert [(c.model, c.file) for c in inference.verify(root) if not c.ok] == [("tiny", "golden.npz")]
    with pytest.raises(ModelError, match=r"model tiny: no variant works: .*golden\.npz: altered"):
        inference.load("tiny", root=root)


def test_all_variants_broken_is_one_line(root: Path) -> None:
    for path in (root / "tiny").glob("tiny.*"):
        altered(path)
    with pytest.raises(ModelError, match="model tiny: no variant works: ") as error:
        inference.load("tiny", root=root)
    assert "\n" not in str(error.value)


def test_a_runtime_that_is_not_installed_is_a_note_and_no_fault(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "onnxruntime")
    model = inference.load("tiny", root=root)
    assert model.variant == "litert-int8"
    assert model.faults == ()
    assert model.notes == ("onnx is not installed: pip install 'edge-vitals[onnx]'",)


@pytest.mark.parametrize(
    "why", ["ImportError('no libatomic.so.1')", "OSError('no libatomic.so.1')", "RuntimeError('no libatomic.so.1')"]
)
def test_a_runtime_that_cannot_be_imported_gives_way_and_is_not_said_to_be_absent(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    broken(monkeypatch, tmp_path, "onnxruntime", why)
    model = inference.load("tiny", root=root)
    said = "onnxruntime is installed and cannot be loaded: no libatomic.so.1"
    assert (model.variant, model.faults, model.notes) == ("litert-int8", (), (said,))
    without(monkeypatch, "tflite_runtime")
    broken(monkeypatch, tmp_path, "ai_edge_litert", why)
    with pytest.raises(
        ModelError, match="face models need LiteRT: ai_edge_litert is installed and cannot be loaded: no lib"
    ):
        inference.load_plain(next((root / "tiny").glob("*.tflite")))


def test_no_runtime_at_all_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "onnxruntime", "ai_edge_litert", "tflite_runtime")
    with pytest.raises(ModelError, match=r"pip install 'edge-vitals\[onnx\]'.*pip install 'edge-vitals\[litert\]'"):
        inference.load("tiny", root=root)


def test_a_runtime_that_imports_and_cannot_build_is_no_fault_of_the_model(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")

    def builds_none(**_: Any) -> None:
        raise SystemError("initialization of _pywrap failed")

    monkeypatch.setattr(interpreter, "Interpreter", builds_none)
    model = inference.load("tiny", root=root, variant="litert-fp32")
    assert model.variant == "onnx-int8"
    assert any("needs numpy below 2" in n for n in model.notes)
    with pytest.raises(ModelError, match=r"face models need LiteRT: .*pip install 'edge-vitals\[litert\]'"):
        inference.load_plain(next((root / "tiny").glob("*.tflite")))


@pytest.mark.parametrize(
    ("variant", "key", "there"),
    [
        ("onnx-int8", "inputs", "in"),
        ("onnx-int8", "outputs", "out"),
        ("litert-int8", "inputs", "args"),
        ("litert-int8", "outputs", "output"),
    ],
)
def test_names_in_a_file_that_the_card_does_not_know_are_refused(
    root: Path, variant: str, key: str, there: str
) -> None:
    edit_card(root, f'{key} = ["{there}_0", "{there}_1"]', f'{key} = ["{there}_0", "{there}_9"]')
    model = inference.load("tiny", root=root, variant=variant)
    assert model.variant != variant
    assert f"the file has {there}_0, {there}_1 where the card says {there}_0, {there}_9" in model.faults[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('version = "1.0.0"\n', "", "missing required field `version`"),
        ('name = "tiny"', 'name = "teeny"', "name: 'teeny' is not the folder's name"),
        ('kind = ["softmax", "values"]', 'kind = ["softmax"]', "output.kind: needs one word for each of 2 outputs"),
        ('kind = ["softmax", "values"]', 'kind = ["softmax", "hardmax"]', r"output.kind\[\d\]: invalid enum value"),
        ('id = "onnx-int8"', 'id = "onnx-int4"', r"variants\[\d\].id: invalid enum value 'onnx-int4'"),
        ('id = "onnx-int8"', 'id = "onnx-fp32"', "variants: an id stands twice"),
        ('file = "tiny.int8.onnx"', 'file = "../tiny.int8.onnx"', r"variants\[\d\].file: expected `str` matching"),
        ("shape = [[1, 2], [1, 1, 1, 32]]", "shape = [[4, 2], [1, 1, 1, 32]]", "the batch, first, must be 1"),
        ("shape = [[1, 3], [1, 2]]", "shape = [[1, 3], [2, 2]]", "the batch, first, must be 1"),
        ('inputs = ["in_0", "in_1"]', 'inputs = ["in_0"]', "onnx-int8: inputs and outputs must match the shapes"),
        ('outputs = ["out_0", "out_1"]', 'outputs = ["out_0"]', "onnx-int8: inputs and outputs must match the shapes"),
        ('task = "', "task = ", "not valid TOML"),
        ('task = "', f'number = {"9" * 5000}\ntask = "', "not valid TOML"),
        ('task = "', f'deep = {"[" * 2000}\ntask = "', "not valid TOML"),
        ("thresholds = [0.25, 0.5]", '"a\\nb" = nan', "calibration.a.b: not a finite number"),
        ("thresholds = [0.25, 0.5]", "thresholds = [0.25, nan]", "calibration.thresholds: not a finite number"),
    ],
)
def test_a_card_that_does_not_hold_together_names_file_and_key(root: Path, old: str, new: str, said: str) -> None:
    edit_card(root, old, new)
    with pytest.raises(ModelError, match=rf"card\.toml: .*{said}") as error:
        inference.load("tiny", root=root)
    assert "\n" not in str(error.value)
    assert isinstance(inference.catalogue(root)["tiny"], ModelError)
    assert [c.ok for c in inference.verify(root)] == [False]
