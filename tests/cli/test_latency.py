"""The promise of ``explain``: no change makes an alarm later than stated, and generated events keep the promise."""

from __future__ import annotations

import numpy as np
import pytest

from edge.alarms.conditions import DEFAULTS, OF_DEVICE
from edge.assembly import ModelShelf, all_lanes, build_board
from edge.cli._latency import PROCESSING_S, STATED_S, rows, worst_case_s
from edge.clock import ManualClock
from edge.config import parse
from edge.dsp.synthesis import Episode, beats, pcg, ppg
from edge.fusion import Fusion
from edge.replay import replay
from edge.types import Alarm
from signals import blocks

EVENT_S = 40.3  # between two hops
WHOLE_BED = """
[sources.node]
kind = "synthetic"
streams = ["ppg", "acc", "pcg"]
[sources.cam]
kind = "camera"
analyzers = ["camera_pulse"]
"""


def planned(text):
    config = parse(text)
    models = ModelShelf()
    lanes = all_lanes(config, models)
    (bed,) = config.beds.values()
    watched = [rule for name, rule in bed.alarms.conditions.items() if name not in OF_DEVICE]
    found = list(rows(watched, lanes, site=bool(bed.site)))
    device = [rule for name, rule in config.device_alarms.conditions.items() if name in OF_DEVICE]
    return {row.name: row.worst_s for row in [*found, *rows(device, lanes)]}, lanes, config


@pytest.fixture(scope="module")
def whole_bed():
    pytest.importorskip("cv2")
    from edge import face_models

    if face_models.missing():
        pytest.skip("the face models are not here; edge-vitals models pull")
    return planned(WHOLE_BED)[0]


def test_no_alarm_is_later_than_stated_and_none_is_stated_with_slack(whole_bed):
    assert whole_bed.pop("broker_lost") is None
    assert set(whole_bed) == set(STATED_S)
    assert set(whole_bed) - {"brady severe", "tachy severe"} == set(DEFAULTS) - {"broker_lost"}
    late = {
        name: (s, STATED_S[name]) for name, s in whole_bed.items() if not STATED_S[name] - 1.0 < s <= STATED_S[name]
    }
    assert not late, "worst case and what is stated, s; change the table only with the documents"


def test_a_bed_with_less_is_no_later(whole_bed):
    alone, _, _ = planned('[sources.node]\nkind = "synthetic"\nstreams = ["ppg"]\nanalyzers = ["pulse"]')
    assert "hr_disagree" not in alone  # one lane cannot disagree
    assert "af" not in alone
    assert "murmur" not in alone
    assert all(alone[name] <= whole_bed[name] for name in set(alone) - {"broker_lost"})


def test_a_camera_or_a_microphone_alone_promises_no_alarm_that_it_cannot_raise():
    pytest.importorskip("cv2")
    from edge import face_models

    if face_models.missing():
        pytest.skip("the face models are not here; edge-vitals models pull")
    camera, _, _ = planned('[sources.cam]\nkind = "camera"\n')
    assert not {"asystole", "sensor_off"} & set(camera)
    assert {"brady", "brady severe", "tachy", "low_quality", "source_lost"} <= set(camera)
    sound, _, _ = planned('[sources.ear]\nkind = "synthetic"\nstreams = ["pcg"]\nanalyzers = ["murmur"]\n')
    assert "asystole" not in sound
    assert {"brady", "murmur", "sensor_off"} <= set(sound)


def test_what_makes_it_longer():
    def brady(more):
        return planned(f'[sources.node]\nkind = "synthetic"\nstreams = ["ppg"]\nanalyzers = ["pulse"]\n{more}')[0][
            "brady"
        ]

    plain = brady("")
    assert plain == 16.0 + 1.0 + 1.0 + 14.0 + PROCESSING_S
    assert brady("[alarms.brady]\non_delay_s = 20") == plain + 6.0
    assert brady("[alarms.brady]\nk = 2\nn = 3\nspacing_s = 4") == plain + 8.0
    assert brady("[alarms.brady]\nk = 1\nn = 3\nspacing_s = 4") == plain + 4.0  # the windows in between are not asked
    assert brady("[analyzers.pulse]\nhop_s = 3") == plain + 2.0 + 1.0  # 14 s of delay end with the fifth hop, at 15 s


def delay_s(condition, heart, text="", sound=None, site=False):
    """Seconds of reading time from ``EVENT_S`` to the alarm, and the worst case of the same configuration."""
    kind, rate = ("pcg", 2000.0) if sound else ("ppg", 100.0)
    analyzers = '["murmur"]' if sound else '["pulse", "rhythm"]'
    source = f'[sources.node]\nkind = "synthetic"\nstreams = ["{kind}"]\nanalyzers = {analyzers}\n'
    worst, lanes, config = planned(source + text + ('[beds.bed1]\nsite = "MV"\n' if site else ""))
    t = np.arange(0.0, 115.0, 1.0 / rate)
    wave = sound(heart, t) if sound else 50_000 + 2000 * ppg(heart, t)
    feed = blocks(wave, stream=f"node/{kind}", rate=rate, chunk=round(rate / 10))
    models = ModelShelf()
    models("murmur")
    board = build_board(config, boot="b", models=models)
    events = replay(feed, lanes=lanes, board=board, clock=ManualClock(), fusion=Fusion())
    alarms = [e for e in events if isinstance(e, Alarm) and e.condition == condition and e.presence == "on"]
    assert alarms, f"{condition} never came"
    assert alarms[0].t > EVENT_S
    return alarms[0].t - EVENT_S + PROCESSING_S, worst[condition]


@pytest.mark.parametrize(
    ("condition", "after"),
    [
        ("brady", Episode(EVENT_S, "sinus", 42.0)),
        ("tachy", Episode(EVENT_S, "sinus", 134.0)),
        ("asystole", Episode(EVENT_S, "asystole")),
        ("af", Episode(EVENT_S, "af", 90.0)),
    ],
)
def test_a_generated_event_alarms_within_the_worst_case(condition, after):
    heart = beats([Episode(0.0, "sinus", 75.0), after], 120.0, seed=3)
    took_s, worst_s = delay_s(condition, heart)
    assert took_s <= worst_s


@pytest.mark.parametrize("site", [False, True])
def test_a_generated_murmur_alarms_within_the_worst_case(site):
    heart = beats([Episode(0.0, "sinus", 75.0)], 120.0, seed=3)
    took_s, worst_s = delay_s(
        "murmur", heart, sound=lambda heart, t: pcg(heart, t, murmur=[(EVENT_S, 120.0)]), site=site
    )
    assert took_s <= worst_s


def test_a_condition_that_is_off_has_no_row():
    assert (
        "brady" not in planned(WHOLE_BED.split("[sources.cam]", maxsplit=1)[0] + "[alarms.brady]\nenabled = false")[0]
    )
    config = parse("")
    assert worst_case_s(config.device_alarms.conditions["broker_lost"], []) is None
