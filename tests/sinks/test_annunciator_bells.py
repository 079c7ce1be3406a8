"""Programs, sounds and lines that ring: each says when it does not, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.sinks._annunciator import gpio as _gpio
from edge.sinks._annunciator.bells import Lamp, Program
from edge.sinks._annunciator.tones import PULSES, RATE_HZ, burst, write_bursts
from unconfirmed import alarm, script


def heard(program, still=lambda: True, **how):
    """Ring it to its end, or for as long as ``still``; whether it came to its end."""
    program.ring(alarm(**how))
    pause = threading.Event()
    while program.rings():
        if not still():
            return False
        pause.wait(0.05)
    return True


def test_a_program_is_told_which_alarm_it_is(tmp_path):
    out = tmp_path / "out"
    told = '"$1 $EDGE_VITALS_ALARM $EDGE_VITALS_PRIORITY $EDGE_VITALS_BED $EDGE_VITALS_TEXT $EDGE_VITALS_DRILL"'
    program = Program(dict.fromkeys(PULSES, (script(tmp_path, f"echo {told} > {out}"), "x")), 5.0)
    for drill, says in ((False, ""), (True, "1")):
        assert heard(program, drill=drill)
        program.quiet()
        assert out.read_text() == f"x bed1/tachy medium bed1 Fast {says}\n"


def test_a_program_hears_nothing_and_writes_into_nobodys_log(tmp_path):
    says = f"all=$(for n in 0 1 2; do readlink /proc/$$/fd/$n; done); echo $all > {tmp_path}/out"
    program = Program(dict.fromkeys(PULSES, (script(tmp_path, says),)), 5.0)
    assert heard(program)
    program.quiet()
    assert (tmp_path / "out").read_text().split() == ["/dev/null"] * 3


def test_a_program_that_fails_hangs_or_is_missing_says_so(tmp_path):
    with pytest.raises(OSError, match="ended with code 3"):
        heard(Program(dict.fromkeys(PULSES, (script(tmp_path, "exit 3"),)), 5.0))
    hangs = Program(dict.fromkeys(PULSES, (script(tmp_path, "exec sleep 60"),)), 0.2)
    with pytest.raises(OSError, match="took longer than"):
        heard(hangs)
    for longest_s, polls in ((1.0, 10), (0.01, 1)):
        hangs = Program(dict.fromkeys(PULSES, (script(tmp_path, "exec sleep 60"),)), longest_s)
        hangs.ring(alarm())
        assert [hangs.rings() for _ in range(polls)] == [True] * polls
        with pytest.raises(OSError, match="took longer than"):
            hangs.rings()
    assert not heard(hangs, lambda: False)
    with pytest.raises(OSError, match="ended with code -9"):
        heard(Program(dict.fromkeys(PULSES, (script(tmp_path, "kill -9 $$"),)), 60.0))
    hangs.close()
    with pytest.raises(OSError, match="No such file"):
        heard(Program(dict.fromkeys(PULSES, ("/none/ring",)), 5.0))


def gone(pid):
    """Whether the process has ended; it is killed, so that is soon."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        threading.Event().wait(0.05)
    return False


@pytest.mark.parametrize("then", ["wait", "exit 0", "exit 3"])
def test_what_the_program_started_ends_with_the_ringing(tmp_path, then):
    out = tmp_path / "pid"
    program = Program(dict.fromkeys(PULSES, (script(tmp_path, f"sleep 777 & echo $! > {out}; {then}"),)), 5.0)
    if then == "exit 3":
        with pytest.raises(OSError, match="code 3"):
            heard(program)
    elif then == "exit 0":
        assert heard(program)
    else:
        assert not heard(program, lambda: not (out.is_file() and out.read_text().endswith("\n")))
    pid = int(out.read_text())
    if then == "exit 0":  # what it left behind may be what is heard
        assert Path(f"/proc/{pid}").exists()
    program.close()
    program.close()
    assert gone(pid)


def test_a_ring_ends_the_one_before(tmp_path):
    program = Program(dict.fromkeys(PULSES, (script(tmp_path, "exec sleep 777"),)), 60.0)
    program.ring(alarm())
    first = program._running.pid
    program.ring(alarm())
    assert gone(first)
    assert program.rings()
    program.close()


def test_the_more_urgent_the_longer_its_burst():
    lengths = {priority: len(burst(priority)) / 2 / RATE_HZ for priority in PULSES}
    assert lengths["low"] < lengths["medium"] < lengths["high"] < 2.0
    loud = struct.unpack(f"<{len(burst('high')) // 2}h", burst("high"))
    assert 4000 < max(loud) < 32_000
    rise = 0.015 * RATE_HZ
    pulse = loud[: round(0.15 * RATE_HZ)]
    assert all(abs(x) <= 9000 * min(i, len(pulse) - 1 - i) / rise + 1 for i, x in enumerate(pulse)), "without clicks"
    assert max(pulse[int(rise) : -int(rise)]) == max(loud), "and no longer quiet by then"


