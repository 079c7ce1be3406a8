"""The decoder: never raises, bounded, resynchronises, and counts exactly the samples truly lost."""

from __future__ import annotations

import json
import struct
from binascii import crc_hqx

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_bridge.decoder import COUNTERS, Decoder, Reset, Samples
from firmware_bridge.frames import MAX_ENCODED, Data, DeviceEvent, Hello, RequestHello, StreamInfo, cobs_encode, encode

PPG = StreamInfo(1, "ppg", ("ir",), 100.0)
PCG = StreamInfo(2, "pcg", ("mic",), 4000.0)
HELLO = Hello("node", 1, (PPG, PCG))
WRAP = 1 << 32


def ppg(index, count=10, device_us=None):
    us = index * 10_000 if device_us is None else device_us
    return Data(1, 1, 1, 0, count, index % WRAP, us % WRAP, bytes(2 * count))


def hold(decoder):
    return len(decoder._held)


def never_raises(decoder, pieces):
    for piece in pieces:
        decoder.feed(piece)
        assert hold(decoder) < MAX_ENCODED
    assert set(decoder.counters) == set(COUNTERS)
    assert all(v >= 0 for v in decoder.counters.values())
    found = decoder.feed(b"\0" + encode(DeviceEvent(1, 5, "after"), 9))
    assert found[-1] == DeviceEvent(1, 5, "after")


GOOD = [encode(HELLO, 0), *(encode(ppg(k * 10), k + 1) for k in range(4)), encode(RequestHello(), 5)]


@st.composite
def damaged_streams(draw):
    """Good frames cut, doubled, bent and mixed with garbage: what fuzzing whole bytes alone seldom reaches."""
    pieces = []
    for _ in range(draw(st.integers(0, 12))):
        frame = bytearray(draw(st.sampled_from(GOOD)))
        match draw(st.integers(0, 4)):
            case 0:
                frame = frame[draw(st.integers(0, len(frame))) :]
            case 1:
                frame[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
            case 2:
                frame = bytearray(draw(st.binary(max_size=40)))
            case 3:
                frame = bytearray(cobs_encode(draw(st.binary(max_size=60)))) + b"\0"
        pieces.append(bytes(frame))
    return pieces


@given(st.lists(st.binary(max_size=300), max_size=20))
@example([b"\x01" * 5000])
def test_garbage_never_raises_and_the_next_good_frame_is_heard(pieces):
    never_raises(Decoder(), pieces)


@given(damaged_streams())
def test_damaged_frames_never_raise(pieces):
    never_raises(Decoder(), pieces)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@given(st.one_of(damaged_streams(), st.lists(st.binary(max_size=1200), max_size=6)))
def test_fuzzed_at_length(pieces):
    never_raises(Decoder(), pieces)


@given(st.lists(st.integers(0, 60), max_size=30))
def test_pieces_of_any_size_say_the_same(cuts):
    wire = b"".join(GOOD)
    whole, pieced = Decoder(), Decoder()
    expected = whole.feed(wire)
    found, at = [], 0
    for cut in [*cuts, len(wire)]:
        found += pieced.feed(wire[at : at + cut])
        at += cut
    found += pieced.feed(wire[at:])
    assert found == expected
    assert pieced.counters == whole.counters


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=60), st.integers(0, WRAP - 1))
def test_lost_samples_are_those_truly_lost(frames, start):
    """Frames of any length, any of them lost, the index wrapping anywhere: loss between first and last received."""
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0))
    index, seq, lost, pending, heard = start, 1, 0, 0, False
    for count, arrives in frames:
        if arrives:
            decoder.feed(encode(ppg(index, count), seq % 65536))
            lost += pending if heard else 0
            heard, pending = True, 0
        else:
            pending += count
        index, seq = index + count, seq + 1
    assert decoder.counters["lost_samples"] == lost
    assert decoder.counters["resets"] == 0


def test_samples_stand_where_they_were_taken():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0))
    (first,) = decoder.feed(encode(ppg(500), 1))
    (second,) = decoder.feed(encode(ppg(530), 4))
    assert (first.start, first.lost, second.start, second.lost) == (0, 0, 30, 20)
    assert decoder.counters["lost_frames"] == 2


def test_the_frame_counter_wraps_without_loss():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 65_534) + encode(ppg(0), 65_535) + encode(ppg(10), 0))
    assert decoder.counters["lost_frames"] == 0


