"""What stands retained: the newest of each topic, said once and again where it was not taken, nothing of others left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.sinks._mqtt.retained import Retained


def test_the_newest_of_a_topic_is_said_once_and_after_a_new_connection_again():
    one = Retained()
    one.say("a", b"1")
    one.say("a", b"2")
    one.say("b", b"3")
    assert one
    assert one.take(1) == {"a": b"2"}
    assert one.take(9) == {"b": b"3"}
    assert not one
    assert one.take(9) == {}
    one.all_again()
    assert one.take(9) == {"a": b"2", "b": b"3"}


def test_what_is_over_is_emptied_once_and_forgotten():
    one = Retained()
    one.say("a", b"1")
    one.say("a", None)
    assert one.take(9) == {"a": None}
    one.all_again()
    assert one.take(9) == {}


def test_what_the_broker_refused_is_said_again_as_it_is_now():
    one = Retained()
    one.say("a", b"1")
    one.say("b", None)
    one.take(9)
    one.say("a", b"2")
    one.again(["a", "b"])
    assert one.take(9) == {"a": b"2", "b": None}


def test_only_what_nobody_claims_or_says_is_emptied_when_it_is_found():
    one = Retained(["claimed"])
    one.say("said", b"1")
    one.take(9)
    for topic in ("claimed", "said", "left"):
        one.found(topic)
    assert one.take(9) == {"left": None}


def test_what_somebody_else_emptied_is_said_again_where_it_is_true():
    one = Retained()
    one.say("a", b"1")
    one.say("b", b"2")
    one.say("b", None)
    one.take(9)
    for topic in ("a", "b", "never said"):
        one.erased(topic)
    assert one.take(9) == {"a": b"1"}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["say", "over", "found", "erased", "again", "all", "take"])),
        max_size=40,
    )
)
def test_a_broker_that_takes_what_is_said_ends_with_what_is_true(steps):
    one, true, broker = Retained(), {}, {"c": b"of an earlier run"}
    for number, (topic, step) in enumerate(steps):
        if step == "say":
            true[topic] = b"%d" % number
            one.say(topic, true[topic])
        elif step == "over":
            true.pop(topic, None)
            one.say(topic, None)
        elif step == "erased":
            broker.pop(topic, None)
            one.erased(topic)
        elif step == "again":
            one.again([topic])
        elif step == "all":
            one.all_again()
        elif step == "take":
            broker |= one.take(2)
    for topic in [topic for topic, held in broker.items() if held]:
        one.found(topic)
    while one:
        broker |= one.take(2)
    assert {topic: held for topic, held in broker.items() if held} == true
