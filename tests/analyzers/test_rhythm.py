"""Rhythm through a lane with the shipped network: known rhythms, silence on what is none, determinism."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import inference
from edge.analyzers import rhythm
from edge.dsp import synthesis
from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.rhythm.decision import LABELS
from edge.dsp.rhythm.features import FEATURES
from edge.lane import Lane
from edge.types import Block, ConfigError, Window
from signals import blocks


@pytest.fixture(scope="module")
def model():
    return inference.load("rhythm", variant="onnx-int8")


def wave(kind="sinus", bpm=72.0, seconds=60.0, rate=100.0, seed=4):
    t = np.arange(round(seconds * rate)) / rate
    heart = synthesis.beats([synthesis.Episode(0.0, kind, bpm)], seconds + 2, seed=seed)
    return 60000.0 + 1500.0 * synthesis.ppg(heart, t, seed=seed)


def run(model, x, rate=100.0, chunk=50, acc=None):
    lane = Lane(bed="b", source="node", primary="ppg", analyzers={"rhythm": rhythm.build(models=lambda _: model)})
    readings = []
    for block in blocks(x, rate=rate, chunk=chunk):
        if acc is not None:
            lane.feed(Block("node/acc", block.seq, block.t0, rate, acc[block.seq : block.next_seq].copy()))
        readings += lane.feed(block)
    readings += lane.finish()
    assert not lane.take_faults()
    return readings


def words(readings, metric="ppg.rhythm"):
    return [r.value for r in readings if r.metric == metric and r.value is not None]


@pytest.mark.parametrize("rate", [25.0, 100.0, 500.0])
@pytest.mark.parametrize(("kind", "expected"), [("sinus", "sinus"), ("af", "af")])
def test_plain_rhythms_are_named(model, kind, expected, rate):
    said = words(run(model, wave(kind, 80.0, rate=rate), rate=rate))
    assert len(said) >= 20
    assert said.count(expected) >= 0.8 * len(said)


@pytest.mark.parametrize("rate", [25.0, 50.0])
@pytest.mark.parametrize(("bpm", "hz"), [(90.0, 8.0), (110.0, 8.0), (110.0, 10.02)])
def test_hum_that_slow_sampling_folds_down_is_no_fibrillation(model, bpm, hz, rate):
    x = wave(bpm=bpm, rate=rate)
    said = words(run(model, x + 450.0 * np.sin(2 * np.pi * hz * np.arange(len(x)) / rate), rate=rate))
    assert len(said) >= 20
    assert "af" not in said


def test_upside_down_says_the_same(model):
    x = wave("af", 85.0)
    assert words(run(model, x)) == words(run(model, 120000.0 - x))


def test_details_hold_six_probabilities_and_the_threshold(model):
    reading = [r for r in run(model, wave(seconds=14.0)) if r.metric == "ppg.rhythm"][-1]
    p = [reading.detail[f"p_{name}"] for name in ("SR", "PVC", "PAC", "VT", "SVT", "AF")]
    assert sum(p) == pytest.approx(1.0)
    assert reading.detail["p_AF"] == p[5]
    assert reading.model == str(model.identity)


def test_perfusion_of_a_raw_sensor_and_none_of_a_scaled_one(model):
    found = words(run(model, wave(seconds=20.0)), "ppg.perfusion")
    assert found
    assert all(1.0 < p < 6.0 for p in found)
    assert not words(run(model, wave(seconds=20.0) - 60000.0), "ppg.perfusion")


def test_perfusion_is_the_pulse_in_percent_of_the_steady_light_and_silent_where_that_is_no_light(model):
    beats = wave(seconds=14.0) / 1500.0

    def told(pulse, light):
        x = light + pulse * (beats - np.median(beats))
        (last,) = [r for r in run(model, x) if r.metric == "ppg.perfusion"][-1:]
        assert last.unit == "%"
        return last.value, last.reason

    usual, _ = told(1500.0, 60000.0)
    assert told(3000.0, 60000.0)[0] == pytest.approx(2 * usual, rel=0.02)
    assert told(1500.0, 60000.0 * usual / 19.5)[0] == pytest.approx(19.5, rel=0.02)
    assert told(1500.0 / usual * 0.0105, 60000.0)[0] == pytest.approx(0.0105, rel=0.02)
    too_much, too_little = (1500.0, 60000.0 * usual / 20.5), (1500.0 / usual * 0.0095, 60000.0)
    for pulse, light in (too_much, too_little, (1500.0, 0.0), (1500.0, -60000.0)):
        assert told(pulse, light) == (None, "out_of_distribution")


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 700))
def test_chunks_do_not_matter(model, chunk):
    x = wave("af", seconds=16.0)
    assert run(model, x, chunk=chunk) == run(model, x, chunk=2000)


def test_noise_of_any_kind_has_no_rhythm(model):
    rng = np.random.default_rng(7)
    told = 0
    for k in range(360):
        shape = [
            rng.normal(size=1000),
            np.cumsum(rng.normal(size=1000)),
            np.sin(np.arange(1000) * 0.5) + 0.1 * rng.normal(size=1000),
            np.sin(np.arange(1000) * 0.012) + 0.01 * rng.normal(size=1000),
        ][k % 4]
        x = Window("n/ppg", 0.0, 10.0, np.arange(1000) / 100, shape[:, None], 100.0, 1.0, ())
        readings = rhythm.build(models=lambda _: model)({"ppg": x})
        told += readings[0].value is not None
    assert told == 0


@pytest.mark.parametrize("band_hz", [(0.5, 2.0), (0.7, 3.0), (1.0, 4.0)])
def test_a_hand_that_moves_is_seldom_taken_for_a_rhythm(model, band_hz):
    """Noise as slow as hearts is as irregular as fibrillation, and for a network that never met it that is what it is."""
    hz = np.fft.rfftfreq(1000, 0.01)
    inside = (hz >= band_hz[0]) & (hz <= band_hz[1])
    told = 0
    for k in range(100):
        rng = np.random.default_rng(k)
        shape = np.fft.irfft(np.fft.rfft(rng.normal(size=1000)) * inside, 1000) + 0.01 * rng.normal(size=1000)
        x = Window("n/ppg", 0.0, 10.0, np.arange(1000) / 100, shape[:, None], 100.0, 1.0, ())
        told += rhythm.build(models=lambda _: model)({"ppg": x})[0].value is not None
    assert told <= 8


@pytest.mark.parametrize("hz", [0.8, 1.2, 2.5, 3.3])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.05])
def test_hum_and_lamps_have_no_rhythm(model, hz, share):
    t = np.arange(6000) / 100.0
    x = 60000.0 + 500.0 * (np.sin(2 * np.pi * hz * t) + share * np.random.default_rng(0).normal(size=len(t)))
    assert len(words(run(model, x))) <= 4


def test_a_lamp_that_steps_makes_no_rhythm(model):
    x = wave()
    x += 1500.0 * ((np.arange(len(x)) // 200) % 2)
    assert words(run(model, x)) == []


@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
def test_hum_that_drives_a_wave_into_the_ends_of_its_converter_leaves_no_rhythm(model, hum_hz):
    x = wave("pvc", rate=125.0)
    x += 1500.0 * np.sin(2 * np.pi * hum_hz * np.arange(len(x)) / 125.0)
    readings = run(model, np.clip(x, *np.quantile(x, [0.2, 0.8])), rate=125.0)
    assert {r.reason for r in readings if r.metric == "ppg.rhythm" and r.t > 11} == {"saturated"}


@pytest.mark.parametrize("held", [32, 62])
def test_a_sensor_that_hangs_every_two_seconds_makes_no_rhythm(model, held):
    x = wave()
    for a in range(100, len(x) - held, 200):
        x[a : a + held] = x[a - 1]
    assert words(run(model, x)) == []


def test_shaking_is_named_with_how_strong_it_is(model):
    rng = np.random.default_rng(3)
    x = wave(seconds=20.0)
    for scale, reason in ((500.0, "motion"), (60.0, "")):
        acc = np.array([0.0, 0.0, 1000.0]) + rng.normal(scale=scale, size=(len(x), 3))
        said = [r for r in run(model, x, acc=acc) if r.metric == "ppg.rhythm" and r.t > 11]
        assert {r.reason for r in said} == {reason}
        length = np.linalg.norm(acc[1000:], axis=1).mean()
        assert said[-1].detail["motion"] == pytest.approx(3**0.5 * scale / length, rel=0.05)
    assert {r.detail.get("motion") for r in run(model, x)} == {None}


def test_after_an_accelerometer_fell_silent_in_mid_movement_no_rhythm_is_read(model):
    acc = np.array([0.0, 0.0, 1000.0]) + np.random.default_rng(3).normal(scale=300.0, size=(4000, 3))
    acc[1500:] = 0.0
    late = [r for r in run(model, wave(seconds=40.0), acc=acc) if r.metric == "ppg.rhythm" and r.t > 26]
    assert {(r.value, r.reason, r.detail.get("motion")) for r in late} == {(None, "motion", None)}


def test_no_rhythm_is_read_from_a_wave_that_keeps_time_with_a_gentle_movement(model):
    step = np.sin(2 * np.pi * 1.9 * np.arange(2000) / 100.0) + 0.4 * np.sin(2 * np.pi * 3.8 * np.arange(2000) / 100.0)
    acc = np.array([0.0, 0.0, 1000.0]) + np.random.default_rng(3).normal(scale=3.0, size=(2000, 3))
    acc += 40.0 * step[:, None] * [0.3, 0.4, 1.0]
    said = [r for r in run(model, wave(seconds=20.0) + 9000.0 * step, acc=acc) if r.metric == "ppg.rhythm" and r.t > 11]
    assert {r.reason for r in said} == {"motion"}


def window_of(x):
    return {"ppg": Window("n/ppg", 0.0, 10.0, np.arange(1000) / 100, x[:1000, None], 100.0, 1.0, ())}


def test_which_way_up_and_how_the_wearer_moved_is_gone_on_with(model):
    acc = np.array([0.0, 0.0, 1000.0]) + np.random.default_rng(3).normal(scale=300.0, size=(1000, 3))
    windows = window_of(120000.0 - wave())
    windows["acc"] = Window("n/acc", 0.0, 10.0, np.arange(1000) / 100, acc, 100.0, 1.0, ())
    one, other = (rhythm.build(models=lambda _: model) for _ in range(2))
    one(windows)
    state = one.state()
    assert (state["sign"], state["movement"][0]) == (-1.0, 10.0)
    other.restore(state)
    assert other.state() == state
    other.restore({"sign": -1.0})
    fresh = rhythm.build(models=lambda _: model).state()
    assert other.state() == {**fresh, "sign": -1.0}, "of before the rest was remembered"
    one.reset()
    assert one.state() == fresh


UNITS = {"ppg.rhythm": "", "ppg.quality": "", "ppg.perfusion": "%"}


class Says:
    """The shipped card with another share of the trees', trees that ask one question, and always the same answer."""

    def __init__(self, model, logits, share=0.0, feature=0, threshold=0.0, no=(0,) * 7, yes=(0,) * 7):
        self.card = {**model.card, "calibration": {**model.card["calibration"], "trees_share": share}}
        self.identity, self._logits = model.identity, np.array([logits], np.float32)
        leaf = np.column_stack([no, yes]).astype(np.int8)
        asked = np.full((7, 1), feature, np.uint8), np.full((7, 1), threshold, np.float32)
        self.beside = {"trees": BoostedTrees(*asked, leaf, 0.5, np.zeros(7)).as_bytes()}

    def run(self, *inputs):
        return [self._logits]


