"""Who may connect and how: passwords, certificates, protocol versions, two devices with one name."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import threading

import pytest

from edge.mqtt.broker import Options
from edge.mqtt.connection import RefusedError, SilentError, connect
from edge.sinks.outbox import Outbox
from edge.types import ConfigError
from mqtt_device import CLOCK, WAIT_S, Device, Scripted, alarm, refusal


def test_two_devices_with_one_client_id_do_not_fight(outbox, mosquitto, subscriber, tmp_path):
    changed = threading.Condition()
    first = Device(outbox, mosquitto.port, changed=changed).up()
    box = Outbox(tmp_path / "second.sqlite", clock=CLOCK, boot="boot2")
    second = Device(box, mosquitto.port, changed=changed).up()
    both = (first, second)
    first.wait(lambda d: any("another program" in w for one in both for _, w in one.links))
    (quiet,) = [one for one in both if "another program" in one.links[-1][1]]
    assert "(device.name 'dev')" in quiet.links[-1][1]
    (other,) = [one for one in both if one is not quiet]
    other.up()
    seen = len(quiet.links)
    other.raise_alarm(alarm(1))
    assert other.sink.flush(WAIT_S)
    assert len(quiet.links) == seen
    second.sink.close()
    first.sink.close()
    box.close()


@pytest.mark.slow
def test_a_link_that_is_cut_off_again_and_again_counts_as_none_until_it_lasts(
    outbox, mosquitto, subscriber, monkeypatch
):
    monkeypatch.setattr("edge.sinks._mqtt.redial._BACKOFF_S", (0.01,))
    one = Device(outbox, mosquitto.port, client_id="same")
    for _ in range(3):
        one.up()
        connect(Options("127.0.0.1", mosquitto.port, "same")).close()
        one.wait(lambda d: not d.links[-1][0])
    said = [*one.links]
    assert "another program" in said[-1][1]
    one.raise_alarm(alarm(1))
    subscriber.wait("vitals/dev/bed1/event")
    assert one.links == said, "it is connected, and not believed to be"
    one.up()
    one.sink.close()


@pytest.mark.slow
def test_a_broker_that_restarts_again_and_again_is_not_taken_for_another_program(outbox, new_mosquitto):
    broker = new_mosquitto().start()
    one = Device(outbox, broker.port).up()
    for _ in range(3):
        broker.stop(kill=True)
        one.wait(lambda d: not d.links[-1][0])
        broker.start()
        one.up()
    assert not any("another program" in why for _, why in one.links)
    one.sink.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # amqtt leaves refused sockets open
def test_a_broker_that_knows_only_3_1_1_is_spoken_to(outbox):
    from edge.demo.broker import Broker

    with Broker() as broker:
        one = Device(outbox, broker.port).up()
        assert one.sink._connection.version == 4
        one.raise_alarm(alarm(1))
        assert one.sink.flush(WAIT_S)
        one.sink.close()
    gc.collect()


def password_broker(new_mosquitto, tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "dev", "right"], check=True, capture_output=True)
    os.chmod(passwords, 0o644)
    return new_mosquitto(f"allow_anonymous false\npassword_file {passwords}\n").start()


def test_refused_attempts_leave_no_file_open_though_nothing_is_collected(new_mosquitto, tmp_path):
    broker = password_broker(new_mosquitto, tmp_path)
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(RefusedError, match="refused"):
                connect(Options(host="127.0.0.1", port=broker.port, client_id="dev"))
        assert len(os.listdir("/proc/self/fd")) <= before
    finally:
        gc.enable()


def test_lost_connections_leave_no_file_open_though_nothing_is_collected(mosquitto):
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            lost = connect(Options(host="127.0.0.1", port=mosquitto.port, client_id="dev"))
            mosquitto.stop(kill=True)
            assert lost.lost.wait(WAIT_S)
            lost.close()
            del lost
            mosquitto.start()
        assert len(os.listdir("/proc/self/fd")) <= before
    finally:
        gc.enable()


def test_a_wrong_password_is_named_without_the_password(outbox, new_mosquitto, tmp_path, caplog):
    broker = password_broker(new_mosquitto, tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    one = Device(outbox, broker.port, username="dev", password_file=str(secret))
    one.wait(lambda d: d.links)
    assert "not authorized" in one.links[0][1] or "bad user name or password" in one.links[0][1]
    assert "hunter2" not in caplog.text + repr(one.sink._options)
    one.sink.close()
    secret.write_text("right\n")
    assert refusal(port=broker.port, username="dev", password_file=str(secret)) == ""
    assert "refused" in refusal(port=broker.port)


def certificates(tmp_path, name="127.0.0.1"):
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=tmp_path)

    tmp_path.mkdir(exist_ok=True)
    days = ["-days", "2", "-nodes", "-newkey", "rsa:2048"]
    openssl("req", "-x509", *days, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    for who in ("server", "client"):
        openssl("req", *days[2:], "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}")
        (tmp_path / "ext").write_text(
            f"subjectAltName=IP:{name}" if name[0].isdigit() else f"subjectAltName=DNS:{name}"
        )
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{who}.pem", "-days", "2", "-extfile", "ext")  # fmt: skip
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    tmp_path.chmod(0o755)


def tls_broker(new_mosquitto, tmp_path, *, clients=False):
    lines = f"allow_anonymous true\ncafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\n"
    return new_mosquitto(lines + ("require_certificate true\n" if clients else "")).start()


def test_tls_with_a_client_certificate(outbox, new_mosquitto, tmp_path):
    certificates(tmp_path)
    broker = tls_broker(new_mosquitto, tmp_path, clients=True)
    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "client.pem", "client.key"))
    one = Device(outbox, broker.port, ca_file=ca, cert_file=cert, key_file=key).up()
    one.raise_alarm(alarm(1))
    assert one.sink.flush(WAIT_S)
    one.sink.close()
    assert refusal(port=broker.port, ca_file=ca) == (
        "hung up without an answer: TLS: tlsv13 alert certificate required"
    )
    certificates(tmp_path / "other")
    strange = {"cert_file": str(tmp_path / "other" / "client.pem"), "key_file": str(tmp_path / "other" / "client.key")}
    assert refusal(port=broker.port, ca_file=ca, **strange) == "hung up without an answer: TLS: tlsv1 alert unknown ca"


def test_a_port_that_wants_tls_says_so_to_whoever_comes_without(new_mosquitto, tmp_path):
    certificates(tmp_path)
    said = "hung up without an answer: that port wants TLS"
    assert refusal(port=tls_broker(new_mosquitto, tmp_path).port) == said
    assert refusal(port=tls_broker(new_mosquitto, tmp_path, clients=True).port) == said


def test_a_broker_that_hangs_up_by_itself_is_not_taken_for_one_that_wants_tls(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends = threading.Thread(target=lambda: [listener.accept()[0].close() for _ in range(3)])
        ends.start()
        assert refusal(port=listener.getsockname()[1]) == "hung up without an answer"
        ends.join(WAIT_S)
    assert not ends.is_alive()


def test_somebody_who_is_there_and_says_nothing_is_told_from_nobody():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        options = Options("127.0.0.1", mute.getsockname()[1], "edge-vitals-test")
        with pytest.raises(SilentError, match=r"^no answer$"):
            connect(options, patience_s=0.05)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_a_certificate_for_another_name_or_from_elsewhere_is_refused(new_mosquitto, tmp_path):
    certificates(tmp_path, name="elsewhere.example")
    broker = tls_broker(new_mosquitto, tmp_path)
    said = refusal(port=broker.port, ca_file=str(tmp_path / "ca.pem"))
    assert said.startswith("TLS: ")
    assert "127.0.0.1" in said
    assert refusal(port=broker.port, tls=True).startswith("TLS: ")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"password_file": "/none"}, "password_file"),
        ({"password_env": "EDGE_VITALS_NO_SUCH"}, "EDGE_VITALS_NO_SUCH"),
        ({"ca_file": "/none.pem"}, "/none.pem"),
    ],
)
def test_missing_secrets_and_files_are_configuration_errors(outbox, settings, said):
    with pytest.raises(ConfigError, match=said):
        Device(outbox, 1, **settings)


def test_a_session_taken_over_is_said_at_once_and_not_fought_over(outbox):
    broker = Scripted(after_connect=b"\xe0\x02\x8e\0")
    one = Device(outbox, broker.port)
    one.wait(lambda d: any("another program" in why for _, why in d.links))
    assert broker.connects == 1
    one.sink.close()
    assert broker.connects == 1
    broker.close()


def test_a_broker_that_keeps_commands_from_the_device_is_told_of(outbox, no_subscribers, caplog):
    one = Device(outbox, no_subscribers.port).up()
    one.raise_alarm(alarm(1))
    assert one.sink.flush(WAIT_S)
    one.sink.close()
    said = next(r.getMessage() for r in caplog.records if "cmd" in r.getMessage())
    assert "vitals/dev/+/cmd/+" in said
    assert said.endswith("(not authorized): nobody can command this monitor there")


def test_a_broker_that_grants_what_it_keeps_back_is_told_of(outbox, new_mosquitto, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("edge.sinks._mqtt.namesake.ECHO_WITHIN_S", 0.1)
    monkeypatch.setattr("edge.sinks._mqtt.publisher._IDLE_S", 0.02)
    (tmp_path / "acl").write_text("topic write #\n")
    broker = new_mosquitto(f"allow_anonymous true\nacl_file {tmp_path}/acl\n").start()
    one = Device(outbox, broker.port).up()
    told = threading.Event()
    monkeypatch.setattr(caplog.handler, "emit", lambda record: "comes back" in record.getMessage() and told.set())
    assert told.wait(WAIT_S)
    one.sink.close()
