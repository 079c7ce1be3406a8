"""Rules of a bed: every mistake named with the nearest valid key."""

import re

import pytest

from edge.alarms.conditions import DEFAULTS
from edge.alarms.rules import AlarmRules, rules_from
from edge.types import ConfigError


def test_no_settings_are_the_shipped_rules():
    assert rules_from({}) == AlarmRules()


def test_settings_change_one_rule_and_leave_the_others():
    rules = rules_from({"brady": {"limit": 42, "on_delay_s": 8}, "pause_max_s": 120})
    assert (rules["brady"].limit, rules["brady"].on_delay_s, rules.pause_max_s) == (42.0, 8.0, 120.0)
    assert rules["tachy"] == DEFAULTS["tachy"]


def test_a_bed_changes_the_rules_of_its_device():
    device = rules_from({"brady": {"limit": 42}, "tachy": {"limit": 125}})
    bed = rules_from({"brady": {"on_delay_s": 3}}, base=device)
    assert (bed["brady"].limit, bed["brady"].on_delay_s, bed["tachy"].limit) == (42.0, 3.0, 125.0)


def test_a_message_calls_the_mapping_by_its_name():
    with pytest.raises(ConfigError, match=r"^beds\.bed1\.alarms\.brady\.limt: unknown; did you mean 'limit'\?$"):
        rules_from({"brady": {"limt": 3}}, where="beds.bed1.alarms")


@pytest.mark.parametrize(
    ("name", "limit", "severe"),
    [
        ("brady", 50, 40.0),
        ("brady", 40.5, 40.0),
        ("brady", 40, 35.0),
        ("brady", 35, 30.0),
        ("tachy", 120, 140.0),
        ("tachy", 140, 150.0),
        ("tachy", 150, 160.0),
    ],
)
def test_a_limit_at_the_severe_one_or_past_it_takes_it_along(name, limit, severe):
    assert rules_from({name: {"limit": limit}})[name].severe_limit == severe


def test_a_severe_limit_keeps_the_distance_it_has_in_the_rules_that_are_changed():
    device = rules_from({"brady": {"limit": 50, "severe_limit": 42}})
    assert rules_from({"brady": {"limit": 42}}, base=device)["brady"].severe_limit == 34.0
    share = rules_from({"low_quality": {"limit": 0.5, "severe_limit": 0.375}})
    assert rules_from({"low_quality": {"limit": 0.25}}, base=share)["low_quality"].severe_limit == 0.125
    none = rules_from({"brady": {"severe_limit": None}})
    assert rules_from({"brady": {"limit": 40}}, base=none)["brady"].severe is None


def test_a_short_on_delay_shortens_the_severe_one_unless_that_is_set():
    assert rules_from({"brady": {"on_delay_s": 2}})["brady"].severe_on_delay_s == 2.0
    device = rules_from({"brady": {"on_delay_s": 2, "severe_on_delay_s": 4}})
    assert device["brady"].severe_on_delay_s == 4.0
    assert rules_from({"brady": {"limit": 46}}, base=device)["brady"].severe_on_delay_s == 4.0


@pytest.mark.parametrize(
    ("device", "bed"),
    [
        ({"brady": {"limit": 50, "severe_limit": 21}}, {"brady": {"limit": 20}}),
        ({"brady": {"limit": 49, "severe_limit": 20}}, {"brady": {"limit": 20}}),
        ({"af": {"severe_limit": 0.9}}, {"af": {"limit": 0.95}}),
        ({"low_quality": {"limit": 0.5, "severe_limit": 0.25}}, {"low_quality": {"limit": 0.25}}),
    ],
)
def test_a_severe_limit_that_has_nowhere_to_go_is_asked_for(device, bed):
    with pytest.raises(ConfigError, match=r"severe_limit: needed, since the limit .* is past"):
        rules_from(bed, base=rules_from(device))


NO_END = "it would never end: it ends"
TEXT = "Rate {value}, limit {limit}, of {source}"


