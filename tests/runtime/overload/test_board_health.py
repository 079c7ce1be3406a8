"""What a board says of its power and heat, by whichever way it tells; and nothing where it does not."""

from __future__ import annotations

import pytest

from edge.runtime.overload.board_health import Health, read_health

THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
NOBODY = "no-such-program"


def told(sys, files, vcgencmd=NOBODY):
    for name, text in files.items():
        (sys / name).parent.mkdir(parents=True, exist_ok=True)
        (sys / name).write_text(f"{text}\n")
    return read_health(sys, vcgencmd)


def volt(name, alarm):
    return {"class/hwmon/hwmon1/name": name, "class/hwmon/hwmon1/in0_lcrit_alarm": alarm}


def zones(*temperatures):
    return {f"class/thermal/thermal_zone{n}/temp": text for n, text in enumerate(temperatures)}


LOW = frozenset({"under_voltage"})
HOT = frozenset({"hot"})


@pytest.mark.parametrize(
    ("files", "health"),
    [
        ({}, Health()),
        ({THROTTLED: "5"}, Health(LOW | {"throttled"}, LOW | {"throttled"})),
        ({THROTTLED: "a0000"}, Health(frozenset(), frozenset({"capped", "hot"}))),
        ({THROTTLED: "garbage"}, Health()),
        (volt("rpi_volt", "1"), Health(LOW, LOW)),
        (volt("rpi_volt", "0"), Health()),
        (volt("cpu_thermal", "1"), Health()),
        (zones("79999"), Health(temperature_c=79.999)),
        (zones("45000", "80000", "N/A"), Health(HOT, HOT, 80.0)),
        (zones("N/A"), Health()),
    ],
)
def test_by_sysfs(tmp_path, files, health):
    assert told(tmp_path, files) == health


@pytest.mark.parametrize(
    ("text", "health"),
    [("echo throttled=0x1", Health(LOW, LOW)), ("echo throttled=0x1; exit 1", Health()), ("echo what", Health())],
)
def test_by_the_boards_program_where_sysfs_does_not_say(tmp_path, text, health):
    program = tmp_path / "vcgencmd"
    program.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/asked\n{text}\n')
    program.chmod(0o755)
    assert told(tmp_path / "sys", {}, str(program)) == health
    assert (tmp_path / "asked").read_text() == "get_throttled\n"
    assert told(tmp_path / "sys", {THROTTLED: "0"}, str(program)) == Health()
    assert (tmp_path / "asked").read_text() == "get_throttled\n", "not once more"
