"""The command line as a person meets it: help that teaches, errors in one line, exit codes that scripts rely on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from edge.assembly import SHIPPED, ModelShelf, build_lanes
from edge.cli import COMMANDS, main, parser
from edge.cli._events import JSONL_HELP
from edge.config import SourceConfig, parse
from edge.storage.state_lock import only_one
from edge.types import KINDS_OF_EVENTS, Alarm, Command, CommandResult, ConfigError, Reading, SourceStatus
from synthetic_device import SYNTHETIC

CONFIG_COMMANDS = ("run", "check", "explain", "doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "example" in said.lower()
    assert f"edge-vitals {command}" in said


@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_every_action_of_the_service_has_help_with_an_example(action, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["service", action, "--help"])
    assert stop.value.code == 0
    assert re.search(rf"example: (sudo )?edge-vitals service {action}\b", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["rnu"], "no command 'rnu'; did you mean 'run'?"),
        (["analyse", "ppg", "a.csv"], "no command 'analyse'; did you mean 'analyze'?"),
        (["xyzzy"], "no command 'xyzzy'; valid: analyze, bench, check,"),
        ([], "which command? `edge-vitals demo` needs no hardware; `edge-vitals --help` lists them all"),
    ],
)
def test_no_command_or_a_misspelt_one_is_helped(argv, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert f"edge-vitals: error: {said}" in err
    assert err.startswith("usage: edge-vitals ")


@pytest.mark.parametrize("event", [Reading, Alarm, SourceStatus, CommandResult])
def test_the_help_of_json_lines_names_every_key(event):
    row = re.search(rf"^  {KINDS_OF_EVENTS[event]} +(.*?)(?=^  \w|\Z)", JSONL_HELP, re.MULTILINE | re.DOTALL)[1]
    nested = [f.name for f in fields(Command)] if event is CommandResult else []
    assert {*(f.name for f in fields(event)), *nested} <= set(re.findall(r"\w+", row))


def test_the_contract_names_are_there():
    assert set(COMMANDS) >= {"demo", "run", "replay", "analyze", "bench", "check", "explain", "doctor"}
    assert parser().prog == "edge-vitals"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "none.toml"], "none.toml: no such file"),
        (["check", "none.toml"], "none.toml: no such file"),
        (["replay", "none.wav"], "none.wav"),
        (["analyze", "murmur", "none.wav"], "none.wav"),
        (["analyze", "ppg", "none.csv"], "none.csv"),
        (["analyze", "camera", "none.mp4"], "none.mp4"),
        (["replay", "a.evrec", "b.wav"], "one recording at a time"),
        *(([command, "folder"], "folder: cannot be read: Is a directory") for command in CONFIG_COMMANDS),
        *(([command, "bytes.toml"], "bytes.toml: not a text file") for command in CONFIG_COMMANDS),
        *(([command, "empty.toml"], "empty.toml: no [sources.NAME]") for command in CONFIG_COMMANDS),
        (["replay", "folder"], "folder: a folder"),
        (["export", "folder", "--csv"], "folder: no recording in this folder"),
        (["analyze", "ppg", "bytes.toml"], "bytes.toml: "),
        (["analyze", "ppg", "pipe"], "pipe: a pipe or a device, not a file"),
        (["check", "/dev/zero"], "/dev/zero: more than 1 MB is no configuration"),
        (["check", "deep.toml"], "deep.toml: not a configuration: nested too deeply"),
        (["analyze", "ppg", "none.csv", "--plot", "none/x.png"], "--plot none/x.png: no such folder"),
        (["analyze", "ppg", "none.csv", "--plot", "x.xyz"], "--plot x.xyz: a name that ends in .png"),
        (["analyze", "camera", "none.mp4", "--plot", ""], "--plot : a name that ends in .png"),
        (["analyze", "murmur", "none.wav", "--plot", "folder"], "--plot folder: a name that ends in .png"),
        (["analyze", "murmur", "none.wav", "--plot", "dir.png"], "--plot dir.png: a folder"),
        (
            ["analyze", "murmur", "none.wav", "--plot", "/proc/x.png"],
            "--plot /proc/x.png: no file can be written to that",
        ),
        (
            ["analyze", "ppg", "norate.npz"],
            "norate.npz: does not say its sampling rate: it has no key fs; give --rate\n",
        ),
        (
            ["analyze", "ppg", "rate.npz", "--rate", "50"],
            "rate.npz: was sampled at 100 Hz, not 50 Hz; leave --rate out\n",
        ),
        (["replay", "rate.npz", "--rate", "50"], "rate.npz: was sampled at 100 Hz, not 50 Hz; leave --rate out\n"),
        (
            ["replay", "twice.csv"],
            "time repeats (0.01 s after 0.01 s); times of packets say no sample's: leave them out and give --rate\n",
        ),
        (["drill", "--broker", "foo:bar"], "--broker foo:bar"),
        (["watch", "--broker", "mqtt://host:port"], "the port is a number from 1 to 65535"),
        (["watch", "--broker", "mqtt://host:99999"], "the port is a number from 1 to 65535"),
        (["watch", "--broker", "mqtt://[::1"], "--broker mqtt://[::1: write mqtt://host:port"),
        (["drill", "--broker", "mqtt://192.168..10"], "--broker '192.168..10' is no name or address of a machine"),
        (["watch", "--drill"], "--drill and --cut are for --grade"),
        (["watch", "--cut", "true"], "--drill and --cut are for --grade"),
        (["doctor", ""], ".: cannot be read: Is a directory"),
    ],
)
def test_what_is_not_there_or_no_such_thing_is_one_line(argv, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\0bad")
    (tmp_path / "empty.toml").touch()
    (tmp_path / "deep.toml").write_text("a=" + "[" * 5000 + "]" * 5000)
    (tmp_path / "dir.png").mkdir()
    (tmp_path / "twice.csv").write_text("time,ppg\n0,1\n0.01,2\n0.01,3\n")
    np.savez(tmp_path / "norate.npz", ppg=np.arange(400.0))
    np.savez(tmp_path / "rate.npz", ppg=np.arange(400.0), fs=100)
    os.mkfifo(tmp_path / "pipe")
    assert main(argv) in (1, 2)
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("command", CONFIG_COMMANDS)
def test_a_user_without_a_home_is_told_what_to_set(command, tmp_path, monkeypatch, capsys):
    """As in a container that is run by a number for a user."""

    def nobodys_home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", nobodys_home)
    path = tmp_path / "ward.toml"
    path.write_text('[sources.syn]\nkind = "synthetic"\n')
    assert main([command, str(path)]) == 2
    assert capsys.readouterr().err == (
        f"edge-vitals: {path}: device.state_dir: needed, since this user has no home folder to keep state in\n"
    )


def test_bad_usage_is_exit_code_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["analyze", "teeth", "x"])
    assert stop.value.code == 2
    assert "murmur" in capsys.readouterr().err


def test_a_configuration_with_nothing_to_watch_is_refused(tmp_path, capsys):
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert main(["run", str(path)]) == 2
    assert "nothing to watch" in capsys.readouterr().err


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bedside.toml"
    path.write_text(SYNTHETIC)
    return path


def test_check_says_what_it_found(config, capsys):
    assert main(["check", str(config)]) == 0
    said = capsys.readouterr().out
    assert "1 bed(s), 1 source(s)" in said
    assert "rhythm" in said


@pytest.mark.parametrize("command", ["check", "explain", "run"])
def test_an_alarm_that_listens_to_what_nothing_makes_is_refused(config, capsys, command):
    config.write_text(SYNTHETIC + '[alarms.tachy]\nmetrics = ["ppg.hr", "pgg.hr"]\n')
    assert main([command, str(config)]) == 2
    assert "alarms.tachy.metrics of bed bed1: nothing makes 'pgg.hr'; did you mean 'ppg.hr'?" in capsys.readouterr().err


def test_an_alarm_may_listen_to_what_another_device_makes(config):
    config.write_text(
        SYNTHETIC
        + '[alarms.tachy]\nmetrics = ["ppg.hr", "camera.hr", "fused.hr"]\n'
        + '[alarms.low_quality]\nmetrics = ["ppg.quality", "camera.quality"]\n'
        + '[alarms.brady]\nenabled = false\nmetrics = ["of.another"]\n'
    )
    assert main(["check", str(config)]) == 0


def test_what_the_shipped_analyzers_make_is_known():
    """Each once, by a lane of a bed that has everything."""
    source = SourceConfig("all", "bed1", "synthetic", ("pulse", "rhythm", "murmur", "camera_pulse"), {})
    lanes = build_lanes(parse(SYNTHETIC), source, ModelShelf())
    made = {metric for lane in lanes for analyzer in lane.analyzers.values() for metric in analyzer.metrics}
    assert set(SHIPPED) - made == {"fused.hr", "fused.spread"}
    assert made <= set(SHIPPED)


def test_a_stop_that_comes_while_the_models_load_is_not_lost(config, monkeypatch):
    from edge.program import service

    build, made = service.build_service, []

    def asked_to_stop_meanwhile(*given, **named):
        os.kill(os.getpid(), signal.SIGTERM)
        made.append(build(*given, **named))
        return made[0]

    monkeypatch.setattr(service, "build_service", asked_to_stop_meanwhile)
    assert main(["run", str(config), "--quiet", "--seconds", "60"]) == 0
    assert made[0].runtime._stop.is_set()


@pytest.mark.parametrize(
    ("argv", "unbuffered", "code"),
    [
        (["explain", "CONFIG"], "", 0),
        (["models", "verify", "--root", "EMPTY"], "", 3),
        (["models", "verify", "--root", "EMPTY"], "1", 1),  # gone before anything was judged
    ],
)
def test_who_reads_no_further_gets_no_traceback_and_makes_no_failure_a_success(
    config, tmp_path, argv, unbuffered, code
):
    (tmp_path / "empty").mkdir()
    names = {"CONFIG": str(config), "EMPTY": str(tmp_path / "empty")}
    command = [sys.executable, "-m", "edge", *(names.get(word, word) for word in argv)]
    nobody, out = os.pipe()
    os.close(nobody)
    done = subprocess.run(
        command,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(out)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["drill", "--bed", "+"], "names match"),
        (["drill", "--bed", "b" * 65], "and have at most 64 letters"),
        (["drill", "--device", "a/b"], "names match"),
        (["drill", "--wait", "-3"], "seconds from 0 on"),
        (["watch", "--as", "Night Nurse"], "names match"),
        (["watch", "--as", ""], "--as: the name of a role"),
        (["watch", "--prefix", "a/#"], "a topic without # and +"),
        (["drill", "--prefix", ""], "a topic without # and +"),
        (["watch", "--seconds", "nan"], "a number"),
        (["run", "c.toml", "--seconds", "-1"], "seconds from 0 on"),
        (["replay", "a.csv", "--rate", "0"], "a rate above 0 Hz"),
        (["demo", "--port", "70000"], "a port, 0 to 65535"),
    ],
)
def test_a_value_that_cannot_be_meant_is_a_usage_error(argv, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_file_in_a_folder_that_may_not_be_entered_is_one_line(monkeypatch, capsys):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.is_dir", refuse)
    assert main(["replay", "closed/x.evrec"]) == 1
    assert capsys.readouterr().err == "edge-vitals: closed/x.evrec: Permission denied\n"


def test_a_full_disk_under_the_output_is_one_line():
    command = [sys.executable, "-m", "edge", "models", "list"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "edge-vitals: no space left for the output\n")


def test_one_file_that_cannot_be_read_does_not_keep_the_others_from_being_judged(tmp_path, capsys):
    t = np.arange(1500) / 100.0
    for name in ("a", "c"):
        np.savez(tmp_path / f"{name}.npz", ppg=1000.0 + np.sin(2 * np.pi * 1.2 * t), fs=100)
    paths = [str(tmp_path / f"{name}.npz") for name in "abc"]
    assert main(["analyze", "ppg", *paths]) == 1
    said = capsys.readouterr()
    assert said.out.count("Heart rate:") == 2
    assert said.err == f"edge-vitals: {paths[1]}: no such file\n"
    assert main(["analyze", "ppg", paths[0], paths[2], "--rate", "50"]) == 1
    assert capsys.readouterr().err.count(" was sampled at 100 Hz, not 50 Hz; leave --rate out\n") == 2


def test_a_look_whether_a_picture_can_be_written_leaves_nothing_behind(tmp_path, capsys):
    assert main(["analyze", "ppg", str(tmp_path / "none.csv"), "--plot", str(tmp_path / "x.png")]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_broken_video_is_one_line_and_not_the_decoders(tmp_path):
    pytest.importorskip("cv2")
    (tmp_path / "half.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(256)) * 40)
    command = [sys.executable, "-m", "edge", "analyze", "camera", str(tmp_path / "half.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"edge-vitals: {tmp_path / 'half.mp4'}: cannot be opened: not a video\n"


def test_a_recording_that_no_longer_fits_does_not_end_the_watching(config, capfd):
    text = SYNTHETIC.replace('kind = "synthetic"', 'kind = "synthetic"\npace = "max"\nseconds = 60.0\nrate_bpm = 180')
    config.write_text(text + "[alarms.tachy]\non_delay_s = 1\n[sinks.journal]\n")
    assert main(["run", str(config), "--record", "/dev/full", "--quiet"]) == 0
    assert "/dev/full: No space left on device; the watching goes on" in capfd.readouterr().err
    assert '"bed1/tachy"' in (config.parent / "state" / "journal.jsonl").read_text()


def test_root_does_not_lock_another_user_out_of_their_state(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can run in the state of somebody else")
    outbox = tmp_path / "outbox.sqlite"
    with only_one(tmp_path):
        outbox.touch()
    with only_one(tmp_path):
        os.chown(outbox, 64999, 64999)
    with pytest.raises(ConfigError, match=r"state of the user '#64999'.*sudo -u '#64999'$"), only_one(tmp_path):
        pass


def test_two_programs_in_one_state_directory_are_refused_and_the_next_one_is_not(config, capsys):
    config.write_text(SYNTHETIC.replace('kind = "synthetic"', 'kind = "synthetic"\npace = "max"\nseconds = 5.0'))
    with only_one(config.parent / "state"):
        assert main(["run", str(config), "--quiet"]) == 2
        assert capsys.readouterr().err == (
            f"edge-vitals: {config.parent / 'state'}: another edge-vitals runs there; stop it, or set device.state_dir\n"
        )
    assert main(["run", str(config), "--quiet"]) == 0
