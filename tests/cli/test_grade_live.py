"""Somebody else's device, graded over a real mosquitto: whole it passes, and broken it fails in just that respect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main

PROGRAM = Path(__file__).parents[1] / "support" / "contract_device.py"


@pytest.fixture
def device(mosquitto):
    """Starts the device; returns the arguments that grade it."""
    running = []

    def start(broken):
        command = [sys.executable, "-u", str(PROGRAM), str(mosquitto.port), broken]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert running[0].stdout.readline() == "ready\n"
        url = f"mqtt://127.0.0.1:{mosquitto.port}"
        return ["watch", "--broker", url, "--device", "other"], f"kill -KILL {running[0].pid}"

    yield start
    for process in running:
        process.kill()
        process.wait(10.0)
        process.stdout.close()


def failed(said):
    return {line[5:33].strip() for line in said.splitlines() if line.startswith("FAIL")}


def test_a_device_that_keeps_the_contract_passes_in_every_respect(device, capsys):
    grade, kill = device("nothing")
    assert main([*grade, "--grade", "2.5", "--drill", "--cut", kill]) == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert "other: keeps the contract" in said
    judged = [line for line in said.splitlines() if line.startswith("ok")]
    for check in ("will", "ack round trip", "retained", "clock skew", "reading age", "event seq", "discovery"):
        assert any(line[5:33].strip() == check for line in judged), said


@pytest.mark.parametrize(
    ("broken", "checks"),
    [
        ("stale", {"reading age"}),
        ("repeated", {"reading age", "reading seq"}),
        ("no reason", {"reading value"}),
        ("reading gap", {"reading seq"}),
        ("event gap", {"event seq"}),
        ("deaf", {"command answered"}),
        ("no reply", {"command answered"}),
        ("yes to all", {"command answered"}),
        ("status not retained", {"retained", "status"}),
        ("reading retained", {"retained", "reading"}),
        ("event retained", {"retained"}),
        ("stale command", {"retained"}),
        ("clock behind", {"clock skew"}),
        ("clock ahead", {"clock skew"}),
        ("clock not set", set()),
        ("no discovery", {"discovery"}),
        ("discovery without unique_id", {"discovery"}),
        ("discovery without expire_after", {"discovery"}),
    ],
)
def test_a_broken_device_fails_in_just_that_respect(device, capsys, broken, checks):
    grade, _ = device(broken)
    code = main([*grade, "--grade", "1.5"])
    said = capsys.readouterr().out
    assert (code, failed(said)) == (3 if checks else 0, checks), said


@pytest.mark.parametrize("broken", ["alarm left behind", "alarm not retained"])
def test_an_alarm_whose_topic_does_not_follow_it_fails(device, capsys, broken):
    grade, _ = device(broken)
    assert main([*grade, "--grade", "3.5"]) == 3
    assert failed(capsys.readouterr().out) == {"retained"}


def test_an_acknowledgement_that_changes_nothing_fails(device, capsys):
    grade, _ = device("ack forgotten")
    assert main([*grade, "--grade", "1", "--drill"]) == 3
    said = capsys.readouterr().out
    assert failed(said) == {"ack round trip"}
    assert "a drill was not acknowledged" in said


@pytest.mark.parametrize("broken", ["will with t", "will not retained"])
def test_a_wrong_will_fails(device, capsys, broken):
    grade, kill = device(broken)
    assert main([*grade, "--grade", "1", "--cut", kill]) == 3
    assert {"will"} <= failed(capsys.readouterr().out) <= {"will", "payload"}


@pytest.mark.slow
def test_no_will_fails_when_the_device_is_cut_off(device, capsys):
    grade, kill = device("no will")
    assert main([*grade, "--grade", "1", "--cut", kill]) == 3
    said = capsys.readouterr().out
    assert failed(said) == {"will"}
    assert "its status still says 'online'" in said


@pytest.mark.slow
def test_a_device_that_hangs_while_its_status_says_online_fails(device, capsys):
    grade, _ = device("dies silently")
    assert main([*grade, "--grade", "6"]) == 3
    said = capsys.readouterr().out
    assert {"will"} <= failed(said) <= {"will", "command answered"}
    assert "yet its status says online" in said


def test_a_cut_that_cannot_be_made_is_one_line(device, capsys):
    grade, _ = device("nothing")
    assert main([*grade, "--grade", "0.5", "--cut", "/none/cut it"]) == 2
    assert "--cut /none/cut it: " in capsys.readouterr().err


def test_our_own_device_passes_in_every_respect(tmp_path, mosquitto, capsys):
    config = tmp_path / "own.toml"
    config.write_text(
        f'[device]\nname = "own"\nstate_dir = "{tmp_path}/state"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {mosquitto.port}\n'
        '[sources.syn]\nkind = "synthetic"\nanalyzers = ["pulse"]\n'
    )
    command = [sys.executable, "-m", "edge", "run", str(config), "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as own:
        try:
            url = f"mqtt://127.0.0.1:{mosquitto.port}"
            for _ in range(20):
                if main(["watch", "--broker", url, "--grade", "0.1"]) != 1:  # 1: it has not been heard of yet
                    break
            capsys.readouterr()
            cut = f"kill -KILL {own.pid}"
            code = main(["watch", "--broker", url, "--grade", "11", "--drill", "--cut", cut])
        finally:
            own.kill()
    said = capsys.readouterr().out
    assert code == 0, said
    skipped = {line[5:33].strip() for line in said.splitlines() if line.startswith("skip")}
    assert skipped <= {"source status", "alarm"}, said
