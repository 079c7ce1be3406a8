"""What may be a name, wherever one is read."""

import argparse

import pytest

from edge.alarms.delivery import chain_from
from edge.cli._options import name as option
from edge.config.tables import Tables
from edge.names import is_host, is_name
from edge.types import DEVICE_BED, ConfigError

NAMES = ["a", "0", "ward-3", "bed_1", "a" * 64]
OTHERS = ["-a", "_a", DEVICE_BED, "Ward", "a b", "a/b", "a+", "ä", "٣", "a\n", "a" * 65]


@pytest.mark.parametrize("text", NAMES)
def test_a_name_is_one_for_everybody_who_reads_it(text):
    assert is_name(text)
    assert option(text) == Tables("c.toml").name(text, "device.name") == text
    assert chain_from({"roles": [text]}).names == (text,)


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_none_is_none_for_anybody(text):
    assert not is_name(text)
    with pytest.raises(argparse.ArgumentTypeError, match="names match"):
        option(text)
    with pytest.raises(ConfigError, match=r"^c.toml: device.name: .* must match"):
        Tables("c.toml").name(text, "device.name")
    with pytest.raises(ConfigError, match=r"^delivery.roles\[0\]: names match"):
        chain_from({"roles": [text]})


@pytest.mark.parametrize("value", ["", None, 5, b"a"])
def test_neither_nothing_nor_what_is_no_text_is_a_name(value):
    assert not is_name(value)


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "192.168.1.10",
        "::1",
        "fe80::1%eth0",
        "broker.example",
        "bröker.example",
        "a" * 63,
        "",
        "127.1",
        "10.0.0.1.example",
    ],
)
def test_machines_are_called_so(text):
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    [
        *("192.168..10", ".local", "a..b", "a" * 64),
        *("300.1.1.1", "192.168.1.10.", "1.2.3.4.5"),
        *(
            "mqtt://broker",
            "broker:1883",
            "127.0.0.1:1883",
            "[::1]",
            "[::1]:1883",
            "a b",
            "ward@broker",
            "broker/vitals",
        ),
    ],
)
def test_no_machine_is_called_so(text):
    assert not is_host(text)
