"""Frames become traces: the drawn face is found by the real models, and no frame ever gets out."""

from __future__ import annotations

import numpy as np
import pytest

from edge import face_models
from edge.demo.face_video import Scene, frames
from edge.dsp.face.columns import AREAS, COLUMNS, SKIN
from edge.types import Block, ModelError


@pytest.fixture(scope="module")
def roi():
    if face_models.missing():
        pytest.skip("the face models are not there; fetch them with: edge-vitals models pull")
    from edge.transforms.face_roi import build

    return build()


def rows(roi, scene, seconds, *, fresh=True):
    if fresh:
        roi.reset()
    found = []
    for i, frame in enumerate(frames(scene, seconds)):
        block = roi(Block("cam/video", i, i / scene.fps, scene.fps, frame[None]))
        assert block.stream == "cam/roi"
        assert block.labels == COLUMNS
        found.append(block.data[0])
    return {name: np.array(found)[:, i] for i, name in enumerate(COLUMNS)}


@pytest.mark.parametrize("skin", ["light", "medium", "dark"])
def test_the_drawn_face_is_found_and_every_area_seen(roi, skin):
    seen = rows(roi, Scene(skin=skin), 1.0)
    assert seen["present"].all()
    for area in AREAS:
        assert np.isfinite(seen[f"{area}_g"]).all()
    assert all(seen[f"{area}_r"].mean() > seen[f"{area}_b"].mean() for area in SKIN)
    assert abs(seen["yaw"].mean()) < 10
    assert seen["moved"].sum() == 0
    assert seen["faces"].max() == 1


def test_an_empty_chair_is_no_face(roi):
    seen = rows(roi, Scene(face=False), 1.0)
    assert seen["present"].sum() == 0
    assert np.isnan(seen["forehead_g"]).all()


def test_a_face_that_leaves_is_gone_within_two_detections(roi):
    rows(roi, Scene(), 1.0)
    seen = rows(roi, Scene(face=False), 2.0, fresh=False)
    assert seen["present"][-15:].sum() == 0


def test_who_comes_after_a_face_that_was_gone_may_be_somebody_else(roi):
    assert rows(roi, Scene(), 1.0)["moved"].sum() == 0
    assert rows(roi, Scene(face=False), 2.5, fresh=False)["moved"].sum() == 0
    back = rows(roi, Scene(skin="light"), 4.0, fresh=False)
    assert back["present"][-30:].all()
    assert back["moved"].sum() == 29


def test_another_face_in_the_same_place_is_told_with_its_second_frame(roi):
    assert rows(roi, Scene(skin="light"), 1.0)["moved"].sum() == 0
    seen = rows(roi, Scene(skin="dark", seed=3), 4.0, fresh=False)
    assert np.flatnonzero(seen["moved"]).tolist() == list(range(1, 30))
    assert seen["present"].all()


def test_a_visitor_who_walks_by_slowly_and_takes_the_face_along_is_told(roi):
    """From before the face in bed to beside it, 0.15 of a face's width from one detection to the next."""
    scene = Scene(width=320, height=240)
    bed = np.pad(next(frames(scene, 1.0)), ((0, 0), (0, 160), (0, 0)), mode="edge")
    head = next(frames(Scene(width=320, height=240, skin="light", seed=3), 1.0))[:, 100:220]
    roi.reset()
    found = []
    for i in range(120):
        picture = bed.copy()
        picture[:, 100 + i : 220 + i] = head
        found.append(roi(Block("cam/video", i, i / 20.0, 20.0, picture[None])).data[0])
    seen = {name: np.array(found)[:, k] for k, name in enumerate(COLUMNS)}
    assert seen["faces"].max() == 2
    assert 480 * (seen["x"] + seen["w"] / 2)[-1] == pytest.approx(160 + 120, abs=20), "the visitor is followed"
    apart = np.flatnonzero(seen["faces"] == 2)[0]
    assert seen["moved"][apart : apart + 30].all()


def test_a_lamp_that_is_turned_down_leaves_the_face_the_same(roi):
    assert rows(roi, Scene(), 1.0)["moved"].sum() == 0
    assert rows(roi, Scene(light=0.4), 1.0, fresh=False)["moved"].sum() == 0


def test_a_frozen_picture_does_not_change_and_a_dark_one_is_dark(roi):
    roi.reset()
    frame = next(frames(Scene(), 1.0))
    blocks = [roi(Block("c/video", i, i / 30, 30.0, frame[None].copy())) for i in range(5)]
    assert [b.data[0, COLUMNS.index("change")] for b in blocks[1:]] == [0.0] * 4
    dark = roi(Block("c/video", 5, 5 / 30, 30.0, np.zeros_like(frame)[None]))
    assert dark.data[0, COLUMNS.index("brightness")] == 0.0


@pytest.mark.parametrize("size", [(480, 640), (360, 640), (639, 361), (240, 320), (1280, 720), (32, 9000)])
def test_odd_and_upright_frames_are_taken(roi, size):
    frame = np.zeros((*size, 3), np.uint8)
    roi.reset()
    assert roi(Block("c/video", 0, 0.0, 30.0, frame[None])).data.shape == (1, len(COLUMNS))


def test_chunking_does_not_matter_and_reset_forgets(roi):
    pictures = list(frames(Scene(), 0.5))
    roi.reset()
    one = [roi(Block("c/video", i, i / 30, 30.0, f[None].copy())).data[0] for i, f in enumerate(pictures)]
    roi.reset()
    (block,) = [roi(Block("c/video", 0, 0.0, 30.0, np.stack(pictures)))]
    assert np.array_equal(np.array(one), block.data, equal_nan=True)


def test_no_frame_is_written(roi, tmp_path, monkeypatch):
    import cv2

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, "imwrite", lambda *a: pytest.fail("a frame was written"))
    monkeypatch.setattr(cv2, "VideoWriter", lambda *a: pytest.fail("a video was written"))
    seen = rows(roi, Scene(), 0.5)
    assert list(tmp_path.iterdir()) == []
    assert all(np.asarray(v).ndim == 1 for v in seen.values())


def test_faces_outside_the_zone_are_ignored():
    if face_models.missing():
        pytest.skip("the face models are not there; fetch them with: edge-vitals models pull")
    from edge.transforms.face_roi import build

    assert rows(build(zone=(0.0, 0.0, 0.2, 0.2)), Scene(), 0.5)["present"].sum() == 0
    assert rows(build(zone=(0.3, 0.2, 0.4, 0.6)), Scene(), 0.5)["present"].all()


def test_missing_and_altered_models_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_VITALS_FACE_MODELS", str(tmp_path))
    assert set(face_models.missing()) == set(face_models.FILES)
    name = next(iter(face_models.FILES))
    with pytest.raises(ModelError, match=r"missing.*edge-vitals models pull"):
        face_models.path(name)
    (tmp_path / name).write_bytes(b"altered")
    with pytest.raises(ModelError, match="altered"):
        face_models.path(name)


def test_a_dim_face_is_found_and_its_colours_stay_those_of_the_sensor(roi):
    table = rows(roi, Scene(light=0.12, noise=2.0), 1.0)
    assert table["present"].mean() > 0.9
    assert 5.0 < table["forehead_g"].mean() < 30.0
