"""Camera pulse on faces of known truth and on real clips: a right number, or none and the right reason."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge import face_models, inference
from edge.analyzers.camera_pulse import bare, build, joined
from edge.demo.face_video import Scene, frames
from edge.dsp.face.columns import AREAS, COLUMNS, SKIN
from edge.dsp.face.rppg import band_pass, pos
from edge.lane import Lane
from edge.types import Block

RATE = 30.0


@pytest.fixture(scope="module")
def model():
    return inference.load("camera_pulse")


def traces(bpm=72.0, *, seconds=16.0, pulse=0.01, noise=0.02, seed=0, lamp=0.0, same=False, rate=RATE, background=0.0):
    """Rows of a roi block: a pulse on skin, and a room that does not pulse."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * bpm / 60 * t) + 0.3 * np.sin(4 * np.pi * bpm / 60 * t + 1)
    light = 1 + lamp * np.sin(2 * np.pi * 1.3 * t)
    table = np.zeros((len(t), len(COLUMNS)))
    for area in AREAS:
        skin = np.array([190.0, 140.0, 112.0]) * rng.uniform(0.8, 1.1)
        blood = np.array([0.33, 0.77, 0.53]) * pulse if area in SKIN and not same else np.full(3, background)
        rgb = skin * light[:, None] * (1 - wave[:, None] * blood) + rng.normal(0, noise, (len(t), 3))
        for c, colour in enumerate("rgb"):
            table[:, COLUMNS.index(f"{area}_{colour}")] = rgb[:, c]
    for name, value in (("present", 1.0), ("brightness", 120.0), ("change", 1.5), ("faces", 1.0)):
        table[:, COLUMNS.index(name)] = value
    return t, table


def run(model, t, table, *, chunk=1, rate=RATE, window_s=10.0):
    analyzer = build(models=lambda _: model, window_s=window_s)
    lane = Lane(bed="b", source="cam", primary="roi", analyzers={"camera_pulse": analyzer})
    found = []
    for i in range(0, len(t), chunk):
        found += lane.feed(Block("cam/roi", i, float(t[i]), rate, table[i : i + chunk].copy(), 0, COLUMNS))
    assert lane.take_faults() == []
    return [r for r in found if r.metric == "camera.hr"]


def with_column(table, name, value, span=slice(None)):
    table = table.copy()
    table[span, COLUMNS.index(name)] = value
    return table


@pytest.mark.parametrize("bpm", [45.0, 60.0, 72.0, 110.0, 150.0, 190.0])
def test_a_clear_pulse_is_said_within_two_bpm(model, bpm):
    said = [r.value for r in run(model, *traces(bpm)) if r.value is not None]
    assert len(said) >= 4
    assert np.abs(np.array(said) - bpm).max() < 2.0


@pytest.mark.parametrize("rate", [15.0, 25.0, 50.0])
def test_the_frame_rate_does_not_matter_and_nor_does_a_wrong_one(model, rate):
    t, table = traces(80.0, rate=rate)
    for nominal in (rate, 30.0):
        said = [r.value for r in run(model, t, table, rate=nominal) if r.value is not None]
        assert said
        assert np.abs(np.array(said) - 80.0).max() < 2.0


def test_the_networks_wave_and_that_of_pos_add_up():
    wave = np.sin(2 * np.pi * 1.2 * np.arange(300) / RATE)
    rgb = np.array([190.0, 140.0, 112.0]) * (1 - 0.01 * wave[:, None] * np.array([0.33, 0.77, 0.53]))
    both = joined(np.stack([wave, wave]), [band_pass(pos(rgb))] * 2)
    assert np.corrcoef(both, wave)[0, 1] > 0.99
    assert both.std() > 1.9  # each has a deviation of 1


@pytest.mark.parametrize("window_s", [8.0, 12.0, 20.0])
def test_the_window_may_be_shorter_or_longer(model, window_s):
    said = [r.value for r in run(model, *traces(80.0, seconds=24.0), window_s=window_s) if r.value is not None]
    assert said
    assert np.abs(np.array(said) - 80.0).max() < 2.0


