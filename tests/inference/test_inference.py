"""Every variant gives the answers its card promises, in order, and takes and gives nothing else."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edge import inference
from edge.inference import bench, engines
from edge.inference import card as model_card
from edge.types import ModelError
from tiny_models import ALL, TINY, edit_card, sample, without


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


def test_a_key_that_the_card_does_not_have_is_named_with_its_file(root: Path) -> None:
    model = inference.load("tiny", root=root)
    card = pickle.loads(pickle.dumps(model.card))
    path = root / "tiny" / "card.toml"
    for table, key, named in (
        (card, "figures", "figures"), (card["calibration"], "share", "calibration.share"), (model.beside, "trees", "beside.trees"),
    ):  # fmt: skip
        assert key not in table
        assert table.get(key) is None
        with pytest.raises(ModelError, match=re.escape(f"{path}: {named}: missing; the model is of another version")):
            table[key]


def test_without_a_state_directory_the_first_variant_of_the_card_is_taken_and_nothing_is_timed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_times_ms", lambda *_: pytest.fail("timed"))
    assert inference.load("tiny", root=root).variant == "onnx-int8"


def test_models_are_found_through_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(root))
    assert list(inference.catalogue()) == ["tiny"]
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(root / "nowhere"))
    with pytest.raises(ModelError, match=r"nowhere: no such folder of models \(from EDGE_VITALS_MODELS\)"):
        inference.catalogue()


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


def test_a_model_that_becomes_another_variant_runs_that_and_says_so(root: Path) -> None:
    one, other = (inference.load("tiny", root=root, variant=v) for v in ("onnx-fp32", "litert-int8"))
    before = one.run(*sample())
    one.become(other)
    np.testing.assert_array_equal(one.run(*sample())[0], other.run(*sample())[0])
    assert not np.array_equal(one.run(*sample())[0], before[0])
    card = model_card.find_card("tiny", root)
    assert (one.identity, one.variant) == ("tiny 1.0.0 litert-int8", "litert-int8")
    assert (one.sha256, one.card_sha256) == (card.variant("litert-int8").sha256, card.sha256)
    edit_card(root, 'version = "1.0.0"', 'version = "1.0.1"')
    with pytest.raises(ModelError, match=r"tiny 1\.0\.0 litert-int8: tiny 1\.0\.1 onnx-int8 is not a variant of it"):
        one.become(inference.load("tiny", root=root))


def test_inputs_outside_the_calibrated_range_saturate(root: Path) -> None:
    model = inference.load("tiny", root=root, variant="litert-int8")
    state, signal = sample()
    far = model.run(state, np.float32(1e6) * np.sign(signal))
    further = model.run(state, np.float32(1e30) * np.sign(signal))
    np.testing.assert_array_equal(far[0], further[0])


def test_runtime_versions_come_from_metadata_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "onnxruntime", "ai_edge_litert")
    assert "onnxruntime" in engines.runtime_versions()


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


def test_a_runtime_keeps_nothing_below_the_home_and_tells_nobody(tmp_path):
    pytest.importorskip("onnxruntime")
    code = "from edge import inference; inference.load('rhythm', variant='onnx-int8')"
    env = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-c", code], env=env | {"HOME": str(tmp_path)}, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []
