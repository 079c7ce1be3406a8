"""Whether the wall clock can be believed: what the kernel says of it, and that it says so of this machine."""

from __future__ import annotations

import pytest

import edge.clock
from edge.clock import SET_AFTER, ManualClock, SystemClock, kept_by_time_server


def adjtimex(error_us, returned=0):
    def fill(timex):
        assert not any(timex)  # it is asked, not set
        timex[1:5] = -1_234, -5_678, error_us, error_us  # offset, frequency, largest and estimated error
        return returned

    return fill


@pytest.mark.parametrize(
    ("error_us", "returned", "kept"),
    [
        pytest.param(0, 0, True, id="just set"),
        pytest.param(15_999_999, 5, True, id="by one that leaves the RTC alone"),
        pytest.param(16_000_000, 5, False, id="never, or not for hours"),
        pytest.param(0, -1, None, id="may not ask"),
    ],
)
def test_the_kernel_says_whether_a_time_server_keeps_the_clock(error_us, returned, kept):
    assert kept_by_time_server(adjtimex(error_us, returned)) is kept


def test_the_kernels_answer_lies_where_it_is_looked_for():
    seen = []

    def fill(timex):
        seen.append((edge.clock._adjtimex()(timex), timex[8]))
        return seen[0][0]

    if kept_by_time_server(fill) is None:
        pytest.skip("this machine does not say what keeps its clock")
    assert seen[0][1] == 500 << 16  # the tolerance, 500 ppm, five fields behind the largest error


@pytest.mark.parametrize(
    ("kept", "wall", "synced"),
    [
        pytest.param(True, SET_AFTER + 1.0, True, id="kept"),
        pytest.param(True, 300.0, False, id="never set"),
        pytest.param(False, SET_AFTER + 1.0, False, id="the time of its last stop"),
        pytest.param(None, SET_AFTER + 1.0, True, id="nobody can say"),
    ],
)
def test_a_clock_that_no_time_server_keeps_is_not_synced_however_plausible(monkeypatch, kept, wall, synced):
    monkeypatch.setattr(edge.clock, "kept_by_time_server", lambda: kept)
    monkeypatch.setattr("time.time", lambda: wall)
    assert SystemClock().synced() is synced


def test_two_clocks_of_a_machine_count_from_the_same_start(monkeypatch, tmp_path):
    assert SystemClock().counts_from() == SystemClock().counts_from()
    monkeypatch.setattr(edge.clock, "_BOOT_ID", tmp_path / "boot_id")
    assert SystemClock().counts_from() == ""
    (tmp_path / "boot_id").write_text("6f0c\n")
    assert SystemClock().counts_from() == "6f0c"


@pytest.mark.parametrize(("kept", "wall"), [(False, SET_AFTER + 1.0), (True, 300.0)])
def test_a_clock_moved_by_hand_is_not_synced_either(kept, wall):
    assert not ManualClock(wall=wall, kept=kept).synced()
