"""Passwords: read from a file of their own, put into an address last, and never told."""

from __future__ import annotations

import pytest

from edge.passwords import for_others, password_in, user_of, with_password
from edge.types import ConfigError


def test_a_password_is_what_the_file_holds_without_the_end_of_its_line(tmp_path):
    (tmp_path / "secret").write_text(" s e \n")
    assert password_in(str(tmp_path / "secret"), "k") == "s e"


@pytest.mark.parametrize(
    ("holds", "why"),
    [(None, "No such file"), (b"\n", "holds no password"), (b"\xff\xfe", "not a text in UTF-8")],
)
def test_a_file_without_one_is_refused_by_its_key(tmp_path, holds, why):
    path = tmp_path / "secret"
    if holds is not None:
        path.write_bytes(holds)
    with pytest.raises(ConfigError, match=f"^cam.key: {path}: .*{why}"):
        password_in(str(path), "cam.key")


@pytest.mark.parametrize(
    ("address", "user", "written_out"),
    [
        ("rtsp://10.0.0.7:554/live", "", False),
        ("rtsp://nurse@10.0.0.7/live", "nurse", False),
        ("rtsp://nurse:hunter2@10.0.0.7/live", "nurse", True),
        ("rtsp://nurse:p@ss@10.0.0.7/live", "nurse", True),
        ("rtsp://nurse:@10.0.0.7/live", "nurse", True),
        ("rtsp://nurse:p/ss@10.0.0.7/live", "nurse", True),
        ("rtsp://nurse:7p?s@10.0.0.7/live", "nurse", True),
        ("rtsp://10.0.0.7:554/live@home", "", False),
        ("rtsp://[fe80::1]:554/live@home", "", False),
        ("rtsp://10.0.0.7/live@home", "", False),
        ("rtsp://[", "", False),
        ("face.avi", "", False),
    ],
)
def test_who_an_address_names(address, user, written_out):
    assert user_of(address) == (user, written_out)


def test_a_password_goes_into_the_address_as_it_must_be_written_there():
    assert with_password("rtsp://nurse@h:554/live?a=1", "p@s/s:?") == "rtsp://nurse:p%40s%2Fs%3A%3F@h:554/live?a=1"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("rtsp://nurse:p@ss@h/live?password=x", "rtsp://h/live"),
        ("rtsp://nurse:p/s?s@h/live", "rtsp://h/live"),
        ("rtspsrc location=rtsp://nurse:hunter2@h/live ! appsink", "rtspsrc location=rtsp://h/live ! appsink"),
        ("is it a face?.avi", "is it a face?.avi"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_what_others_are_told_of_an_address_holds_no_password(address, told):
    assert for_others(address) == told
