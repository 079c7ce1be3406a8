"""Windows to recording to patient: arithmetic that can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dsp.pcg import decision
from edge.dsp.pcg.decision import Calibration, Scores

N = len(decision.FEATURES)


def constants(weights: np.ndarray | None = None) -> Calibration:
    rows = np.zeros((3, N + 1)) if weights is None else weights
    together = (0.5, 1.0, 0.25, 0.3)
    return Calibration((1.0, 0.0, 0.0, 0.5), (2.0, 0.0, -1.0, 0.4), together, 0.7, 0.6, np.zeros(N), np.ones(N), rows)


def test_a_recording_is_the_mean_of_its_windows() -> None:
    windows = [Scores(m, -3.0, -5.0, 0.5, -1.0, -3.0) for m in (0.0, 1.0, 2.0)]
    verdict = decision.judge_recording(windows, constants())
    assert verdict.p == pytest.approx(1 / (1 + math.exp(-1.0)))
    assert (verdict.decision, verdict.windows) == ("present", 3)


def test_no_window_is_a_refusal() -> None:
    verdict = decision.judge_recording([], constants(), ["speech", "no_signal", "speech"])
    assert (verdict.p, verdict.decision, verdict.reason) == (None, "unknown", "speech")
    patient = decision.judge_patient([verdict], constants())
    assert (patient.p_present, patient.decision) == (None, "unknown")


def test_a_third_of_refused_windows_refuses_the_recording() -> None:
    windows = [Scores(3.0, -3.0, -5.0, 0.5, -1.0, -3.0)] * 5
    assert decision.judge_recording(windows, constants(), ["friction"] * 2).decision == "present"
    verdict = decision.judge_recording(windows, constants(), ["friction"] * 3)
    assert (verdict.p, verdict.reason) == (None, "friction")


def test_the_share_that_refuses_is_a_third_and_nothing_at_all_is_too_short() -> None:
    windows = [Scores(3.0, -3.0, -5.0, 0.5, -1.0, -3.0)] * 4
    assert decision.judge_recording(windows, constants(), ["friction"] * 2).p is None
    nothing = decision.judge_recording([], constants())
    assert (nothing.reason, nothing.quality, nothing.scores) == ("too_short", 0.0, None)


def test_a_window_is_trusted_as_far_as_it_repeats_and_the_network_could_tell() -> None:
    assert decision.quality_of(Scores(9.0, -1000.0, -1000.0, 0.25, -1.0, -3.0)) == 0.5
    assert decision.quality_of(Scores(9.0, 0.0, -1000.0, 0.8, -1.0, -3.0)) == 0.5
    assert decision.quality_of(Scores(9.0, -1000.0, math.log(3.0), 0.8, -1.0, -3.0)) == pytest.approx(0.25)
    assert decision.quality_of(Scores(9.0, 1000.0, -1000.0, 0.8, -1.0, -3.0)) == 0.0


def test_at_a_threshold_it_is_said() -> None:
    at = Scores(0.0, -3.0, -5.0, 0.5, -1.0, -3.0)
    assert decision.judge_window(at, constants()) == (0.5, "present")
    assert decision.judge_window(at, constants().from_threshold(0.51)) == (0.5, "absent")
    assert (
        decision.judge_window(Scores(5.0, math.log(7 / 3) + 1e-9, -5.0, 0.5, -1.0, -3.0), constants())[1] == "unknown"
    )


def test_what_is_seen_of_a_person_is_of_all_sites_that_could_be_heard() -> None:
    loud = decision.Verdict(0.9, "present", 0.9, 3, Scores(4.0, -1.0, -5.0, 0.25, -1.0, -3.0))
    quiet = decision.Verdict(0.2, "absent", 0.9, 3, Scores(-20.0, -9.0, -5.0, 1.0, -2.0, -5.0))
    refused = decision.Verdict(None, "unknown", 0.0, 0, None, "speech")
    weights = np.zeros((3, N + 1))
    weights[0, 0] = 1.0
    centre, scale = np.zeros(N), np.ones(N)
    centre[0], scale[0] = 4.5, 2.0
    four = replace(constants(weights), recording=(2.0, 0.5, -1.0, 0.4), centre=centre, scale=scale)
    seen = dict(zip(decision.FEATURES, decision.patient_features([loud, refused, quiet], four), strict=True))
    assert seen == pytest.approx({
        "highest": 6.5, "mean": (6.5 - 8.0) / 2, "unknown_mean": (-1.0 - 8.0) / 2, "unquiet": 0.25, "refused": 1 / 3,
        "sites": math.log(3.0), "low_mean": -1.5, "low_least": -2.0, "high_mean": -4.0,
    })  # fmt: skip
    patient = decision.judge_patient([loud, refused, quiet], four)
    assert patient.p_present == pytest.approx(math.e / (math.e + 2))
    unsure = replace(loud, decision="unknown", scores=replace(loud.scores, unknown=5.0, low=-9.0))
    with_it = dict(zip(decision.FEATURES, decision.patient_features([unsure, quiet], four), strict=True))
    assert (with_it["highest"], with_it["mean"]) == (-8.0, -8.0), "of a murmur those speak that could tell"
    assert (with_it["unknown_mean"], with_it["low_least"]) == ((5.0 - 8.0) / 2, -9.0), "of noise all"
    alone = decision.patient_features([unsure], four)
    assert (alone[0], alone[1]) == (8.0, 8.0), "where nobody could tell, whoever was heard"


def test_an_unsure_network_answers_unknown() -> None:
    assert decision.judge_window(Scores(3.0, 2.0, -5.0, 0.5, -1.0, -3.0), constants())[1] == "unknown"


def test_a_murmur_that_noise_would_hide_is_not_absent_and_one_that_is_heard_is_present() -> None:
    hidden, clear = ([Scores(m, -3.0, -5.0, 0.5, -1.0, -3.0, h) for m in (-5.0, 5.0)] for h in (1.0, 0.0))
    assert [decision.judge_window(scores, constants())[1] for scores in hidden] == ["unknown", "present"]
    quiet = [decision.judge_recording([scores[0]] * 5, constants()) for scores in (hidden, clear)]
    assert [verdict.decision for verdict in quiet] == ["unknown", "absent"]
    assert quiet[0].p == quiet[1].p
    weights = np.zeros((3, N + 1))
    weights[:, -1] = np.log([0.05, 0.05, 0.9])
    for sites, answer in (([0, 0, 1, 1], "unknown"), ([0, 1, 1, 1], "absent"), ([1, 1, 1, 1], "absent")):
        patient = decision.judge_patient([quiet[i] for i in sites], constants(weights))
        assert patient.decision == answer
        assert patient.p_absent == pytest.approx(0.9)


def test_what_noise_feigns_is_not_present_and_says_nothing_of_what_is_absent() -> None:
    for murmur, said in ((5.0, "unknown"), (-5.0, "absent")):
        feigned = Scores(murmur, -3.0, -5.0, 0.5, -1.0, -3.0, 0.0, 1.0)
        assert decision.judge_window(feigned, constants())[1] == said
    loud = [Scores(5.0, -3.0, -5.0, 0.5, -1.0, -3.0, 0.0, feigned) for feigned in (1.0, 1.0, 0.0, 0.0, 0.0)]
    assert decision.judge_recording(loud[1:], constants()).decision == "present"
    assert decision.judge_recording(loud[:4], constants()).decision == "unknown"


def test_from_half_of_a_recording_on_noise_has_its_say() -> None:
    for share, quiet, loud in ((0.5, "unknown", "unknown"), (0.49, "absent", "present")):
        hidden = Scores(-5.0, -3.0, -5.0, 0.5, -1.0, -3.0, hidden=share)
        feigned = Scores(5.0, -3.0, -5.0, 0.5, -1.0, -3.0, feigned=share)
        assert [decision.judge_window(scores, constants())[1] for scores in (hidden, feigned)] == [quiet, loud]
        by_themselves = [decision.recording_logit(scores, constants()) for scores in (hidden, feigned)]
        beside = [decision.beside(scores, 0.0, constants()) for scores in (hidden, feigned)]
        assert beside == ([0.0, 0.0] if share == 0.5 else by_themselves)


def heard(murmur: float, *, unknown: float = -3.0, hidden: float = 0.0, feigned: float = 0.0) -> decision.Verdict:
    scores = Scores(murmur, unknown, -5.0, 0.5, -1.0, -3.0, hidden, feigned)
    return decision.judge_recording([scores] * 3, constants())


REFUSED = decision.Verdict(None, "unknown", 0.0, 0, None, "speech")


def test_together_a_recording_has_its_own_odds_and_the_mean_of_the_others() -> None:
    quiet, loud, clear = heard(0.0), heard(3.0), heard(-1.0)  # log odds by themselves -1, 5 and -3
    together = decision.judge_together([quiet, loud, REFUSED, clear], constants())
    odds = [-0.5 + (5 - 3) / 2 + 0.25, 2.5 + (-1 - 3) / 2 + 0.25, None, -1.5 + (-1 + 5) / 2 + 0.25]
    assert [v.p for v in together] == [None if x is None else pytest.approx(decision.sigmoid(x)) for x in odds]
    assert [v.decision for v in together] == ["present", "present", "unknown", "present"]
    assert [v.decision for v in decision.judge_together([quiet, clear], constants())] == ["absent", "absent"]
    assert together[2] is REFUSED
    assert (together[0].quality, together[0].windows, together[0].scores) == (quiet.quality, 3, quiet.scores)


def test_together_what_could_not_tell_by_itself_counts_for_no_other() -> None:
    noisy = heard(3.0, feigned=1.0), heard(-1.0, hidden=1.0), heard(3.0, unknown=3.0)
    alone = decision.judge_together([heard(0.0), heard(-1.0)], constants())[0]
    assert decision.judge_together([heard(0.0), heard(-1.0), *noisy], constants())[0] == alone
    assert decision.judge_together([heard(0.0), *noisy], constants())[0] == heard(0.0)
    assert decision.judge_together([noisy[0], heard(0.0)], constants())[0].p != noisy[0].p


def test_together_one_recording_counts_no_more_than_its_limit() -> None:
    (quiet, _) = decision.judge_together([heard(0.0), heard(1000.0)], constants())
    assert quiet.p == pytest.approx(decision.sigmoid(-0.5 + 8 + 0.25))


@pytest.mark.parametrize("recordings", [[heard(3.0)], [heard(3.0), REFUSED], [REFUSED, REFUSED], []])
def test_together_with_nobody_a_recording_is_what_it_is(recordings: list[decision.Verdict]) -> None:
    assert decision.judge_together(recordings, constants()) == recordings


def test_together_the_threshold_is_reached() -> None:
    at = replace(constants(), together=(0.0, 0.0, 0.0, 0.5))
    assert [v.decision for v in decision.judge_together([heard(-9.0), heard(-9.0)], at)] == ["present", "present"]


def test_together_noise_takes_the_word_a_recording_has_against_the_others() -> None:
    """Log odds by themselves: -9 and 7 where the sound says so, 5 and -3 of the other."""

    def of(own: decision.Verdict, other: float) -> decision.Verdict:
        return decision.judge_together([own, heard(other)], constants())[0]

    def odds(own: float, other: float) -> float:
        return decision.sigmoid(own / 2 + other + 0.25)

    assert of(heard(-4.0, hidden=1.0), 3.0).p == pytest.approx(odds(5.0, 5.0))
    assert of(heard(-4.0, hidden=0.4), 3.0).p == pytest.approx(odds(-9.0, 5.0))
    assert of(heard(4.0, hidden=1.0), -1.0).p == pytest.approx(odds(7.0, -3.0)), "what is heard in noise is heard"
    assert of(heard(4.0, feigned=1.0), -1.0).p == pytest.approx(odds(-3.0, -3.0))
    assert of(heard(4.0, feigned=0.4), -1.0).p == pytest.approx(odds(7.0, -3.0))
    assert of(heard(-4.0, feigned=1.0), 3.0).p == pytest.approx(odds(-9.0, 5.0)), "what is not heard in it is not"
    for own in (heard(-4.0, hidden=1.0), heard(4.0, feigned=1.0), heard(4.0, unknown=3.0), heard(-4.0, unknown=3.0)):
        assert own.decision == "unknown"
        told = decision.judge_together([own, *[heard(-6.0)] * 2], constants())[0].decision
        assert (told, of(own, 6.0).decision) == ("absent", "present")
    for murmur in (-4.0, 4.0):
        assert of(heard(murmur, unknown=3.0), 3.0).p == pytest.approx(odds(5.0, 5.0)), "it has no word at all"
    both = [heard(-4.0, hidden=1.0), heard(4.0, feigned=1.0)]
    assert decision.judge_together(both, constants()) == both, "of these none could tell"


@pytest.mark.parametrize(
    "shares", [(1.0, 0.0), (1.0, 0.3), (1.0, 1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.6, 0.3), (0.4, 0.5), (0.5, 0.5)]
)
def test_a_person_and_their_recordings_are_not_told_against_each_other(shares: tuple[float, ...]) -> None:
    """Where noise hides half of what was heard, the person's "absent" is unknown, and so is that of what is hidden."""
    weights = np.zeros((3, N + 1))
    weights[2, -1] = 9.0  # whatever was heard, no murmur
    recordings = [heard(-4.0, hidden=share) for share in shares]
    told = decision.judge_together(recordings, constants())
    lost = np.mean(shares) >= 0.5
    assert decision.judge_patient(recordings, constants(weights)).decision == ("unknown" if lost else "absent")
    expected = ["unknown" if lost and share >= 0.5 else "absent" for share in shares]
    assert [v.decision for v in told] == expected