@pytest.mark.parametrize(
    ("name", "key", "value", "beside"),
    [
        ("brady", "limit", 20.0, {"severe_limit": None}),
        ("brady", "limit", 247.0, {}),
        ("brady", "limit", 250.0, {"hysteresis": 0}),
        ("tachy", "limit", 25.1, {}),
        ("tachy", "limit", 250.0, {"metrics": ["ppg.hr", "fused.spread"], "severe_limit": None}),
        ("tachy", "limit", 5.1, {"metrics": ["fused.spread"]}),
        ("low_quality", "limit", 0.9, {}),
        ("low_quality", "limit", 0.0, {}),
        ("af", "limit", 0.5, {"hysteresis": 0.4}),
        *(("asystole", "limit", limit_s, {}) for limit_s in (0.0, 60.0)),
        ("hr_disagree", "limit", 6.0, {}),
        ("clock_step", "lasts_s", 1.0, {}),
        ("tachy", "hysteresis", 20.0, {"metrics": ["ppg.slope"], "limit": 5}),
        ("tachy", "limit", 1e6, {"metrics": ["ppg.hr", "ppg.slope"], "severe_limit": 2e6}),
        ("tachy", "limit", 0.5, {"metrics": ["ppg.slope"]}),
        ("overload", "limit", 3.0, {}),
        ("brady", "limit", None, {}),
        *(("brady", "min_quality", quality, {}) for quality in (0.0, 0.5, 1.0)),
        *(("brady", "on_delay_s", delay_s, {}) for delay_s in (0.0, 0.5, 86_400.0)),
        ("brady", "text", TEXT, {}),
        ("brady", "priority", "high", {}),
        *(("brady", key, None, {}) for key in ("latching", "realarm_s")),
        ("af", "k", 1, {}),
        ("af", "n", 1, {"k": 1, "spacing_s": 0}),
        ("af", "spacing_s", 0.5, {}),
    ],
)  # fmt: skip
def test_what_may_be_set_is_taken_as_it_is(name, key, value, beside):
    assert getattr(rules_from({name: {**beside, key: value}})[name], key) == value


def test_a_share_of_all_but_everything_may_be_asked_for():
    assert [rules_from({"coverage_limit": share}).coverage_limit for share in (0.98, 0.991, 1)] == [0.98, 0.99, 0.99]


