"""Passwords: read from a file of their own, put into an address last, and never told."""

from __future__ import annotations

import pytest

from edge.passwords import for_others, holds_password, password_in, takes_password, with_password
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
    ("address", "takes", "holds"),
    [
        ("rtsp://10.0.0.7:554/live", False, False),
        ("rtsp://nurse@10.0.0.7/live", True, False),
        ("rtsp://nurse:hunter2@10.0.0.7/live", True, True),
        ("rtsp://nurse:p@ss@10.0.0.7/live", True, True),
        ("rtsp://nurse:@10.0.0.7/live", True, True),
        ("rtsp://nurse:p/ss@10.0.0.7/live", True, True),
        ("rtsp://nurse:7p?s@10.0.0.7/live", True, True),
        ("rtsp://nurse:{password}@10.0.0.7/live", True, False),
        ("rtsp://10.0.0.7:554/live@home", False, False),
        ("rtsp://[fe80::1]:554/live@home", False, False),
        ("rtsp://10.0.0.7/live@home", False, False),
        ("http://10.0.0.7/video?user=nurse&password=hunter2", False, True),
        ("http://10.0.0.7/video?loginuse=nurse&loginpas=hunter2", False, True),
        ("http://10.0.0.7/video?user=nurse&pwd={password}&res=1", True, False),
        ("rtsp://10.0.0.7:554/user=nurse_password=hunter2_channel=1_stream=0.sdp", False, True),
        ("rtsp://10.0.0.7:554/user=nurse_Password={password}_channel=1_stream=0.sdp", True, False),
        ("rtsp://10.0.0.7/live?bypass=1&passive=yes&pwd=", False, False),
        ("souphttpsrc location=http://10.0.0.7/ user-id=nurse user-pw=hunter2 ! appsink", False, True),
        ("souphttpsrc location=http://10.0.0.7/ user-id=nurse user-pw={password} ! appsink", True, False),
        ('souphttpsrc location=http://10.0.0.7/ user-id=nurse user-pw="{password}" ! appsink', True, False),
        ("rtsp://[", False, False),
        ("face.avi", False, False),
    ],
)
def test_whether_an_address_has_a_place_for_a_password_and_holds_one(address, takes, holds):
    assert (takes_password(address), holds_password(address)) == (takes, holds)


def test_a_password_goes_into_the_address_as_it_must_be_written_there():
    assert with_password("rtsp://nurse@h:554/live?a=1", "p@s/s:?") == "rtsp://nurse:p%40s%2Fs%3A%3F@h:554/live?a=1"
    assert with_password("http://h/v?u=n&pwd={password}&r=1", "p&s") == "http://h/v?u=n&pwd=p%26s&r=1"
    assert with_password("rtsp://n:{password}@h/1", "p@s") == "rtsp://n:p%40s@h/1"


def test_a_pipeline_takes_a_password_of_its_own_and_in_an_address_each_as_it_must_be_written():
    pipeline = "souphttpsrc location=http://h/v?pwd={password} user-id=n user-pw={password} ! appsink"
    written = r"souphttpsrc location=http://h/v?pwd=p%40s%20%5Cs user-id=n user-pw=p\@s\ \\s ! appsink"
    assert with_password(pipeline, r"p@s \s") == written


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("rtsp://nurse:p@ss@h/live?password=x", "rtsp://h/live"),
        ("rtsp://nurse:p/s?s@h/live", "rtsp://h/live"),
        ("rtspsrc location=rtsp://nurse:hunter2@h/live ! appsink", "rtspsrc location=rtsp://h/live ! appsink"),
        ("rtsp://h/user=nurse_password=hunter2_stream=0.sdp", "rtsp://h/user=nurse_password=***"),
        ("is it a face?.avi", "is it a face?.avi"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_what_others_are_told_of_an_address_holds_no_password(address, told):
    assert for_others(address) == told