def test_a_new_boot_is_one_reset():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(5000), 1))
    items = decoder.feed(encode(Hello("node", 2, (PPG,)), 0) + encode(ppg(0), 1))
    assert [type(i) for i in items] == [Reset, Hello, Samples]
    assert (decoder.counters["resets"], decoder.counters["lost_samples"]) == (1, 0)


def test_a_restart_that_samples_tell_of_loses_no_frames():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 39_999) + encode(ppg(5000), 40_000) + encode(ppg(0), 1) + encode(ppg(10), 3))
    assert (decoder.counters["resets"], decoder.counters["lost_frames"]) == (1, 1)


def test_hello_said_again_by_the_same_boot_is_no_reset():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(0), 1))
    items = decoder.feed(encode(HELLO, 2) + encode(ppg(20), 3))
    assert [type(i) for i in items] == [Hello, Samples]
    assert (items[1].start, decoder.counters["resets"], decoder.counters["lost_samples"]) == (20, 0, 10)


def test_a_boot_after_one_that_samples_told_of_is_a_reset_again():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(5000), 1) + encode(ppg(0), 1))
    decoder.feed(encode(Hello("node", 2, (PPG,)), 2))
    assert [type(i) for i in decoder.feed(encode(Hello("node", 3, (PPG,)), 0))] == [Reset, Hello]
    assert decoder.counters["resets"] == 2


def test_a_repeated_frame_does_not_hide_the_next_restart():
    """An index that went back once without a restart is forgotten with the next HELLO of the same boot."""
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(100), 1) + encode(ppg(100), 1) + encode(HELLO, 2))
    assert [type(i) for i in decoder.feed(encode(Hello("node", 2, (PPG,)), 0))] == [Reset, Hello]


@pytest.mark.parametrize(("ahead", "lost"), [(0x8000, 0x7FFF), (0x8001, 0)])
def test_frames_that_seem_more_than_half_the_counter_ahead_are_late_ones(ahead, lost):
    decoder = Decoder()
    decoder.feed(encode(RequestHello(), 5) + encode(RequestHello(), 5 + ahead))
    assert decoder.counters["lost_frames"] == lost


@pytest.mark.parametrize(("jump", "resets"), [(WRAP // 2 - 1, 0), (WRAP // 2, 1)])
def test_an_index_half_the_counter_away_went_back(jump, resets):
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(0), 1) + encode(ppg(10 + jump, device_us=100_000), 2))
    assert (decoder.counters["resets"], decoder.counters["lost_samples"]) == (resets, 0 if resets else jump)


def test_an_index_that_goes_back_is_a_reset_though_hello_comes_later():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(5000), 1))
    items = decoder.feed(encode(ppg(0), 1))
    assert [type(i) for i in items] == [Reset, Samples]
    assert decoder.wants_hello(0.0)
    assert [type(i) for i in decoder.feed(encode(Hello("node", 2, (PPG,)), 2))] == [Hello]
    assert (decoder.counters["resets"], decoder.counters["lost_samples"]) == (1, 0)


def test_a_device_time_that_goes_back_is_a_reset_where_no_wrap_explains_it():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(100, device_us=60_000_000), 1))
    assert isinstance(decoder.feed(encode(ppg(110, device_us=100), 2))[0], Reset)


@pytest.mark.parametrize(("missed_min", "resets"), [(10, 1), (40, 0)])
def test_a_device_time_that_goes_back_over_a_long_silence_may_have_wrapped(missed_min, resets):
    decoder = Decoder()
    missed = missed_min * 60 * 100
    decoder.feed(encode(HELLO, 0) + encode(ppg(0, device_us=0), 1))
    decoder.feed(encode(ppg(10 + missed, device_us=WRAP // 2), 2))
    assert decoder.counters["resets"] == resets


def test_a_device_time_that_wraps_is_no_reset():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0) + encode(ppg(100, device_us=WRAP - 50_000), 1))
    (samples,) = decoder.feed(encode(ppg(110, device_us=50_000), 2))
    assert (samples.start, decoder.counters["resets"]) == (10, 0)


def test_data_before_hello_asks_for_it_once_a_second():
    decoder = Decoder()
    assert decoder.feed(encode(ppg(0), 0)) == []
    assert decoder.counters["no_hello"] == 1
    assert [decoder.wants_hello(t) for t in (10.0, 10.5, 10.99, 11.0)] == [True, False, False, True]
    decoder.feed(encode(HELLO, 1))
    assert not decoder.wants_hello(20.0)


def test_unknown_kinds_and_keys_are_named_once():
    decoder = Decoder()
    odd = Hello("node", 1, (StreamInfo(1, "spo2", ("a",), 1.0),))
    decoder.feed(encode(odd, 0))
    decoder.feed(encode(odd, 1))
    assert decoder.unknown == {"stream kind spo2"}
    body = b'{"device":"node","boot":1,"streams":[{"id":1,"kind":"spo2","channels":["a"],"rate_hz":1}],"colour":"red"}'
    decoder.feed(framed(body))
    assert decoder.unknown == {"stream kind spo2", "key colour"}
    assert decoder.feed(encode(ppg(0), 2)) != []  # of unknown kind, still handed on: the caller says what it takes


def framed(body, type_=1):
    frame = struct.pack("<BBH", 1, type_, 1) + body
    return cobs_encode(frame + struct.pack("<H", crc_hqx(frame, 0xFFFF))) + b"\0"


NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, float("inf"), -1, 0, 1e-300]))
JSON = st.recursive(st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=4)), st.lists, max_leaves=4)
STREAM = st.fixed_dictionaries({}, optional={"id": JSON, "kind": JSON, "channels": JSON, "rate_hz": JSON, "unit": JSON})


