"""What ``run`` would refuse is a finding, and said once."""

from __future__ import annotations

import socket

import pytest

from edge.cli.doctor.machine import configuration
from edge.cli.doctor.source import listen
from edge.clock import ManualClock
from edge.config import parse
from edge.storage.state_lock import only_one

SOURCE = '[device]\nstate_dir = "{folder}"\n[sources.s]\nkind = "synthetic"\nstreams = ["ppg"]\n'


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[sinks.web]\nhost = "0.0.0.0"\nport = 0\n', "configuration: sinks.web: 0.0.0.0 is open to the network"),
        ("[analyzers.rhythm]\naf_missed = 0.001\n", "configuration: analyzers.rhythm: no threshold in the card"),
        ('[models]\nvariant = "int2"\n', "configuration: models.variant: model motion: no variant"),
        ('[alarms.tachy]\nmetrics = ["pgg.hr"]\n', "configuration: alarms.tachy.metrics of bed bed1: nothing makes"),
    ],
)
def test_a_refused_configuration(tmp_path, more, said):
    (found,) = configuration(parse(SOURCE.format(folder=tmp_path) + more))
    assert (found.state, found.fault) == ("fail", "config_refused")
    assert said in found.text


def test_a_refused_source(tmp_path):
    config = parse(SOURCE.format(folder=tmp_path) + "rate_bpm = 500\n")
    assert list(configuration(config)) == []
    (found,) = listen(config.sources["s"], ManualClock(), 0.0, print, path=config.path)
    assert (found.state, found.fault) == ("fail", "config_refused")
    assert "configuration: sources.s.rate_bpm must lie in" in found.text


def test_a_port_that_another_program_has_unless_that_is_the_service_itself(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = parse(SOURCE.format(folder=tmp_path) + f"[sinks.metrics]\nport = {port}\n")
        (found,) = configuration(config)
        assert (found.state, found.fault) == ("fail", "port_taken")
        assert f"sinks.metrics: 127.0.0.1:{port}: Address already in use" in found.text
        with only_one(tmp_path):
            assert list(configuration(config)) == []
    assert list(configuration(config)) == []


def test_what_other_steps_find_is_not_said_twice(tmp_path):
    broker = '[mqtt]\nhost = "127.0.0.1"\npassword_file = "/none/p"\n'
    assert list(configuration(parse(SOURCE.format(folder=tmp_path) + broker))) == []
    assert list(configuration(None)) == []