def test_irregular_frames_are_used_by_their_own_times(model):
    rng = np.random.default_rng(4)
    t, table = traces(80.0, rate=60.0)
    keep = np.sort(rng.choice(len(t), len(t) // 2, replace=False))
    said = [r.value for r in run(model, t[keep], table[keep], rate=30.0) if r.value is not None]
    assert said
    assert np.abs(np.array(said) - 80.0).max() < 2.0


@pytest.mark.parametrize("fault", ["repeated", "backwards"])
def test_time_stamps_that_repeat_or_go_back_are_right_or_silent(model, fault):
    t, table = traces(seconds=30.0)
    if fault == "repeated":
        t[100:-1:7] = t[101::7]
    else:
        t[100:-1:7], t[101::7] = t[101::7].copy(), t[100:-1:7].copy()
    said = run(model, t, table)
    assert all(r.reason for r in said if r.value is None)
    assert [r.value for r in said if r.value is not None and abs(r.value - 72.0) > 2.0] == []


def test_before_ten_seconds_nothing_is_said(model):
    early = run(model, *traces(seconds=8.0))
    assert {(r.value, r.reason) for r in early} == {(None, "warming_up")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "present", "value": 0.0}, "no_face"),
        ({"name": "brightness", "value": 3.0}, "too_dark"),
        ({"name": "change", "value": 0.0}, "static_image"),
        ({"name": "motion", "value": 0.05}, "motion"),
        ({"name": "moved", "value": 1.0}, "face_moved"),
    ],
)
def test_what_the_picture_shows_silences_within_three_seconds(model, change, reason):
    t, table = traces(seconds=20.0)
    since = round(15.0 * RATE)
    found = run(model, t, with_column(table, change["name"], change["value"], slice(since, None)))
    assert any(r.value is not None for r in found if r.t < 15.0)
    after = [r for r in found if r.t >= 18.0]
    assert {(r.value, r.reason) for r in after} == {(None, reason)}


def test_noise_without_a_pulse_is_silent(model):
    for seed in range(20):
        said = [r.value for r in run(model, *traces(pulse=0.0, noise=0.3, seed=seed)) if r.value is not None]
        assert said == [], f"seed {seed}"


