"""What Home Assistant's buttons and switches do to a bed, and what it shows of the bed."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from discovery_message import HOPS, ROOT, of
from edge.alarms.auscultation import SITES, Place
from edge.alarms.board import Board
from edge.alarms.conditions import CONDITIONS, OF_DEVICE, PER_SOURCE
from edge.alarms.rules import AlarmRules, rules_from
from edge.clock import ManualClock
from edge.dsp.pcg.decision import Calibration
from edge.sinks._mqtt.commands import CommandInbox
from edge.sinks._mqtt.discovery import discovery
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import Fault, Heartbeat, Reading, SourceStatus


def render(template, **known):
    """The few expressions the templates use, as Jinja would fill them in."""
    return re.sub(r"\{\{ (.*?) \}\}", lambda found: known[found[1]], template)


class Pressed:
    """A device that takes what a button sends, as the broker would hand it over."""

    def __init__(self, board, clock):
        self.commands, self.answers, self._board = [], [], board
        self._inbox = CommandInbox(Topics(ROOT), clock, self.commands.append, lambda *a: self.answers.append(a))

    def press(self, button, **known):
        now = "2023-11-14T22:13:20+00:00"
        known |= {"utcnow().isoformat()": now, "utcnow().timestamp()": str(len(self.commands))}
        self.topic, self.retain, self.properties = button["command_topic"], False, None
        self.payload = render(button["command_template"], **known).encode()
        self._inbox.message(self)
        assert self.answers == []
        return self._board.command(self.commands[-1])


@pytest.fixture
def clock():
    return ManualClock(100.0, wall=1_700_000_000.0)


def raised(condition, board):
    """Make ``condition`` stand on bed1; its alarm."""
    found, quality, rules = [], 1.0, {"bed": "bed1", "source": "node"}
    for t in [float(second) for second in range(100)]:
        if condition == "source_lost":
            found += board.update(SourceStatus("node", "bed1", t, "offline", "unplugged"))
        elif condition == "model_fault":
            found += board.update(Fault("model_fault", t, True, "broken", "bed1", "rhythm"))
        elif condition in ("sensor_off", "low_quality"):
            quality = 0.0
            found += board.update(Reading("ppg.hr", t, None, "bpm", quality, condition, **rules))
        else:
            found += board.update(reading_for(condition, t, rules))
        found += board.tick(t)
    return next(one for one in found if one.condition == condition)


def reading_for(condition, t, rules):
    metric, value, detail = {
        "af": ("ppg.rhythm", "af", {}),
        "brady": ("ppg.hr", 30.0, {}),
        "tachy": ("ppg.hr", 170.0, {}),
        "asystole": ("ppg.hr", None, {"asystole": True}),
        "murmur": ("pcg.murmur", 0.99, {"decision": "present"}),
        "hr_disagree": ("fused.spread", 60.0, {}),
    }[condition]
    reason = "no_pulse" if value is None else ""
    return Reading(metric, t, value, "", 1.0, reason, detail, **rules)


@pytest.mark.parametrize("condition", [name for name in CONDITIONS if name not in OF_DEVICE])
def test_the_button_of_a_condition_acknowledges_what_stands(components, clock, condition):
    board = Board({"bed1": AlarmRules()}, boot="b")
    alarm = raised(condition, board)
    (button,) = [c for c in of(components, "button") if c["name"] == f"bed1 acknowledge {condition.replace('_', ' ')}"]
    result, told = Pressed(board, clock).press(button)
    assert (result.ok, [one.id for one in told]) == (True, [alarm.id])
    assert told[0].presence == "ack"
    assert (alarm.id.count("/") == 2) is (condition in PER_SOURCE)


def test_a_button_that_could_mean_two_sources_names_them_and_does_nothing(components, clock):
    board = Board({"bed1": AlarmRules()}, boot="b")
    for t in (0.0, 10.0):
        for source in ("cam", "node"):
            board.update(SourceStatus(source, "bed1", t, "offline", "unplugged"))
        board.tick(t)
    (button,) = [c for c in of(components, "button") if c["name"] == "bed1 acknowledge source lost"]
    device = Pressed(board, clock)
    result, told = device.press(button)
    assert (result.ok, told) == (False, [])
    assert "bed1/source_lost/cam, bed1/source_lost/node" in result.text
    board.command(replace(device.commands[0], id="bed1/source_lost/cam", command_id="by hand"))
    result, told = device.press(button)
    assert [one.id for one in told] == ["bed1/source_lost/node"]


def test_a_button_pressed_for_nothing_says_so(components, clock):
    (button,) = [c for c in of(components, "button") if c["name"] == "bed1 acknowledge source lost"]
    result, told = Pressed(Board({"bed1": AlarmRules()}, boot="b"), clock).press(button)
    assert (result.ok, result.text, told) == (False, "bed1/source_lost does not stand", [])


def test_the_pause_button_pauses_its_bed_and_no_other(components, clock):
    board = Board({"bed1": AlarmRules(), "bed2": AlarmRules()}, boot="b")
    (button,) = [c for c in of(components, "button") if c["name"] == "bed2 pause alarm sound"]
    result, _ = Pressed(board, clock).press(button)
    assert result.ok
    assert (board.paused_until("bed1"), board.paused_until("bed2")) == (None, clock.now() + 120.0)


def test_a_button_asks_for_no_longer_than_the_rules_allow(clock):
    rules = {"bed1": rules_from({"pause_max_s": 60, "standby_max_s": 900.5})}
    board = Board(rules, boot="b")
    found = json.loads(discovery("ward-3", ROOT, {"bed1": []}, "1", {}, rules))["components"]
    device = Pressed(board, clock)
    for name, until in (("pause alarm sound", board.paused_until), ("begin standby", standby_of(board, clock))):
        (button,) = [c for c in of(found, "button") if c["name"] == f"bed1 {name}"]
        result, _ = device.press(button)
        assert result.ok, result.text
        assert until("bed1") - clock.now() == {"pause alarm sound": 60.0, "begin standby": 900.5}[name]


def standby_of(board, clock):
    return lambda bed: board.standby_until(bed, clock.now())


def test_the_standby_buttons_begin_and_end_it_and_must_be_asked_for(components, clock):
    board = Board({"bed1": AlarmRules(), "bed2": AlarmRules()}, boot="b")
    begin, end = (one for one in of(components, "button") if re.fullmatch("bed1 (begin|end) standby", one["name"]))
    assert begin["enabled_by_default"] is end["enabled_by_default"] is False
    device = Pressed(board, clock)
    assert device.press(begin)[0].ok
    assert (board.standby_until("bed1", clock.now()), board.standby_until("bed2", clock.now())) == (3700.0, None)
    assert device.press(end)[0].text == "standby ended"
    assert board.standby_until("bed1", clock.now()) is None


@pytest.mark.parametrize("bed", ["bed1", "_device"])
def test_the_test_alarm_is_a_drill(components, clock, bed):
    (button,) = [one for one in of(components, "button") if one["unique_id"] == f"ward-3/{bed}/drill"]
    result, told = Pressed(Board({"bed1": AlarmRules()}, boot="b"), clock).press(button)
    assert (result.ok, [(one.id, one.drill) for one in told]) == (True, [(f"{bed}/drill", True)])


# ---- what a bed says of itself ----------------------------------------------------------------------------


def listening(site=""):
    calibration = Calibration(**dict.fromkeys((f.name for f in fields(Calibration)), 0.5))
    return Board({"bed1": AlarmRules()}, boot="b", places={"bed1": Place("p1", site, calibration)})


def shown(component, board, clock):
    """What Home Assistant shows of a bed's state: the expression of the template, which is Python's as well."""
    (payload,) = [Payloads(clock, "b").bed(one).decode() for one in board.statuses(clock.now())]
    return rendered(component["value_template"], value=payload, value_json=SimpleNamespace(**json.loads(payload)))


def rendered(template, **known):
    (expression,) = re.findall(r"^\{\{ (.*) \}\}$", template)
    return eval(expression, known)


def the_select(components):
    (one,) = [c for c in of(components, "select") if c["unique_id"] == "ward-3/bed1/site"]
    assert one["state_topic"] == one["command_topic"].replace("cmd/site", "state") == Topics(ROOT).bed("bed1")
    return one


@pytest.mark.parametrize("option", [*SITES, "not said"])
def test_every_option_of_the_site_can_be_chosen_and_is_what_the_bed_then_says(components, clock, option):
    select, board = the_select(components), listening("AV" if option != "AV" else "MV")
    assert option in select["options"]
    choice = "none" if option == "not said" else option
    result, _ = Pressed(board, clock).press(select, **{"'none' if value == 'not said' else value": choice})
    assert result.ok, result.text
    assert shown(select, board, clock) == option
    (status,) = board.statuses(clock.now())
    assert (status.by, status.person, status.site_since) == ("home-assistant", "p1", clock.now())


def test_a_refused_site_stays_as_it_was(components, clock):
    select, board = the_select(components), Board({"bed1": AlarmRules()}, boot="b")
    result, _ = Pressed(board, clock).press(select, **{"'none' if value == 'not said' else value": "AV"})
    assert (result.ok, result.text.partition(":")[0]) == (False, "nothing listens to a heart in bed1")
    assert shown(select, board, clock) == "not said"


def test_only_a_bed_with_a_microphone_has_a_site():
    found = json.loads(discovery("x", ROOT, {"bed1": ["ppg.hr"], "bed2": ["pcg.murmur"]}, "1", HOPS))
    assert [one["unique_id"] for one in of(found["components"], "select")] == ["x/bed2/site"]


def test_what_silences_a_bed_is_shown_until_it_ends(components, clock):
    paused, standby = (components[f"bed1_{what}"] for what in ("paused", "standby"))
    assert paused["state_topic"] == paused["json_attributes_topic"] == Topics(ROOT).bed("bed1")
    board = listening()
    device = Pressed(board, clock)

    def both():
        return shown(paused, board, clock), shown(standby, board, clock)

    assert both() == ("OFF", "OFF")
    device.press(components["bed1_pause"])
    assert both() == ("ON", "OFF")
    device.press(components["bed1_standby_begin"])
    assert both() == ("ON", "ON")
    clock.advance(3600.0)
    board.tick(clock.now())
    assert both() == ("OFF", "OFF")


def test_a_bed_that_is_no_more_is_not_known_and_no_fault_of_a_template(components):
    """Its retained state is emptied, and heartbeats are without it, before Home Assistant hears that its entities go.
    Of an empty payload there is no ``value_json``."""
    of_state = [one for one in components.values() if one.get("state_topic") == Topics(ROOT).bed("bed2")]
    assert {one["platform"] for one in of_state} == {"binary_sensor", "select"}
    for one in of_state:
        assert rendered(one["value_template"], value="") is None
        if "json_attributes_topic" in one:
            attributes = one["json_attributes_template"]
            assert (rendered(attributes, value=""), rendered(attributes, value='{"v": 1}')) == ("{}", '{"v": 1}')
    others = SimpleNamespace(beds={"bed1": SimpleNamespace(standing=1, drills=0)})
    assert rendered(components["bed2_standing"]["value_template"], value_json=others) is None
    assert rendered(components["bed1_standing"]["value_template"], value_json=others) == "ON"


def test_whether_an_alarm_stands_is_shown_by_the_heartbeat_and_a_drill_is_none(components, clock):
    board = Board({"bed1": AlarmRules(), "bed2": AlarmRules()}, boot="b")

    def standing(name):
        one = components[f"{name}_standing"]
        assert (one["state_topic"], one["expire_after"]) == (Topics(ROOT).heartbeat, 15)
        sent = json.loads(Payloads(clock, "b").heartbeat(Heartbeat(clock.now(), 5.0, board.heartbeat()), {}))
        beds = {bed: SimpleNamespace(**counts) for bed, counts in sent["beds"].items()}
        return rendered(one["value_template"], value_json=SimpleNamespace(beds=beds))

    def shown_of_all():
        return [standing(name) for name in ("bed1", "bed2", "_device")]

    device = Pressed(board, clock)
    assert shown_of_all() == ["OFF", "OFF", "OFF"]
    device.press(components["bed2_test"])
    assert shown_of_all() == ["OFF", "OFF", "OFF"]
    raised("brady", board)
    assert shown_of_all() == ["ON", "OFF", "OFF"]
    device.press(components["bed1_ack_brady"])
    assert shown_of_all() == ["ON", "OFF", "OFF"]
