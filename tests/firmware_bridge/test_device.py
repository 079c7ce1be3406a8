"""The C sender against the Python side, byte for byte in both directions; built here with every warning an error."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.frames import (
    Ack,
    Data,
    DeviceEvent,
    Hello,
    RequestHello,
    Set,
    Start,
    Stop,
    cobs_decode,
    encode,
    parse,
)

HERE = Path(__file__).parent
DEVICE = HERE.parents[1] / "firmware_bridge" / "device"
VECTORS = json.loads((HERE / "vectors.json").read_text())
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"]
WIDTHS = {1: 2, 2: 3, 3: 4, 4: 1}


class CSender:
    """The C program behind its line protocol."""

    def __init__(self, program):
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self._process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def frame(self, message, frame_seq):
        """The bytes of the frame the C side makes of ``message``; empty when it refuses."""
        self.ask("seq", frame_seq)
        match message:
            case Hello():
                wire = encode(message, 0)
                _, again = parse(wire[:-1])
                assert again == message
                answer = self.ask("hello", hello_json(message).hex() or "-")
            case Data():
                m = message
                words = (m.stream, m.format, m.channels, m.flags, m.count, m.index, m.device_us)
                answer = self.ask("data", *words, m.samples.hex() or "-")
            case DeviceEvent():
                answer = self.ask("event", message.code, message.device_us, message.detail.encode().hex() or "-")
            case Ack():
                answer = self.ask("ack", message.type, message.frame_seq, message.result)
        assert "OVERRUN" not in answer
        return bytes.fromhex(answer.replace("-", ""))

    def commands(self, wire):
        """``(type, frame_seq, body)`` of each command heard in ``wire``."""
        heard = []
        for word in self.ask("receive", wire.hex()).split(";")[:-1]:
            type_, seq, body = word.split()
            heard.append((int(type_), int(seq), bytes.fromhex(body.replace("-", ""))))
        return heard

    def close(self):
        self._process.communicate()
        return self._process.returncode


def hello_json(hello):
    """The JSON a device's firmware would hold, here as the Python side writes it."""
    streams = [
        {"id": s.id, "kind": s.kind, "channels": list(s.channels), "rate_hz": s.rate_hz, "unit": s.unit}
        for s in hello.streams
    ]
    table = {"device": hello.device, "fw": hello.fw, "boot": hello.boot, "streams": streams}
    return json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.fixture(scope="module", params=["this machine's", "16-bit"], ids=lambda width: f"{width} size_t")
def sender(tmp_path_factory, request):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("device")
    program = folder / "sender"
    sources = [str(DEVICE / "vitals_sender.c"), str(HERE / "sender_main.c")]
    if request.param == "16-bit":  # as on an AVR
        narrow = folder / "narrow.h"
        narrow.write_text("#include <stdio.h>\n#include <string.h>\n#include <stdint.h>\n#define size_t uint16_t\n")
        sources = ["-include", str(narrow), "-Wno-conversion", *sources]
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    build = [compiler, "-g", "-D_POSIX_C_SOURCE=200809L", *STRICT, f"-I{DEVICE}", *sources, "-o", str(program)]
    made = subprocess.run([*build, *sanitize], capture_output=True, check=False).returncode == 0
    if not made or subprocess.run([program], input=b"", capture_output=True, check=False).returncode:
        subprocess.run(build, check=True)  # a compiler without sanitizers, or a machine on which they do not start
    running = CSender(program)
    yield running
    assert running.close() == 0


def test_the_sender_alone_compiles_with_every_warning_an_error(tmp_path):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    made = [compiler, "-Os", *STRICT, "-c", str(DEVICE / "vitals_sender.c"), "-o", str(tmp_path / "s.o")]
    subprocess.run(made, check=True)


