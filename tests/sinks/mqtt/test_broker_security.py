"""The broker's ready configuration under attack, as it ships: TLS, certificates, wills, client ids, sharing, secrets."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.cli import main
from edge.cli._mqtt_client import PASSWORD_ENV
from edge.demo.broker import free_port
from edge.mqtt.broker import Options
from edge.recording import Recording
from markdown_blocks import blocks_of
from mqtt_device import refusal
from whole_program import running

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "tools" / "mosquitto"
USERS = ("ward-3", "ward-4", "nurse", "viewer")
WAIT_S = 10.0


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)


def authority(folder, name):
    made = ["-days", "2", "-nodes", "-newkey", "rsa:2048", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
    openssl(folder, "req", "-x509", *made, "-subj", f"/CN={name}")


def certificate(folder, name, common, ca):
    openssl(
        folder,
        "req",
        "-nodes",
        "-newkey",
        "rsa:2048",
        "-keyout",
        f"{name}.key",
        "-out",
        f"{name}.csr",
        "-subj",
        f"/CN={common}",
    )
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1")
    signed = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"]
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys of the broker and of two devices, by the broker's authority and by a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    for ca in ("ca", "stranger"):
        authority(folder, ca)
    for name, common, ca in (("server", "broker", "ca"), ("ward-3", "ward-3", "ca"), ("forged", "ward-4", "stranger")):
        certificate(folder, name, common, ca)
    return folder


def wait_for(port):
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S).close()


class Shipped:
    """The shipped configuration on free ports: ``devices`` and ``people``."""

    def __init__(self, new_mosquitto, folder, keys, *, certificates=False):
        if shutil.which("mosquitto_passwd") is None:
            pytest.skip("no mosquitto_passwd")
        self.keys, self.devices, self.people = keys, free_port(), free_port()
        (folder / "passwd").touch(mode=0o600)
        for user in USERS:
            made = ["mosquitto_passwd", "-b", str(folder / "passwd"), user, f"secret of {user}"]
            subprocess.run(made, check=True, capture_output=True)
        for name in ("ca.pem", "server.pem", "server.key"):
            shutil.copy(keys / name, folder)
        shutil.copy(SHIPPED / "edge-vitals.acl", folder)
        text = (SHIPPED / "edge-vitals.conf").read_text().replace("/etc/mosquitto", str(folder))
        assert "8883" in text
        assert "8884" in text
        text = text.replace("8883", f"{self.devices} 127.0.0.1").replace("8884", f"{self.people} 127.0.0.1")
        if certificates:
            text = text.replace("#require_certificate", "require_certificate").replace("#use_identity", "use_identity")
        new_mosquitto(f"{text}\npersistence_location {folder}/\n").start()
        for port in (self.devices, self.people):
            wait_for(port)
        self._clients = []

    def join(self, user, *, port=None, client_id="", topics=(), will=None, certificate=None):
        joined = Joined(self, user, port or self.devices, client_id, topics, will, certificate)
        self._clients.append(joined)
        return joined

    def close(self):
        for client in self._clients:
            client.close()


class Joined:
    """A connected client and what it hears; ``granted`` are the codes of its subscriptions, 128 and above refused."""

    def __init__(self, broker, user, port, client_id, topics, will, certificate):
        self.heard, self.lost, ready = queue.Queue(), threading.Event(), threading.Event()
        self._codes, self.granted = queue.Queue(), []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, reconnect_on_failure=False)
        if not certificate:
            self.client.username_pw_set(user, f"secret of {user}")
        pair = {f"{one}_file": f"{broker.keys}/{certificate}.{end}" for one, end in (("cert", "pem"), ("key", "key"))}
        tls = Options("127.0.0.1", port, client_id, ca_file=f"{broker.keys}/ca.pem", **pair if certificate else {})
        self.client.tls_set_context(tls.context())
        if will:
            self.client.will_set(will, b"forged", qos=1, retain=True)
        self.client.on_connect = lambda c, _u, _f, code, _p: (
            c.subscribe([(t, 1) for t in topics]) if topics and not code.is_failure else ready.set()
        )

        def subscribed(_client, _user, _mid, codes, _properties):
            self.granted = [code.value for code in codes]
            ready.set()

        self.client.on_subscribe = subscribed
        self.client.on_message = lambda _c, _u, m: self.heard.put((m.topic, bytes(m.payload)))
        self.client.on_publish = lambda _c, _u, _mid, code, _p: self._codes.put(code.is_failure)
        self.client.on_disconnect = lambda *_: (self.lost.set(), ready.set())
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(WAIT_S)

    def says(self, topic, payload=b"x", *, retain=False):
        """Publish; whether the broker took it. It cuts off whom it refuses."""
        self.client.publish(topic, payload, qos=1, retain=retain)
        return not self._codes.get(timeout=WAIT_S)

    def hears(self):
        return self.heard.get(timeout=WAIT_S)

    def vanish(self):
        """Gone without a good-bye, so that the broker publishes the will."""
        self.client._sock_close()

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def shipped(new_mosquitto, tmp_path, keys):
    made = Shipped(new_mosquitto, tmp_path, keys)
    yield made
    made.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_the_configuration_works_as_it_ships_and_only_over_tls(shipped, tmp_path):
    (tmp_path / "secret").write_text("secret of ward-3")
    settings = {"username": "ward-3", "password_file": str(tmp_path / "secret")}
    ca = str(shipped.keys / "ca.pem")
    assert refusal(port=shipped.devices, ca_file=ca, **settings) == ""
    assert refusal(port=shipped.devices, **settings) != ""
    assert refusal(port=shipped.devices, ca_file=str(shipped.keys / "stranger.pem"), **settings).startswith("TLS: ")
    (tmp_path / "secret").write_text("secret of ward-4")
    assert "refused" in refusal(port=shipped.devices, ca_file=ca, **settings)


def test_the_certificates_of_the_readme_are_ones_that_devices_trust(new_mosquitto, tmp_path):
    (made,) = [one.text for one in blocks_of("sh") if one.place.startswith("tools/mosquitto") and "openssl" in one.text]
    assert "IP:192.168.1.10" in made
    (keys := tmp_path / "keys").mkdir()
    here = made.replace("192.168.1.10", "127.0.0.1")
    subprocess.run(["sh", "-e", "-c", here], cwd=keys, check=True, capture_output=True)
    broker = Shipped(new_mosquitto, tmp_path, keys)
    (tmp_path / "secret").write_text("secret of ward-3")
    ca = str(keys / "ca.pem")
    given = {"username": "ward-3", "password_file": str(tmp_path / "secret"), "ca_file": ca}
    assert refusal(port=broker.devices, **given) == ""
    strict = ssl.create_default_context(cafile=ca)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python does by itself from 3.13 on
    with socket.create_connection(("127.0.0.1", broker.devices), timeout=WAIT_S) as there:
        strict.wrap_socket(there, server_hostname="127.0.0.1").close()


def test_a_device_cannot_take_the_place_of_another_by_its_client_id(shipped):
    victim = shipped.join("ward-4", client_id="edge-vitals-ward-4")
    thief = shipped.join("ward-3", client_id="edge-vitals-ward-4")
    assert thief.says("vitals/ward-3/status")
    assert victim.says("vitals/ward-4/status")
    assert not victim.lost.is_set()


def test_a_will_cannot_speak_for_another_device(shipped):
    nurse = shipped.join("nurse", port=shipped.people, topics=["vitals/#"])
    shipped.join("ward-3", will="vitals/ward-4/status").vanish()
    shipped.join("ward-4", will="vitals/ward-4/status").vanish()
    assert nurse.hears() == ("vitals/ward-4/status", b"forged")  # its own word, and the first that came through
    shipped.join("ward-4").says("vitals/ward-4/mark")
    assert nurse.hears()[0] == "vitals/ward-4/mark"


@pytest.mark.parametrize(
    "topic", ["#", "+/+/#", "vitals/#", "vitals/ward-4/#", "$share/all/vitals/#", "$SYS/#", "vitals/+/+/reading/+"]
)
def test_no_wildcard_or_share_lets_a_device_listen_to_others(shipped, topic):
    curious = shipped.join("ward-3", topics=[topic, "vitals/ward-3/+/cmd/+"])
    assert shipped.join("ward-4").says("vitals/ward-4/bed1/reading/ppg.hr")
    assert shipped.join("nurse", port=shipped.people).says("vitals/ward-3/bed1/cmd/ack")
    assert curious.hears()[0] == "vitals/ward-3/bed1/cmd/ack"
    assert curious.heard.empty() or curious.hears()[0] == "vitals/ward-3/bed1/cmd/ack"  # matched by both filters


def test_nobody_can_wipe_the_standing_alarm_of_another_device(shipped):
    topic = "vitals/ward-4/bed1/alarm/asystole"
    assert shipped.join("ward-4").says(topic, b"standing", retain=True)
    for user, port in (("ward-3", shipped.devices), ("viewer", shipped.people), ("nurse", shipped.people)):
        assert not shipped.join(user, port=port).says(topic, b"", retain=True)
    assert shipped.join("viewer", port=shipped.people, topics=[topic]).hears() == (topic, b"standing")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_a_device_with_a_certificate_is_who_the_certificate_says(new_mosquitto, tmp_path, keys):
    broker = Shipped(new_mosquitto, tmp_path, keys, certificates=True)
    nurse = broker.join("nurse", port=broker.people, topics=["vitals/#"])
    device = broker.join("ward-3", certificate="ward-3")
    assert device.says("vitals/ward-3/status")
    assert nurse.hears()[0] == "vitals/ward-3/status"
    assert not device.says("vitals/ward-4/status")
    ca = str(keys / "ca.pem")

    def why_not(name):
        files = {"cert_file": str(keys / f"{name}.pem"), "key_file": str(keys / f"{name}.key")} if name else {}
        return refusal(port=broker.devices, ca_file=ca, **files)

    assert why_not("ward-3") == ""
    assert why_not("forged") != ""
    assert why_not("") != ""
    broker.close()


def test_who_watches_shows_a_certificate_where_the_broker_asks_for_one(new_mosquitto, tmp_path, keys, capsys):
    port = Shipped(new_mosquitto, tmp_path, keys, certificates=True).devices
    watch = ["watch", "--broker", f"mqtts://127.0.0.1:{port}", "--ca-file", str(keys / "ca.pem"), "--seconds", "0.1"]
    assert main(watch) == 1
    assert capsys.readouterr().err.endswith(
        "required; give one that its authority signed as --cert-file and --key-file\n"
    )
    assert main([*watch, "--cert-file", str(keys / "ward-3.pem"), "--key-file", str(keys / "ward-3.key")]) == 0


DEVICE = """
[device]
name = "ward-3"
state_dir = "{folder}/state"
[mqtt]
host = "127.0.0.1"
port = {port}
username = "ward-3"
password_file = "{folder}/secret"
ca_file = "{ca}"
[sources.patient]
kind = "synthetic"
analyzers = ["pulse"]
"""


def test_a_nurse_judges_a_device_and_its_answers_cost_it_no_connection(shipped, tmp_path, monkeypatch, capsys):
    """The program under these rules: a response topic below its own is answered, one that it may not write does no harm."""
    ca = shipped.keys / "ca.pem"
    (tmp_path / "secret").write_text("secret of ward-3")
    monkeypatch.setenv(PASSWORD_ENV, "secret of nurse")
    own = "vitals/ward-3/bed1/cmd/result/nurse"
    nurse = shipped.join("nurse", port=shipped.people, topics=["vitals/ward-3/+/cmd/result/#", "vitals/ward-3/status"])

    def ask(topic):
        asks = Properties(PacketTypes.PUBLISH)
        asks.ResponseTopic = topic
        nurse.client.publish("vitals/ward-3/bed1/cmd/ack", b"{", qos=1, properties=asks)

    with running(DEVICE.format(folder=tmp_path, port=shipped.devices, ca=ca)):
        assert nurse.hears()[0] == "vitals/ward-3/status"
        for topic in ("elsewhere/nurse", own):
            ask(topic)
        assert [nurse.hears()[0] for _ in range(3)] == [own.removesuffix("/nurse")] * 2 + [own]
        broker = f"mqtts://nurse@127.0.0.1:{shipped.people}"
        code = main(["watch", "--broker", broker, "--ca-file", str(ca), "--device", "ward-3", "--grade", "4"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "command answered" in said
    heard = [nurse.heard.get_nowait()[0] for _ in range(nurse.heard.qsize())]
    assert heard.count("vitals/ward-3/status") <= 1, "only its good-bye"


# ---- secrets ----------------------------------------------------------------------------------------------

CONFIG = """
[device]
name = "dev"
state_dir = "{folder}/state"
[mqtt]
host = "127.0.0.1"
port = {port}
username = "dev"
{password}
[sources.patient]
kind = "synthetic"
analyzers = ["pulse"]
[sinks.journal]
[sinks.recorder]
batch_s = 1
"""


def edge(*arguments, **environment):
    """Run the command line; everything that can be seen of it: arguments as the system shows them, and both outputs."""
    command = [sys.executable, "-m", "edge", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ, **environment}
    )
    shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    out, err = process.communicate(timeout=60)
    return shown + out + err


def everything_in(folder):
    """The bytes of every file, and recordings unpacked."""
    yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for path in folder.rglob("*.evrec"):
        if path.is_file():
            recording = Recording(path)
            yield repr(dict(recording.header)).encode()
            yield repr(list(recording)).encode()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["file", "environment"])
def test_the_password_is_in_no_output_file_message_or_argument(new_mosquitto, tmp_path, way):
    password, wrong = (f"{word}-{secrets.token_hex(8)}" for word in ("right", "wrong"))
    made = ["mosquitto_passwd", "-b", "-c", str(tmp_path / "passwd"), "dev", password]
    subprocess.run(made, check=True, capture_output=True)
    broker = new_mosquitto(f"allow_anonymous false\npassword_file {tmp_path}/passwd\n").start()
    folder, secret = tmp_path / "device", tmp_path / "secret"
    folder.mkdir()
    entry = f'password_file = "{secret}"' if way == "file" else 'password_env = "TEST_SECRET"'
    config = folder / "dev.toml"
    config.write_text(CONFIG.format(folder=folder, port=broker.port, password=entry))
    messages, ready = [], threading.Event()
    listener = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    listener.username_pw_set("dev", password)
    listener.on_connect = lambda c, *_: c.subscribe("#", qos=1)
    listener.on_subscribe = lambda *_: ready.set()
    listener.on_message = lambda _c, _u, m: messages.append(m.topic.encode() + m.payload)
    listener.connect("127.0.0.1", broker.port)
    listener.loop_start()
    assert ready.wait(WAIT_S)
    secret.write_text(wrong)
    known = {"TEST_SECRET": wrong}
    seen = [edge("run", str(config), "--seconds", "3", **known), edge("doctor", str(config), **known)]
    secret.write_text(password)
    known = {"TEST_SECRET": password, "EDGE_VITALS_MQTT_PASSWORD": password}
    seen += [edge("run", str(config), "--seconds", "4", "--log", form, **known) for form in ("text", "json")]
    seen += [edge(command, str(config), **known) for command in ("check", "explain", "doctor")]
    seen.append(edge("watch", "--broker", f"mqtt://dev@127.0.0.1:{broker.port}", "--seconds", "2", **known))
    listener.disconnect()
    listener.loop_stop()
    files = list(everything_in(folder))
    everything = [*seen, *messages, *files]
    assert any(b"not authorized" in text for text in seen)  # the wrong password was tried,
    assert any(b"reading/ppg.hr" in text for text in messages)  # the right one got through,
    assert any(b"dev.toml" in text for text in seen)  # and what is shown of a process was looked at
    assert sum(entry.encode() in text for text in files) >= 2  # as were recordings, which hold the configuration
    for word in (password, wrong):
        assert not [text for text in everything if word.encode() in text]


def test_a_password_in_the_address_is_refused_unrepeated():
    said = edge("watch", "--broker", "mqtt://dev:hunter2@127.0.0.1:1", "--seconds", "1").split(b"\0")[-1]
    assert b"hunter2" not in said
    assert b"EDGE_VITALS_MQTT_PASSWORD" in said