def test_a_flickering_photo_is_never_a_pulse(model):
    """Skin and background waver alike, as a printed photo under a lamp does."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        t, table = traces(
            rng.uniform(45, 180),
            same=True,
            background=rng.uniform(0.002, 0.02),
            noise=rng.uniform(0.02, 0.2),
            seed=seed,
        )
        assert [r.value for r in run(model, t, table) if r.value is not None] == [], f"seed {seed}"


@pytest.mark.parametrize("lamp", [(0.0, 1.0, 0.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (0.43, 1.0, 0.69)])
def test_a_coloured_lamp_that_lights_skin_and_room_is_never_a_pulse(model, lamp):
    for seed in range(6):
        t, table = traces(90.0, pulse=0.0, noise=0.03, seed=seed)
        wave = 1 + 0.008 * np.sin(2 * np.pi * 1.3 * t)[:, None] * np.array(lamp)
        for area in AREAS:
            columns = [COLUMNS.index(f"{area}_{colour}") for colour in "rgb"]
            table[:, columns] *= wave
        assert [r.value for r in run(model, t, table) if r.value is not None] == [], f"seed {seed}"


@pytest.mark.parametrize("lamp", [(0.0, 1.0, 0.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (-1.0, 1.0, -1.0)])
def test_skin_that_changes_in_a_colour_that_is_not_bloods_has_no_pulse(model, lamp):
    t, table = traces(90.0, pulse=0.0, noise=0.02)
    wave = 1 + 0.01 * np.sin(2 * np.pi * 1.3 * t)[:, None] * np.array(lamp)
    for area in SKIN:
        columns = [COLUMNS.index(f"{area}_{colour}") for colour in "rgb"]
        table[:, columns] *= wave
    assert [r.value for r in run(model, t, table) if r.value is not None] == []


@pytest.mark.parametrize("duty", [0.1, 0.3, 0.5])
def test_a_lamp_that_blinks_on_the_face_alone_is_brighter_than_blood(model, duty):
    """In the very colours of blood; a monitor beside a face in a dark room."""
    for seed in range(6):
        t, table = traces(90.0, pulse=0.0, noise=0.03, seed=seed)
        blink = 0.15 * ((1.2 * t) % 1.0 < duty)
        for area in SKIN:
            columns = [COLUMNS.index(f"{area}_{colour}") for colour in "rgb"]
            table[:, columns] *= 1 + blink[:, None] * np.array([0.43, 1.0, 0.69])
        assert [r.value for r in run(model, t, table) if r.value is not None] == [], f"seed {seed}"


@pytest.mark.parametrize("seen", [0.0, 0.5])
def test_where_no_room_is_seen_beside_the_face_nothing_is_said(model, seen):
    """Its light is what a lamp is known by."""
    t, table = traces()
    unseen = np.random.default_rng(1).random(len(t)) >= seen
    for colour in "rgb":
        table[unseen, COLUMNS.index(f"background_{colour}")] = np.nan
    judged = [r for r in run(model, t, table) if r.reason != "warming_up"]
    assert {(r.value, r.reason, r.detail["doubt"]) for r in judged} == {(None, "low_quality", "no_background")}


@pytest.mark.parametrize("level", [0.0, 2.0, 254.0])
def test_a_room_that_is_black_or_white_in_the_picture_proves_nothing(model, level):
    t, table = traces()
    for colour in "rgb":
        table[:, COLUMNS.index(f"background_{colour}")] = level
    judged = [r for r in run(model, t, table) if r.reason != "warming_up"]
    assert {(r.value, r.reason, r.detail["doubt"]) for r in judged} == {(None, "low_quality", "no_background")}


def test_a_pulse_that_stops_is_not_said_three_seconds_later(model):
    t, table = traces(72.0, seconds=30.0)
    still = t >= 20.0
    rng = np.random.default_rng(3)
    for area in SKIN:
        for colour in "rgb":
            column = COLUMNS.index(f"{area}_{colour}")
            table[still, column] = table[~still, column].mean() + rng.normal(0, 0.02, still.sum())
    found = run(model, t, table)
    assert any(r.value is not None for r in found if r.t < 20.0)
    assert {r.value for r in found if r.t >= 23.0} == {None}
    assert {r.detail.get("doubt") for r in found if 23.0 <= r.t < 25.0} == {"faded"}


@pytest.mark.parametrize(("before", "after"), [(60.0, 120.0), (120.0, 60.0), (75.0, 110.0)])
def test_when_the_rate_jumps_the_old_one_is_not_said_for_longer_than_five_seconds(model, before, after):
    t, table = traces(before, seconds=36.0, seed=2)
    _, later = traces(after, seconds=36.0, seed=2)
    found = run(model, t, np.where((t < 20.0)[:, None], table, later))
    assert any(r.value is not None for r in found if r.t < 20.0)
    said = [r.value for r in found if r.t >= 25.0 and r.value is not None]
    assert said
    assert np.abs(np.array(said) - after).max() < 3.0


def test_pictures_that_come_again_and_again_are_no_live_face(model):
    """A second of a heart of 72 that is sent again and again beats 60 times a minute."""
    t, table = traces(72.0, seconds=30.0)
    seen = np.random.default_rng(5).normal(size=(len(t), 2))
    table[:, [COLUMNS.index("brightness"), COLUMNS.index("change")]] = np.array([120.0, 1.5]) + 0.1 * seen
    again = np.arange(len(t))
    again[450:] = 420 + (again[450:] - 450) % 30
    found = run(model, t, table[again])
    assert any(r.value is not None for r in found if r.t < 15.0)
    assert {(r.value, r.reason) for r in found if r.t >= 18.0} == {(None, "static_image")}


def test_overexposed_skin_is_saturated(model):
    t, table = traces()
    for area in SKIN:
        for colour in "rgb":
            table = with_column(table, f"{area}_{colour}", 255.0)
    assert run(model, t, table)[-1].reason == "saturated"


def test_a_gap_is_a_gap_and_a_return_counts_anew(model):
    t, table = traces(seconds=40.0)
    keep = (t < 15.0) | (t > 20.0)
    found = run(model, t[keep], table[keep])
    assert {r.value for r in found if 15.0 < r.t < 28.0} == {None}
    assert {r.reason for r in found if 20.0 < r.t < 24.0} == {"gap"}
    assert found[-1].value == pytest.approx(72.0, abs=1.0)


def test_from_a_state_it_goes_on_as_if_it_had_been_there_all_the_time(model):
    """Also over a moment of overexposed skin, so that what was tracked is older than one hop."""
    t, table = traces(80.0, noise=0.1, seconds=36.0)
    white = (t >= 14.0) & (t < 14.2)
    for area in SKIN:
        for colour in "rgb":
            table[white, COLUMNS.index(f"{area}_{colour}")] = 255.0
    one, other = (
        Lane(bed="b", source="cam", primary="roi", analyzers={"camera_pulse": build(models=lambda _: model)})
        for _ in range(2)
    )
    there, restored = [], []
    for i in range(len(t)):
        block = Block("cam/roi", i, float(t[i]), RATE, table[i : i + 1].copy(), 0, COLUMNS)
        if i < 600:
            one.feed(block)
            other.prime(block)
            continue
        if i == 600:
            assert one.state()["analyzers"]["camera_pulse"]["last_end"] == 14.0
            assert other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
        there += one.feed(block)
        restored += other.feed(block)
    assert restored == there
    assert one.state() == other.state()
    assert {r.reason for r in there} == {"saturated", ""}


def test_chunking_does_not_matter(model):
    t, table = traces()
    assert run(model, t, table, chunk=1) == run(model, t, table, chunk=7)


def test_int8_and_fp32_say_the_same_in_both_runtimes():
    t, table = traces(66.0, pulse=0.004, noise=0.1)
    said = {}
    for variant in ("onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32"):
        found = run(inference.load("camera_pulse", variant=variant), t, table)
        said[variant] = found
    first = said["onnx-fp32"]
    for found in said.values():
        assert [(r.t, r.reason) for r in found] == [(r.t, r.reason) for r in first]
        pairs = [(a.value, b.value) for a, b in zip(found, first, strict=True) if a.value is not None]
        assert pairs
        assert all(abs(a - b) < 1.0 for a, b in pairs)


needs_faces = pytest.mark.skipif(bool(face_models.missing()), reason="face models: edge-vitals models pull")


@needs_faces
@pytest.mark.parametrize("scene", [Scene(seed=1), Scene(heart_rate_bpm=96.0, skin="light"), Scene(skin="dark")])
def test_a_drawn_face_through_the_whole_path(model, scene, tmp_path):
    said = [r.value for r in watch_scene(scene, model) if r.value is not None]
    assert said
    assert np.abs(np.array(said) - scene.heart_rate_bpm).max() < 3.0


@needs_faces
@pytest.mark.parametrize(
    "scene",
    [
        Scene(still=True),
        Scene(still=True, flicker=0.01),
        Scene(still=True, flicker=0.003, flicker_bpm=110.0),
        Scene(face=False, flicker=0.01),
        Scene(light=0.04),
    ],
)
def test_photos_flicker_and_darkness_are_never_a_pulse(model, scene):
    assert [r.value for r in watch_scene(scene, model) if r.value is not None] == []


def watch_scene(scene, model, seconds=14.0):
    from edge.transforms.face_roi import build as build_roi

    roi = build_roi()
    lane = Lane(
        bed="b", source="c", primary="roi", transforms={"video": roi},
        analyzers={"camera_pulse": build(models=lambda _: model)},
    )  # fmt: skip
    found = []
    for i, frame in enumerate(frames(replace(scene, width=480, height=360), seconds)):
        found += lane.feed(Block("c/video", i, i / scene.fps, scene.fps, frame[None]))
    assert lane.take_faults() == []
    return [r for r in found if r.metric == "camera.hr"]


@needs_faces
def test_real_clips_are_right_or_silent(model, data_dir):
    from edge.cli.analyze.camera import watch

    for clip, allowed in (
        ("light/50_light.avi", (64.0, 70.0)),
        ("faces/no_face.mp4", ()),
        ("faces/single_face.mp4", ()),
    ):
        said = [
            r.value for r in watch(data_dir / "camera" / clip)[0] if r.metric == "camera.hr" and r.value is not None
        ]
        assert all(allowed and allowed[0] <= v <= allowed[1] for v in said), (clip, said)


@needs_faces
@pytest.mark.slow
def test_compressed_clips_without_a_pulse_are_silent(model, data_dir):
    from edge.cli.analyze.camera import watch

    folder = data_dir / "camera" / "refuse"
    if not folder.is_dir():
        pytest.skip(f"no clips at {folder}")
    found = [r for clip in sorted(folder.iterdir()) for r in watch(clip)[0] if r.metric == "camera.hr"]
    answered = sum(r.value is not None for r in found)
    assert answered <= 0.01 * len(found)


@pytest.mark.parametrize(
    ("yaw", "dark", "left"),
    [
        (0.0, None, {"forehead", "left_cheek", "right_cheek", "chin"}),
        (40.0, None, {"forehead", "left_cheek", "chin"}),
        (-40.0, None, {"forehead", "right_cheek", "chin"}),
        (0.0, "forehead", {"left_cheek", "right_cheek", "chin"}),
        (20.0, "chin", {"forehead", "left_cheek"}),
    ],
)
def test_only_regions_that_show_skin_count(yaw, dark, left):
    skin = {name: np.full((300, 3), 60.0 if name == dark else 150.0) for name in SKIN}
    assert set(bare(skin, yaw)) == left


def test_a_turned_face_is_read_from_what_is_in_view(model):
    t, table = traces(80.0)
    table[:, [COLUMNS.index(f"right_cheek_{c}") for c in "rgb"]] = 40.0  # hair and wall
    said = [r.value for r in run(model, t, with_column(table, "yaw", 35.0)) if r.value is not None]
    assert said
    assert np.abs(np.array(said) - 80.0).max() < 2.0
