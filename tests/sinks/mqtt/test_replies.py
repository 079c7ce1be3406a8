"""Where an answer may go: never where somebody takes it for something else."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import parse
from edge.sinks._mqtt.replies import MAX_BYTES, Reply, ReplyRules, asked
from edge.types import ConfigError

ROOT = "vitals/dev"
RESULT = f"{ROOT}/bed1/cmd/result"
RULES = ReplyRules(ROOT, reserved=("homeassistant", "ha"))


def may(topic, rules=RULES, correlation=None):
    return not rules.refusal(Reply(topic, correlation), RESULT)


@pytest.mark.parametrize(
    "topic",
    ["answers", "me/answers", "vitalsigns/x", "homeassistantx/y", "me/commands", "a//b", "/a", "wörter/ä", RESULT, f"{RESULT}/me"],
)  # fmt: skip
def test_a_topic_of_one_s_own_is_answered(topic):
    assert may(topic)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("vitals", "a device's"),
        ("vitals/", "a device's"),
        ("vitals/other/bed1/alarm/af", "a device's"),
        ("vitals/dev/bed1/cmd/ack", "a device's"),
        (f"{RESULT}/", "a device's"),
        (f"{RESULT}/a/b", "a device's"),
        ("homeassistant/status", "Home Assistant's"),
        ("ha/device/dev/config", "Home Assistant's"),
        ("other/dev/bed1/cmd/ack", "commands are taken"),
        ("cmd", "commands are taken"),
        ("a/+", "wildcard"),
        ("#", "wildcard"),
        ("$SYS/x", "begins with $"),
        ("$share/g/x", "begins with $"),
        ("a\0b", "not printable"),
        ("a\nb", "not printable"),
        ("a\ufeff", "not printable"),
        ("a\ud800", "not printable"),
        ("x" * (MAX_BYTES + 1), "more than 256 bytes"),
        ("ä" * (MAX_BYTES // 2 + 1), "more than 256 bytes"),
    ],
)
def test_what_is_somebody_else_s_is_not(topic, said):
    assert said in RULES.refusal(Reply(topic), RESULT)


def test_the_longest_of_both_is_taken():
    assert may("x" * MAX_BYTES, correlation=b"x" * MAX_BYTES)
    assert "correlation data" in RULES.refusal(Reply("x", b"x" * (MAX_BYTES + 1)), RESULT)


@pytest.mark.parametrize("below", ["answers", "answers/"])
def test_a_prefix_leaves_what_is_below_it_and_the_bed_s_own(below):
    rules = ReplyRules(ROOT, below=below)
    assert [may(topic, rules) for topic in ("answers/a", "answers/a/b", f"{RESULT}/me", RESULT)] == [True] * 4
    assert [may(topic, rules) for topic in ("answers", "answersx/a", "me", "answers/cmd/x")] == [False] * 4
    assert not may("vitals/other/x", ReplyRules(ROOT, below="vitals"))


@given(st.text(alphabet="abc/+#$\0cmdvitals", max_size=40))
def test_no_topic_of_a_device_but_below_the_bed_s_result_is_ever_answered(topic):
    if topic and may(topic) and topic != RESULT and not topic.startswith(f"{RESULT}/"):
        levels = topic.split("/")
        assert levels[0] != "vitals"
        assert "cmd" not in levels
        assert not set("+#\0") & set(topic)
        assert topic[0] != "$"


def test_a_message_without_properties_asks_for_nothing():
    assert asked(None) == Reply("", None)
    assert asked(SimpleNamespace()) == Reply("", None)
    assert asked(SimpleNamespace(ResponseTopic=None)) == Reply("", None)
    assert asked(SimpleNamespace(ResponseTopic="me", CorrelationData=b"7")) == Reply("me", b"7")


def test_where_home_assistant_has_no_prefix_none_is_kept_from_others():
    assert may("/a", ReplyRules(ROOT, reserved=("",)))


@pytest.mark.parametrize("prefix", ["a/+", "#", "$SYS/answers"])
def test_a_prefix_with_a_wildcard_is_no_prefix(prefix):
    with pytest.raises(ConfigError, match=r"mqtt\.response_prefix"):
        parse(f'[mqtt]\nhost = "h"\nresponse_prefix = "{prefix}"')
