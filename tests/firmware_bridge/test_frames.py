"""Frames: the worked example, shared vectors, every message there and back, and one word for each way to be bad."""

from __future__ import annotations

import json
from binascii import crc_hqx
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.frames import (
    EVENTS,
    FLAGS,
    HELLO,
    MAX_ENCODED,
    MAX_FRAME,
    MAX_HELLO,
    MAX_SAMPLE_BYTES,
    Ack,
    BadFrameError,
    Data,
    DeviceEvent,
    Hello,
    RequestHello,
    Set,
    Start,
    Stop,
    StreamInfo,
    cobs_decode,
    cobs_encode,
    encode,
    parse,
)

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
WIDTHS = {1: 2, 2: 3, 3: 4, 4: 1}


def data_frames():
    @st.composite
    def draw(draw):
        format_, channels = draw(st.sampled_from([1, 2, 3, 4])), draw(st.integers(1, 8))
        width = channels * WIDTHS[format_]
        count = draw(st.integers(1, MAX_SAMPLE_BYTES // width))
        filler = draw(st.sampled_from([b"\0", b"\1", b"\xff", bytes(range(256))]))
        samples = (draw(st.binary(max_size=64)) + filler * count * width)[: count * width]
        u32 = st.integers(0, 0xFFFFFFFF)
        return Data(
            draw(st.integers(1, 255)), format_, channels, draw(st.integers(0, 7)), count, draw(u32), draw(u32), samples
        )

    return draw()


def messages():
    u8, u32 = st.integers(0, 255), st.integers(0, 0xFFFFFFFF)
    text = st.text(st.characters(codec="utf-8"), max_size=12)
    info = st.builds(
        StreamInfo,
        id=st.integers(1, 255),
        kind=text,
        channels=st.lists(text, min_size=1, max_size=3).map(tuple),
        rate_hz=st.floats(0.1, 48_000.0),
        unit=text,
    )
    hello = st.builds(
        Hello,
        device=text,
        boot=u32,
        streams=st.lists(info, max_size=2, unique_by=lambda s: s.id).map(tuple),
        fw=text,
        unknown_keys=st.just(()),
    )
    event = st.builds(DeviceEvent, code=u8, device_us=u32, detail=text)
    ack = st.builds(Ack, type=u8, frame_seq=st.integers(0, 0xFFFF), result=u8)
    settings = st.builds(Set, key=text, value=st.one_of(st.none(), st.booleans(), st.integers(-9, 9), text))
    return st.one_of(
        hello, data_frames(), event, ack, settings, st.just(RequestHello()), st.builds(Start, u8), st.builds(Stop, u8)
    )


def test_the_worked_example():
    assert crc_hqx(b"123456789", 0xFFFF) == 0x29B1
    assert encode(RequestHello(), 0) == bytes.fromhex("0301100103 17B100".replace(" ", ""))
    assert parse(bytes.fromhex("030110010317B1")) == (0, RequestHello())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_shared_vectors(vector):
    kinds = {"hello": Hello, "data": Data, "event": DeviceEvent, "ack": Ack, "set": Set, "start": Start, "stop": Stop}
    kind = kinds.get(vector["kind"], RequestHello)
    fields = dict(vector["fields"])
    if kind is Hello:
        fields["streams"] = tuple(StreamInfo(**{**s, "channels": tuple(s["channels"])}) for s in fields["streams"])
    if kind is Data:
        fields["samples"] = bytes.fromhex(fields["samples"])
    message = kind(**fields)
    wire = bytes.fromhex(vector["wire"])
    assert encode(message, vector["frame_seq"]) == wire
    assert parse(wire[:-1]) == (vector["frame_seq"], message)


@given(messages(), st.integers(0, 0xFFFF))
def test_every_message_comes_back_as_it_went(message, frame_seq):
    wire = encode(message, frame_seq)
    assert len(wire) <= MAX_ENCODED
    assert wire.count(0) == 1
    assert wire[-1] == 0
    assert parse(wire[:-1]) == (frame_seq, message)


@given(st.binary(max_size=1100))
def test_stuffing_is_undone_and_leaves_no_zero(data):
    stuffed = cobs_encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert cobs_decode(stuffed) == data


@given(messages(), st.data())
def test_no_single_damaged_bit_passes(message, data):
    wire = bytearray(encode(message, 7)[:-1])
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BadFrameError):
        parse(bytes(wire))


def framed(content):
    """``content`` with a right checksum, stuffed."""
    return cobs_encode(content + crc_hqx(content, 0xFFFF).to_bytes(2, "little"))


@pytest.mark.parametrize(
    ("stuffed", "counter"),
    [
        (cobs_encode(b"\1\2\3\4\5"), "too_short"),
        (b"\x09abc", "crc_errors"),
        (cobs_encode(b"\1\x10\0\0\0\0"), "crc_errors"),
        (framed(b"\2\x10\0\0"), "unknown_version"),
        (framed(b"\1\x63\0\0"), "unknown_type"),
        (framed(b"\1\x10\0\0extra"), "bad_body"),
        (framed(b"\1\x01\0\0{not json"), "bad_body"),
        (framed(b"\1\x01\0\0[]"), "bad_body"),
        (framed(b'\1\x01\0\0{"device":"x","boot":true,"streams":[]}'), "bad_body"),
        (framed(b"\1\x01\0\0" + b"[" * 600), "bad_body"),
        (framed(b"\1\x02\0\0\1\1\1\0\0\0" + bytes(8)), "bad_body"),  # no samples
        (framed(b"\1\x02\0\0\1\1\1\0\2\0" + bytes(8) + b"abc"), "bad_body"),  # half a sample
        (framed(b"\1\x02\0\0\1\x09\1\0\1\0" + bytes(8) + b"ab"), "bad_body"),  # unknown format
        (framed(b"\1\x02\0\0\1\1\x09\0\1\0" + bytes(8) + bytes(18)), "bad_body"),  # nine channels
        (framed(b"\1\x03\0\0\1\0\0\0\0" + b"\xff"), "bad_body"),  # not UTF-8
        (framed(b"\1\x03\0\0\1\0\0\0\0" + b"a" * 65), "bad_body"),
        (framed(b"\1\x11\0\0"), "bad_body"),
        (framed(b"\1\x14\0\0\1\0"), "bad_body"),
    ],
)
def test_what_is_no_frame_names_its_counter(stuffed, counter):
    with pytest.raises(BadFrameError) as caught:
        parse(stuffed)
    assert caught.value.counter == counter


@pytest.mark.parametrize(
    "message",
    [
        Data(1, 9, 1, 0, 1, 0, 0, b"ab"),
        Data(1, 1, 0, 0, 1, 0, 0, b""),
        Data(1, 1, 1, 0, 0, 0, 0, b""),
        Data(1, 1, 1, 0, 2, 0, 0, b"ab"),
        Data(1, 4, 1, 0, 999, 0, 0, bytes(999)),
        DeviceEvent(1, 0, "x" * 65),
        Hello("x" * 701, 1, ()),
        Set("x" * 1100, 1),
    ],
    ids=lambda m: type(m).__name__,
)
def test_what_fits_in_no_frame_is_refused(message):
    with pytest.raises(ValueError, match=r"at most|unknown|needs|not"):
        encode(message, 0)


def test_a_frame_of_the_most_bytes_goes_and_one_more_is_refused():
    head = len('{"key":"k","value":""}') + 6
    whole = Set("k", "x" * (MAX_FRAME - head))
    assert parse(encode(whole, 0)[:-1]) == (0, whole)
    with pytest.raises(ValueError, match=f"a frame of {MAX_FRAME + 1} bytes; at most {MAX_FRAME}"):
        encode(Set("k", "x" * (MAX_FRAME - head + 1)), 0)


def hello(**stream):
    """The body of a HELLO of one stream."""
    told = {"id": 1, "kind": "ppg", "channels": ["ir"], "rate_hz": 100.0, **stream}
    return json.dumps({"device": "x", "boot": 1, "streams": [told]}).encode()


def is_read(body):
    try:
        parse(framed(bytes([1, HELLO, 0, 0]) + body))
    except BadFrameError as bad:
        return bad.counter
    return True


@pytest.mark.parametrize(
    ("key", "read", "refused"),
    [
        ("id", [1, 255], [0, 256, None]),
        ("channels", [["a"], ["a"] * 8], [[], ["a"] * 9, 3]),
        ("rate_hz", [1e-6, 999_999.0], [9e-7, 1e6, 0, -1.0, "nan"]),
    ],
)
def test_what_a_hello_may_say_of_a_stream(key, read, refused):
    assert [is_read(hello(**{key: value})) for value in read] == [True] * len(read)
    assert [is_read(hello(**{key: value})) for value in refused] == ["bad_body"] * len(refused)


def test_a_hello_may_have_so_many_bytes_and_no_more():
    assert [is_read(hello().ljust(length)) for length in (MAX_HELLO, MAX_HELLO + 1)] == [True, "bad_body"]


def test_two_streams_of_one_id_are_refused_and_keys_that_are_not_known_are_named():
    table = json.loads(hello())
    assert is_read(json.dumps({**table, "streams": table["streams"] * 2}).encode()) == "bad_body"
    _, found = parse(framed(bytes([1, HELLO, 0, 0]) + json.dumps({**table, "zeta": 1, "alpha": 2}).encode()))
    assert (found.fw, found.streams[0].unit, found.unknown_keys) == ("", "", ("alpha", "zeta"))


def test_what_the_numbers_on_the_wire_mean():
    assert dict(FLAGS) == {1: "saturated", 2: "sensor_off", 4: "overrun"}
    assert dict(EVENTS) == {1: "button", 2: "low battery", 3: "sensor error", 4: "watchdog reset"}
    assert MAX_HELLO == 700
