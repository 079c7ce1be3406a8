"""Rhythm of a window in the light of those before it: what is heard, how far it leans, when it is forgotten."""

import msgspec
import numpy as np
import pytest

from edge import inference
from edge.analyzers import rhythm
from edge.dsp.rhythm.context import Context
from edge.dsp.rhythm.decision import Calibration
from edge.types import Window
from tests.analyzers.test_rhythm import Says, wave


@pytest.fixture(scope="module")
def model():
    return inference.load("rhythm", variant="onnx-int8")


def test_a_new_epoch_and_a_state_of_before_windows_were_remembered_begin_without_any(model):
    analyzer = rhythm.build(models=lambda _: model)
    fresh = analyzer.state()
    for forget in (analyzer.reset, lambda: analyzer.restore({"sign": 1.0})):
        told_one_after_the_other(analyzer, ["sinus"] * 2)
        assert analyzer.state()["context"] != fresh["context"]
        forget()
        assert analyzer.state() == fresh


def told_one_after_the_other(analyzer, kinds, first=0, hop_s=10.0):
    """Details of windows of these kinds, one every ``hop_s``; None where the window was refused."""
    found = []
    for n, kind in enumerate(kinds, start=first):
        x = np.zeros(1000) if kind is None else wave(kind, 80.0, seconds=10.0, seed=n)
        window = Window(
            "n/ppg", n * hop_s, n * hop_s + 10.0, n * hop_s + np.arange(1000) / 100, x[:, None], 100.0, 1.0, ()
        )
        reading = analyzer({"ppg": window})[0]
        found.append(reading.detail if reading.value is not None else None)
    return found


def test_a_window_is_judged_by_itself_and_in_the_light_of_those_before_that_it_does_not_overlap(model):
    one, other = (rhythm.build(models=lambda _: model) for _ in range(2))
    *_, last = told_one_after_the_other(one, ["sinus"] * 12 + ["af"])
    (alone,) = told_one_after_the_other(other, ["af"], first=12)
    assert (alone["before_s"], last["before_s"]) == (0.0, pytest.approx(12 * 10.0, rel=0.1))
    assert last["p_AF_alone"] == alone["p_AF_alone"]
    assert last["p_AF"] < alone["p_AF"]
    beside = told_one_after_the_other(rhythm.build(models=lambda _: model), ["sinus"] * 6, hop_s=2.0)
    assert [d["before_s"] > 0.0 for d in beside] == [False] * 5 + [True]


def test_the_past_leans_and_does_not_decide(model):
    """However long sinus rhythm was, a seventh is left of the odds of fibrillation against it."""
    calibration = Calibration.from_card(model.card)
    context, sinus = Context(calibration.usual, 10.0), np.eye(6)[0]
    for n in range(1000):
        context.hear(10.0 * n + 10.0, sinus)
    odds = np.exp(calibration.before_slope * context.lean(10000.0)[0])
    assert odds[5] / odds[0] == pytest.approx(1 / 7, rel=0.1)
    analyzer = rhythm.build(models=lambda _: model)
    told_one_after_the_other(analyzer, ["sinus"] * 120)
    later = told_one_after_the_other(analyzer, ["af"] * 20, first=120)
    assert [d["p_AF"] >= d["threshold"] for d in later].count(True) >= 18


def test_what_was_refused_is_not_heard_and_twenty_seconds_of_it_end_what_was(model):
    analyzer = rhythm.build(models=lambda _: model)
    *_, kept = told_one_after_the_other(analyzer, ["sinus"] * 6 + [None] * 2 + ["sinus"])
    assert kept["before_s"] == pytest.approx(60.0 * np.exp(-20.0 / 900.0), rel=0.05)
    *_, gone = told_one_after_the_other(analyzer, [None] * 3 + ["sinus"], first=9)
    assert gone["before_s"] == 0.0


def test_windows_are_heard_by_what_they_say_by_themselves_and_no_pulse_is_not(model):
    """In context AF would say more of itself each time; what is likeliest no pulse says nothing of the heart."""
    logits = np.log([0.2, 0.1, 0.1, 0.1, 0.1, 0.4])
    temperature = model.card["calibration"]["temperature"]
    analyzer = rhythm.build(models=lambda _: Says(model, [*(temperature * logits), -99.0]))
    details = told_one_after_the_other(analyzer, ["sinus"] * 5)
    assert [d["p_AF_alone"] for d in details] == pytest.approx([0.4] * 5)
    assert [d["p_AF"] for d in details] == sorted({d["p_AF"] for d in details}), "each time a little surer"
    (_, _, *heard) = analyzer.state()["context"]["waiting"][-1]
    assert heard == pytest.approx(np.exp(logits).tolist())
    silent = rhythm.build(models=lambda _: Says(model, [*(temperature * logits), 9.0]))
    assert told_one_after_the_other(silent, ["sinus"] * 3) == [None] * 3
    assert silent.state()["context"]["waiting"] == []


def test_the_windows_before_are_gone_on_with_exactly(model):
    one, other = (rhythm.build(models=lambda _: model) for _ in range(2))
    told_one_after_the_other(one, ["sinus", "af"] * 4, hop_s=2.0)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
    further = [told_one_after_the_other(a, ["af"] * 8, first=8, hop_s=2.0) for a in (one, other)]
    assert further[0] == further[1]
    assert one.state() == other.state()
