"""The pseudo-terminal device: a port that vanishes and comes back, and writes that never wait."""

from __future__ import annotations

import os
import threading

import serial

from edge.demo.pty_device import PtyDevice


class Chatty:
    """Sends ``piece`` each step; keeps what it hears."""

    def __init__(self, piece):
        self.piece, self.received, self.heard = piece, b"", threading.Event()

    def step(self, now):
        return self.piece

    def receive(self, data, now):
        self.received += data
        self.heard.set()


def test_it_is_a_serial_port_both_ways(tmp_path):
    device = Chatty(b"hello\0")
    with PtyDevice(device, tmp_path / "usb") as running, serial.Serial(str(running.path), timeout=5.0) as port:
        assert b"hello\0" in port.read(12)
        port.write(b"who")
        assert device.heard.wait(5.0)
    assert device.received == b"who"
    assert not os.path.lexists(tmp_path / "usb")


def test_unplugged_the_port_is_gone_and_comes_back_under_its_name(tmp_path):
    with PtyDevice(Chatty(b"x"), tmp_path / "usb") as running:
        running.unplug()
        running.unplug()
        assert not os.path.lexists(running.path)
        running.replug()
        running.replug()
        with serial.Serial(str(running.path), timeout=5.0) as port:
            assert port.read(1) == b"x"


def test_a_terminal_nobody_reads_does_not_stop_the_device(tmp_path):
    steps, many = [], threading.Event()

    def stepped(now):
        steps.append(now)
        if len(steps) > 5:
            many.set()

    with PtyDevice(Chatty(b"y" * 20_000), tmp_path / "usb", on_step=stepped) as running:
        assert many.wait(10.0)
        assert running.dropped_bytes > 0