@given(st.fixed_dictionaries({"device": JSON, "boot": JSON, "streams": st.one_of(JSON, st.lists(STREAM))}))
@example({"device": "x", "boot": 1, "streams": [{"id": float("inf"), "kind": "ppg", "channels": ["a"], "rate_hz": 1}]})
@example({"device": "x", "boot": 1, "streams": [{"id": 1, "kind": "ppg", "channels": ["a"], "rate_hz": 10**400}]})
def test_whatever_json_a_hello_holds_nothing_raises(table):
    never_raises(Decoder(), [framed(json.dumps(table).encode())])


@pytest.mark.parametrize(
    ("rate_hz", "heard"), [(5e-324, False), (9e-7, False), (1e-6, True), (999_999, True), (1e6, False)]
)
def test_a_rate_at_which_a_sample_would_be_at_no_time_is_none(rate_hz, heard):
    stream = {"id": 1, "kind": "temp", "channels": ["a"], "rate_hz": rate_hz}
    decoder = Decoder()
    decoder.feed(framed(json.dumps({"device": "x", "boot": 1, "streams": [stream]}).encode()))
    assert (decoder.hello is not None, decoder.counters["bad_body"]) == (heard, not heard)


def test_what_a_device_says_of_itself_is_made_printable():
    body = b'{"device":"\\ud800","fw":"1\\n","boot":1,"streams":[{"id":1,"kind":"a\\u001b","channels":["b\\r"],"rate_hz":1}]}'
    (hello,) = Decoder().feed(framed(body))
    assert (hello.device, hello.fw, hello.streams) == ("?", "1?", (StreamInfo(1, "a?", ("b?",), 1.0),))
    event = struct.pack("<BI", 3, 0) + b"x\ny"
    assert Decoder().feed(framed(event, 3)) == [DeviceEvent(3, 0, "x?y")]


def test_the_names_that_are_not_known_are_bounded():
    decoder = Decoder()
    for k in range(200):
        decoder.feed(framed(b'{"device":"x","boot":1,"streams":[],"key%d":1}' % k))
    assert len(decoder.unknown) == 64


def test_an_endless_run_is_dropped_and_counted_once():
    decoder = Decoder()
    for _ in range(50):
        decoder.feed(b"\x41" * 1000)
        assert hold(decoder) == 0 or decoder.counters["too_long"] == 0
    assert decoder.counters["too_long"] == 1
    assert decoder.feed(b"\0" + encode(HELLO, 0)) == [HELLO]


@pytest.mark.parametrize(("encoded", "counter"), [(MAX_ENCODED - 1, "crc_errors"), (MAX_ENCODED, "too_long")])
def test_a_frame_of_the_most_bytes_is_read_and_one_more_is_not(encoded, counter):
    decoder = Decoder()
    assert decoder.feed(b"\x01" * encoded + b"\0") == []
    assert {name: n for name, n in decoder.counters.items() if n} == {counter: 1}


def test_data_of_more_channels_than_announced_waits_for_a_new_hello():
    decoder = Decoder()
    decoder.feed(encode(HELLO, 0))
    assert decoder.feed(encode(Data(1, 1, 2, 0, 5, 0, 0, bytes(20)), 1)) == []
    assert (decoder.counters["no_hello"], decoder.wants_hello(0.0)) == (1, True)
