"""Sites heard one after another make a patient's verdict; another person begins without any."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import inference
from edge.alarms.auscultation import KEPT_S, SITES, Auscultation, Place
from edge.alarms.board import Board
from edge.alarms.rules import rules_from
from edge.analyzers.murmur import recording_verdict
from edge.dsp.pcg.decision import Calibration, Scores, judge_patient, judge_together
from edge.types import Command, Reading

DATA = Path(os.environ.get("EDGE_VITALS_DATA", "../shared/data")) / "pcg"
CALIBRATION = Calibration.from_card(inference.load("murmur").card)
LOUD, QUIET = Scores(4.0, -4.0, -6.0, 0.8, -0.3, -3.0), Scores(-5.0, -4.0, -6.0, 0.8, -0.3, -3.0)
QUICK = {"murmur": {"k": 1, "n": 1, "off_delay_s": 0}}


def window(t, scores=QUIET, *, reason="", source="node", complete=True, decision="absent"):
    detail = {"decision": "unknown"} if scores is None else {"scores": asdict(scores), "complete": complete}
    value, quality = (None, 0.0) if scores is None else (0.5, 0.9)
    return Reading("pcg.murmur", t, value, "", quality, reason, {"decision": decision, **detail}, "bed1", source)


def patient(one, t, scores=QUIET, **kw):
    return one.hear(window(t, scores, **kw)).detail["patient"]


def auscultation(site="MV", person="p1"):
    return Auscultation(Place(person, site, CALIBRATION))


def listen(one, site, start, scores, seconds=20):
    one.move(site, start)
    for t in range(5, seconds):
        told = patient(one, start + t, scores)
    return told


def say(name, t, **kw):
    say.count += 1
    return Command(name, "bed1", t, kw.pop("command_id", f"s{say.count}"), "nurse", **kw)


say.count = 0


def board(site="MV", boot="boot", rules=QUICK, person="p1", **kw):
    places = {"bed1": Place(person, site, CALIBRATION)}
    return Board({"bed1": rules_from(rules)}, boot=boot, places=places, **kw)


def feed(one, start, scores, seconds=8, **kw):
    """A window a second through the board; (presence, change) of the murmur alarm."""
    told = []
    for t in range(seconds):
        told += one.update(one.locate(window(start + t, scores, **kw)))
    return [(a.presence, a.evidence["change"]) for a in told if a.condition == "murmur"]


def test_without_a_site_there_is_no_patient():
    assert auscultation("").hear(window(9.0)).detail.keys() == {"decision", "scores", "complete"}
    assert Auscultation(Place("p1", "MV", None)).hear(window(9.0)) == window(9.0)
    other = Reading("ppg.hr", 9.0, 60.0, "bpm", 0.9, bed="bed1", source="node")
    assert auscultation().hear(other) is other


def test_one_site_by_configuration_is_heard_from_the_first_window_on():
    heard = auscultation().hear(window(5.0, LOUD))
    assert (heard.detail["site"], heard.detail["patient"]["sites"]["MV"]["windows"]) == ("MV", 1)
    assert heard.value == 0.5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SITES), st.integers(1, 25), st.integers(0, 9)), min_size=1, max_size=6))
def test_the_verdict_is_that_of_whole_recordings(moves):
    """Each site's latest usable stretch judged as a recording is, then the patient as in evaluation."""
    rng, one, t, latest = np.random.default_rng(7), auscultation(""), 0.0, {}
    for site, seconds, refused in moves:
        one.move(site, t)
        readings = [window(t + 5 + i, Scores(*rng.normal(size=3), 0.6, -0.3, -3.0)) for i in range(seconds)]
        readings += [window(t + 5 + seconds + i, None, reason="friction") for i in range(refused)]
        older = latest.get(site)
        for n, reading in enumerate(readings, start=1):
            told = one.hear(reading).detail["patient"]
            verdict, known = recording_verdict(readings[max(0, n - 30) : n], CALIBRATION), latest.get(site)
            enough = verdict.windows >= 5 or older is None or older.p is None
            if known is None or known.p is None or (verdict.p is not None and enough):
                latest[site] = verdict
        t += 6 + seconds + refused
        whole = judge_patient([latest[site] for site in SITES if site in latest], CALIBRATION)
        assert (told["decision"], told["p_present"]) == (whole.decision, whole.p_present)
        assert {site: about["windows"] for site, about in told["sites"].items()} == {
            site: latest[site].windows for site in SITES if site in latest
        }