def test_quality_is_less_by_how_likely_it_is_no_pulse_and_past_the_cards_limit_nothing_is_said(model):
    def told(p_none):
        logit = model.card["calibration"]["temperature"] * np.log(p_none / (1 - p_none))
        return rhythm.build(models=lambda _: Says(model, [0.0, *[-999.0] * 5, logit]))(window_of(wave()))

    sure, unsure = told(1e-9), told(0.2)
    assert [r.value for r in (sure[0], unsure[0])] == ["sinus", "sinus"]
    assert unsure[0].quality == pytest.approx(0.8 * sure[0].quality)
    assert unsure[0].detail["p_none"] == pytest.approx(0.2)
    for said in (sure, unsure):
        assert {r.metric: r.unit for r in said} == UNITS
        assert {r.quality for r in said} == {said[0].quality} == {said[1].value}
        assert said[1].detail == {"beats": 11}
    limit = model.card["calibration"]["none_limit"]
    assert told(limit - 0.01)[0].value == "sinus"
    refused = told(limit + 0.01)
    assert {r.metric: r.unit for r in refused} == UNITS
    assert {(r.metric == "ppg.quality") == (r.value is not None) for r in refused} == {True}
    assert {r.reason for r in refused} == {"out_of_distribution"}
    assert refused[0].detail["p_none"] == pytest.approx(limit + 0.01)


