"""The demo's configuration: the product's own kinds, with delays short enough for a script of 90 s."""

from __future__ import annotations

from pathlib import Path

ALARMS = """\
[alarms.af]
k = 2
n = 3
spacing_s = 4
off_delay_s = 4

[alarms.murmur]
k = 2
n = 3
spacing_s = 2
off_delay_s = 4

[alarms.sensor_off]
on_delay_s = 2
off_delay_s = 2
"""
"""Delays short enough for the script; the same that a replay of its patient needs."""

_TEMPLATE = """\
# The demo's delays are shorter than those for a patient, so that its script raises and clears every alarm in 90 s. No
# site is named: its murmur comes and goes, which no heart's does, and a verdict on the person would rightly stand.
[device]
name = "demo"
state_dir = "{folder}"

[mqtt]
host = "127.0.0.1"
port = {broker_port}

[beds.bed1]
person = "demo"

[sources.node]
bed = "bed1"
kind = "serial_port"
port = "{serial_port}"
{camera}{page}
{alarms}"""
_CAMERA = """
[sources.cam]
bed = "bed1"
kind = "camera"
device = "{video}"
loop = true
"""
_PAGE = """
[sinks.web]
port = {page_port}
"""


def text(*, folder: Path, broker_port: int, serial_port: Path, video: Path | None, page_port: int | None = None) -> str:
    """The configuration as TOML; video: the generated face, or None where the camera stage is off; page_port: that of
    the page, or None for no page."""
    camera = _CAMERA.format(video=video) if video is not None else ""
    page = _PAGE.format(page_port=page_port) if page_port is not None else ""
    ports = {"broker_port": broker_port, "serial_port": serial_port}
    return _TEMPLATE.format(folder=folder, **ports, camera=camera, page=page, alarms=ALARMS)