@pytest.mark.skipif(not DATA.exists(), reason="no recordings of CirCor here")
def test_a_real_patient_over_four_sites_is_judged_as_evaluation_judges_it():
    import soundfile

    from edge.analyzers import murmur
    from edge.lane import Lane
    from edge.types import Block

    model = inference.load("murmur")
    with (DATA / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "circor2022"]
    mine = {row["location"]: row["path"] for row in rows if row["patient"] == rows[0]["patient"]}
    assert set(mine) == set(SITES)
    one, t, verdicts = auscultation(""), 0.0, []
    for site in SITES:
        samples, rate = soundfile.read(DATA / mine[site], always_2d=True)
        samples = samples[: 34 * rate]
        lane = Lane(
            bed="bed1", source="node", primary="pcg", analyzers={"murmur": murmur.build(models=lambda _: model)}
        )
        one.move(site, t)
        readings = lane.feed(Block("node/pcg", 0, t, float(rate), samples))
        told = [one.hear(reading).detail["patient"] for reading in readings if reading.metric == "pcg.murmur"][-1]
        verdicts.append(recording_verdict(readings, CALIBRATION))
        t += len(samples) / rate
    whole = judge_patient(verdicts, CALIBRATION)
    assert (told["decision"], told["p_present"]) == (whole.decision, whole.p_present)
    assert [site["windows"] for site in told["sites"].values()] == [v.windows for v in verdicts]
    together = judge_together(verdicts, CALIBRATION)
    for site, alone, judged in zip(told["sites"].values(), verdicts, together, strict=True):
        assert (site["p_alone"], site["decision_alone"]) == (alone.p, alone.decision)
        assert (site["p_together"], site["decision_together"]) == (judged.p, judged.decision)
        assert judged.p != alone.p


def test_a_window_that_began_before_the_microphone_was_moved_belongs_to_no_site():
    one = auscultation("MV")
    patient(one, 10.0)
    one.move("AV", 12.0)
    moving = one.hear(window(16.9, LOUD))
    assert moving.detail["site"] == ""
    assert list(moving.detail["patient"]["sites"]) == ["MV"]
    there = one.hear(window(17.0, LOUD))
    assert (there.detail["site"], list(there.detail["patient"]["sites"])) == ("AV", ["AV", "MV"])


def test_a_murmur_at_one_site_of_four_counts_and_stays_counted():
    one = auscultation("")
    assert [listen(one, site, 100.0 * n, QUIET)["decision"] for n, site in enumerate(("AV", "PV", "TV"))] == [
        "absent"
    ] * 3
    assert listen(one, "MV", 400.0, LOUD)["decision"] == "present"
    assert listen(one, "AV", 500.0, QUIET)["decision"] == "present"
    assert listen(one, "MV", 600.0, QUIET)["decision"] == "absent"  # heard again, and not found again


def test_a_stretch_that_had_to_be_refused_does_not_replace_a_good_one():
    one = auscultation("")
    listen(one, "MV", 0.0, LOUD)
    one.move("AV", 100.0)
    one.move("MV", 200.0)
    told = [patient(one, 205.0 + t, None, reason="friction") for t in range(10)][-1]
    assert (told["decision"], told["sites"]["MV"]["windows"]) == ("present", 15)


def test_the_noise_of_a_head_that_is_lifted_takes_back_nothing_that_was_heard():
    one = auscultation("")
    listen(one, "MV", 0.0, LOUD)
    told = [patient(one, 21.0 + t, None, reason="friction") for t in range(60)][-1]
    assert (told["decision"], told["sites"]["MV"]["decision_alone"]) == ("present", "present")
    assert told["sites"]["MV"]["t"] < 30.0