def test_the_trees_are_asked_about_the_numbers_as_they_are_and_have_the_cards_share(model):
    x, beats_of_72_bpm = window_of(wave()), FEATURES.index("mean_ibi")
    temperature, own = (model.card["calibration"][key] for key in ("temperature", "own_slope"))
    for threshold, which in ((60 / 72 - 0.03, "yes"), (60 / 72 + 0.03, "no")):
        for share in (0.0, 0.3, 1.0):
            words = {"no": [0, 4, 0, 0, 0, 0, -8], "yes": [0, 0, 4, 0, 0, 0, -8]}
            says = Says(model, [0.0] * 6 + [-8.0], share, beats_of_72_bpm, threshold, **words)
            detail = rhythm.build(models=lambda _, says=says: says)(x)[0].detail
            trees = 0.5 * np.array(words[which][:6])
            odds = np.exp(own * share * trees / temperature)
            assert [detail[f"p_{name}"] for name in LABELS] == pytest.approx((odds / odds.sum()).tolist(), rel=1e-6)


def test_settings_are_checked(model):
    twice = {"af_threshold": 0.4, "af_missed": 0.1}
    for wrong, named in (
        ({"af_threshold": 1.0}, "af_threshold"),
        ({"af_missed": 0.001}, "af_missed"), (twice, "af_threshold or af_missed"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"rhythm: .*{named}"):
            rhythm.build(models=lambda _: model, **wrong)


def thresholds_told(model, **settings):
    x = wave("af", 85.0, seconds=10.0)
    window = Window("n/ppg", 0.0, 10.0, np.arange(1000) / 100, x[:, None], 100.0, 1.0, ())
    reading = rhythm.build(models=lambda _: model, **settings)({"ppg": window})[0]
    return reading.detail["threshold"], reading.value == "af", reading.detail["p_AF"]


def test_the_threshold_is_the_cards_or_the_configured_one(model):
    assert thresholds_told(model)[0] == model.card["calibration"]["af_threshold"]
    p = thresholds_told(model)[2]
    assert thresholds_told(model, af_threshold=p)[:2] == (p, True)
    above = (1.0 + p) / 2
    assert thresholds_told(model, af_threshold=above)[:2] == (above, False)


def test_every_promised_share_of_the_card_can_be_asked_for(model):
    bounds = model.card["conformal"]["bounds"]
    assert [b["missed"] for b in bounds] == sorted(b["missed"] for b in bounds)
    assert bounds[0]["missed"] >= 1 / (model.card["conformal"]["people"] + 1)
    for bound in bounds:
        assert thresholds_told(model, af_missed=bound["missed"])[0] == bound["threshold"]


@pytest.fixture(scope="module")
def real_windows(data_dir):
    waves = np.load(data_dir / "ppg" / "liu2022.npz")["ppg"][::200].astype(float)
    return [Window("n/ppg", 0.0, 10.0, np.arange(1000) / 100, x[:, None], 100.0, 1.0, ()) for x in waves]


def decisions(model, windows):
    return [rhythm.build(models=lambda _: model)({"ppg": window})[0].value for window in windows]


@pytest.fixture(scope="module")
def said(model, real_windows):
    return decisions(model, real_windows)


def test_real_windows_are_answered(said):
    assert len(said) - said.count(None) >= 0.97 * len(said)


@pytest.mark.parametrize("variant", ["onnx-fp32", "litert-int8", "litert-fp32"])
def test_the_variants_agree_on_real_windows(real_windows, said, variant):
    other = decisions(inference.load("rhythm", variant=variant), real_windows)
    assert sum(a == b for a, b in zip(said, other, strict=True)) >= 0.93 * len(said)
