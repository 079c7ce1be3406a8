"""The tool behind the slow-heart figures of docs/pulse.md: what it makes is as slow as it says, and it counts what it
says."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "train"))

import slow_pulses

from early_beats import RATE, steady
from edge.dsp.ppg.beats import band_passed, find_beats
from edge.dsp.ppg.pulse_rate import systolic_only

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "pulse.md"


@pytest.mark.parametrize(("bpm", "share"), [(75.0, 0.5), (60.0, 0.6), (80.0, 0.45)])
def test_pauses_are_made_longer_and_nothing_else(bpm, share):
    x = steady(bpm, slow_pulses.SPAN_S, 0.2)
    made = slow_pulses.with_longer_pauses(x, share)
    before, after = (systolic_only(find_beats(band_passed(each, RATE), RATE)) for each in (x, made))
    assert len(made) == len(x)
    assert np.median(after.ibi) == pytest.approx(np.median(before.ibi) / share, abs=0.02)
    assert np.median(after.peak - after.onset) == pytest.approx(np.median(before.peak - before.onset), abs=0.05)


def test_a_pulse_too_fast_to_have_pauses_is_left_out():
    assert slow_pulses.with_longer_pauses(steady(170.0, slow_pulses.SPAN_S, 0.0), 0.2) is None


def test_a_rate_five_off_is_counted_as_wrong_and_every_rate_where_there_is_none():
    x = steady(38.0, slow_pulses.SPAN_S, 0.3)
    assert slow_pulses.told(iter([(x, 38.0), (x, 44.0), (x, None)])) == slow_pulses.Told(3, 3, 2, 3, 2)


def test_nothing_is_said_of_silence_and_the_noise_tells_with_from_without():
    one = next(slow_pulses.generated(1.0))
    assert slow_pulses.told(iter([one, (np.zeros(slow_pulses.N), 40.0)])) == slow_pulses.Told(2, 1, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "cases"),
    [
        ("pink noise 0.10 of the pulse's height", lambda: slow_pulses.generated(1.0)),
        ("a weak pulse between slow regular movements", slow_pulses.weak_beside_movement),
        ("movements alone, which settle as a pulse does", lambda: slow_pulses.movements_alone(True)),
    ],
)
def test_the_document_says_what_the_tool_finds(row, cases):
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    (line,) = (each for each in lines if each.startswith("|") and row in each)
    windows, without, wrong_without, said, wrong = (float(cell) for cell in line.split("|")[2:-1])
    found = slow_pulses.told(cases())
    assert found.windows == windows
    assert found.said_without / windows == pytest.approx(without, abs=0.02)
    assert found.said / windows == pytest.approx(said, abs=0.02)
    assert abs(found.wrong - wrong) <= 4
    assert abs(found.wrong_without - wrong_without) <= 4
