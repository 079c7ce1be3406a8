"""The ESP32 sketch itself, compiled against a small world in virtual time (``arduino/``): what its sensors do reaches the
host as it was, and what they did not sample as loss. In this world each sample says which one it is."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.sources._serial.framed import unpack
from firmware_bridge.decoder import Decoder, Samples
from firmware_bridge.frames import (
    OVERRUN,
    SENSOR_OFF,
    START,
    STOP,
    Ack,
    DeviceEvent,
    Hello,
    RequestHello,
    Start,
    Stop,
    encode,
)

HERE = Path(__file__).parent
DEVICE = HERE.parents[1] / "firmware_bridge" / "device"
PPG, PCG = 1, 2
PPG_RAMP = 100_000


@dataclass
class Heard:
    """What a host hears of a run."""

    counters: dict[str, int]
    blocks: dict[int, list[Samples]] = field(default_factory=lambda: {PPG: [], PCG: []})
    events: list[tuple[int, str]] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    hellos: list[int] = field(default_factory=list)

    def lost(self, stream):
        """``(samples, flags of the block after them)`` of each gap."""
        return [(b.lost, b.data.flags) for b in self.blocks[stream] if b.lost]

    def off_by(self):
        """By how many samples the index of each finger sample differs from which one it is."""
        found = [(b.data.index + k, v) for b in self.blocks[PPG] for k, v in enumerate(unpack(b.data)[:, 0])]
        return {int(v) - PPG_RAMP - index for index, v in found}


@pytest.fixture(scope="module")
def sketch(tmp_path_factory):
    """Runs it: ``sketch(seconds, "AT_MS EVENT ...")``."""
    compiler, cpp = shutil.which("cc"), shutil.which("c++")
    if compiler is None or cpp is None:
        pytest.skip("no C and C++ compiler")
    folder = tmp_path_factory.mktemp("sketch")
    world, sender, program = folder / "world.o", folder / "sender.o", folder / "sketch"
    where = [f"-I{d}" for d in (HERE / "arduino", DEVICE, DEVICE / "examples" / "pulse_node")]
    strict = ["-O1", "-Wall", "-Wextra", "-Werror", "-c"]
    subprocess.run(
        [cpp, "-std=gnu++17", *strict, *where, HERE / "arduino" / "sketch_world.cpp", "-o", world], check=True
    )
    subprocess.run([compiler, "-std=c99", *strict, DEVICE / "vitals_sender.c", "-o", sender], check=True)
    subprocess.run([cpp, world, sender, "-o", program], check=True)

    def run(seconds, events=""):
        ran = subprocess.run([program, str(seconds), *events.split()], capture_output=True, text=True, check=True)
        decoder = Decoder()
        heard = Heard(decoder.counters)
        for line in ran.stdout.splitlines():
            ms, frame = line.split()
            for item in decoder.feed(bytes.fromhex(frame)):
                if isinstance(item, Samples):
                    heard.blocks[item.info.id].append(item)
                elif isinstance(item, DeviceEvent):
                    heard.events.append((int(ms), item.detail))
                elif isinstance(item, Ack):
                    heard.acks.append(item)
                elif isinstance(item, Hello):
                    heard.hellos.append(int(ms))
        assert decoder.counters["frames_ok"] == len(ran.stdout.splitlines())
        assert decoder.counters["lost_frames"] == decoder.counters["resets"] == 0
        return heard

    return run


def test_all_well(sketch):
    heard = sketch(10)
    assert (heard.lost(PPG), heard.lost(PCG), heard.events, heard.off_by()) == ([], [], [], {0})
    assert [len(heard.blocks[s]) for s in (PPG, PCG)] == [99, 200]
    assert {b.data.flags for s in (PPG, PCG) for b in heard.blocks[s]} == {0}
    for stream, rate_hz in ((PPG, 100), (PCG, 4000)):
        off_us = [b.data.device_us - b.data.index * 1_000_000 // rate_hz for b in heard.blocks[stream][20:]]
        assert max(off_us) - min(off_us) <= 2000, "a steady clock"


def test_a_sensor_that_is_missing_at_the_start_is_told_with_every_hello_and_read_once_it_is_there(sketch):
    heard = sketch(14, "0 unplug 11000 plug")
    assert [(ms // 1000, text) for ms, text in heard.events] == [(s, "MAX30102 does not answer") for s in (0, 5, 10)]
    assert (heard.lost(PPG), heard.off_by()) == ([], {0})
    assert len(heard.blocks[PPG]) >= 18


def test_a_sensor_that_is_unplugged_is_told_and_the_time_it_was_gone_is_lost_samples(sketch):
    heard = sketch(12, "3000 unplug 8000 plug")
    assert heard.events[0] == (pytest.approx(3000, abs=150), "MAX30102 does not answer")
    ((lost, flags),) = heard.lost(PPG)
    assert lost == pytest.approx(515, abs=5)  # until it was started again
    assert flags & OVERRUN
    assert len(heard.off_by()) == 2  # before, and after: no block holds samples of both
    assert heard.lost(PCG) == []


def test_a_sensor_that_forgot_what_it_was_told_is_started_again(sketch):
    heard = sketch(12, "3000 power")
    assert [text for _, text in heard.events] == ["MAX30102 takes no samples"]
    ((lost, _),) = heard.lost(PPG)
    assert lost == pytest.approx(60, abs=10)
    assert heard.blocks[PPG][-1].data.device_us > 11_800_000


def test_one_failed_transfer_costs_nothing(sketch):
    heard = sketch(12, "3000 glitch")
    assert (heard.lost(PPG), heard.events, heard.off_by()) == ([], [], {0})


@pytest.mark.parametrize(
    ("block_ms", "ppg_lost", "pcg_lost"), [(80, 0, 0), (200, 0, 440), (500, 16, 1640), (10_000, 966, 39_640)]
)
def test_what_overflowed_while_the_line_took_nothing_is_counted(sketch, block_ms, ppg_lost, pcg_lost):
    heard = sketch(3 + block_ms // 1000 + 5, f"3000 block:{block_ms}")
    assert sum(n for n, _ in heard.lost(PPG)) == pytest.approx(ppg_lost, abs=1 if ppg_lost else 0)
    assert sum(n for n, _ in heard.lost(PCG)) == pytest.approx(pcg_lost, abs=8 if pcg_lost else 0)
    assert all(flags & OVERRUN for s in (PPG, PCG) for _, flags in heard.lost(s))
    assert heard.off_by() <= ({0} if ppg_lost < 31 else {-1, 0, 1}), "the chip counts to 31, then the clock has to"
    assert heard.events == []


def test_a_microphone_whose_wire_is_off_is_no_silence(sketch):
    heard = sketch(6, "3000 mic:0 4000 mic:1")
    off = [b.data.index / 4000 for b in heard.blocks[PCG] if b.data.flags & SENSOR_OFF]
    assert (min(off), max(off)) == (pytest.approx(3.0, abs=0.06), pytest.approx(3.95, abs=0.06))
    assert len(off) == pytest.approx(20, abs=1)


def test_it_does_what_the_host_asks_and_says_what_it_cannot_do(sketch):
    asked = {2000: RequestHello(), 3000: Stop(1), 4000: Start(0), 5000: Stop(9)}
    heard = sketch(7, " ".join(f"{at} host:{encode(m, at).hex()}" for at, m in asked.items()))
    assert heard.hellos == [pytest.approx(20, abs=30), pytest.approx(2000, abs=30), pytest.approx(5000, abs=30)]
    assert heard.acks == [Ack(STOP, 3000, 0), Ack(START, 4000, 0), Ack(STOP, 5000, 1)]
    assert heard.lost(PPG) == [(pytest.approx(100, abs=10), 0)]
    assert (heard.lost(PCG), heard.off_by()) == ([], {0})