def test_one_window_does_not_replace_what_was_heard_at_a_site_before_and_five_do():
    one = auscultation("")
    listen(one, "MV", 0.0, LOUD)
    one.move("MV", 100.0)
    told = [patient(one, 105.0 + t, QUIET)["sites"]["MV"]["decision_alone"] for t in range(5)]
    assert told == ["present"] * 4 + ["absent"]


def test_only_the_last_half_minute_counts_whatever_the_hop():
    one = auscultation("MV")
    for t in range(0, 200, 5):
        patient(one, 5.0 + t, LOUD)
    for t in range(200, 230, 5):
        told = patient(one, 5.0 + t, QUIET)
    assert (told["sites"]["MV"]["windows"], told["decision"]) == (6, "absent")


def test_a_second_microphone_at_the_bed_is_at_no_site():
    one = auscultation()
    patient(one, 5.0)
    assert "patient" not in one.hear(window(6.0, LOUD, source="other")).detail


def test_what_was_heard_an_hour_ago_is_forgotten():
    one = auscultation("")
    listen(one, "AV", 0.0, LOUD)
    assert list(listen(one, "MV", 100.0, QUIET)["sites"]) == ["AV", "MV"]
    assert list(patient(one, 19.0 + KEPT_S + 1)["sites"]) == ["MV"]
    told = patient(one, 10 * KEPT_S)["sites"]
    assert {site: about["windows"] for site, about in told.items()} == {"MV": 1}


def test_another_person_begins_without_any():
    one = auscultation("MV", "p1")
    listen(one, "MV", 0.0, LOUD)
    one.move("AV", 30.0, person="p1")
    assert list(patient(one, 36.0)["sites"]) == ["AV", "MV"]
    one.move("AV", 40.0, person="p2")
    assert list(patient(one, 46.0)["sites"]) == ["AV"]


@pytest.mark.parametrize("shift_s", [0.0, -5000.0])
def test_it_goes_on_from_its_state(shift_s):
    one = auscultation("")
    listen(one, "AV", 0.0, LOUD)
    listen(one, "MV", 100.0, QUIET)
    two = auscultation("")
    two.restore(json.loads(json.dumps(one.snapshot())), shift_s)
    first, second = patient(one, 130.0), patient(two, 130.0 + shift_s)
    assert first["p_present"] == second["p_present"]
    assert [s["t"] + shift_s for s in first["sites"].values()] == [s["t"] for s in second["sites"].values()]


def test_what_the_configuration_says_anew_counts_more_than_the_state():
    one = auscultation("MV", "p1")
    listen(one, "AV", 0.0, LOUD)
    saved = one.snapshot()
    same, moved, other = auscultation("MV", "p1"), auscultation("TV", "p1"), auscultation("MV", "p2")
    for two in (same, moved, other):
        two.restore(saved)
    assert [two.site for two in (same, moved, other)] == ["AV", "TV", "MV"]
    assert list(patient(moved, 60.0)["sites"]) == ["AV", "TV"]
    assert list(patient(other, 60.0)["sites"]) == ["MV"]


# ---- the command ------------------------------------------------------------------------------------------


def test_the_site_is_told_changed_and_answered():
    one = board()
    assert one.statuses(0.0)[0].site == "MV"
    result, told = one.command(say("site", 10.0, site="av"))
    assert (result.ok, result.text, told) == (True, "listening at AV", [])
    (status,) = one.statuses(10.0)
    assert (status.site, status.site_since, status.by, status.person) == ("AV", 10.0, "nurse", "p1")
    assert one.command(say("site", 20.0, site="none"))[0].text == "listening at no named site"
    assert one.statuses(20.0)[0].site == ""
    assert "patient" not in one.locate(window(40.0)).detail