def test_the_answer_is_worth_the_most() -> None:
    assert (decision.ANSWERS, decision.WORTH.tolist()) == (("present", "unknown", "absent"), [5.0, 3.0, 1.0])
    weights = np.zeros((3, N + 1))
    weights[:, -1] = np.log([0.2, 0.2, 0.6])
    patient = decision.judge_patient(
        [decision.judge_recording([Scores(0, 0, 0, 1, -1, -3)], constants())], constants(weights)
    )
    assert patient.p_absent == pytest.approx(0.6)
    assert patient.decision == "present"  # 5 x 0.2 > 3 x 0.2 and 1 x 0.6


@given(
    st.lists(
        st.tuples(*[st.floats(-50, 50)] * 3, st.floats(0, 1), *[st.floats(-14, 0)] * 2).map(lambda v: Scores(*v)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_probabilities_are_probabilities_and_order_does_not_matter(windows: list[Scores], sites: int) -> None:
    a = decision.judge_recording(windows, constants())
    b = decision.judge_recording(windows[::-1], constants())
    assert a.p == pytest.approx(b.p)
    assert 0 <= a.quality <= 1
    rng = np.random.default_rng(0)
    patient = decision.judge_patient([a] * sites, constants(rng.normal(size=(3, N + 1))))
    shares = [patient.p_present, patient.p_unknown, patient.p_absent]
    assert sum(x or 0 for x in shares) == pytest.approx(1)


def test_constants_survive_the_card() -> None:
    card = {"calibration": constants(np.ones((3, N + 1))).as_card()}
    again = Calibration.from_card(card)
    assert again.as_card() == card["calibration"]
