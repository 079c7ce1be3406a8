"""Each fault that doctor tells apart is produced here, with a real terminal, broker, file or process where that can be."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
import wave as wave_file
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge import inference
from edge.cli import main
from edge.cli._doctor_faults import FAULTS, WARNINGS
from edge.cli._doctor_machine import Machine, disk, models, packages, power
from edge.cli._doctor_machine import clock as clock_step
from edge.cli._doctor_source import listen
from edge.cli.doctor import findings
from edge.clock import ManualClock, SystemClock
from edge.config import parse
from edge.demo.pty_device import PtyDevice
from edge.types import ModelError
from firmware_bridge.frames import Hello, StreamInfo
from firmware_bridge.simulator import Faults, SimulatedStream, Simulator

PPG = StreamInfo(1, "ppg", ("ir",), 100.0)
PCG = StreamInfo(2, "pcg", ("mic",), 2000.0)
LISTEN_S = 1.6


def in_child(do, *, nobody=False, file_bytes=None):
    """Run in a process of its own, as a user without rights or with small files only; what it returned."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if file_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            if nobody:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(into, json.dumps(do()).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="dropping rights needs root, as in CI")


def words(found):
    return [one.fault for one in found if one.fault]


def listening(text, listen_s=LISTEN_S, clock=None):
    config = parse("[sources.node]\n" + text)
    return list(listen(config.sources["node"], clock or SystemClock(), listen_s, lambda left_s: None))


def serial(port, listen_s=LISTEN_S, more=""):
    return listening(f'kind = "serial_port"\nport = "{port}"\nanalyzers = ["pulse"]\n{more}', listen_s)


def wave(first, count):
    return [[int(50_000 + 2000 * np.sin((first + i) / 12.0))] for i in range(count)]


@pytest.fixture
def device(tmp_path):
    made = []

    def make(*, samples=wave, info=PPG, faults=None, flags=lambda first: 0, device=None):
        simulator = device or Simulator(
            [SimulatedStream(info, samples, 10, flags=flags)], faults=faults or Faults(), name="pulse-node"
        )
        one = PtyDevice(simulator, tmp_path / "ttyNODE")
        one.__enter__()
        made.append(one)
        return one.path

    yield make
    for one in made:
        one.__exit__()


# ---- serial ----------------------------------------------------------------------------------------------------


def test_a_device_that_is_well(device):
    found = serial(device())
    assert words(found) == []
    assert "node/ppg" in found[-1].text


def test_port_missing(tmp_path):
    assert words(serial(tmp_path / "none")) == ["port_missing"]


@needs_root
def test_port_permission():
    master, slave = os.openpty()
    path = os.ttyname(slave)
    os.chmod(path, 0o600)
    assert in_child(lambda: words(serial(path)), nobody=True) == ["port_permission"]
    os.close(master)
    os.close(slave)


def test_port_busy():
    master, slave = os.openpty()
    fcntl.flock(slave, fcntl.LOCK_EX)
    assert words(serial(os.ttyname(slave))) == ["port_busy"]
    os.close(master)
    os.close(slave)


def test_port_not_serial(tmp_path):
    (tmp_path / "file").write_text("x")
    assert words(serial(tmp_path / "file")) == ["port_not_serial"]


class Talks:
    """A device that sends what it is told to."""

    def __init__(self, content):
        self.content = content

    def step(self, now):
        return self.content(now)

    def receive(self, data, now):
        pass


def test_port_silent(device):
    assert words(serial(device(device=Talks(lambda now: b"")))) == ["port_silent"]


def test_port_noise(device):
    noise = np.random.default_rng(1).bytes
    assert words(serial(device(device=Talks(lambda now: noise(200))), 3.5)) == ["port_noise"]


def test_port_framing_and_samples_lost(device):
    found = words(serial(device(faults=Faults(corruption=0.2)), 2.5))
    assert "port_framing" in found
    assert "samples_lost" in found


def test_port_unplugged():
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    pulled = threading.Timer(0.5, lambda: (os.close(slave), os.close(master)))
    pulled.start()
    assert words(serial(name, 3.5)) == ["port_unplugged"]
    pulled.join()


