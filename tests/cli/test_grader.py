"""The grader by itself: a device that keeps the contract passes, a broken one fails in each respect."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from contract_payloads import NOW, ROOT, STATUS, event, reading, stamp
from edge.cli.watch.grader import Grader

H_AGO = (NOW - timedelta(hours=1)).isoformat()
DISCOVERY = {
    "device": {"identifiers": ["dev"]},
    "origin": {"name": "me"},
    "availability": [{"topic": f"{ROOT}/status"}],
    "components": {
        "a": {"platform": "sensor", "unique_id": "a", "state_topic": "a", "expire_after": 5},
        "b": {"platform": "event", "unique_id": "b", "state_topic": f"{ROOT}/bed1/event", "event_types": ["on"]},
        "c": {"platform": "button", "unique_id": "c", "command_topic": f"{ROOT}/bed1/cmd/ack"},
        "d": {"platform": "button", "unique_id": "d", "command_topic": f"{ROOT}/bed1/cmd/pause"},
    },
}
GOOD = [
    ("status", STATUS, True, 1),
    ("bed1/reading/ppg.hr", reading(1), False, 0),
    (
        "bed1/reading/ppg.hr",
        reading(2, value=None, reason="motion", t=(NOW + timedelta(seconds=1)).isoformat()),
        False,
        0,
    ),
    ("bed1/event", event(1), False, 1),
    ("bed1/event", event(1), False, 1),
    ("bed1/alarm/af", event(1), True, 1),
    ("bed1/event", event(2, presence="off"), False, 1),
    ("bed1/cmd/result", stamp(command_id="c", ok=False), False, 1),
]


def grade(messages, discovery=DISCOVERY, replied=True):
    return {v.check for v in verdicts(messages, discovery, replied) if v.state == "FAIL"}


def verdicts(messages, discovery=DISCOVERY, replied=True):
    grader = Grader(ROOT, "ha")
    grader.feed("ha", json.dumps(discovery).encode(), retain=True, qos=1, arrival=NOW.timestamp())
    for topic, fields, retain, qos in messages:
        payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        grader.feed(f"{ROOT}/{topic}", payload, retain=retain, qos=qos, arrival=NOW.timestamp() + 1.0)
    return grader.verdicts(asked="c", replied=replied)


def test_a_device_that_keeps_the_contract_passes():
    assert grade(GOOD) == set()


def changed(index, **fields):
    topic, old, retain, qos = GOOD[index]
    return [*GOOD[:index], (topic, {**old, **fields}, retain, qos), *GOOD[index + 1 :]]


def without(index, key):
    topic, old, retain, qos = GOOD[index]
    return [*GOOD[:index], (topic, {k: v for k, v in old.items() if k != key}, retain, qos), *GOOD[index + 1 :]]


@pytest.mark.parametrize(
    ("messages", "check"),
    [
        (GOOD[1:], "status"),
        (without(0, "models"), "status"),
        (changed(0, state="offline"), "status"),
        ([(*GOOD[0][:3], 0), *GOOD[1:]], "status"),
        ([*GOOD, ("source/cam/status", stamp(state="fine"), True, 1)], "source status"),
        (without(1, "boot"), "payload"),
        ([*GOOD, ("bed1/reading/ppg.hr", b"{", False, 0)], "payload"),
        ([GOOD[0], *GOOD[3:]], "reading"),
        (without(1, "quality"), "reading"),
        ([*GOOD[:1], ("bed1/reading/ppg.hr", reading(1), True, 0), *GOOD[2:]], "reading"),
        (changed(2, reason="because"), "reading value"),
        (changed(1, t=(NOW - timedelta(minutes=2)).isoformat()), "reading age"),
        (changed(1, t="yesterday"), "reading age"),
        (changed(1, t=(NOW + timedelta(minutes=2)).isoformat()), "reading age"),
        (changed(2, t=NOW.isoformat()), "reading age"),
        ([*GOOD[:2], (GOOD[2][0], GOOD[2][1], False, 1), *GOOD[3:]], "reading"),
        ([*GOOD, ("stats", stamp(), False, 1)], "stats"),
        (changed(7, t=(NOW + timedelta(minutes=2)).isoformat()), "clock skew"),
        ([*GOOD, ("status", stamp(state="offline", version="1", models={}), False, 1)], "will"),
        (changed(2, seq=5), "reading seq"),
        (changed(5, presence="off"), "alarm"),
        (without(5, "occurrence"), "alarm"),
        ([*GOOD[:5], (*GOOD[5][:3], 0), *GOOD[6:]], "alarm"),
        (without(3, "delay_s"), "event"),
        ([*GOOD[:3], ("bed1/event", event(1), False, 0), *GOOD[4:]], "event"),
        (changed(6, seq=4), "event seq"),
        (GOOD[:-1], "command answered"),
        (changed(7, ok=True), "command answered"),
    ],
)
def test_a_broken_device_fails_in_that_respect(messages, check):
    assert check in grade(messages)


@pytest.mark.parametrize(
    ("topic", "fields", "check"),
    [
        ("", {"v": 2}, "payload"),
        ("", {"mono": "5"}, "payload"),
        ("", {"boot": None}, "payload"),
        ("", {"clock_synced": "yes"}, "payload"),
        ("", {"t": "2026-01-02T03:04:05"}, "payload"),
        ("status", {"models": []}, "status"),
        ("reading", {"seq": "1"}, "reading"),
        ("reading", {"quality": 7}, "reading"),
        ("reading", {"value": [61.0]}, "reading"),
        ("reading", {"value": True}, "reading"),
        ("reading", {"value": 61.0, "reason": "because"}, "reading value"),
        ("reading", {"value": None, "reason": ["motion"]}, "reading value"),
        ("event", {"seq": "1"}, "event"),
        ("event", {"priority": "urgent"}, "event"),
        ("event", {"kind": None}, "event"),
        ("event", {"occurrence": ""}, "event"),
        ("event", {"since": "yesterday"}, "event"),
        ("event", {"published": 5}, "event"),
        ("event", {"delay_s": -1.0}, "event"),
        ("event", {"historical": "no"}, "event"),
        ("event", {"id": "bed2/af"}, "event"),
        ("event", {"t": H_AGO}, "event"),
        ("alarm", {"priority": "urgent"}, "alarm"),
        ("alarm", {"id": "bed1/brady"}, "alarm"),
    ],
)
def test_a_field_that_holds_what_it_must_not_fails(topic, fields, check):
    sent = [(t, {**old, **fields} if topic in t else old, *how) for t, old, *how in GOOD]
    assert check in grade(sent)


def test_infinity_is_no_number_however_it_is_written():
    grader = Grader(ROOT, "ha")
    payload = json.dumps(reading(value=5)).replace(": 5,", ": 1e999,", 1).encode()
    assert b"1e999" in payload
    grader.feed(f"{ROOT}/bed1/reading/ppg.hr", payload, retain=False, qos=0, arrival=NOW.timestamp())
    assert any(v.check == "reading" and v.state == "FAIL" for v in grader.verdicts())


def test_an_event_that_says_it_is_late_may_be():
    sent = [(t, {**m, "t": H_AGO, "historical": True} if t == "bed1/event" else m, *how) for t, m, *how in GOOD]
    assert grade(sent) == set()


@pytest.mark.parametrize(("ahead_s", "state"), [(0, "ok"), (120, "skip")])
def test_a_clock_that_nobody_keeps_may_be_wrong_and_may_be_right(ahead_s, state):
    published = (NOW + timedelta(seconds=ahead_s)).isoformat()
    sent = [(topic, {**fields, "clock_synced": False}, *how) for topic, fields, *how in GOOD]
    sent = [
        (t, {**f, "published": published, "t": published} if "result" in t or "event" in t else f, *h)
        for t, f, *h in sent
    ]
    assert [v.state for v in verdicts(sent) if v.check == "clock skew"] == [state]


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"seq": 900, "epoch": "e2", "boot": "b2"}, []),
        ({"seq": 900, "epoch": "e2"}, ["event seq"]),
        ({"seq": 900, "boot": "b2"}, ["event seq"]),
    ],
)
def test_numbers_may_begin_anew_with_another_run_and_a_new_epoch_only(fields, failed):
    assert grade([*GOOD, ("bed1/event", {**event(1), "occurrence": "o9", **fields}, False, 1)]) == set(failed)


@pytest.mark.parametrize(("boot", "failed"), [("b2", []), ("b", ["reading seq"])])
def test_numbers_of_readings_begin_anew_with_another_run_only(boot, failed):
    later = (NOW + timedelta(seconds=2)).isoformat()
    sent = [*GOOD, ("bed1/reading/ppg.hr", {**reading(1, t=later), "boot": boot}, False, 0)]
    assert grade(sent) == set(failed)


def component(key, **fields):
    changed = {**DISCOVERY["components"][key], **fields}
    kept = {name: value for name, value in changed.items() if value is not None}
    return {**DISCOVERY, "components": {**DISCOVERY["components"], key: kept}}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        {**DISCOVERY, "components": {"a": {}}},
        {**DISCOVERY, "components": {"a": 5}},
        {**DISCOVERY, "availability": {}},
        {**DISCOVERY, "availability": [{"topic": "other/status"}]},
        {**DISCOVERY, "device": {"name": "x"}},
        {**DISCOVERY, "origin": {}},
        component("a", expire_after=None),
        component("a", unique_id="b"),
        component("a", state_topic=None),
        component("b", event_types=None),
        component("b", platform="alarm"),
        component("b", state_topic="elsewhere"),
        component("c", command_topic="elsewhere"),
        component("d", command_topic="elsewhere"),
    ],
)
def test_broken_discovery_fails(broken):
    assert "discovery" in grade(GOOD, discovery=broken)


def test_no_answer_on_the_response_topic_fails():
    assert "command answered" in grade(GOOD, replied=False)
