"""Models are only used when whole and proved; whatever is wrong costs one variant and one line, never an answer."""

from __future__ import annotations

import builtins
import copy
import json
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import _engines, inference, model_card
from edge.types import ModelError

ALL = ("onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32")
TINY = Path(__file__).parent / "models" / "tiny"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of models with one, free to be spoiled."""
    shutil.copytree(TINY, tmp_path / "models" / "tiny")
    return tmp_path / "models"


def sample(seed: int = 0, batch: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    state = rng.uniform(-1, 1, (batch, 2)).astype(np.float32)
    return state, rng.standard_normal((batch, 1, 1, 32)).astype(np.float32)


def edit_card(root: Path, old: str, new: str) -> None:
    path = root / "tiny" / "card.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".", maxsplit=1)[0] in modules:
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    for name in [m for m in sys.modules if m.split(".")[0] in modules]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)


# ---- what works ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ALL)
def test_every_variant_runs_with_inputs_and_outputs_in_the_order_of_the_card(root: Path, variant: str) -> None:
    model = inference.load("tiny", root=root, variant=variant)
    assert model.identity == f"tiny 1.0.0 {variant}"
    assert model.variant == variant
    assert model.notes == model.faults == ()
    with np.load(TINY / "golden.npz") as golden:
        logits, state = model.run(golden["in_0"], golden["in_1"])
        assert logits.dtype == state.dtype == np.float32
        assert logits.shape == (4, 3)
        assert state.shape == (4, 2)
        np.testing.assert_allclose(logits, golden[f"{variant}/out_0"], atol=0.1)
        np.testing.assert_allclose(state, golden["onnx-fp32/out_1"], atol=0.05)


@pytest.mark.parametrize("variant", ALL)
def test_the_same_input_gives_the_same_bits_alone_in_a_batch_and_after_others(root: Path, variant: str) -> None:
    model = inference.load("tiny", root=root, variant=variant)
    inputs = sample(1, batch=5)
    together = model.run(*inputs)
    for row in (3, 0, 4, 1, 2):
        alone = model.run(*(x[row : row + 1] for x in inputs))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a[0], b[row])
    again = inference.load("tiny", root=root, variant=variant).run(*inputs)
    np.testing.assert_array_equal(again[0], together[0])


def test_threads_that_share_a_model_get_their_own_answers(root: Path) -> None:
    model = inference.load("tiny", root=root, variant="litert-int8")
    inputs = [sample(seed) for seed in range(8)]
    alone = [model.run(*x)[0] for x in inputs]
    right: list[bool] = []

    def work(i: int) -> None:
        right.extend(np.array_equal(model.run(*inputs[i])[0], alone[i]) for _ in range(200))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == 1600
    assert all(right)


def test_the_card_is_frozen_and_whole(root: Path) -> None:
    card = inference.load("tiny", root=root).card
    assert card["calibration"]["temperature"] == 1.5
    assert card["output"]["labels"] == ("a", "b", "c")
    with pytest.raises(TypeError):
        card["calibration"]["temperature"] = 2.0
    with pytest.raises(TypeError, match="cannot be changed"):
        card.update(name="other")  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(card)) == copy.deepcopy(card) == card
    assert json.loads(json.dumps(card))["name"] == "tiny"


def test_without_a_state_directory_the_first_variant_of_the_card_is_taken_and_nothing_is_timed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "_times_ms", lambda *_: pytest.fail("timed"))
    assert inference.load("tiny", root=root).variant == "onnx-int8"


def test_models_are_found_through_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(root))
    assert list(inference.catalogue()) == ["tiny"]
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(root / "nowhere"))
    with pytest.raises(ModelError, match=r"nowhere: no such folder of models \(from EDGE_VITALS_MODELS\)"):
        inference.catalogue()


# ---- which variant ----------------------------------------------------------------------------------------------


def timed(monkeypatch: pytest.MonkeyPatch, by_class: dict[str, list[float]]) -> list[str]:
    """Timing comes from a table: engine class name to the times of its variants in turn."""
    seen: list[str] = []

    def times(engine: Any, *_: Any) -> list[float]:
        name = type(engine).__name__
        seen.append(name)
        return [by_class[name][seen.count(name) - 1]] * 3

    monkeypatch.setattr(inference, "_times_ms", times)
    return seen


def test_the_fastest_is_measured_once_and_stored(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state" / "deep"
    seen = timed(monkeypatch, {"OnnxEngine": [4.0, 3.0], "LitertEngine": [1.0, 2.0]})
    assert inference.load("tiny", root=root, state_dir=state).variant == "litert-int8"
    assert len(seen) == 4
    stored = json.loads((state / "variants.json").read_text())["tiny"]
    assert stored["variant"] == "litert-int8"
    assert stored["median_ms"] == {"onnx-int8": 4.0, "onnx-fp32": 3.0, "litert-int8": 1.0, "litert-fp32": 2.0}
    without(monkeypatch, "onnxruntime")  # a stored choice imports one runtime only
    again = inference.load("tiny", root=root, state_dir=state)
    assert again.variant == "litert-int8"
    assert again.notes == ()
    assert len(seen) == 4


def test_a_choice_is_made_again_for_another_card_runtime_or_a_damaged_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose() -> str:
        timed(monkeypatch, {"OnnxEngine": [4.0, 1.0], "LitertEngine": [2.0, 3.0]})
        return inference.load("tiny", root=root, state_dir=tmp_path).variant

    def stored() -> dict[str, Any]:
        return dict(json.loads((tmp_path / "variants.json").read_text()))

    assert choose() == "onnx-fp32"
    first = stored()["tiny"]["key"]
    edit_card(root, 'version = "1.0.0"', 'version = "1.0.1"')
    assert choose() == "onnx-fp32"
    second = stored()["tiny"]["key"]
    monkeypatch.setattr(inference, "runtime_versions", lambda: {"onnxruntime": "99"})
    choose()
    assert len({first, second, stored()["tiny"]["key"]}) == 3
    for damage in ("{", "[]", '{"tiny": 3}', '{"tiny": {"key": "x", "variant": 1}}', "\x00"):
        (tmp_path / "variants.json").write_text(damage)
        assert choose() == "onnx-fp32"
        assert stored()["tiny"]["variant"] == "onnx-fp32"


def test_a_state_directory_that_cannot_be_written_costs_a_note(root: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    model = inference.load("tiny", root=root, state_dir=tmp_path / "state")
    assert "not written" in model.notes[0]
    assert model.faults == ()


def test_an_unknown_variant_or_model_is_one_line_naming_those_there_are(root: Path) -> None:
    with pytest.raises(ModelError, match=r"no variant 'int4'; there are: onnx-int8, onnx-fp32, litert-int8, lit"):
        inference.load("tiny", root=root, variant="int4")
    with pytest.raises(ModelError, match=r"no model 'heart' in .*; there are: tiny"):
        inference.load("heart", root=root)


# ---- what is broken ----------------------------------------------------------------------------------------------


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
    edit_card(root, old, inference_hash(content))


def inference_hash(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def golden_with(root: Path, **changes: np.ndarray) -> bytes:
    import io

    with np.load(root / "tiny" / "golden.npz") as golden:
        arrays = {k: golden[k] for k in golden.files}
    arrays.update({k.replace("__", "/").replace("_int8", "-int8"): v for k, v in changes.items()})
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_variant_that_does_not_give_the_golden_answers_here_is_left_out(root: Path) -> None:
    wrong = np.tile(np.float32([9.0, -9.0, 0.0]), (4, 1))
    resealed(root, "golden.npz", golden_with(root, onnx_int8__out_0=wrong))
    model = inference.load("tiny", root=root)
    assert model.variant == "onnx-fp32"
    assert "onnx-int8: self-test failed: off the golden answers by" in model.faults[0]


def test_a_file_with_anothers_content_fails_its_self_test(root: Path) -> None:
    resealed(root, "tiny.int8.tflite", (root / "tiny" / "tiny.int8.onnx").read_bytes())
    model = inference.load("tiny", root=root, variant="litert-int8")
    assert model.variant == "onnx-int8"
    assert "LiteRT refuses the file" in model.faults[0]


@pytest.mark.parametrize("content", [b"", b"not an archive", None], ids=["empty", "text", "wrong inputs"])
def test_without_golden_answers_no_variant_is_used(root: Path, content: bytes | None) -> None:
    if content is None:
        content = golden_with(root, in_1=np.zeros((4, 1, 1, 8), np.float32))
    resealed(root, "golden.npz", content)
    with pytest.raises(ModelError, match=r"model tiny: no variant works: .*golden") as error:
        inference.load("tiny", root=root)
    assert "\n" not in str(error.value)


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
    assert "onnx is not installed: pip install 'edge-vitals[onnx]'" in model.notes[0]


def test_no_runtime_at_all_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "onnxruntime", "ai_edge_litert", "tflite_runtime")
    with pytest.raises(ModelError, match=r"pip install 'edge-vitals\[onnx\]'.*pip install 'edge-vitals\[litert\]'"):
        inference.load("tiny", root=root)


def test_a_runtime_that_imports_and_cannot_build_is_no_fault_of_the_model(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")

    def broken(**_: Any) -> None:
        raise SystemError("initialization of _pywrap failed")

    monkeypatch.setattr(interpreter, "Interpreter", broken)
    model = inference.load("tiny", root=root, variant="litert-fp32")
    assert model.variant == "onnx-int8"
    assert any("needs numpy below 2" in n for n in model.notes)


def test_names_in_a_file_that_the_card_does_not_know_are_refused(root: Path) -> None:
    edit_card(root, 'inputs = ["in_0", "in_1"]', 'inputs = ["in_0", "in_9"]')
    assert "the file has in_0, in_1 where the card says in_0, in_9" in inference.load("tiny", root=root).faults[0]


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
        ('task = "', "task = ", "not valid TOML"),
    ],
)
def test_a_card_that_does_not_hold_together_names_file_and_key(root: Path, old: str, new: str, said: str) -> None:
    edit_card(root, old, new)
    with pytest.raises(ModelError, match=rf"card\.toml: .*{said}") as error:
        inference.load("tiny", root=root)
    assert "\n" not in str(error.value)
    assert isinstance(inference.catalogue(root)["tiny"], ModelError)
    assert [c.ok for c in inference.verify(root)] == [False]


# ---- what goes in and out -----------------------------------------------------------------------------------------


def test_wrong_inputs_are_refused_in_words(root: Path) -> None:
    model = inference.load("tiny", root=root)
    state, signal = sample()
    for inputs, said in [
        ((signal,), r"takes 2 input\(s\), not 1"),
        ((signal, state), r"input 0 must be \(batch, 2,\), not \(1, 1, 1, 32\)"),
        ((state, signal[..., :31]), r"input 1 must be \(batch, 1, 1, 32\), not \(1, 1, 1, 31\)"),
        ((state, np.repeat(signal, 2, axis=0)), r"input 1 must be \(batch, 1, 1, 32\), not \(2"),
        ((state[:0], signal[:0]), r"input 0 must be \(batch"),
        ((state, signal.astype(np.float64)), "input 1 must be float32, not float64"),
        ((state, signal.tolist()), "input 1 must be float32, not <class 'list'>"),
        ((state, np.where(signal > 1, np.nan, signal).astype(np.float32)), "input 1 holds a number that is not finite"),
    ]:
        with pytest.raises(ModelError, match=f"tiny 1.0.0 onnx-int8: {said}"):
            model.run(*inputs)


def test_an_answer_that_is_not_finite_or_of_another_shape_never_leaves(root: Path) -> None:
    card = model_card.find_card("tiny", root)
    answers = {
        "not finite": (np.full((1, 3), np.nan, np.float32), np.zeros((1, 2), np.float32)),
        r"\(1, 4\) where": (np.zeros((1, 4), np.float32), np.zeros((1, 2), np.float32)),
    }
    for said, answer in answers.items():
        model = inference.Model(card, card.variants[0], lambda _, answer=answer: answer)
        with pytest.raises(ModelError, match=said):
            model.run(*sample())


def test_inputs_outside_the_calibrated_range_saturate(root: Path) -> None:
    model = inference.load("tiny", root=root, variant="litert-int8")
    state, signal = sample()
    far = model.run(state, np.float32(1e6) * np.sign(signal))
    further = model.run(state, np.float32(1e30) * np.sign(signal))
    np.testing.assert_array_equal(far[0], further[0])


def test_runtime_versions_come_from_metadata_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "onnxruntime", "ai_edge_litert")
    assert "onnxruntime" in _engines.runtime_versions()


def test_loading_says_nothing_on_the_terminal_and_works_without_one(root: Path) -> None:
    code = (
        "import os, sys\n"
        "from edge import inference\n"
        "if len(sys.argv) > 2: os.close(2)\n"
        "print(inference.load('tiny', root=sys.argv[1], variant='litert-int8').identity)\n"
    )
    for more in ([], ["closed"]):
        command = [sys.executable, "-c", code, str(root), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
        assert (done.stdout, done.stderr) == ("tiny 1.0.0 litert-int8\n", "")