def test_firmware_old_by_its_version(device, monkeypatch):
    monkeypatch.setattr("firmware_bridge.simulator.Hello", lambda *said, fw: Hello(*said, fw="0.9.3"))
    (old,) = [one for one in serial(device()) if one.fault]
    assert old.fault == "firmware_old"
    assert "0.9.3" in old.text


def test_firmware_old_by_its_wire_format(device, monkeypatch):
    monkeypatch.setattr("firmware_bridge.frames.VERSION", 7)
    path = device()
    simulator = Simulator([SimulatedStream(PPG, wave, 10)])
    frames = [simulator.step(i * 0.05) for i in range(40)]
    monkeypatch.setattr("firmware_bridge.frames.VERSION", 1)
    waiting = iter(frames)
    assert path.exists()
    assert words(serial(device(device=Talks(lambda now: next(waiting, b"")))))[0] == "firmware_old"


def test_device_resets(device):
    assert "device_resets" in words(serial(device(faults=Faults(reset_at_s=(0.4, 0.7, 1.0, 1.3))), 2.0))


def test_stream_missing(device):
    text = f'kind = "serial_port"\nport = "{device()}"\nanalyzers = ["pulse", "murmur"]\n'
    (missing,) = [one for one in listening(text) if one.fault]
    assert missing.fault == "stream_missing"
    assert "no pcg, which murmur" in missing.text


def test_rate_wrong(device):
    class Fast(Simulator):
        def step(self, now):
            return super().step(now * 1.5)

    fast = Fast([SimulatedStream(PPG, wave, 10)])
    assert "rate_wrong" in words(serial(device(device=fast), 3.0))


@pytest.mark.parametrize(("bit", "word"), [(1, "saturated"), (2, "sensor_off")])
def test_what_the_device_flags(device, bit, word):
    assert words(serial(device(flags=lambda first: bit))) == [word]


def test_signal_flat(device):
    assert words(serial(device(samples=lambda first, count: [[77]] * count))) == ["signal_flat"]


# ---- cameras and files -----------------------------------------------------------------------------------------


