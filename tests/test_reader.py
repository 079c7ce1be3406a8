"""A reader's word on its source: there, weak or away, and what the device itself says is wrong."""

from __future__ import annotations

import pytest

from edge.reader import LOST_AFTER_S, Reader

SAYS = "the device says: sensor error (no answer)"


class Device:
    complaint = ""
    announced = ()


@pytest.mark.parametrize(
    ("silent_s", "weak", "complaint", "state", "reason"),
    [
        (0.0, "", "", "online", ""),
        (0.0, "", SAYS, "degraded", SAYS),
        (0.0, "half the pictures", SAYS, "degraded", "half the pictures"),
        (LOST_AFTER_S + 1.0, "", "", "offline", "no data for more than 3 s"),
        (LOST_AFTER_S + 1.0, "", SAYS, "offline", f"no data for more than 3 s; {SAYS}"),
    ],
)
def test_what_the_device_says_is_wrong_is_in_its_status(silent_s, weak, complaint, state, reason):
    device = Device()
    device.complaint = complaint
    reader = Reader("node", "bed1", device, [], last_block=10.0, weak=weak)
    status = reader.status(None, 10.0 + silent_s)
    assert (status.state, status.reason) == (state, reason)
    assert reader.status(status, 10.0 + silent_s) is None


def test_what_the_device_announces_is_news_while_it_is_there():
    device = Device()
    reader = Reader("node", "bed1", device, [], last_block=10.0)
    first = reader.status(None, 10.0)
    device.announced = ("pcg", "ppg")
    second = reader.status(first, 11.0)
    assert (first.announced, second.announced, second.since) == ((), ("pcg", "ppg"), 10.0)
    assert reader.status(second, 11.0) is None
    away = reader.status(second, 20.0)
    device.announced = ()
    assert (away.state, away.announced) == ("offline", ())
    assert reader.status(away, 21.0) is None
