"""Doctor as a whole; and that each fault it tells apart is produced in one of the files here."""

from __future__ import annotations

import ast
import time
from pathlib import Path

from edge.cli import main
from edge.cli.doctor import findings
from edge.cli.doctor.faults import FAULTS, WARNINGS
from edge.cli.doctor.machine import Machine


def test_all_together_is_under_ten_seconds_and_exits_with_3(device, mosquitto, tmp_path, capsys, monkeypatch):
    config = tmp_path / "c.toml"
    config.write_text(
        f'[device]\nstate_dir = "state"\n[mqtt]\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
        f'[sources.node]\nkind = "serial_port"\nport = "{device()}"\nanalyzers = ["pulse"]\n'
        '[sources.cam]\nkind = "camera"\ndevice = "/dev/video97"\n'
        '[sources.second]\nkind = "serial_port"\nport = "/dev/none"\n'
    )
    started = time.monotonic()
    assert main(["doctor", str(config)]) == 3
    assert time.monotonic() - started < 10.0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert "[camera_missing]" in said
    assert "[port_missing]" in said
    assert "firmware" in said
    assert all(" -> " in line for line in lines if line.startswith(("fail", "warn")))


def test_without_a_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = {one.step for one in findings(None, machine=Machine(sys=tmp_path))}
    assert steps >= {"models", "clock", "power", "disk", "port", "camera"}


def test_every_fault_has_a_remedy_and_each_is_produced_here(capsys):
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("test_*.py")]
    said = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    produced = said & set(FAULTS)
    assert produced == set(FAULTS)
    assert len(produced) >= 50
    assert all(meaning and remedy for meaning, remedy in FAULTS.values())
    assert set(FAULTS) >= WARNINGS
    assert main(["doctor", "--faults"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FAULTS)
