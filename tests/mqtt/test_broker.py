"""Whether a broker is there that would hold a connection."""

from __future__ import annotations

import socket
import threading

import pytest

from edge.mqtt import broker as _broker
from edge.mqtt.broker import Options, listens
from edge.types import ConfigError
from own_certificate import certificate


def at(server: socket.socket) -> Options:
    return Options(*server.getsockname(), client_id="dev")


def test_a_broker_that_waits_to_be_spoken_to_is_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listens(at(server))


def test_a_port_at_which_nothing_listens_is_no_broker():
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = at(server)
    assert not listens(options)


def test_a_host_that_does_not_answer_is_no_broker(monkeypatch):
    def silent(*_address, timeout):
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    assert not listens(Options("broker", 1883, client_id="dev"))


def test_a_broker_that_ends_while_it_is_asked_is_not_there(monkeypatch):
    """Its listening socket still takes the connection, which then dies with it."""
    monkeypatch.setattr(_broker, "_DYING_S", 30.0)
    server = socket.create_server(("127.0.0.1", 0))
    options, dying = at(server), threading.Event()

    def end():
        with server:
            taken, _ = server.accept()
            dying.set()
            taken.close()

    thread = threading.Thread(target=end)
    thread.start()
    assert not listens(options)
    thread.join()
    assert dying.is_set(), "the connection was made before it was dropped"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"ca_file": "none"}, "mqtt.ca_file: none: No such file or directory"),
        ({"ca_file": "text"}, "mqtt.ca_file: text: no certificate or crl found"),
        ({"cert_file": "text"}, "mqtt.cert_file: text: not a certificate and its key in PEM"),
        ({"cert_file": "none", "key_file": "text"}, "mqtt.cert_file, key_file: none, text: No such file or directory"),
    ],
)
def test_a_file_of_tls_that_is_no_good_is_told_with_its_key(tmp_path, monkeypatch, files, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no certificate\n")
    with pytest.raises(ConfigError) as raised:
        Options("broker.example", 0, "dev", **files).context()
    assert str(raised.value) == words


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path):
    files = certificate(tmp_path, passphrase=b"not told")
    with pytest.raises(ConfigError) as raised:
        Options("broker.example", 0, "dev", **files).context()
    both = f"{files['cert_file']}, {files['key_file']}"
    assert str(raised.value) == f"mqtt.cert_file, key_file: {both}: the key has a passphrase; give one without"
    assert Options("broker.example", 0, "dev", **certificate(tmp_path)).context() is not None
