"""Doctor as a whole; and that each fault it tells apart is produced in one of the files here."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

from edge.cli import main
from edge.cli.doctor import LISTEN_S, findings
from edge.cli.doctor.broker import broker
from edge.cli.doctor.faults import FAULTS, WARNINGS, fine
from edge.cli.doctor.machine import Machine
from edge.cli.doctor.source import listen
from edge.config import parse

WAIT_S = 10.0


def test_all_together_are_looked_at_side_by_side_and_exit_with_3(device, mosquitto, tmp_path, capsys, monkeypatch):
    """In under ten seconds, the half of which each source may take: none of the four begins before all of them do."""
    together, given_s = threading.Barrier(4), []

    def side_by_side(look):
        def looked(*args, **more):
            given_s.extend(arg for arg in args if isinstance(arg, float))
            together.wait(WAIT_S)
            yield from look(*args, **more)

        return looked

    monkeypatch.setattr("edge.cli.doctor.source.listen", side_by_side(listen))
    monkeypatch.setattr("edge.cli.doctor.broker.broker", side_by_side(broker))
    config = tmp_path / "c.toml"
    config.write_text(
        f'[device]\nstate_dir = "state"\n[mqtt]\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
        f'[sources.node]\nkind = "serial_port"\nport = "{device()}"\nanalyzers = ["pulse"]\n'
        '[sources.cam]\nkind = "camera"\ndevice = "/dev/video97"\n'
        '[sources.second]\nkind = "serial_port"\nport = "/dev/none"\n'
    )
    assert main(["doctor", str(config)]) == 3
    assert given_s == [LISTEN_S] * 3
    assert LISTEN_S < 6.0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert "[camera_missing]" in said
    assert "[port_missing]" in said
    assert "firmware" in said
    assert all(" -> " in line for line in lines if line.startswith(("fail", "warn")))


def test_a_source_that_hangs_and_one_that_raises_hide_nothing_of_the_others(tmp_path, monkeypatch):
    hold = threading.Event()

    def listened(source, *_given, path):
        if source.name == "hung":
            hold.wait(WAIT_S)
        if source.name == "odd":
            raise OSError("Input/output\nerror")
        yield fine(f"source {source.name}", "well")

    def asked(_config):
        hold.wait(WAIT_S)
        return []

    monkeypatch.setattr("edge.cli.doctor.broker.broker", asked)
    monkeypatch.setattr("edge.cli.doctor._ANSWER_S", 0.05)
    monkeypatch.setattr("edge.cli.doctor.source.listen", listened)
    named = "".join(f'[sources.{name}]\nkind = "synthetic"\n' for name in ("hung", "odd", "sound"))
    config = parse(f'[device]\nstate_dir = "{tmp_path}"\n[sinks.mqtt]\nhost = "127.0.0.1"\n{named}')
    try:
        *found, last = [
            one
            for one in findings(config, machine=Machine(sys=tmp_path))
            if one.step.startswith("source") or one.step == "broker"
        ]
    finally:
        hold.set()
    for thread in threading.enumerate():
        if thread.name.startswith("edge-doctor-"):
            thread.join(WAIT_S)
    assert [(one.step, one.fault) for one in found] == [
        *(("source hung", "source_failed"), ("source odd", "source_failed"), ("source sound", ""))
    ]
    assert [one.text.partition(": ")[2] for one in found[:2]] == [
        *("it has not answered for 0.05 s", "OSError('Input/output\\nerror')")
    ]
    assert (last.fault, last.text) == ("broker_failed", "the broker could not be tried: it has not answered for 0.05 s")


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
