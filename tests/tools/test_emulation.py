"""How the proof on ARM judges: what agrees, what does not, and that a stage which failed is never called passed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge import inference
from markdown_blocks import DOCUMENTS, ROOT
from tool_module import loaded

FOLDER = Path(__file__).resolve().parents[2] / "tools" / "emulation"


@pytest.fixture(scope="module")
def compare():
    with loaded("emulation/compare.py") as module:
        yield module


@pytest.fixture(scope="module")
def main():
    with loaded("emulation/main.py", beside=True) as module:
        yield module


@pytest.fixture(scope="module")
def root():
    with loaded("emulation/root.py") as module:
        yield module


def reading(t, value, **more):
    made = {"type": "reading", "bed": "bed1", "source": "node", "metric": "ppg.hr", "t": t, "value": value}
    return {**made, "unit": "bpm", "quality": 0.9, "reason": "" if value is not None else "gap", **more}


def alarm(t, presence):
    return {
        "type": "alarm",
        "id": "bed1/af",
        "presence": presence,
        "priority": "medium",
        "t": t,
        "text": "AF",
        "value": t,
    }


def lines(events):
    return [json.dumps(e) for e in events]


def judged(compare, here, there):
    table = compare.Rows(compare.REPLAY_HEAD)
    compare.replays("one", lines(here), lines(there), table)
    return table


PLAIN = [*(reading(float(t), 60.0) for t in range(100)), alarm(7.0, "on"), alarm(30.0, "off")]


def test_the_same_events_agree(compare):
    table = judged(compare, PLAIN, PLAIN)
    assert table.failed == []
    assert table.rows == [("one", "100", "1.0000", "0", "0", "2, the same")]


def test_a_difference_within_the_tolerance_agrees_and_is_shown(compare):
    there = [reading(0.0, 60.4), *PLAIN[1:]]
    assert judged(compare, PLAIN, there).rows[0][3] == "0.4"
    assert judged(compare, PLAIN, there).failed == []


@pytest.mark.parametrize(
    "odd",
    [reading(0.0, 61.0), reading(0.0, None), reading(0.0, "af"), reading(0.0, 60.0, quality=0.5)],
    ids=["number", "none", "word", "quality"],
)
def test_few_readings_may_differ_but_not_more(compare, odd):
    few = [odd, *PLAIN[1:]]
    many = [*({**odd, "t": float(t)} for t in range(3)), *PLAIN[3:]]
    assert judged(compare, PLAIN, few).failed == []
    assert judged(compare, PLAIN, few).rows[0][2] == "0.9900"
    assert "3 of 100 readings differ" in judged(compare, PLAIN, many).failed[0]


@pytest.mark.parametrize(
    "there",
    [PLAIN[:-1], [*PLAIN, alarm(40.0, "on")], [*PLAIN[:-1], alarm(31.0, "off")]],
    ids=["one less", "one more", "later"],
)
def test_any_alarm_that_differs_fails(compare, there):
    assert "alarms differ" in judged(compare, PLAIN, there).failed[0]


@pytest.mark.parametrize("there", [[], PLAIN[1:]], ids=["nothing", "one reading less"])
def test_readings_of_other_moments_fail(compare, there):
    assert "not of the same moments" in judged(compare, PLAIN, there).failed[0]
    assert "not of the same moments" in judged(compare, [], []).failed[0]


def answers(noise, rng, shift=0.0):
    logits = np.tile([[4.0, 0.0, -4.0], [0.0, 3.0, 0.0]], (20, 1))
    made = {}
    for runtime in ("onnx", "litert"):
        made[f"net/{runtime}-fp32/out_0"] = logits + shift
        made[f"net/{runtime}-int8/out_0"] = logits + noise * rng.standard_normal(logits.shape)
    return made


def test_models_are_compared_in_probabilities_against_the_limits_of_the_card(compare):
    rng = np.random.default_rng(0)
    here = answers(0.02, rng)
    across, parity = compare.answers({"net": "softmax"}, {"net": (0.05, 0.002)}, here, answers(0.02, rng))
    assert across.failed == parity.failed == []
    assert len(across.rows) == 4
    assert len(parity.rows) == 2
    tilted = answers(0.02, rng, shift=np.array([0.0, 0.5, 0.0]))
    across, _ = compare.answers({"net": "softmax"}, {"net": (0.05, 0.002)}, here, tilted)
    assert [text.split(":")[0] for text in across.failed] == ["net onnx-fp32", "net litert-fp32"]


def test_int8_may_differ_by_what_quantizing_itself_moves_and_no_more(compare):
    rng = np.random.default_rng(0)
    here, near, far = answers(0.3, rng), answers(0.3, rng), answers(2.0, rng)
    limits = {"net": (0.001, 0.002)}
    across, _ = compare.answers({"net": "softmax"}, limits, here, near)
    assert across.failed == []
    across, _ = compare.answers({"net": "softmax"}, limits, here, far)
    assert [text.split(":")[0] for text in across.failed] == ["net onnx-int8", "net litert-int8"]


def test_int8_that_is_worse_there_than_here_fails(compare):
    rng = np.random.default_rng(0)
    _, parity = compare.answers({"net": "softmax"}, {"net": (1.0, 1.0)}, answers(0.02, rng), answers(0.5, rng))
    assert len(parity.failed) == 2


def test_a_variant_without_answers_fails(compare):
    here = answers(0.0, np.random.default_rng(0))
    there = {k: v for k, v in here.items() if "onnx-int8" not in k}
    across, _ = compare.answers({"net": "softmax"}, {"net": (0.05, 0.002)}, here, there)
    assert across.failed == ["net onnx-int8: no answers to compare"]


def test_without_root_it_says_so_in_one_line(root, monkeypatch):
    monkeypatch.setattr(root.os, "geteuid", lambda: 1000)
    with pytest.raises(root.CannotError, match=r"^needs root: .*binfmt_misc") as raised, root.aarch64_runs():
        pass
    assert "\n" not in str(raised.value)


def test_the_mirror_is_that_of_apt_or_the_one_named(root, monkeypatch):
    monkeypatch.setenv(root.MIRROR_VARIABLE, "http://mirror.example/debian")
    assert root.mirror() == "http://mirror.example/debian"
    monkeypatch.delenv(root.MIRROR_VARIABLE)
    told = "http://a.example/debian/ trixie main\nhttp://b.example/debian/ bookworm main\n"
    monkeypatch.setattr(root.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=told))
    assert root.mirror() == "http://b.example/debian/"
    monkeypatch.setattr(root.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=""))
    with pytest.raises(root.CannotError, match=root.MIRROR_VARIABLE):
        root.mirror()


def test_the_root_has_a_place_for_proc_where_debootstrap_ran_in_a_container(root, tmp_path):
    masters = tmp_path / "usr/share/base-passwd"
    masters.mkdir(parents=True)
    for name in ("passwd", "group"):
        (masters / f"{name}.master").touch()
    for name in ("etc", "usr/bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "proc").symlink_to("/proc")
    root._settle(tmp_path)
    assert (tmp_path / "proc").is_dir()
    assert not (tmp_path / "proc").is_symlink()


def test_a_new_root_begins_without_what_was_found_in_the_old_one(main, tmp_path, monkeypatch):
    proof = main.Proof(tmp_path, SimpleNamespace(again=False))
    old = [tmp_path / name for name in ("wheels.json", "tests.partial.json", "proof/recordings-1/face.avi.there.jsonl")]
    kept = tmp_path / "proof/recordings-1/face.avi"
    kept.parent.mkdir(parents=True)
    for path in (*old, kept):
        path.touch()
    made = []
    monkeypatch.setattr(main.Root, "is_made", property(lambda _: bool(made)))
    monkeypatch.setattr(main.Root, "make", lambda _: made.append("root"))
    proof.make()
    assert made == ["root"]
    assert [path for path in (*old, kept) if path.exists()] == [kept]
    old[0].touch()
    proof.make()
    assert made == ["root"]
    assert old[0].exists()


def test_qemu_is_registered_by_whoever_has_the_lock(main, tmp_path, monkeypatch):
    """Two runs at once: the first to end takes its registration back, and the second must not have counted on it."""
    order = []
    monkeypatch.setenv("EDGE_VITALS_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["aarch64", "root"])
    monkeypatch.setattr(main.signal, "signal", lambda *_: None)
    monkeypatch.setattr(main, "need_root", lambda: None)
    monkeypatch.setattr(main.fcntl, "flock", lambda *_: order.append("lock"))
    monkeypatch.setattr(main, "aarch64_runs", lambda: order.append("qemu") or nullcontext())
    monkeypatch.setattr(main, "prove", lambda *_: order.append("prove") or 0)
    assert main.main() == 0
    assert order == ["lock", "qemu", "prove"]


def test_every_file_that_a_stage_takes_into_the_root_counts_for_its_result(main):
    copied = main.suite.COPIED
    assert set(copied) <= set(main.READS["tests"])
    documents = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
    assert [name for name in documents if not any(Path(name).is_relative_to(part) for part in copied)] == []


def test_what_is_left_out_under_emulation_is_there(main):
    for test in (*main.suite.LEFT_OUT, *main.suite.DESELECTED):
        file, _, name = test.partition("::")
        assert f"def {name}" in (FOLDER.parents[1] / file).read_text(encoding="utf-8"), test


def test_every_model_is_replayed_in_every_variant():
    with loaded("emulation/recordings.py") as recordings:
        asked = recordings.header("litert-fp32")["variants"]
    assert asked == dict.fromkeys(inference.catalogue(), "litert-fp32")
    assert {"pulse", "rhythm"} <= set(asked)


@pytest.mark.slow
def test_every_model_answers_on_arm_as_here_where_the_root_is_cached(root):
    cache = Path(os.environ.get("EDGE_VITALS_CACHE", FOLDER.parents[1] / ".cache")) / "aarch64"
    if os.geteuid() != 0 or not (cache / "root" / "opt/wheels/installed").exists():
        pytest.skip("no arm64 root in the cache; tools/aarch64 makes it")
    done = subprocess.run(
        [sys.executable, str(FOLDER / "main.py"), "models"], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
