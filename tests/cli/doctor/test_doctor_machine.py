"""Faults of the machine itself: packages, models, clock, power, disk."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from doctor_findings import in_child, needs_root, words
from edge import inference
from edge.cli.doctor import findings
from edge.cli.doctor.machine import Machine, disk, models, packages, power
from edge.cli.doctor.machine import clock as clock_step
from edge.config import parse
from edge.inference import bench
from edge.inference.choice import store_choice
from edge.types import ModelError


def test_package_missing_and_runtime_missing(monkeypatch):
    for name in ("serial", "cv2", "soundfile", "onnxruntime", "ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, name, None)
    config = parse('[sources.node]\nkind = "serial_port"\nport = "/dev/x"')
    found = list(packages(config))
    assert [(one.fault, one.state) for one in found] == [("package_missing", "fail"), ("runtime_missing", "fail")]
    assert found[0].remedy == "pip install 'edge-vitals[serial]'"
    assert words(packages(None)) == ["package_missing"] * 3 + ["runtime_missing"]


def test_one_runtime_is_enough(own_models, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert words([*packages(None), *models(None)]) == []


@pytest.fixture
def own_models(tmp_path, monkeypatch):
    root = inference.models_root(None)
    for name in ("murmur",):
        shutil.copytree(root / name, tmp_path / "models" / name)
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models" / "murmur"


def test_model_altered(own_models):
    assert words(models(None)) == []
    file = next(own_models.glob("*.onnx"))
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    found = list(models(None))
    assert words(found) == ["model_altered"]
    assert file.name in found[0].text
    next(own_models.glob("*.tflite")).unlink()
    assert sorted(words(models(None))) == ["model_altered", "model_missing"]


def test_model_missing(own_models, tmp_path, monkeypatch):
    next(own_models.glob("*.onnx")).unlink()
    assert words(models(None)) == ["model_missing"]
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "none"):
        monkeypatch.setenv("EDGE_VITALS_MODELS", str(tmp_path / folder))
        assert words(models(None)) == ["model_missing"]


def test_model_variant_that_does_not_work_and_none_that_does(own_models, monkeypatch):
    build = bench.build_engine

    def broken(runtimes):
        def made(runtime, *given):
            if runtime in runtimes:
                raise ModelError("illegal instruction")
            return build(runtime, *given)

        return made

    monkeypatch.setattr(bench, "build_engine", broken(["onnx"]))
    (found,) = models(None)
    assert (found.fault, found.state) == ("model_variant", "warn")
    assert "illegal instruction" in found.text
    monkeypatch.setattr(bench, "build_engine", broken(["onnx", "litert", "tflite"]))
    assert [(one.fault, one.state) for one in models(None)] == [("model_variant", "fail")]


def test_looking_at_models_neither_makes_nor_needs_the_state_folder(own_models, tmp_path):
    def found(state_dir):
        return words(models(parse(f'[device]\nstate_dir = "{state_dir}"')))

    assert found(tmp_path / "state") == []
    assert not (tmp_path / "state").exists()
    (tmp_path / "file").touch()
    assert found(tmp_path / "file" / "state") == []


def test_the_variant_is_the_one_that_a_run_has_chosen(own_models, tmp_path):
    config = parse(f'[device]\nstate_dir = "{tmp_path}"')
    (first,) = models(config)
    other = next(v.id for v in inference.catalogue()["murmur"].variants if v.id not in first.text)
    store_choice(tmp_path, inference.catalogue()["murmur"], inference.runtime_versions(), other, {})
    (found,) = models(config)
    assert found.text.endswith(f" {other}")


def test_a_variant_that_the_configuration_asks_for_and_that_does_not_work_here(own_models, tmp_path, monkeypatch):
    config = parse(f'[device]\nstate_dir = "{tmp_path}"\n[models]\nvariant = "onnx-fp32"')
    (found,) = models(config)
    assert found.text.endswith(" onnx-fp32")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (found,) = models(config)
    assert (found.fault, found.state) == ("model_variant", "warn")
    assert found.text.endswith(": murmur: onnx-fp32 was asked for; using litert-int8")


def test_face_models_missing(monkeypatch, tmp_path):
    from edge.cli.doctor import _face_models

    monkeypatch.setattr("edge.face_models.missing", lambda: ["face_short"])
    assert words(_face_models()) == ["face_models_missing"]


def test_clocks():
    assert clock_step(Machine(kept=lambda: None)).fault == "clock_unknown"
    assert clock_step(Machine(kept=lambda: False)).fault == "clock_unsynchronised"
    assert clock_step(Machine(kept=lambda: True)).state == "ok"
    assert clock_step(Machine(wall=lambda: 1e6)).fault == "clock_unset"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0x0", []),
        ("0x1", ["under_voltage"]),
        ("0x4", ["throttled"]),
        ("0x50005", ["under_voltage", "throttled"]),
        ("0x10000", ["was_under_voltage"]),
        ("0x40000", ["was_throttled"]),
        ("0x8", ["hot"]),
    ],
)
def test_power_by_the_boards_program(tmp_path, value, expected):
    program = tmp_path / "vcgencmd"
    program.write_text(f"#!/bin/sh\necho throttled={value}\n")
    program.chmod(0o755)
    assert words(power(Machine(sys=tmp_path, vcgencmd=str(program)))) == expected


def test_power_by_sysfs(tmp_path):
    (tmp_path / "devices/platform/soc/soc:firmware").mkdir(parents=True)
    (tmp_path / "devices/platform/soc/soc:firmware/get_throttled").write_text("50000\n")
    machine = Machine(sys=tmp_path, vcgencmd="none")
    assert words(power(machine)) == ["was_under_voltage", "was_throttled"]
    (tmp_path / "class/hwmon/hwmon0").mkdir(parents=True)
    (tmp_path / "class/hwmon/hwmon0/name").write_text("rpi_volt\n")
    (tmp_path / "class/hwmon/hwmon0/in0_lcrit_alarm").write_text("1\n")
    (tmp_path / "class/thermal/thermal_zone0").mkdir(parents=True)
    (tmp_path / "class/thermal/thermal_zone0/temp").write_text("86500\n")
    assert words(power(machine)) == ["under_voltage", "hot", "was_throttled"]


@needs_root
def test_state_read_only(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    for path in (folder, *folder.parents):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(0o755)
    assert in_child(lambda: words(disk(folder)), nobody=True) == ["state_read_only"]


def test_state_full(tmp_path):
    assert in_child(lambda: words(disk(tmp_path)), file_bytes=100) == ["state_full"]
    assert not (tmp_path / ".doctor").exists()


def test_a_state_folder_that_is_not_there_yet_is_not_made(tmp_path):
    assert words(disk(tmp_path / "lib" / "edge-vitals")) == []
    assert list(tmp_path.iterdir()) == []


def test_packages_are_looked_for_before_a_source_imports_them(monkeypatch):
    """cv2 cannot be found while another thread is importing it."""
    order = []
    monkeypatch.setattr("edge.cli.doctor.machine.installed", lambda module: order.append(module) or True)
    monkeypatch.setattr("edge.cli.doctor.source.listen", lambda *given, path: order.append("listen") or [])
    list(findings(parse('[sources.cam]\nkind = "camera"'), listen_s=0.0))
    assert order.index("cv2") < order.index("listen")


def test_state_hung(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.cli.doctor._DISK_S", 0.05)
    answers = threading.Event()
    monkeypatch.setattr("edge.cli.doctor.machine.must_have_room", lambda _: answers.wait(60.0))
    told = f'[device]\nname = "w"\nstate_dir = "{tmp_path}"'
    try:
        found = list(findings(parse(told), machine=Machine(sys=tmp_path), listen_s=0.0))
    finally:
        answers.set()
    assert [(one.step, one.fault) for one in found if one.state == "fail"] == [("disk", "state_hung")]
    assert {one.step for one in found} == {"models", "clock", "power", "disk"}


def test_state_low(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.cli.doctor.machine.DISK_MIN_MB", 1e12)
    assert words(disk(tmp_path)) == ["state_low"]


def test_state_damaged(tmp_path):
    (tmp_path / "outbox.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    assert words(disk(tmp_path)) == ["state_damaged"]


def test_a_state_that_its_program_writes_just_now_is_not_damaged(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.sqlite", isolation_level=None)) as db:
        db.execute("create table events (id)")
        db.execute("begin exclusive")
        assert words(disk(tmp_path)) == []
