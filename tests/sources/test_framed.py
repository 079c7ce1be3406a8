"""What frames of a device become, without a line."""

from __future__ import annotations

import pytest

from edge.sources._serial.framed import Framed
from firmware_bridge.decoder import Samples
from firmware_bridge.frames import Data, StreamInfo

PPG = StreamInfo(1, "ppg", ("ir",), 100.0)


def frame(number, info=PPG):
    return Samples(info, Data(info.id, 4, 1, 0, 10, 10 * number, 100_000 * number, bytes(10)), 10 * number, 0)


def test_of_a_device_that_starts_anew_within_a_second_no_time_of_before_is_believed():
    framed, told = Framed("node", "port"), []
    for began in (100.0, 100.6):
        framed.begin()
        told += [framed.take(frame(k), began + 0.1 * k + 0.09) for k in range(5)]
    assert [block.t0 for block in told] == pytest.approx([t + 0.1 * k for t in (100.0, 100.6) for k in range(5)])
    assert [(block.stream, block.epoch, block.seq) for block in told] == [
        ("node/ppg", epoch, 10 * k) for epoch in (0, 1) for k in range(5)
    ]