@pytest.mark.parametrize(("priority", "pulses"), [("low", 2), ("medium", 3), ("high", 5)])
def test_a_burst_is_short_pulses_of_one_tone_with_silence_between_them(priority, pulses):
    parts = np.frombuffer(burst(priority), "<i2").reshape(pulses, round(0.27 * 16_000))
    pulse, gap = np.split(parts, [round(0.15 * 16_000)], axis=1)
    assert np.all(pulse == pulse[0])
    assert not gap.any()
    power = np.abs(np.fft.rfft(pulse[0])) ** 2
    hz = np.fft.rfftfreq(len(pulse[0]), 1 / 16_000)
    shares = [power[np.abs(hz - tone) < 15.0].sum() / power.sum() for tone in (784.0, 1568.0, 2352.0)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)


def test_a_full_disk_does_not_keep_it_from_beeping(tmp_path):
    whole = write_bursts(tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    for path in whole.values():
        (full / path.name).symlink_to("/dev/full")
    in_memory = write_bursts(full)
    assert [path.read_bytes() for path in in_memory.values()] == [path.read_bytes() for path in whole.values()]
    for path in in_memory.values():
        os.close(int(path.name))


class Chip:
    """The kernel's side of the interface: decodes requests, remembers what the line was set to."""

    def __init__(self, tmp_path):
        self.path, self.requests, self.values, self.opened = tmp_path / "gpiochip0", [], [], []
        self.path.touch()

    def ioctl(self, fd, number, buffer):
        if number == _gpio.GET_LINE:
            fields = list(_gpio.REQUEST.unpack(buffer))
            self.requests.append((fields[0], *fields[64:]))
            self.opened += [fd, os.open(self.path, os.O_RDONLY)]
            fields[-1] = self.opened[-1]
            buffer[:] = _gpio.REQUEST.pack(*fields)
        elif number == _gpio.SET_VALUES:
            self.values.append(_gpio.VALUES.unpack(buffer))
        else:
            raise OSError(22, "Invalid argument")


@pytest.mark.parametrize(("active_low", "flags"), [(True, _gpio.FLAG_ACTIVE_LOW), (False, 0)])
def test_a_line_is_asked_for_as_output_switched_and_let_go_of(tmp_path, active_low, flags):
    chip = Chip(tmp_path)
    lamp = Lamp(_gpio.OutputLine(str(chip.path), 17, active_low=active_low, ioctl=chip.ioctl))
    lamp.ring(alarm())
    assert not lamp.rings()
    lamp.quiet()
    lamp.ring(alarm())
    lamp.close()
    lamp.close()
    assert chip.requests == [(17, b"edge-vitals".ljust(32, b"\0"), _gpio.FLAG_OUTPUT | flags, 1, 0, -1)]
    assert chip.values == [(1, 1), (0, 1), (1, 1), (0, 1)]
    for fd in chip.opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


C_VIEW = r"""
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/gpio.h>
int main(void) {
    typedef struct gpio_v2_line_request R;
    printf("%lu %lu %lu %lu %zu %zu %zu %zu %zu %zu\n", (unsigned long)GPIO_V2_GET_LINE_IOCTL,
           (unsigned long)GPIO_V2_LINE_SET_VALUES_IOCTL, (unsigned long)GPIO_V2_LINE_FLAG_OUTPUT,
           (unsigned long)GPIO_V2_LINE_FLAG_ACTIVE_LOW, sizeof(R), offsetof(R, consumer), offsetof(R, config.flags),
           offsetof(R, num_lines), offsetof(R, fd), sizeof(struct gpio_v2_line_values));
    return 0;
}
"""


def test_numbers_and_layouts_are_the_kernels(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None or not os.path.exists("/usr/include/linux/gpio.h"):
        pytest.skip("needs a C compiler and the kernel's headers")
    (tmp_path / "view.c").write_text(C_VIEW)
    subprocess.run([compiler, "view.c", "-o", "view"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "view"], check=True, capture_output=True, text=True).stdout
    packed = _gpio.REQUEST.pack(*range(64), b"c", 0xF1, 0xA2, 0xB3, -9)
    offsets = [packed.index(x) for x in (b"c\0\0\0\0", b"\xf1\0\0", b"\xa2\0\0", struct.pack("=i", -9))]
    consumer, flags, lines, fd = offsets
    assert [int(word) for word in said.split()] == [
        _gpio.GET_LINE, _gpio.SET_VALUES, _gpio.FLAG_OUTPUT, _gpio.FLAG_ACTIVE_LOW,
        _gpio.REQUEST.size, consumer, flags, lines, fd, _gpio.VALUES.size,
    ]  # fmt: skip
