"""Discovery holds what Home Assistant demands of a device message, and its buttons do what they are named for."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.alarms.auscultation import SITES, Place
from edge.alarms.board import Board
from edge.alarms.conditions import CONDITIONS, OF_DEVICE, PER_SOURCE
from edge.alarms.rules import AlarmRules, rules_from
from edge.clock import ManualClock
from edge.dsp.murmur_decision import Calibration
from edge.sinks._mqtt.commands import CommandInbox
from edge.sinks._mqtt.discovery import discovery
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import PRESENCES, Alarm, Fault, Heartbeat, Reading, SourceStatus

HOPS = {"ppg.hr": 1.0, "ppg.rhythm": 5.0, "pcg.murmur": 2.5, "ppg.perfusion": 1.0, "ppg.quality": 1.0}
ROOT = "vitals/ward-3"
# What Home Assistant's MQTT integration takes at the top of a device message and requires of each platform.
TOP = {"device", "origin", "components", "availability", "qos"}
REQUIRED = {
    "sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
    "button": {"command_topic"},
    "binary_sensor": {"state_topic"},
    "select": {"command_topic", "options"},
}
COMMON = {"platform", "unique_id", "name"}
OPTIONAL = {
    "sensor": {
        *("value_template", "json_attributes_topic", "expire_after", "state_class", "unit_of_measurement"),
        "suggested_display_precision",
    },
    "event": {"value_template"},
    "button": {"command_template", "entity_category", "enabled_by_default"},
    "binary_sensor": {"value_template", "expire_after", "device_class", "json_attributes_topic"},
    "select": {"state_topic", "value_template", "command_template"},
}
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,6}", fullmatch=True)


def message(device="ward-3", root=ROOT, beds=("bed1", "bed2"), hops=HOPS):
    return json.loads(discovery(device, root, {bed: sorted(hops) for bed in beds}, "1.2.3", hops))


@pytest.fixture(scope="module")
def components():
    return message()["components"]


def of(components, platform):
    return [one for one in components.values() if one["platform"] == platform]


def render(template, **known):
    """The few expressions the templates use, as Jinja would fill them in."""
    return re.sub(r"\{\{ (.*?) \}\}", lambda found: known[found[1]], template)


def test_the_message_has_the_device_its_origin_and_nothing_unknown():
    found = message()
    assert set(found) == TOP
    assert found["device"] == {
        "identifiers": ["edge-vitals-ward-3"],
        "name": "ward-3",
        "model": "edge-vitals",
        "sw_version": "1.2.3",
    }
    assert found["origin"] == {"name": "edge-vitals", "sw_version": "1.2.3"}
    assert found["qos"] == 1


def test_every_component_has_what_its_platform_requires_and_nothing_unknown(components):
    for one in components.values():
        platform = one["platform"]
        assert COMMON | REQUIRED[platform] <= set(one) <= COMMON | REQUIRED[platform] | OPTIONAL[platform]


def test_only_online_counts_as_available():
    """Home Assistant leaves the state as it was on any word it does not know, so ``stopped`` must become one."""
    (availability,) = message()["availability"]
    assert availability["topic"] == Topics(ROOT).status
    assert availability["value_template"] == "{{ 'online' if value_json.state == 'online' else 'offline' }}"
    assert availability.get("payload_available", "online") == "online"
    assert availability.get("payload_not_available", "offline") == "offline"


def test_a_sensor_reads_the_topic_its_reading_is_sent_to(components):
    topics = {one["state_topic"] for one in of(components, "sensor")}
    assert topics == {Topics(ROOT).reading(bed, metric) for bed in ("bed1", "bed2") for metric in HOPS}
    for one in of(components, "sensor"):
        assert one["json_attributes_topic"] == one["state_topic"]
        assert "else None" in one["value_template"]  # the word for "not known"


@pytest.mark.parametrize(
    ("metric", "unit", "state_class", "decimals"),
    [
        ("ppg.hr", "bpm", "measurement", 0),
        ("ppg.perfusion", "%", "measurement", 2),
        ("pcg.murmur", None, "measurement", 2),
        ("ppg.quality", None, "measurement", 2),
        ("ppg.rhythm", None, None, None),
    ],
)
def test_a_word_is_no_measurement_and_a_number_has_its_unit(components, metric, unit, state_class, decimals):
    (one,) = [c for c in of(components, "sensor") if c["name"] == f"bed1 {metric}"]
    assert (one.get("unit_of_measurement"), one.get("state_class")) == (unit, state_class)
    assert one.get("suggested_display_precision") == decimals


def test_a_bed_has_the_sensors_of_its_own_sources_only():
    found = json.loads(discovery("x", ROOT, {"bed1": ["ppg.hr"], "bed2": ["pcg.murmur"], "bed3": []}, "1", HOPS))
    topics = [one["state_topic"] for one in of(found["components"], "sensor")]
    assert topics == [Topics(ROOT).reading("bed1", "ppg.hr"), Topics(ROOT).reading("bed2", "pcg.murmur")]
    assert len(of(found["components"], "event")) == 4


@given(hop_s=st.floats(0.1, 120.0))
def test_a_sensor_expires_after_three_hops_in_whole_seconds(hop_s):
    (one,) = of(message(beds=["b"], hops={"ppg.hr": hop_s})["components"], "sensor")
    assert isinstance(one["expire_after"], int)
    assert 3 * hop_s < one["expire_after"] <= max(5.0, 3 * hop_s + 3.0)


def test_each_bed_has_one_event_entity_that_knows_every_presence(components):
    events = of(components, "event")
    assert [one["state_topic"] for one in events] == [Topics(ROOT).event(bed) for bed in ("_device", "bed1", "bed2")]
    for one in events:
        assert one["event_types"] == [*PRESENCES, "drill"]
        assert (
            '"event_type": "drill" if value_json.drill | default(false) else value_json.presence'
            in one["value_template"]
        )
    alarm = Alarm(
        "bed1/af", "o", "physiological", "medium", "on", 0.0, "AF", "af", "bed1", evidence={"change": "raised"}
    )
    payload = json.loads(Payloads(ManualClock(), "b").alarm(alarm, historical=True))
    assert '"historical": value_json.historical}' in events[0]["value_template"]
    assert set(re.findall(r"value_json\.(\w+)", events[0]["value_template"])) == {"drill"} | (
        set(payload) & {"presence", "id", "text", "priority", "occurrence", "evidence", "historical"}
    )
    assert "drill" not in payload
    assert json.loads(Payloads(ManualClock(), "b").alarm(replace(alarm, drill=True)))["drill"] is True


@given(device=NAMES, beds=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_identifiers_are_valid_and_no_bed_hides_another(device, beds):
    components = message(device, f"vitals/{device}", beds)["components"]
    buttons = len(CONDITIONS) - len(OF_DEVICE) + 4  # pause, a test alarm, begin and end of standby
    of_device = 4 + len(OF_DEVICE) + 1  # heartbeat, event, standing, test alarm; a model can fail for all beds at once
    states = 5  # event, standing, paused, standby, site
    assert len(components) == len(beds) * (len(HOPS) + states + buttons) + of_device
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", key) for key in components)
    assert len({one["unique_id"] for one in components.values()}) == len(components)


@given(first=st.tuples(NAMES, NAMES), second=st.tuples(NAMES, NAMES))
def test_no_two_devices_share_an_identifier(first, second):
    ids = [
        {one["unique_id"] for one in message(device, f"vitals/{device}", [bed])["components"].values()}
        for device, bed in (first, second)
    ]
    shared = ids[0] & ids[1]
    assert first == second or all("/_device/" in one for one in shared)
    assert first[0] == second[0] or not shared


def test_beds_and_devices_whose_names_run_together_stay_apart():
    together = [message(device, ROOT, [bed])["components"] for device, bed in (("a", "b_c"), ("a_b", "c"))]
    ids = [{one["unique_id"] for one in components.values()} for components in together]
    assert not ids[0] & ids[1]
    none, one, two = (len(message(beds=beds)["components"]) for beds in ([], ["b"], ["b-1", "b_1"]))
    assert two - none == 2 * (one - none)
    parts = [key.removeprefix("b_") for key in message(beds=["b"])["components"] if key.startswith("b_")]
    assert not [(a, b) for a in parts for b in parts if a.endswith(f"_{b}")]  # else bed b_a could hide a part of bed b


# ---- buttons ----------------------------------------------------------------------------------------------


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
    (state,) = [json.loads(Payloads(clock, "b").bed(one)) for one in board.statuses(clock.now())]
    (expression,) = re.findall(r"^\{\{ (.*) \}\}$", component["value_template"])
    return eval(expression, {"value_json": SimpleNamespace(**state)})


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
    assert (result.ok, result.text) == (False, "nothing listens to a heart in bed1")
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


def test_whether_an_alarm_stands_is_shown_by_the_heartbeat_and_a_drill_is_none(components, clock):
    board = Board({"bed1": AlarmRules(), "bed2": AlarmRules()}, boot="b")

    def standing(name):
        one = components[f"{name}_standing"]
        assert (one["state_topic"], one["expire_after"]) == (Topics(ROOT).heartbeat, 15)
        sent = json.loads(Payloads(clock, "b").heartbeat(Heartbeat(clock.now(), 5.0, board.heartbeat()), {}))
        beds = {bed: SimpleNamespace(**counts) for bed, counts in sent["beds"].items()}
        (expression,) = re.findall(r"^\{\{ (.*) \}\}$", one["value_template"])
        return eval(expression, {"value_json": SimpleNamespace(beds=beds)})

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