@pytest.fixture
def video(tmp_path):
    import cv2

    def make(picture, frames=40, fps=30.0):
        path = str(tmp_path / "v.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), fps, (160, 120))
        for i in range(frames):
            writer.write(picture(i))
        writer.release()
        return path

    return make


SCENE = np.random.default_rng(2).integers(60, 180, (120, 160, 3)).astype(np.int16)


def seen(path, more=""):
    return listening(f'kind = "camera"\ndevice = "{path}"\n{more}', 60.0, ManualClock())


def moving(i, offset=0, gain=1.0):
    return np.clip(np.roll(SCENE, i // 6, axis=1) * gain + offset + i % 2, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("word", "picture"),
    [
        ("", moving),
        ("camera_frozen", lambda i: SCENE.astype(np.uint8)),
        ("camera_dark", lambda i: moving(i, gain=0.1)),
        ("camera_bright", lambda i: moving(i, offset=160)),
        ("camera_flicker", lambda i: moving(0, gain=1.0 + 0.05 * (-1) ** i)),
    ],
)
def test_pictures(video, word, picture):
    assert words(seen(video(picture))) == ([word] if word else [])


def test_camera_slow(video):
    assert words(seen(video(moving, fps=6.0))) == ["camera_slow"]


def test_camera_missing():
    assert words(listening('kind = "camera"\ndevice = "/dev/video97"')) == ["camera_missing"]


@needs_root
def test_camera_permission():
    master, slave = os.openpty()
    os.chmod(os.ttyname(slave), 0o600)
    text = f'kind = "camera"\ndevice = "{os.ttyname(slave)}"'
    assert in_child(lambda: words(listening(text)), nobody=True) == ["camera_permission"]
    os.close(master)
    os.close(slave)


def test_camera_busy():
    assert words(listening('kind = "camera"\ndevice = "/dev/null"')) == ["camera_busy"]


def test_camera_silent(video, monkeypatch):
    assert words(seen(video(moving, frames=2))) == ["camera_silent"]
    hangs = threading.Event()

    class Capture:
        rate_hz = None

        def read(self):
            hangs.wait(20.0)

        def time_s(self):
            return None

        def release(self):
            hangs.set()

    monkeypatch.setattr("edge.sources.camera._open", lambda *given: Capture())
    live = 'kind = "camera"\ndevice = "rtsp://127.0.0.1/bed1"\nsilence_s = 0.5\n'
    assert words(listening(live, 5.0)) == ["camera_silent"]
    hangs.set()


def test_camera_small(tmp_path):
    import cv2

    path = str(tmp_path / "s.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (16, 16))
    for _ in range(5):
        writer.write(np.zeros((16, 16, 3), np.uint8))
    writer.release()
    assert words(seen(path)) == ["camera_small"]


def test_file_unreadable(tmp_path):
    (tmp_path / "x.avi").write_bytes(b"no video at all")
    assert words(seen(tmp_path / "none.avi")) == ["file_unreadable"]
    assert words(seen(tmp_path / "x.avi")) == ["file_unreadable"]


def test_source_failed_says_what_the_source_said(tmp_path):
    with wave_file.open(str(tmp_path / "heart.wav"), "wb") as out:
        out.setparams((1, 2, 2000, 0, "NONE", ""))
        out.writeframes(bytes(8000))
    whole = (tmp_path / "heart.wav").read_bytes()
    (tmp_path / "heart.wav").write_bytes(whole[:4000])
    (failed,) = listening(f'kind = "files"\npath = "{tmp_path}/heart.wav"\n', 5.0, ManualClock())
    assert failed.fault == "source_failed"
    assert "half-written: promises 2.0 s" in failed.text


# ---- broker ----------------------------------------------------------------------------------------------------


paho_leaves_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def certificates(folder, name="localhost", days=30):
    """An authority and a server's certificate signed by it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as ser
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def cert(subject, key, issuer, issuer_key, ca):
        end = datetime.now(UTC) + timedelta(days=days)
        named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (subject, issuer)]
        builder = (
            x509.CertificateBuilder(issuer_name=named[1], subject_name=named[0], public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=400))
            .not_valid_after(end if not ca else datetime.now(UTC) + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_bytes(cert("ca", ca_key, "ca", ca_key, True).public_bytes(ser.Encoding.PEM))
    (folder / "s.pem").write_bytes(cert(name, key, "ca", ca_key, False).public_bytes(ser.Encoding.PEM))
    private = key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    (folder / "s.key").write_bytes(private)
    return f"allow_anonymous true\ncertfile {folder}/s.pem\nkeyfile {folder}/s.key\n"


def asked(port, more="", host="localhost"):
    from edge.cli._doctor_broker import broker

    return words(broker(parse(f'[device]\nname = "dev"\n[mqtt]\nhost = "{host}"\nport = {port}\n{more}')))


def test_broker_well(mosquitto):
    assert asked(mosquitto.port) == []


def test_broker_unreachable(new_mosquitto):
    assert asked(new_mosquitto().port, host="127.0.0.1") == ["broker_unreachable"]


def test_broker_name():
    assert asked(1883, host="no-such-host.invalid") == ["broker_name"]


def test_broker_timeout(monkeypatch):
    monkeypatch.setattr("edge.sinks._connection.CONNECT_TIMEOUT_S", 0.3)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(8)
        monkeypatch.setattr("edge.cli._doctor_broker._ANSWER_S", 0.3)
        assert asked(mute.getsockname()[1], host="127.0.0.1") == ["broker_timeout"]


def test_broker_not_authorised(new_mosquitto, tmp_path):
    (tmp_path / "pw").write_text("")
    subprocess.run(["mosquitto_passwd", "-b", str(tmp_path / "pw"), "ward", "right"], check=True)
    (tmp_path / "given").write_text("wrong")
    os.chmod(tmp_path, 0o755)
    broker = new_mosquitto(f"allow_anonymous false\npassword_file {tmp_path}/pw\n").start()
    assert asked(broker.port) == ["broker_not_authorised"]
    more = f'username = "ward"\npassword_file = "{tmp_path}/given"'
    assert asked(broker.port, more) == ["broker_not_authorised"]
    (tmp_path / "given").write_text("right")
    assert asked(broker.port, more) == []


def test_broker_acl(new_mosquitto, tmp_path):
    (tmp_path / "acl").write_text("topic read #\n")
    broker = new_mosquitto(f"allow_anonymous true\nacl_file {tmp_path}/acl\n").start()
    assert asked(broker.port) == ["broker_acl"]


def test_broker_credentials():
    assert asked(1, 'username = "a"\npassword_file = "/none"') == ["broker_credentials"]
    assert asked(1, 'ca_file = "/none"') == ["broker_credentials"]


@paho_leaves_sockets
def test_tls_well_and_untrusted_and_plain(new_mosquitto, tmp_path):
    broker = new_mosquitto(certificates(tmp_path)).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == []
    assert asked(broker.port, "tls = true") == ["tls_untrusted"]
    assert asked(broker.port) == ["broker_needs_tls"]


@paho_leaves_sockets
def test_tls_name(new_mosquitto, tmp_path):
    broker = new_mosquitto(certificates(tmp_path, "elsewhere.example")).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == ["tls_name"]


@paho_leaves_sockets
def test_tls_expired(new_mosquitto, tmp_path):
    broker = new_mosquitto(certificates(tmp_path, days=-2)).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == ["tls_expired"]


def test_tls_client(new_mosquitto, tmp_path):
    settings = certificates(tmp_path) + f"cafile {tmp_path}/ca.pem\nrequire_certificate true\n"
    broker = new_mosquitto(settings).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == ["tls_client"]


@paho_leaves_sockets
def test_broker_not_tls(mosquitto, tmp_path):
    certificates(tmp_path)
    assert asked(mosquitto.port, f'ca_file = "{tmp_path}/ca.pem"') == ["broker_not_tls"]


# ---- the machine -----------------------------------------------------------------------------------------------


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


def test_model_missing(own_models, tmp_path, monkeypatch):
    next(own_models.glob("*.onnx")).unlink()
    assert words(models(None)) == ["model_missing"]
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(tmp_path / "empty"))
    assert words(models(None)) == ["model_missing"]


def test_model_variant_that_does_not_work_and_none_that_does(own_models, monkeypatch):
    build = inference.build_engine

    def broken(runtimes):
        def made(runtime, *given):
            if runtime in runtimes:
                raise ModelError("illegal instruction")
            return build(runtime, *given)

        return made

    monkeypatch.setattr(inference, "build_engine", broken(["onnx"]))
    (found,) = models(None)
    assert (found.fault, found.state) == ("model_variant", "warn")
    assert "illegal instruction" in found.text
    monkeypatch.setattr(inference, "build_engine", broken(["onnx", "litert", "tflite"]))
    assert [(one.fault, one.state) for one in models(None)] == [("model_variant", "fail")]


def test_face_models_missing(monkeypatch, tmp_path):
    from edge.cli.doctor import _face_models

    monkeypatch.setattr("edge.face_models.missing", lambda: ["face_short"])
    assert words(_face_models()) == ["face_models_missing"]


def test_clocks(tmp_path):
    machine = Machine(run=tmp_path)
    assert clock_step(machine).fault == "clock_unknown"
    (tmp_path / "systemd" / "timesync").mkdir(parents=True)
    assert clock_step(machine).fault == "clock_unsynchronised"
    (tmp_path / "systemd" / "timesync" / "synchronized").touch()
    assert clock_step(machine).state == "ok"
    assert clock_step(Machine(run=tmp_path, wall=lambda: 1e6)).fault == "clock_unset"


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
    monkeypatch.setattr("edge.cli._doctor_machine.installed", lambda module: order.append(module) or True)
    monkeypatch.setattr("edge.cli._doctor_source.listen", lambda *given: order.append("listen") or [])
    list(findings(parse('[sources.cam]\nkind = "camera"'), listen_s=0.0))
    assert order.index("cv2") < order.index("listen")


def test_state_low(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.cli._doctor_machine.DISK_MIN_MB", 1e12)
    assert words(disk(tmp_path)) == ["state_low"]


def test_state_damaged(tmp_path):
    (tmp_path / "outbox.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    assert words(disk(tmp_path)) == ["state_damaged"]


# ---- the whole -------------------------------------------------------------------------------------------------


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
    steps = {one.step for one in findings(None, machine=Machine(sys=tmp_path, run=tmp_path))}
    assert steps >= {"models", "clock", "power", "disk", "port", "camera"}


def test_every_fault_has_a_remedy_and_each_is_produced_here(capsys):
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    produced = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & set(FAULTS)
    assert produced == set(FAULTS)
    assert len(produced) >= 50
    assert all(meaning and remedy for meaning, remedy in FAULTS.values())
    assert set(FAULTS) >= WARNINGS
    assert main(["doctor", "--faults"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FAULTS)
