"""Faults between device and broker, each produced with a real broker or its lack."""

from __future__ import annotations

import os
import socket
import socketserver
import ssl
import subprocess
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from doctor_findings import words
from edge.cli.doctor.broker import PATIENCE_S
from edge.config import parse
from edge.mqtt.broker import Options
from edge.mqtt.connection import RefusedError, connect

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
    from edge.cli.doctor.broker import broker

    return words(broker(parse(f'[device]\nname = "dev"\n[mqtt]\nhost = "{host}"\nport = {port}\n{more}')))


def test_broker_well(mosquitto):
    assert asked(mosquitto.port) == []


@pytest.mark.parametrize("more", ["", 'client_id = "ward-3"\n'])
def test_a_monitor_that_runs_meanwhile_keeps_its_connection(mosquitto, more):
    options = Options("localhost", mosquitto.port, "ward-3" if more else "edge-vitals-dev")
    running = connect(options)
    try:
        assert asked(mosquitto.port, more) == []
        assert not running.lost.wait(0.2)
    finally:
        running.close()


def test_broker_unreachable(new_mosquitto):
    assert asked(new_mosquitto().port, host="127.0.0.1") == ["broker_unreachable"]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.168..10"])
def test_broker_name(host):
    assert asked(1883, host=host) == ["broker_name"]


def test_broker_timeout(monkeypatch):
    assert 2 * PATIENCE_S + 2.0 < 10.0, "both versions, and a look at what else the port may speak"
    monkeypatch.setattr("edge.cli.doctor.broker.PATIENCE_S", 0.3)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(8)
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


def test_broker_deaf(no_subscribers):
    assert asked(no_subscribers.port) == ["broker_deaf"]


def test_a_broker_that_grants_a_subscription_and_lets_nothing_through(new_mosquitto, tmp_path, monkeypatch):
    (tmp_path / "acl").write_text("topic write #\ntopic read vitals/dev/status\n")
    broker = new_mosquitto(f"allow_anonymous true\nacl_file {tmp_path}/acl\n").start()
    monkeypatch.setattr("edge.cli.doctor.broker._ANSWER_S", 0.3)
    assert asked(broker.port) == ["broker_deaf"]
    (tmp_path / "acl").write_text("topic write #\ntopic read vitals/dev/+/cmd/+\n")
    broker.stop()
    broker.start()
    monkeypatch.undo()
    assert asked(broker.port) == []


@contextmanager
def between(port, change):
    """A port that leads to the broker's, where what the broker says goes through ``change``."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve():
            with door.accept()[0] as client, socket.create_connection(("127.0.0.1", port)) as broker:
                back = Thread(target=pass_on, args=(broker, client, change))
                back.start()
                pass_on(client, broker, bytes)
                back.join()

        thread = Thread(target=serve)
        thread.start()
        yield door.getsockname()[1]
        thread.join()


def pass_on(one, other, change):
    with suppress(OSError):
        while said := one.recv(65536):
            other.sendall(change(said))
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("change", "found"), [(bytes, []), (lambda x: x.replace(b"a.b", b"a/b"), ["broker_topics"])])
def test_a_broker_that_changes_topics_with_a_dot(mosquitto, change, found):
    """As one does that keeps them as AMQP's, whose levels end in dots."""
    with between(mosquitto.port, change) as port:
        assert asked(port, host="127.0.0.1") == found


@pytest.mark.parametrize("settings", ["retain_available false", "max_qos 0"])
def test_broker_limits(new_mosquitto, settings):
    broker = new_mosquitto(f"allow_anonymous true\n{settings}\n").start()
    assert asked(broker.port) == ["broker_limits"]


def test_broker_credentials():
    assert asked(1, 'username = "a"\npassword_file = "/none"') == ["broker_credentials"]
    assert asked(1, 'ca_file = "/none"') == ["broker_credentials"]


@paho_leaves_sockets
def test_tls_well_and_untrusted_and_plain(new_mosquitto, tmp_path):
    broker = new_mosquitto(certificates(tmp_path)).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == []
    assert asked(broker.port, "tls = true") == ["tls_untrusted"]
    assert asked(broker.port) == ["broker_needs_tls"]


def as_python_asks_since_3_13(monkeypatch):
    """Certificates to the letter of RFC 5280, unless somebody wants less."""
    usual = ssl.create_default_context

    def strict(*args, **kwargs):
        context = usual(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


def test_a_newer_python_keeps_an_authority_of_ones_own(new_mosquitto, tmp_path, monkeypatch):
    """The authority does not say what its key is for, nor the certificate whose key signed it."""
    as_python_asks_since_3_13(monkeypatch)
    broker = new_mosquitto(certificates(tmp_path)).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == []


def test_everybodys_authorities_are_asked_as_python_does(monkeypatch):
    as_python_asks_since_3_13(monkeypatch)
    assert Options("broker.example", 0, "dev", tls=True).context().verify_flags & ssl.VERIFY_X509_STRICT


@paho_leaves_sockets
def test_tls_name(new_mosquitto, tmp_path):
    broker = new_mosquitto(certificates(tmp_path, "elsewhere.example")).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == ["tls_name"]


@paho_leaves_sockets
def test_tls_expired(new_mosquitto, tmp_path):
    broker = new_mosquitto(certificates(tmp_path, days=-2)).start()
    assert asked(broker.port, f'ca_file = "{tmp_path}/ca.pem"') == ["tls_expired"]
    with pytest.raises(RefusedError, match=r"^TLS: certificate has expired; is this machine's clock right\?$"):
        connect(Options("localhost", broker.port, "dev", ca_file=str(tmp_path / "ca.pem")))


def test_tls_client(new_mosquitto, tmp_path):
    settings = certificates(tmp_path) + f"cafile {tmp_path}/ca.pem\nrequire_certificate true\n"
    broker = new_mosquitto(settings).start()
    ca = f'ca_file = "{tmp_path}/ca.pem"\n'
    assert asked(broker.port, ca) == ["tls_client"]
    (tmp_path / "other").mkdir()
    certificates(tmp_path / "other")
    strange = f'cert_file = "{tmp_path}/other/s.pem"\nkey_file = "{tmp_path}/other/s.key"\n'
    assert asked(broker.port, ca + strange) == ["tls_client"]


@paho_leaves_sockets
def test_broker_not_tls(mosquitto, tmp_path):
    certificates(tmp_path)
    assert asked(mosquitto.port, f'ca_file = "{tmp_path}/ca.pem"') == ["broker_not_tls"]


@paho_leaves_sockets
def test_broker_not_tls_and_polite(tmp_path):
    """As mosquitto since 2.1: it reads the whole greeting before it closes, and the connection just ends."""
    certificates(tmp_path)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), ReadsOnce) as plain:
        thread = Thread(target=plain.serve_forever, args=(0.01,))
        thread.start()
        port = plain.server_address[1]
        try:
            assert asked(port, f'ca_file = "{tmp_path}/ca.pem"', "127.0.0.1") == ["broker_not_tls"]
            with pytest.raises(RefusedError, match=r"^TLS: the connection just ends; does that port speak TLS\?$"):
                connect(Options("127.0.0.1", port, "dev", ca_file=str(tmp_path / "ca.pem")))
        finally:
            plain.shutdown()
            thread.join()


class ReadsOnce(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(65_536)
