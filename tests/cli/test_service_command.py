"""The service's files: right, sandboxed, put in place and taken away; the watchdog is fed only while all loops go round."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from edge.cli import main, service
from edge.cli.service.files import CONFIG, DROP_INS, SYSUSERS, UDEV, UNIT, files, packaged, word
from edge.config import parse
from edge.program import disk_beat
from edge.program.notify import Watchdog
from edge.program.service import build_service
from edge.runtime import outlet, threads
from edge.runtime.reader import Reader
from edge.sinks import outbox
from edge.types import EdgeVitalsError
from read_only import read_only


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "etc/edge-vitals").mkdir(parents=True)
    (folder / "etc/edge-vitals/config.toml").write_text('[sources.node]\nkind = "synthetic"\n')
    (folder / "var/lib/edge-vitals").mkdir(parents=True)
    (folder / "var/lib/edge-vitals/outbox.sqlite").write_text("state")
    return folder


def everything(root):
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def test_install_upgrade_and_uninstall(root, capsys):
    before = everything(root)
    assert main(["service", "status", "--root", str(root)]) == 3
    assert main(["service", "install", "--root", str(root)]) == 0
    assert everything(root) == before | {UNIT, UDEV, SYSUSERS}
    assert main(["service", "status", "--root", str(root)]) == 0
    assert main(["service", "install", "--root", str(root), "--program", "/opt/new/edge-vitals"]) == 0
    assert "/opt/new/edge-vitals run /etc/edge-vitals/config.toml" in (root / UNIT).read_text()
    assert (root / "var/lib/edge-vitals/outbox.sqlite").read_text() == "state"
    assert main(["service", "status", "--root", str(root)]) == 3
    assert "another version" in capsys.readouterr().out
    assert main(["service", "uninstall", "--root", str(root)]) == 0
    assert everything(root) == before
    assert main(["service", "install", "--root", str(root)]) == 0
    (root / DROP_INS).mkdir()
    (root / DROP_INS / "override.conf").write_text("[Service]\nNice=0\n")
    (root / service.IN_MEMORY).mkdir(parents=True)  # as a service that was killed leaves it
    (root / service.IN_MEMORY / "alarms.0").write_text("state")
    capsys.readouterr()
    assert main(["service", "uninstall", "--root", str(root), "--purge"]) == 0
    removed = capsys.readouterr().out.splitlines()
    gone = (UNIT, UDEV, SYSUSERS, "var/lib/edge-vitals", "run/edge-vitals", "etc/edge-vitals", DROP_INS)
    assert removed == [f"removed {root / one}" for one in gone]
    system = {"systemd/system", "udev/rules.d", "sysusers.d"}  # folders that every machine has
    assert {str(p.relative_to(root / "etc")) for p in (root / "etc").rglob("*")} - system == {"systemd", "udev"}
    assert list((root / "var").rglob("*")) == [root / "var/lib"]
    assert not list((root / "run").rglob("*"))


def test_what_a_package_brought_is_used_and_left_to_it(root, capsys):
    program = ["--program", "/usr/bin/edge-vitals", "--root", str(root)]
    for name, content in files("/usr/bin/edge-vitals").items():
        path = root / packaged(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    before = everything(root)
    assert {"usr/lib/systemd/system/edge-vitals.service", "usr/lib/sysusers.d/edge-vitals.conf"} <= before
    assert main(["service", "install", *program]) == 0
    assert everything(root) == before
    assert main(["service", "status", *program]) == 0
    assert main(["service", "uninstall", "--root", str(root)]) == 0
    assert everything(root) == before
    config = root / "etc/edge-vitals/other.toml"
    config.write_text((root / "etc/edge-vitals/config.toml").read_text())
    assert main(["service", "install", *program, "/etc/edge-vitals/other.toml"]) == 0
    assert everything(root) - before == {UNIT, "etc/edge-vitals/other.toml"}  # /etc goes before /usr/lib
    assert main(["service", "status", "/etc/edge-vitals/other.toml", *program]) == 0
    assert main(["service", "status", *program]) == 3
    capsys.readouterr()
    assert main(["service", "install", *program]) == 0  # an older installation's unit would hide the package's
    assert f"removed {root / UNIT}" in capsys.readouterr().out
    assert main(["service", "status", *program]) == 0


def test_what_cannot_be_removed_is_not_said_to_be(root, capsys):
    state = root / "var/lib/edge-vitals"
    with read_only(state):
        assert main(["service", "uninstall", "--root", str(root), "--purge"]) == 2
    said = capsys.readouterr()
    assert f"{state}: Read-only file system" in said.err
    assert "removed" not in said.out


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_the_machine_is_changed_by_root_alone(monkeypatch, capsys, action):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert main(["service", action]) == 2
    assert capsys.readouterr().err == f"edge-vitals: service {action}: needs root; run it with sudo\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Programs of a machine with systemd and no udev; gives the file of what was called, and a function that changes one."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()

    def program(name, does="true"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {calls}\n{does}\n')
        (folder / name).chmod(0o755)

    for name in ("systemd-sysusers", "systemctl", "chown"):
        program(name)
    program("udevadm", "exit 1")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return calls, program


def test_a_machine_without_udev_watches_all_the_same(root, machine):
    calls, _ = machine
    assert service._install(root, "/usr/bin/edge-vitals", CONFIG, live=True) == 0
    assert calls.read_text().splitlines() == [
        "systemd-sysusers edge-vitals.conf",
        f"chown --recursive --no-dereference edge-vitals:edge-vitals {root}/var/lib/edge-vitals",
        "systemctl daemon-reload",
        "udevadm control --reload",
        "udevadm trigger --settle --subsystem-match=tty --subsystem-match=video4linux",  # for what is plugged in
        "systemctl enable edge-vitals",
        "systemctl restart edge-vitals",
    ]


def test_a_service_that_does_not_start_says_why_in_its_own_words(root, machine):
    _, program = machine
    program("systemctl", 'case $1 in restart) echo "Job failed." >&2; exit 1;; show) echo 5ca1ab1e;; esac')
    program("journalctl", 'case "$*" in *=5ca1ab1e) echo "mqtt-password: Permission denied";; esac')
    with pytest.raises(EdgeVitalsError, match=r"^the service does not start: mqtt-password: Permission denied$"):
        service._install(root, "/usr/bin/edge-vitals", CONFIG, live=True)
    program("journalctl")
    with pytest.raises(EdgeVitalsError, match=r"not start: systemctl restart edge-vitals: Job failed\.$"):
        service._install(root, "/usr/bin/edge-vitals", CONFIG, live=True)


def test_the_status_of_a_service_that_does_not_run_says_why(root, machine, capsys):
    _, program = machine
    assert main(["service", "install", "--root", str(root)]) == 0
    program("systemctl", "case $1 in is-active) echo activating; exit 3;; show) echo 5ca1ab1e;; esac")
    program("journalctl", 'case "$*" in *=5ca1ab1e) echo "mqtt-password: Permission denied";; esac')
    assert service._status(root, service._program(), CONFIG, live=True) == 3
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == ["edge-vitals: activating", "its last words: mqtt-password: Permission denied"]


@pytest.mark.parametrize(("tries", "words"), [("3", ["its last words: no such key"]), ("0", [])])
def test_while_a_failed_start_is_tried_again_the_status_has_the_words_of_the_run_before(
    root, machine, capsys, tries, words
):
    _, program = machine
    assert main(["service", "install", "--root", str(root)]) == 0
    shown = f'show) case "$*" in *NRestarts*) echo {tries};; *) echo 5ca1ab1e;; esac;;'
    program("systemctl", f"case $1 in is-active) echo activating; exit 3;; {shown} esac")
    program("journalctl", 'case "$*" in *"--boot _SYSTEMD_UNIT=edge-vitals.service") echo "no such key";; esac')
    assert service._status(root, service._program(), CONFIG, live=True) == 3
    assert capsys.readouterr().out.splitlines()[-1 - len(words) :] == ["edge-vitals: activating", *words]


def test_a_board_that_starts_without_network_or_time_server_is_not_kept_from_watching():
    named = [line for line in files("x")[UNIT].splitlines() if line.startswith(("After=", "Wants=", "Requires="))]
    assert named == ["After=network.target"]


def test_a_command_may_take_the_longest_stop_and_a_busy_board_reading_its_units_anew():
    (limit,) = [line for line in files("x")[UNIT].splitlines() if line.startswith("TimeoutStopSec=")]
    assert float(limit.partition("=")[2]) + 60.0 <= service._COMMAND_S


def test_paths_that_systemd_would_take_apart_or_put_something_into_are_quoted(root, tmp_path, monkeypatch):
    program, config = tmp_path / "my env" / "edge-vitals", "/etc/my beds/100%.toml"
    for path in (program, root / config.lstrip("/")):
        path.parent.mkdir()
        path.write_text('[sources.node]\nkind = "synthetic"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert main(["service", "install", config, "--root", str(root)]) == 0
    (starts,) = [line for line in (root / UNIT).read_text().splitlines() if line.startswith("ExecStart=")]
    assert starts == f'ExecStart="{program}" run "/etc/my beds/100%%.toml" --quiet --log json'
    assert main(["service", "status", config, "--root", str(root)]) == 0
    assert "ProtectHome=read-only" in files(word("/home/pi/my env/edge-vitals"))[UNIT]


def test_the_service_starts_the_program_that_installed_it(root, tmp_path, monkeypatch):
    script = tmp_path / "edge-vitals"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "service", "install"])
    assert main(["service", "install", "--root", str(root)]) == 0
    assert f"ExecStart={script} run " in (root / UNIT).read_text()
    monkeypatch.setattr(sys, "argv", ["__main__.py", "service", "install"])
    assert main(["service", "install", "--root", str(root)]) == 0
    assert f"ExecStart={sys.executable} -m edge run " in (root / UNIT).read_text()


@pytest.mark.parametrize(("config", "text"), [("relative.toml", "absolute"), ("/etc/none.toml", "no such file")])
def test_what_cannot_be_started_is_not_installed(root, capsys, config, text):
    assert main(["service", "install", config, "--root", str(root)]) == 2
    assert text in capsys.readouterr().err
    assert not (root / UNIT).exists()


def analyze(*arguments):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not here")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_the_sandbox_is_rated_under_3(tmp_path):
    unit = tmp_path / "edge-vitals.service"
    unit.write_text(files(f"{sys.executable} -m edge")[UNIT])
    done = analyze("security", "--offline=yes", "--no-pager", "--threshold=29", str(unit))
    assert done.returncode == 0, [done.stdout[-200:], done.stderr]
    assert float(done.stdout.rsplit("edge-vitals.service: ", 1)[1].split()[0]) < 3.0


def test_the_unit_is_valid(tmp_path):
    unit = tmp_path / "edge-vitals.service"
    unit.write_text(files(f"{sys.executable} -m edge")[UNIT])
    done = analyze("verify", "--man=no", str(unit))
    assert not [line for line in done.stderr.splitlines() if "edge-vitals.service" in line], done.stderr


def test_the_unit_is_started_again_for_as_long_as_it_takes_and_opens_every_kind_of_serial_port():
    """A Pi's GPIO pins are ttyS or ttyAMA, a Jetson's ttyTHS; libcamera needs media devices and memory for pictures."""
    lines = files("x")[UNIT].splitlines()
    assert {"Restart=always", "StartLimitIntervalSec=0"} <= set(lines)
    opened = {line.split()[0].partition("=char-")[2] for line in lines if line.startswith("DeviceAllow=char-")}
    assert opened >= {"ttyUSB", "ttyACM", "ttyAMA", "ttyS", "ttyTHS", "video4linux", "media", "dma_heap"}


def test_a_stop_beside_disks_that_hang_ends_before_systemd_ends_it():
    """What the parts may wait for one after the other, and a second each for the last alarm and the state."""
    waits_s = 2 * threads._JOIN_S + outlet._END_S + disk_beat._JOIN_S + outbox._CLOSE_S + 2.0
    (limit,) = [line for line in files("x")[UNIT].splitlines() if line.startswith("TimeoutStopSec=")]
    assert waits_s < float(limit.partition("=")[2])


def test_the_groups_that_the_unit_names_are_made_where_they_are_not():
    (named,) = [line for line in files("x")[UNIT].splitlines() if line.startswith("SupplementaryGroups=")]
    made = [line.split()[2] for line in files("x")[SYSUSERS].splitlines() if line.startswith("m edge-vitals ")]
    assert made == named.partition("=")[2].split()


def test_the_udev_rules_are_valid(tmp_path):
    for line in files("x")[UDEV].splitlines():
        if line and not line.startswith("#"):
            assert all(part.count('"') == 2 for part in line.split(", "))
            assert all("=" in part for part in line.split(", "))


@pytest.fixture
def listener(tmp_path):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(60.0)  # a slow machine starts slowly
    yield made
    made.close()


def told(listener):
    listener.setblocking(False)
    found = []
    try:
        while True:
            found.append(listener.recv(100).decode())
    except BlockingIOError:
        return found


def test_the_watchdog_is_fed_only_when_every_loop_advanced(listener, tmp_path):
    class Box:
        asked, drained = 0, False

    class OneLane:
        primary = "ppg"

    box = Box()
    reader = Reader("node", "bed1", None, [OneLane()], inboxes=[box])
    other = Reader("cam", "bed1", None, [])
    dog = Watchdog(str(tmp_path / "notify"))
    dog.tick([reader, other])
    assert (told(listener), dog.stuck) == (["READY=1"], ())
    reader.beats, box.asked = 1, 1
    dog.tick([reader, other])
    assert (told(listener), dog.stuck) == ([], ("cam",))
    other.beats = 1
    dog.tick([reader, other])
    assert told(listener) == ["WATCHDOG=1"]
    reader.beats, other.beats = 2, 2
    dog.tick([reader, other])
    assert (told(listener), dog.stuck) == ([], ("node/ppg",))
    box.asked = 2
    dog.tick([reader, other])
    assert told(listener) == ["WATCHDOG=1"]
    other.ended = True
    reader.beats, box.asked = 3, 3
    dog.tick([reader, other])
    assert told(listener) == ["WATCHDOG=1"]


def test_a_watchdog_in_the_abstract_namespace_is_told_too(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{tmp_path}/notify")
        dog = Watchdog(f"@{tmp_path}/notify")
        dog.tick([])
        dog.stopping()
        assert told(listener) == ["READY=1", "STOPPING=1"]


def test_a_real_service_says_ready_alive_and_stopping(listener, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[device]\nstate_dir = "s"\n[sources.node]\nkind = "synthetic"\n')
    command = [sys.executable, "-m", "edge", "run", str(config), "--quiet"]
    process = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
    heard = [listener.recv(100).decode() for _ in range(3)]
    process.terminate()
    assert process.wait(20.0) == 0
    assert heard == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert told(listener)[-1] == "STOPPING=1"


def test_a_reader_stuck_in_its_driver_starves_the_watchdog(listener, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    service = build_service(
        parse(f'[device]\nstate_dir = "{tmp_path}/s"\n[sources.node]\nkind = "synthetic"\n'), console=False
    )
    stuck, release = threading.Event(), threading.Event()

    def read():
        stuck.set()
        release.wait(20.0)
        return []

    service.runtime._readers[0].source.read = read
    main_thread = threading.Thread(target=service.run, name="edge-main")
    main_thread.start()
    assert listener.recv(100) == b"READY=1"
    assert stuck.wait(10.0)
    listener.settimeout(2.0)
    fed = 0
    try:
        while True:
            fed += listener.recv(100) == b"WATCHDOG=1"
    except TimeoutError:
        pass
    assert fed <= 1
    release.set()
    service.runtime.stop()
    main_thread.join(10.0)
