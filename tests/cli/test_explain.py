"""``edge-vitals explain``: what will run, by which model, and how long an alarm may take."""

from __future__ import annotations

import pytest

from edge import inference
from edge.cli import main
from edge.inference.card import find_card
from edge.inference.choice import store_choice
from synthetic_device import SYNTHETIC


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bedside.toml"
    path.write_text(SYNTHETIC)
    return path


def test_explain_states_a_worst_case_for_every_alarm_that_can_come(config, capsys):
    assert main(["explain", str(config)]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip().endswith(" s")}
    assert {"af", "brady", "tachy", "asystole", "murmur", "sensor_off", "source_lost"} <= set(rows)
    assert all(0.0 < float(row.split()[-2]) < 180.0 for row in rows.values())


def test_explain_shows_the_severe_limit_that_a_moved_limit_takes_along(config, capsys):
    config.write_text(SYNTHETIC + "[alarms.brady]\nlimit = 40\n")
    assert main(["explain", str(config)]) == 0
    rows = [line.split()[:5] for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["brady"]]
    assert rows == [["brady", "medium", "40", "14", "s"], ["brady", "severe", "high", "35", "5"]]


def test_explain_and_check_name_the_variant_that_runs_and_time_none(tmp_path, capsys):
    path, state = tmp_path / "bedside.toml", tmp_path / "state"
    path.write_text(f'[device]\nstate_dir = "{state}"\n[sources.s]\nkind = "synthetic"\nanalyzers = ["rhythm"]\n')
    card = find_card("rhythm")
    first, *_, last = (variant.id for variant in card.variants)
    assert main(["explain", str(path)]) == 0
    assert f" {first}, or what the first start finds to be faster here\n" in capsys.readouterr().out
    assert not state.exists()
    store_choice(state, card, inference.runtime_versions(), last, {last: 1.0})
    assert main(["explain", str(path)]) == 0
    assert f"{card.version} {last}\n" in capsys.readouterr().out
    assert main(["check", str(path)]) == 0
    assert f"{card.version} {last}\n" in capsys.readouterr().out
    path.write_text(path.read_text() + f'[models]\nvariant = "{first}"\n')
    assert main(["explain", str(path)]) == 0
    assert f"{card.version} {first}\n" in capsys.readouterr().out


def test_explain_says_who_must_confirm(config, capsys):
    config.write_text(SYNTHETIC + '[delivery]\nroles = ["station", {name = "charge", confirm_within_s = 40}]\n')
    assert main(["explain", str(config)]) == 0
    said = capsys.readouterr().out
    assert "medium priority and above is confirmed by station within 15 s, then charge within 40 s" in said


def test_a_plan_says_who_is_asked_and_promises_no_bell_that_is_not_there(tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(SYNTHETIC + '[delivery]\nroles = ["station"]\n')
    assert main(["explain", str(config)]) == 0
    said = capsys.readouterr().out
    assert "confirmed by station within 15 s; no [sinks.annunciator]: nothing rings at the bed" in said
    assert "annunciator_lost" not in said
    config.write_text(config.read_text() + '[sinks.annunciator]\ncommand = ["true"]\n')
    assert main(["explain", str(config)]) == 0
    said = capsys.readouterr().out
    assert "the annunciator rings from the first silence on" in said
    assert "annunciator_lost" in said


OF_A_BROKER = ("broker_lost", "name_clash")


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize(
    ("more", "heard"),
    [
        ("", False),
        ("[sinks.journal]\n[sinks.console]\n", False),
        ('[mqtt]\nhost = "127.0.0.1"\n', True),
        ('[sinks.mqtt]\nhost = "127.0.0.1"\n', True),
        ("[sinks.web]\nport = 0\n", True),
        ('[delivery]\nroles = ["station"]\n[sinks.annunciator]\ncommand = ["true"]\n', True),
    ],
)
def test_alarms_that_nobody_would_hear_of_are_said(config, capsys, command, more, heard):
    config.write_text(SYNTHETIC + more)
    assert main([command, str(config)]) == 0
    said = capsys.readouterr().out
    assert ("no [mqtt]: nobody hears of an alarm" in said) is not heard
    assert "to MQTT" not in said
    if command == "explain":
        assert [name in said for name in OF_A_BROKER] == ["mqtt" in more] * 2


def test_run_warns_of_alarms_that_nobody_would_hear_of(config, capsys):
    ends = SYNTHETIC + 'seconds = 1\npace = "max"\n'
    for more, warned in (("", True), ("[sinks.web]\nport = 0\n", False)):
        config.write_text(ends + more)
        assert main(["run", str(config), "--quiet"]) == 0
        assert (f"W edge.cli.run {config}: no [mqtt]: nobody hears of an alarm" in capsys.readouterr().err) is warned
