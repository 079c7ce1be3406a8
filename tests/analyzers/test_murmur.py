"""The murmur analyzer with the shipped network: answers, refusals with their reasons, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest

from edge import inference
from edge.analyzers import murmur
from edge.dsp import synthesis
from edge.dsp.pcg.decision import Calibration, sigmoid
from edge.inference import Model
from edge.lane import Lane
from edge.types import Block, ConfigError, Reading
from murmur_readings import RATE, readings_of
from signals import blocks

UNITS = {"pcg.murmur": "", "pcg.hr": "bpm", "pcg.quality": ""}


@pytest.fixture(scope="module")
def model() -> Model:
    return inference.load("murmur")


def heart(*, has_murmur: bool, seconds: float = 9.0, rate: float = RATE, kind: str = "sinus") -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, kind, 72.0)], seconds + 1, seed=3)
    t = np.arange(round(seconds * rate)) / rate
    return 8000 * synthesis.pcg(beats, t, murmur=[(0.0, 99.0)] if has_murmur else [], noise=0.02, seed=5)


def reasons(readings: list[Reading]) -> set[str]:
    late = [r for r in readings if r.metric == "pcg.murmur" and r.reason != "warming_up"]
    assert late
    return {r.reason for r in late}


def test_murmur_and_none_are_told_apart_with_rate_and_quality(model: Model) -> None:
    for has_murmur, word in ((True, "present"), (False, "absent")):
        readings = [r for r in readings_of(heart(has_murmur=has_murmur), model) if r.t >= 5.0]
        said = [r for r in readings if r.metric == "pcg.murmur"]
        assert {r.detail["decision"] for r in said} == {word}
        assert said[-1].detail["recording"]["decision"] == word
        assert said[-1].model == str(model.identity)
        assert [{r.metric: r.unit for r in readings if r.t == one.t} for one in said] == [UNITS] * 5
        rates = [r.value for r in readings if r.metric == "pcg.hr"]
        assert all(isinstance(v, float) and abs(v - 72) < 5 for v in rates)
        assert all(isinstance(r.value, float) and r.value > 0.5 for r in readings if r.metric == "pcg.quality")
        for head in ("unknown", "foreign"):
            assert said[-1].detail[head] == sigmoid(said[-1].detail["scores"][head])


def test_a_heart_without_a_rhythm_has_a_verdict_and_no_rate(model: Model) -> None:
    readings = [r for r in readings_of(heart(has_murmur=False, kind="af"), model) if r.t >= 5.0]
    assert {r.detail["decision"] for r in readings if r.metric == "pcg.murmur"} == {"absent"}
    rates = [r for r in readings if r.metric == "pcg.hr"]
    assert [(r.value, r.reason) for r in rates] == [(None, "low_quality")] * 5
    assert all(r.detail["candidate_bpm"] > 30.0 for r in rates)


@pytest.mark.parametrize("chunk", [7, 400, 100_000])
def test_chunking_does_not_matter(model: Model, chunk: int) -> None:
    x = heart(has_murmur=True, seconds=7.0)
    assert readings_of(x, model, chunk=chunk) == readings_of(x, model, chunk=4000)


def test_streaming_equals_whole_windows_cut_by_hand(model: Model) -> None:
    from edge.dsp.pcg import listening
    from edge.dsp.pcg.frontend import network_input

    x = heart(has_murmur=True)
    streamed = {r.t: r for r in readings_of(x, model) if r.metric == "pcg.murmur" and r.t >= 5}
    for t, reading in streamed.items():
        sound, _ = listening.listen_to(x[round((t - 5) * RATE) : round(t * RATE)], RATE)
        assert sound is not None
        assert reading.detail["scores"]["murmur"] == float(model.run(network_input(sound.picture))[0][0, 0])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gain", lambda x, t: 1e-4 * x),
        ("offset", lambda x, t: x + 20_000),
        ("drift", lambda x, t: x + 3000 * np.sin(2 * np.pi * 0.3 * t)),
        ("hum of 50 Hz", lambda x, t: x + 120 * np.sin(2 * np.pi * 50 * t)),
        ("hum of 60 Hz", lambda x, t: x + 120 * np.sin(2 * np.pi * 60 * t)),
        ("gain step", lambda x, t: np.where(t > 5.5, 2.0, 1.0) * x),
        ("16 bit", lambda x, t: np.round(x).astype(np.int16)),
        ("8 bit", lambda x, t: np.round(x / 80).astype(np.int8)),
        ("32 bit", lambda x, t: np.round(x * 1e4).astype(np.int32)),
    ],
)
@pytest.mark.parametrize("has_murmur", [True, False])
def test_the_microphone_does_not_change_the_verdict(model: Model, name: str, change: object, has_murmur: bool) -> None:
    x = heart(has_murmur=has_murmur)
    t = np.arange(len(x)) / RATE
    readings = readings_of(change(x, t), model)  # type: ignore[operator]
    verdict = murmur.recording_verdict(readings, Calibration.from_card(model.card))
    assert verdict.decision == ("present" if has_murmur else "absent"), name


@pytest.mark.parametrize("rate", [2000.0, 8000.0, 11_025.0, 44_100.0])
def test_other_rates_are_accepted(model: Model, rate: float) -> None:
    x = heart(has_murmur=False, rate=rate, seconds=6.0)
    verdict = murmur.recording_verdict(readings_of(x, model, rate=rate, chunk=1000), Calibration.from_card(model.card))
    assert verdict.decision == "absent"


@pytest.mark.parametrize("has_murmur", [True, False])
def test_a_quiet_heart_through_eight_bits_is_answered_as_it_is(model: Model, has_murmur: bool) -> None:
    """Where 8 bits are filled to an eighth, the gaps between its sounds are exactly constant."""
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 80.0)], 12.0, seed=2)
    t = np.arange(int(10 * RATE)) / RATE
    x = synthesis.pcg(beats, t, murmur=[(0.0, 12.0)] if has_murmur else [], noise=0.005, seed=2)
    readings = readings_of(np.round(x / np.abs(x).max() * 16) / 128, model)
    full = [r for r in readings if r.metric == "pcg.murmur" and r.t >= 5]
    assert {r.detail["decision"] for r in full} == {"present" if has_murmur else "absent"}


def test_stereo_listens_to_the_configured_channel(model: Model) -> None:
    x = heart(has_murmur=True)
    both = np.stack([np.zeros_like(x), x], axis=1)
    assert reasons(readings_of(both, model)) == {"no_signal"}
    assert reasons(readings_of(both, model, channel=1)) == {""}
    assert reasons(readings_of(both, model, channel=2)) == {"no_signal"}


def test_too_short_silent_constant_and_clipped_are_refused_with_their_reason(model: Model) -> None:
    calibration = Calibration.from_card(model.card)
    short = readings_of(heart(has_murmur=False, seconds=2.5), model)
    assert {r.reason for r in short} == {"warming_up"}
    assert len(short) == 6
    assert murmur.recording_verdict(short, calibration).reason == "too_short"
    assert murmur.recording_verdict([], calibration).reason == "too_short"
    assert reasons(readings_of(np.zeros(32_000), model)) == {"no_signal"}
    refused = readings_of(np.zeros(32_000), model)[-3:]
    assert {r.metric: (r.unit, r.value) for r in refused} == {
        "pcg.murmur": ("", None), "pcg.hr": ("bpm", None), "pcg.quality": ("", 0.0),
    }  # fmt: skip
    assert (refused[0].detail["decision"], refused[0].model) == ("unknown", str(model.identity))
    assert {r.value for r in short} == {None}, "too little is no bad sound"
    assert reasons(readings_of(np.full(32_000, 512), model)) == {"no_signal"}
    loud = np.clip(30 * heart(has_murmur=False), -8000, 8000)
    assert reasons(readings_of(loud, model)) == {"saturated"}
    assert reasons(readings_of(np.full(32_000, np.nan), model)) == {"no_signal"}
    assert reasons(readings_of(heart(has_murmur=False, rate=800.0), model, rate=800.0, chunk=100)) == {"low_quality"}


def speech() -> np.ndarray:
    """9 s of voiced syllables."""
    rng = np.random.default_rng(3)
    t = np.arange(int(9 * RATE)) / RATE
    x = np.zeros(len(t))
    at = 0.1
    while at < 8.6:
        length = rng.uniform(0.3, 0.5)
        s = np.clip((t - at) / length, 0, 1)
        f0 = 120 * (1 + 0.1 * np.sin(at)) * (1 + 0.1 * s)
        phase = 2 * np.pi * np.cumsum(f0) / RATE
        formant = rng.uniform(400, 700)
        sound = sum(np.sin(k * phase) / (1 + ((k * 120 - formant) / 120) ** 2) for k in range(1, 9))
        x += np.where((s > 0) & (s < 1), np.sin(np.pi * s) ** 0.5 * sound, 0.0)
        at += length + rng.uniform(0.03, 0.2)
    return x + 0.005 * rng.standard_normal(len(t))


def test_speech_is_named(model: Model) -> None:
    late = [r for r in readings_of(speech(), model) if r.metric == "pcg.murmur" and r.t >= 5]
    assert all(r.value is None for r in late)
    assert "speech" in {r.reason for r in late}


def test_speech_as_loud_as_the_heart_is_no_murmur_and_hides_no_heart_that_is_heard_without_one(model: Model) -> None:
    words = {}
    for has_murmur in (True, False):
        x = heart(has_murmur=has_murmur)
        readings = readings_of(x + speech() * x.std() / speech().std(), model)
        said = [r for r in readings if r.metric == "pcg.murmur" and r.t >= 5]
        words[has_murmur] = {r.reason or r.detail["decision"] for r in said}
    assert words[True] == {"speech"}
    assert "absent" in words[False] <= {"speech", "absent"}


def test_a_hole_is_a_gap_and_a_flag_speaks(model: Model) -> None:
    x = heart(has_murmur=False)
    analyzer = murmur.build(models=lambda _: model)
    lane = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": analyzer})
    out: list[Reading] = []
    for block in blocks(x, stream="s/pcg", rate=RATE, chunk=400, lost=range(24_000, 26_000)):
        out += lane.feed(block)
    assert {r.reason for r in out if r.metric == "pcg.murmur" and r.t >= 7} == {"gap"}
    x[24_000:26_000] = 0.0
    assert reasons(readings_of(x, model)[-3:]) == {"gap"}
    lane.reset()
    flagged = Block("s/pcg", 0, 0.0, RATE, x[:24_000, None], flags=frozenset({"sensor_off"}))
    assert {r.reason for r in lane.feed(flagged)} == {"sensor_off"}


@pytest.mark.parametrize(("seconds", "hop_s", "windows"), [(38, 1.0, 30), (45, 5.0, 6), (12, 0.25, 29)])
def test_the_recording_is_of_the_last_half_minute_whatever_the_hop(
    model: Model, seconds: float, hop_s: float, windows: int
) -> None:
    readings = readings_of(heart(has_murmur=True, seconds=seconds), model, hop_s=hop_s)
    assert [r for r in readings if r.metric == "pcg.murmur"][-1].detail["recording"]["windows"] == windows


@pytest.mark.parametrize(("hole", "windows"), [((10.1, 10.4), 11), ((9.5, 10.4), 10)])
def test_a_window_that_a_hole_cuts_short_costs_none_of_the_full_ones(
    model: Model, hole: tuple[float, float], windows: int
) -> None:
    analyzer = murmur.build(models=lambda _: model)
    lane = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": analyzer})
    lost = range(*(round(t * RATE) for t in hole))
    told = blocks(heart(has_murmur=True, seconds=20.0), stream="s/pcg", rate=RATE, chunk=400, lost=lost)
    readings = [r for block in told for r in lane.feed(block) if r.metric == "pcg.murmur"]
    heard = [r for r in readings if r.value is not None]
    assert [r.t for r in heard if not r.detail["complete"]] == [3.0, 4.0, 15.0][: 13 - windows]
    assert [r.detail["recording"]["windows"] for r in heard if r.t in (3.0, 4.0, 5.0, 20.0)] == [1, 2, 1, windows]
    calibration = Calibration.from_card(model.card)
    verdict = murmur.recording_verdict(heard, calibration)
    assert heard[-1].detail["recording"] == {
        "p": verdict.p, "decision": verdict.decision, "windows": verdict.windows,
    }  # fmt: skip


def test_what_was_heard_before_a_minute_of_silence_is_not_in_the_recording(model: Model) -> None:
    x = np.concatenate([heart(has_murmur=True), np.zeros(round(60 * RATE)), heart(has_murmur=False)])
    readings = [r for r in readings_of(x, model) if r.metric == "pcg.murmur" and r.value is not None and r.t > 69]
    assert [r.detail["recording"]["windows"] for r in readings] == [1, 2, 3, 4, 5]
    assert {r.detail["recording"]["decision"] for r in readings} == {"absent"}


def test_the_recording_goes_on_from_a_state_and_not_from_one_without_times(model: Model) -> None:
    def recordings(state: dict[str, object] | None) -> list[int]:
        second = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": murmur.build(models=lambda _: model)})
        if state is not None:
            for block in told[:7]:
                second.prime(block)
            assert second.restore(state)
        out = [r for block in told[0 if state is None else 7 :] for r in second.feed(block)]
        return [r.detail["recording"]["windows"] for r in out if r.metric == "pcg.murmur" and r.value is not None]

    told = list(blocks(heart(has_murmur=True), stream="s/pcg", rate=RATE, chunk=round(RATE)))
    first = Lane(bed="b", source="s", primary="pcg", analyzers={"murmur": murmur.build(models=lambda _: model)})
    for block in told[:7]:
        first.feed(block)
    state = first.state()
    assert recordings(state) == recordings(None)[-2:] == [4, 5]
    state["analyzers"]["murmur"]["recent"] = [entry[1:] for entry in state["analyzers"]["murmur"]["recent"]]
    assert recordings(state) == [1, 2]
    first.reset()
    assert first.state()["analyzers"]["murmur"] == {"recent": []}


def test_settings_are_checked(model: Model) -> None:
    with pytest.raises(ConfigError, match="murmur: murmur_threshold must lie between 0 and 1"):
        murmur.build(models=lambda _: model, murmur_threshold=1.0)
    with pytest.raises(ConfigError, match="not both"):
        murmur.build(models=lambda _: model, murmur_threshold=0.3, murmur_missed=0.1)


def decisions(model: Model, **settings: float) -> tuple[float, str, float, str]:
    """Of the last window and of all remembered ones: probability and answer."""
    said = [r for r in readings_of(heart(has_murmur=True), model, **settings) if r.metric == "pcg.murmur"][-1]
    assert isinstance(said.value, float)
    recording = said.detail["recording"]
    return said.value, said.detail["decision"], recording["p"], recording["decision"]


def test_the_threshold_can_be_configured(model: Model) -> None:
    window, _, recording, _ = decisions(model)
    low, high = sorted((window, recording))
    assert decisions(model, murmur_threshold=low)[1::2] == ("present", "present")
    assert decisions(model, murmur_threshold=(1.0 + high) / 2)[1::2] == ("absent", "absent")


def test_every_promised_share_of_the_card_can_be_asked_for(model: Model) -> None:
    told = model.card["conformal"]
    shares = [b["missed"] for b in told["bounds"]]
    assert shares == sorted(shares)
    assert shares[0] >= 1 / (told["people"] + 1)
    assert [b["threshold"] for b in told["bounds"]] == sorted(b["threshold"] for b in told["bounds"])
    for bound in told["bounds"]:
        assert decisions(model, murmur_missed=bound["missed"]) == decisions(model, murmur_threshold=bound["threshold"])
    with pytest.raises(ConfigError, match=r"no threshold in the card for murmur_missed = 0\.001"):
        murmur.build(models=lambda _: model, murmur_missed=0.001)