def test_a_repeated_command_is_answered_again_and_begins_no_new_stretch():
    one = board("")
    one.command(say("site", 0.0, site="MV", command_id="same"))
    one.locate(window(5.0))
    assert one.command(say("site", 6.0, site="MV", command_id="same"))[0].text == "listening at MV"
    assert one.locate(window(7.0)).detail["patient"]["sites"]["MV"]["windows"] == 2


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "site needs 'site', one of AV, MV, PV, TV or none, not ''"),
        ({"site": "XX"}, "site needs 'site', one of AV, MV, PV, TV or none, not 'XX'"),
        ({"site": "MV", "person": "x" * 65}, "'person' has at most 64 printable characters"),
        ({"site": "MV", "person": "a\nb"}, "'person' has at most 64 printable characters"),
    ],
)
def test_a_site_that_is_none_is_refused_and_changes_nothing(fields, text):
    one = board()
    result, told = one.command(say("site", 1.0, **fields))
    assert (result.ok, result.text, told) == (False, text, [])
    assert one.statuses(2.0)[0].site == "MV"


def test_a_bed_without_a_microphone_has_no_site():
    one = Board({"bed1": rules_from({})}, boot="b")
    assert one.command(say("site", 1.0, site="MV"))[0].text.startswith("nothing listens to a heart in bed1: ")


# ---- the alarm --------------------------------------------------------------------------------------------


def test_the_alarm_follows_the_patient_where_the_site_is_known():
    one = board()
    assert feed(one, 5.0, QUIET, decision="present") == []  # one window's word, against the person's
    one.command(say("site", 20.0, site="AV"))
    assert feed(one, 25.0, LOUD, decision="absent") == [("on", "raised")]
    (alarm,) = one.active()
    assert alarm.evidence["reading"]["detail"]["site"] == "AV"
    assert list(alarm.evidence["reading"]["detail"]["patient"]["sites"]) == ["AV", "MV"]
    assert alarm.value == alarm.evidence["reading"]["detail"]["patient"]["p_present"]


def test_without_a_site_it_follows_the_windows():
    assert feed(board(""), 5.0, QUIET, decision="present") == [("on", "raised")]


def test_another_person_ends_what_was_raised_for_the_one_before():
    one = board()
    assert feed(one, 5.0, LOUD) == [("on", "raised")]
    result, told = one.command(say("site", 20.0, site="MV", person="p2"))
    assert result.text == "listening at MV, to another person"
    assert [(a.id, a.presence, a.evidence["change"], a.evidence["by"]) for a in told] == [
        ("bed1/murmur", "off", "person", "nurse")
    ]
    assert feed(one, 25.0, QUIET) == []


def test_another_person_is_not_silenced_by_what_was_shelved_for_the_one_before():
    one = board()
    assert feed(one, 5.0, LOUD) == [("on", "raised")]
    one.command(say("shelve", 20.0, id="bed1/murmur", seconds=600))
    state = json.loads(json.dumps(one.snapshot()))
    one.command(say("site", 21.0, site="MV", person="p2"))
    other = board(boot="next", state=state, shift_s=0.0, person="p2")
    other.tick(21.0)
    for after in (one, other):
        assert feed(after, 25.0, LOUD) == [("on", "raised")]
        assert "shelved_until" not in after.active()[0].evidence


def test_a_restart_keeps_site_and_verdict_and_another_person_in_the_configuration_ends_both():
    one = board()
    one.command(say("site", 0.0, site="AV"))
    assert feed(one, 5.0, LOUD) == [("on", "raised")]
    state = json.loads(json.dumps(one.snapshot()))
    same = board(boot="next", state=state, shift_s=0.0)
    assert same.tick(20.0) == []
    assert list(same.locate(window(21.0, QUIET)).detail["patient"]["sites"]) == ["AV"]
    other = board(boot="next", state=state, shift_s=0.0, person="p2")
    assert [(a.condition, a.presence, a.evidence["change"]) for a in other.tick(20.0)] == [("murmur", "off", "person")]
    assert list(other.locate(window(21.0, QUIET)).detail["patient"]["sites"]) == ["MV"]


def test_in_standby_nothing_is_heard():
    one = board()
    one.command(say("standby", 0.0, seconds=60))
    told = one.locate(window(5.0, LOUD))
    assert (told.value, told.reason, told.quality, told.detail) == (None, "standby", 0.0, {})
    assert one.statuses(5.0)[0].standby_until == 60.0
    assert one.statuses(61.0)[0].standby_until is None