def test_it_calls_nothing_but_memcpy(tmp_path):
    compiler, nm = shutil.which("cc") or pytest.skip("no C compiler"), shutil.which("nm") or pytest.skip("no nm")
    flags = ["-Os", "-fno-stack-protector", "-c"]
    subprocess.run([compiler, *flags, str(DEVICE / "vitals_sender.c"), "-o", str(tmp_path / "s.o")], check=True)
    listed = subprocess.run([nm, "-u", str(tmp_path / "s.o")], capture_output=True, text=True, check=True).stdout
    assert set(listed.split()) - {"U", "_GLOBAL_OFFSET_TABLE_"} <= {"memcpy"}


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4"])
def test_its_code_is_under_two_kilobytes(tmp_path, target):
    compiler = shutil.which("arm-none-eabi-gcc") or pytest.skip("no arm-none-eabi-gcc")
    size = shutil.which("arm-none-eabi-size") or pytest.skip("no arm-none-eabi-size")
    options = [f"-mcpu={target}", "-mthumb", "-Os", "-ffreestanding", "-c"]
    subprocess.run([compiler, *options, str(DEVICE / "vitals_sender.c"), "-o", str(tmp_path / "s.o")], check=True)
    out = subprocess.run([size, str(tmp_path / "s.o")], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(n) for n in out.splitlines()[1].split()[:3])
    print(f"{target}: {text} bytes of code")
    assert (text < 2048, data, bss) == (True, 0, 0)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_shared_vectors(sender, vector):
    wire = bytes.fromhex(vector["wire"])
    frame_seq, message = parse(wire[:-1])
    if vector["kind"] in {"hello", "data", "event", "ack"}:
        assert sender.frame(message, frame_seq) == wire
    else:
        frame = cobs_decode(wire[:-1])
        assert sender.commands(wire) == [(frame[1], frame_seq, frame[4:-2])]


@st.composite
def data_frames(draw):
    format_, channels = draw(st.sampled_from([1, 2, 3, 4])), draw(st.integers(1, 8))
    width = channels * WIDTHS[format_]
    count = draw(st.integers(1, 998 // width))
    filler = draw(st.sampled_from([b"\0", b"\1", b"\xff", bytes(range(256))]))
    samples = (draw(st.binary(max_size=600)) + filler * count * width)[: count * width]
    u32 = st.integers(0, 0xFFFFFFFF)
    return Data(
        draw(st.integers(0, 255)), format_, channels, draw(st.integers(0, 255)), count, draw(u32), draw(u32), samples
    )


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        data_frames(),
        st.builds(
            DeviceEvent,
            st.integers(0, 255),
            st.integers(0, 0xFFFFFFFF),
            st.text(st.characters(codec="utf-8"), max_size=16),
        ),
        st.builds(Ack, st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 255)),
    ),
    st.integers(0, 0xFFFF),
)
def test_what_c_sends_python_reads_and_would_have_sent(sender, message, frame_seq):
    wire = sender.frame(message, frame_seq)
    assert wire == encode(message, frame_seq)
    assert parse(wire[:-1]) == (frame_seq, message)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.just(RequestHello()),
        st.builds(Start, st.integers(0, 255)),
        st.builds(Stop, st.integers(0, 255)),
        st.builds(Set, st.text("abc_é\0", max_size=20), st.one_of(st.integers(), st.booleans(), st.text(max_size=20))),
    ),
    st.integers(0, 0xFFFF),
    st.binary(max_size=400),
)
def test_what_python_sends_c_reads_after_any_garbage(sender, message, frame_seq, garbage):
    types = {RequestHello: 16, Start: 17, Stop: 18, Set: 19}
    wire = encode(message, frame_seq)
    *_, (type_, seq, body) = sender.commands(garbage + b"\0" + wire)
    assert (type_, seq) == (types[type(message)], frame_seq)
    again = {16: RequestHello, 17: lambda: Start(*body), 18: lambda: Stop(*body), 19: lambda: Set(**json.loads(body))}
    assert again[type_]() == message


@pytest.mark.parametrize(
    "message",
    [
        Data(1, 1, 1, 0, 500, 0, 0, bytes(1000)),
        Data(1, 5, 1, 0, 1, 0, 0, bytes(2)),
        Data(1, 0, 1, 0, 1, 0, 0, bytes(2)),
        Data(1, 1, 0, 0, 1, 0, 0, b""),
        Data(1, 1, 9, 0, 1, 0, 0, bytes(18)),
        Data(1, 1, 1, 0, 0, 0, 0, b""),
        Data(1, 3, 1, 0, 16_385, 0, 0, bytes(4)),
        Data(1, 1, 8, 0, 4097, 0, 0, bytes(16)),
        DeviceEvent(1, 0, "x" * 65),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_and_counts_no_frame(sender, message):
    assert sender.frame(message, 41) == b""
    assert parse(sender_next(sender)[:-1])[0] == 41


def sender_next(sender):
    return bytes.fromhex(sender.ask("ack", 1, 2, 3))


def test_a_command_longer_than_its_buffer_is_skipped(sender):
    long = encode(Set("x" * 300, 1), 0)
    assert sender.commands(long) == []
    assert sender.commands(encode(Start(3), 8)) == [(17, 8, b"\3")]
