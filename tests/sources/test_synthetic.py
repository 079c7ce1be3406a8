"""The synthetic source keeps time, ends when told, and starts a new epoch when opened again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.sources import synthetic
from edge.sources.synthetic import build
from edge.types import ConfigError
from source_and_sink import read_all


def test_gives_every_stream_without_loss():
    found = read_all(build(name="syn", clock=ManualClock(5.0), streams=("ppg", "acc", "pcg"), pace="max", seconds=3.0))
    for kind, rate, channels in (("ppg", 100, 1), ("acc", 100, 3), ("pcg", 4000, 1)):
        mine = [b for b in found if b.kind == kind]
        assert sum(len(b.data) for b in mine) == 3 * rate
        assert all(a.next_seq == b.seq for a, b in pairwise(mine))
        assert mine[0].t0 == 5.0
        assert mine[0].data.shape[1] == channels


def test_keeps_real_time_by_its_clock():
    clock = ManualClock()
    source = build(name="syn", clock=clock)
    source.open()
    got = 0
    while clock.now() < 2.0:
        got += sum(len(b.data) for b in source.read() if b.kind == "ppg")
        assert got <= clock.now() * 100 + 1
    assert got >= 180


def test_opening_again_is_a_new_epoch():
    source = build(name="syn", clock=ManualClock(), pace="max", seconds=0.5)
    first, second = read_all(source), read_all(source)
    assert {b.epoch for b in first} == {0}
    assert {b.epoch for b in second} == {1}
    assert np.array_equal(first[0].data, second[0].data)


def test_the_script_begins_again_where_it_ended_and_ends_when_told(monkeypatch):
    monkeypatch.setattr(synthetic, "_HORIZON_S", 20.0)
    found = read_all(build(name="syn", clock=ManualClock(5.0), streams=("ppg",), pace="max", seconds=50.0))
    assert [b.t0 for b in found if b.seq == 0] == [5.0, 25.0, 45.0]
    assert [b.epoch for b in found] == [0] * 200 + [1] * 200 + [2] * 100
    assert found[-1].t_end == pytest.approx(55.0)


def test_closed_twice_and_read_after_is_harmless():
    source = build(name="syn", clock=ManualClock())
    source.open()
    source.close()
    source.close()
    assert source.read() == []


@pytest.mark.parametrize("wrong", [{"streams": ("eeg",)}, {"rhythm": "waltz"}, {"rate_bpm": 500.0}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ConfigError):
        build(name="syn", clock=ManualClock(), **wrong)