def test_with_fusion_the_rates_come_from_it_unless_told_otherwise():
    rules = rules_from({"tachy": {"metrics": ["ppg.hr"]}}, fused=True)
    assert rules["brady"].metrics == rules["asystole"].metrics == ("fused.hr",)
    assert rules["tachy"].metrics == ("ppg.hr",)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"bradi": {}}, "alarms.bradi: unknown; did you mean 'brady'?"),
        ({"brady": {"limt": 3}}, "alarms.brady.limt: unknown; did you mean 'limit'?"),
        ({"brady": {"name": "x"}}, "alarms.brady.name: unknown"),
        ({"brady": 45}, "alarms.brady: a table of settings"),
        ({"brady": {"limit": "low"}}, "alarms.brady.limit: a number from 0, not 'low'"),
        ({"brady": {"limit": -1}}, "alarms.brady.limit: a number from 0"),
        ({"brady": {"limit": float("nan")}}, "alarms.brady.limit: a number from 0"),
        ({"af": {"n": float("inf")}}, "alarms.af.n: a number from 0, not inf"),
        ({"brady": {"on_delay_s": True}}, "alarms.brady.on_delay_s: a number"),
        ({"brady": {"on_delay_s": None}}, "alarms.brady.on_delay_s: a number"),
        ({"af": {"k": 8}}, "alarms.af.k: 8 of 7 windows cannot agree"),
        ({"af": {"k": 2.5}}, "alarms.af.k: a whole number"),
        ({"af": {"k": 0}}, "alarms.af.k: a whole number from 1, not 0"),
        *(({"brady": {"n": n}}, f"alarms.brady.spacing_s: confirmation over {n} windows") for n in (2, 3)),
        ({"brady": {"severe_limit": 60}}, "alarms.brady.severe_limit: 60 is not beyond the limit 45"),
        ({"brady": {"limit": 5}}, "alarms.brady.limit: 5 must lie in 20 to 250: no reading is beyond it"),
        ({"tachy": {"limit": 1300}}, "alarms.tachy.limit: 1300 must lie in 20 to 250"),
        ({"tachy": {"severe_limit": 1400}}, "alarms.tachy.severe_limit: 1400 must lie in 20 to 250"),
        ({"murmur": {"limit": 50}}, "alarms.murmur.limit: 50 must lie in 0 to 1"),
        ({"asystole": {"limit": 60.1}}, "alarms.asystole.limit: 60.1 must lie in 0 to 60"),
        ({"low_quality": {"limit": 30}}, "alarms.low_quality.limit: 30 must lie in 0 to 1"),
        ({"tachy": {"limit": 245}}, "alarms.tachy.severe_limit: needed, since the limit 245 is past 140"),
        ({"brady": {"limit": 24}}, "alarms.brady.severe_limit: needed, since the limit 24 is past 40"),
        ({"tachy": {"hysteresis": 200}}, f"alarms.tachy.hysteresis: {NO_END} below -70, and readings lie in 20 to 250"),
        ({"brady": {"hysteresis": 240}}, f"alarms.brady.hysteresis: {NO_END} from 285, and readings lie in 20 to 250"),
        ({"brady": {"limit": 250}}, f"alarms.brady.limit: {NO_END} from 253, and"),
        ({"brady": {"limit": 250, "severe_limit": 249}}, f"alarms.brady.limit: {NO_END} from 253, and"),
        ({"tachy": {"limit": 25}}, f"alarms.tachy.limit: {NO_END} below 20, and"),
        (
            {"tachy": {"limit": 20, "metrics": ["ppg.hr", "fused.spread"]}},
            f"alarms.tachy.limit: {NO_END} below 15, and",
        ),
        (
            {"af": {"limit": 0.5, "hysteresis": 0.6}},
            f"alarms.af.hysteresis: {NO_END} below -0.1, and readings lie in 0 to 1",
        ),
        *(({name: {"limit": 0.0}}, f"alarms.{name}.limit: {NO_END} below 0, and") for name in ("af", "murmur")),
        ({"low_quality": {"limit": 0.95}}, f"alarms.low_quality.limit: {NO_END} from 1.05, and readings lie in 0 to 1"),
        ({"hr_disagree": {"limit": 5}}, f"alarms.hr_disagree.limit: {NO_END} below 0, and"),
        *(({name: {"lasts_s": 0}}, f"alarms.{name}.lasts_s: 0 would never end it") for name in ("drill", "clock_step")),
        *(
            ({"brady": {key: 10**400}}, f"alarms.brady.{key}: a number from 0, not 1000")
            for key in ("limit", "k", "on_delay_s")
        ),
        ({"silent_s": 10**400}, "alarms.silent_s: a number from 0, not 1000"),
        ({"brady": {"on_delay_s": 1e9}}, "alarms.brady.on_delay_s: at most 86400 s, not 1e+09"),
        ({"standby_max_s": 1e9}, "alarms.standby_max_s: at most 2.6784e+06 s, not 1e+09"),
        ({"tachy": {"metrics": []}}, "alarms.tachy.metrics: a list of metrics such as"),
        ({"brady": {"limit": 30, "severe_limit": 30}}, "alarms.brady.severe_limit: 30 is not beyond the limit 30"),
        ({"brady": {"priority": "urgent"}}, "alarms.brady.priority: one of low, medium, high"),
        ({"brady": {"enabled": 1}}, "alarms.brady.enabled: true or false"),
        ({"brady": {"latching": "yes"}}, "alarms.brady.latching: true or false"),
        ({"brady": {"metrics": "ppg.hr"}}, "alarms.brady.metrics: a list of metrics"),
        ({"brady": {"metrics": ["ppg.hr", 1]}}, "alarms.brady.metrics: a list of metrics"),
        *(({"brady": {"text": text}}, "alarms.brady.text: a text with no fields but") for text in ("{rate}", "{", 5)),
        ({"brady": {"min_quality": 1.01}}, "alarms.brady.min_quality: a quality, 0 to 1"),
        *(({"coverage_limit": share}, "alarms.coverage_limit: a share, 0 to 1") for share in (1.001, 2)),
        ({"pause_max": 2}, "alarms.pause_max: unknown; did you mean 'pause_max_s'?"),
    ],
)
def test_a_mistake_is_named_in_one_line(mapping, says):
    with pytest.raises(ConfigError) as error:
        rules_from(mapping)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_a_limit_on_figures_of_somebody_else_may_be_any():
    rules = rules_from({"tachy": {"metrics": ["ppg.slope"], "limit": 5000, "severe_limit": 6000}})
    assert (rules["tachy"].limit, rules["tachy"].severe_limit) == (5000.0, 6000.0)


@pytest.mark.parametrize(
    ("device", "bed", "says"),
    [
        ({"hysteresis": 50}, {"limit": 60}, f"limit: {NO_END} below 10"),
        ({"limit": 60}, {"hysteresis": 50}, f"hysteresis: {NO_END} below 10"),
        ({"metrics": ["ppg.slope"], "limit": 0.5}, {"metrics": ["ppg.hr"]}, "metrics: 0.5 must lie in 20 to 250"),
        ({"metrics": ["ppg.slope"], "limit": 22}, {"metrics": ["ppg.hr"]}, f"metrics: {NO_END} below 17"),
    ],
)
def test_what_a_bed_changes_is_judged_with_what_its_device_says(device, bed, says):
    with pytest.raises(ConfigError, match=rf"^alarms\.tachy\.{re.escape(says)}"):
        rules_from({"tachy": bed}, base=rules_from({"tachy": device}))


def test_every_shipped_rule_can_end():
    for name, rule in DEFAULTS.items():
        assert rules_from({name: {"enabled": True}})[name] == rule
