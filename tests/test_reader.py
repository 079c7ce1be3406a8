"""A reader's word on its source: there, weak or away, and what the device itself says is wrong."""

from __future__ import annotations

import pytest

from edge.reader import LOST_AFTER_S, Reader

SAYS = "the device says: sensor error (no answer)"


class Device:
    complaint = ""


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
