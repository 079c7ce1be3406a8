"""What a key must be is said in words, never in a programmer's; a password does not belong there at all."""

from __future__ import annotations

import re

import msgspec
import pytest

from edge.config import parse
from edge.config.wording import in_words
from edge.kinds import kind_module, kinds, settings_of
from edge.types import ConfigError

BROKER = '[mqtt]\nhost = "b"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BROKER + 'prefix = "a/#"', "mqtt.prefix: one letter or more, and no # or +, not 'a/#'"),
        (BROKER + 'prefix = ""', "mqtt.prefix: one letter or more, and no # or +, not ''"),
        (BROKER + 'discovery_prefix = "+"', "mqtt.discovery_prefix: a text without # and +, not '+'"),
        (BROKER + 'response_prefix = "$"', "mqtt.response_prefix: a text without #, + and $, not '$'"),
        (BROKER + "port = -1", "mqtt.port: a whole number from 0, not -1"),
        (BROKER + "port = 70000", "mqtt.port: a whole number of at most 65535, not 70000"),
        (BROKER + "port = 1.5", "mqtt.port: a whole number, not 1.5"),
        (BROKER + 'tls = "yes"', "mqtt.tls: true or false, not 'yes'"),
        (BROKER + "username = true", "mqtt.username: a text, not true"),
        (BROKER + 'username = ""', "mqtt.username: a text that is not empty, not ''"),
        ("[sinks.evidence]\nafter_s = -1", "sinks.evidence.after_s: a number from 0, not -1"),
        ("[sinks.recorder]\npart_mb = 0", "sinks.recorder.part_mb: a number above 0, not 0"),
        ('[sinks.web]\nhosts = "a"', "sinks.web.hosts: a list, not 'a'"),
        ('[sinks.web]\nhosts = ["a", 3]', "sinks.web.hosts: a text, not 3"),
        ("[transforms.face_roi]\nzone = [0, 0]", "transforms.face_roi.zone: a list of 4, not of 2"),
        ("[transforms.face_roi]\nzone = [0, 0, 2, 1]", "transforms.face_roi.zone: a number of at most 1, not 2"),
        ("[transforms.face_roi]\nzone = {a = 1}", "transforms.face_roi.zone: a list, not a table"),
        ("[device]\nname = [1]", "device.name: a text, not a list"),
        ("[device]\nname = 1979-05-27", "device.name: a text, not 1979-05-27"),
        ('[sources.c]\nkind = "camera"\ndevice = true', "sources.c.device: a whole number or a text, not true"),
    ],
)
def test_what_is_allowed_is_said_in_words(text, said):
    with pytest.raises(ConfigError) as error:
        parse(text, path="c.toml")
    assert str(error.value) == f"c.toml: {said}"


def test_what_is_long_is_not_said_in_full():
    with pytest.raises(ConfigError, match=r"not '1{79}\.\.\.$"):
        parse(f'{BROKER}port = "{"1" * 500}"')


def test_what_msgspec_says_of_other_things_is_passed_on():
    assert in_words("Invalid value", 1, int) == "invalid value"
    assert in_words("Expected `bytes`, got `int`", 1, bytes) == "expected `bytes`, got `int`"


def test_every_pattern_is_described():
    """Of a key; a regular expression is no answer to anybody."""

    def metas(type_):
        for part in getattr(type_, "__metadata__", ()) + getattr(type_, "__args__", ()):
            yield from [part] if isinstance(part, msgspec.Meta) else metas(part)

    for group in ("sources", "analyzers", "transforms", "sinks"):
        for kind in kinds(group):
            for name, (type_, _) in settings_of(kind_module(group, kind).build).items():
                assert all(meta.description for meta in metas(type_) if meta.pattern), f"{group}.{kind}.{name}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        *((f'{BROKER}{key} = "x"', "password") for key in ("password", "passwd", "pass", "Password")),
        ('[sinks.web]\ntoken = "x"', "token"),
    ],
)
def test_a_password_is_sent_into_a_file(text, secret):
    with pytest.raises(ConfigError) as error:
        parse(text)
    told = f"a {secret} does not stand here: put it into a file, {secret}_file, or into an environment variable that"
    assert re.search(rf": (mqtt|sinks\.web)\.\w+: {told} {secret}_env names$", str(error.value))


@pytest.mark.parametrize(
    ("key", "meant"), [("pasword_file", "password_file"), ("password_en", "password_env"), ("user", "username")]
)
def test_a_key_that_was_mistyped_is_the_nearest_one(key, meant):
    with pytest.raises(ConfigError, match=f"unknown key; did you mean '{meant}'"):
        parse(f'{BROKER}{key} = "x"')
