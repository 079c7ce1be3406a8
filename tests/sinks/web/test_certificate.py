"""The page's certificate, and one that replaces it while the page is served."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from own_certificate import certificate
from web_server import WAIT_S, WebServer, trusting


@pytest.fixture
def page(tmp_path):
    with WebServer(**certificate(tmp_path)) as page:
        yield page


def shown(page, name=None):
    """The certificate that a new connection is shown, DER."""
    plain = socket.create_connection((page.host, page.port), timeout=WAIT_S)
    with contextlib.closing(trusting().wrap_socket(plain, server_hostname=name)) as connection:
        return connection.getpeercert(binary_form=True)


@pytest.mark.parametrize("name", [None, "localhost"])
def test_a_renewed_certificate_is_shown_without_a_restart(page, tmp_path, caplog, name):
    caplog.set_level("INFO")
    first = shown(page, name)
    assert shown(page, name) == first
    certificate(tmp_path)
    second = shown(page, name)
    assert second != first
    assert shown(page, name) == second
    assert page.request("GET", "/")[0] == 200
    assert [record.message for record in caplog.records].count("the page has a new certificate") == 1


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem"])
def test_files_that_are_no_pair_change_nothing_until_they_are_one(page, tmp_path, caplog, broken):
    first = shown(page)
    certificate(tmp_path)
    file = tmp_path / broken
    whole = file.read_bytes()
    for half in (b"", b"not PEM\n", None):
        file.unlink() if half is None else file.write_bytes(half)
        caplog.clear()
        assert [shown(page), shown(page)] == [first, first]
        (said,) = (record.message for record in caplog.records)
        assert said.startswith("sinks.web: ")
        assert said.endswith("; the page keeps the certificate it has")
    file.write_bytes(whole)
    assert shown(page) not in (first, None)


def test_a_key_that_got_a_passphrase_is_not_taken(page, tmp_path, caplog):
    first = shown(page)
    certificate(tmp_path, b"secret")
    assert shown(page) == first
    assert "the key has a passphrase" in caplog.text


def test_a_link_that_leads_elsewhere_now_is_followed(tmp_path):
    """As certificates are renewed by programs that keep the old ones."""
    files = {}
    for year in ("2026", "2027"):
        folder = tmp_path / year
        folder.mkdir()
        files[year] = certificate(folder)
    links = {key: tmp_path / Path(file).name for key, file in files["2026"].items()}
    for key, link in links.items():
        link.symlink_to(files["2026"][key])
    with WebServer(**{key: str(link) for key, link in links.items()}) as page:
        first = shown(page)
        for key, link in links.items():
            link.unlink()
            link.symlink_to(files["2027"][key])
        assert shown(page) != first
