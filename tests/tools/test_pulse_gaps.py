"""The tool behind the figures of gaps in docs/pulse.md: what it takes away, and what it counts."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "train"))

import pulse_gaps
from evaluation.pulse import arrived

from edge.dsp.synthesis import Episode, beats, ppg
from edge.types import Window

RATE = 100.0


def window(bpm):
    t = np.arange(round(pulse_gaps.SPAN_S * RATE)) / RATE
    x = 60000.0 + 1500.0 * ppg(beats([Episode(0.0, "sinus", bpm)], 22, seed=3), 3.0 + t, seed=3)
    return Window("file/ppg", 0.0, pulse_gaps.SPAN_S, t, x[:, None], RATE, 1.0, ())


def test_what_is_dropped_lies_where_it_is_told_to():
    kept = pulse_gaps.dropped(window(72.0), 1.0, 7.0, 3.0).t
    assert not ((kept >= 4.0) & (kept < 5.0)).any()
    assert not ((kept >= 11.0) & (kept < 12.0)).any()
    assert len(kept) == round(14.0 * RATE)


def test_a_row_counts_what_is_said_and_how_wrong_it_is():
    line = pulse_gaps.row([(72.0, window(72.0)), (90.0, window(72.0))], 0.0, 7.0)
    assert line.startswith("0 s of 7: ends in a gap 0.000, said 1.000, within 5 bpm 0.5000, MAE 9.00;")
    assert line.endswith("asystole 0, falsely slow 0, fast 0")


def test_of_a_recording_arrives_what_lies_outside_the_gaps():
    whole = np.arange(300, 400)
    assert [(p[0], p[-1]) for p in arrived(whole, 10.0, None)] == [(300, 399)]
    pieces = arrived(whole, 10.0, (1.0, 4.0, 31.0))  # from 31 s on, 1 s of every 4 s
    assert [(p[0], p[-1]) for p in pieces] == [(300, 309), (320, 349), (360, 389)]
    assert arrived(np.arange(310, 320), 10.0, (1.0, 4.0, 31.0)) == []
