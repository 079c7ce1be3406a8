"""An alarm until somebody has it: our device, a real broker, a station that confirms or does not, and the bell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from edge.cli import main
from edge.cli._mqtt_client import Client
from edge.config import parse
from edge.program.service import build_service

CONFIG = """
[device]
name = "own"
state_dir = "{folder}/state"
[mqtt]
host = "127.0.0.1"
port = {port}
[sources.syn]
kind = "synthetic"
analyzers = ["pulse"]
[delivery]
roles = [{{name = "station", confirm_within_s = {within}}}, {{name = "charge", confirm_within_s = 1}}]
[sinks.annunciator]
command = ["{folder}/ring"]
"""


@pytest.fixture
def device(tmp_path, mosquitto):
    """Starts our own program; its bell writes the alarm's name into a file."""
    (tmp_path / "ring").write_text(f'#!/bin/sh\necho "$EDGE_VITALS_ALARM" >> {tmp_path}/rung\n')
    (tmp_path / "ring").chmod(0o755)
    running = []

    def start(within=1):
        text = CONFIG.format(folder=tmp_path, port=mosquitto.port, within=within)
        service = build_service(parse(text), console=False)
        thread = threading.Thread(target=service.run, name="edge-test-service")
        thread.start()
        running.append((service, thread))
        return f"mqtt://127.0.0.1:{mosquitto.port}"

    yield start
    for service, thread in running:
        service.runtime.stop()
        thread.join(20.0)


def test_a_drill_nobody_confirms_goes_from_role_to_role_rings_at_the_bed_and_fails(device, tmp_path, capsys, caplog):
    url = device()
    assert main(["drill", "--broker", url, "--device", "own", "--bed", "bed1", "--wait", "3"]) == 3
    said = capsys.readouterr().out
    assert "ok   raised and received" in said
    assert "station, charge asked, and the annunciator rings" in said
    assert "FAIL confirmed                 by nobody within 3 s" in said
    assert "ok   ended, and the alarm's topic is empty again" in said
    assert "ok   numbers without gaps       1 to 4" in said
    assert (tmp_path / "rung").read_text().splitlines()[0] == "bed1/drill"
    assert "bed1/drill: not confirmed, ringing at the bed; asked: station, charge" in caplog.text


def test_a_drill_fails_where_the_bell_does(device, tmp_path, capsys):
    (tmp_path / "ring").write_text("#!/bin/sh\nexit 7\n")
    url = device()
    assert main(["drill", "--broker", url, "--device", "own", "--bed", "bed1", "--wait", "4"]) == 3
    said = capsys.readouterr().out
    assert (
        f"FAIL annunciator               The local annunciator does not work: {tmp_path}/ring ended with code 7" in said
    )


def test_a_drill_at_a_paused_bed_says_that_nothing_rings(device, mosquitto, capsys):
    url = device()
    client = Client(url, None)
    try:
        client.subscribe("vitals/own/bed1/state")
        while not any(m.payload and json.loads(m.payload)["paused_until"] for _, m in client.take(1.0)):
            client.command("vitals/own/bed1/cmd/pause", "test", seconds=60)
    finally:
        client.close()
    assert main(["drill", "--broker", url, "--device", "own", "--bed", "bed1", "--wait", "2"]) == 3
    assert "charge asked, but the annunciator is silent: it is paused" in capsys.readouterr().out


@pytest.mark.parametrize("somebody", ["interrupts it", "ends it"])
def test_a_drill_that_is_left_is_over(device, somebody):
    url = device()
    command = [sys.executable, "-u", "-m", "edge", "drill", "--broker", url, "--device", "own", "--wait", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as drill:
        while "not confirmed" not in drill.stdout.readline():
            pass
        if somebody == "interrupts it":
            drill.send_signal(signal.SIGINT)
        else:
            client = Client(url, None)
            client.command("vitals/own/_device/cmd/drill", "somebody", seconds=0)
        said = drill.communicate(timeout=20)[0]
        if somebody == "ends it":
            client.close()
            assert "FAIL confirmed                 by nobody before it was over" in said
    assert "ok   ended, and the alarm's topic is empty again" in said


def test_a_station_confirms_and_nothing_rings(device, tmp_path, capsys):
    url = device(within=20)
    command = [sys.executable, "-u", "-m", "edge", "watch", "--broker", url, "--as", "station"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as station:
        try:
            while "own online" not in station.stdout.readline():
                pass
            assert main(["drill", "--broker", url, "--wait", "15"]) == 0
            said = capsys.readouterr().out
            assert "ok   confirmed" in said
            assert "by station (station@" in said
            lines = iter(station.stdout.readline, "")
            assert any("_device/drill confirmed as station: DRILL, nobody is in danger" in line for line in lines)
            assert any("own DRILL on" in line and "received by station" in line for line in lines)
        finally:
            station.send_signal(signal.SIGKILL)
    assert not (tmp_path / "rung").exists()


def test_a_station_stays_when_the_broker_goes(mosquitto):
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    command = [sys.executable, "-u", "-m", "edge", "watch", "--broker", url, "--as", "station", "--seconds", "30"]
    mosquitto.stop()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as station:
        try:
            assert "NOT WATCHING" in station.stdout.readline()
            assert station.poll() is None
            mosquitto.start()
            assert "watching again" in station.stdout.readline(), "it says each once"
        finally:
            station.send_signal(signal.SIGKILL)


def test_a_drill_at_a_device_that_does_not_know_the_bed_says_so(device, capsys):
    url = device()
    assert main(["drill", "--broker", url, "--device", "own", "--bed", "bed9"]) == 3
    assert "FAIL own: no bed 'bed9' here" in capsys.readouterr().out


def test_a_drill_at_a_device_that_is_not_there_says_so(mosquitto, capsys):
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    assert main(["drill", "--broker", url, "--device", "own"]) == 3
    assert "FAIL own: its status is not known to this broker" in capsys.readouterr().out


def test_grading_and_taking_part_exclude_each_other(capsys):
    assert main(["watch", "--as", "station", "--grade", "3"]) == 2
    assert "use one of them" in capsys.readouterr().err
