"""Frames to traces: the mean colour of skin regions and of the background, and how the face stands. No frame leaves.

Detection (BlazeFace) twice a second, the mesh on the tracked crop ten times a second, region means on raw pixels of
every frame. Landmarks are smoothed hard while the face is still, since jumping regions look like a pulse. The face in
view is kept: when another one takes its place, beside it or from one frame to the next, or stands so near that it may,
it is said (``moved``) before it is followed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.face.boxes import FULL_RANGE, SHORT_RANGE, Face, faces, overlap
from edge.dsp.face.columns import AREAS, COLUMNS
from edge.dsp.face.cut import SIDE, FaceCut
from edge.dsp.face.regions import REGIONS, background_boxes, yaw_pitch_deg
from edge.ranges import Share
from edge.types import Block

Frame = NDArray[np.uint8]
Floats = NDArray[np.float64]

_DETECT_S = 0.5
_MESH_S = 0.1
_STILL = 0.02  # of the face's width: under it landmarks are smoothed, above it they follow
_SMOOTH = 0.95
_MESH_SIZE = 192
_MARGIN = 1.5
_SAME = 0.6  # of the face's width: a centre further away than this is another face
_LOST_AFTER = 2  # detections without a face before it is gone
_MOVED_FRAMES = 30  # for so many it is said that somebody else may be in view
_SMALL = (32, 24)
_DIM, _LIT, _MOST_GAIN = 60.0, 110.0, 20.0  # mean brightness, 0..255


def build(*, zone: tuple[Share, Share, Share, Share] | None = None) -> FaceRoi:
    """Face regions.

    zone: the bed in the picture as x, y, width, height in shares of the frame; faces outside it are ignored. Raises
    ModelError when the face models (``edge-vitals models pull``) are missing.
    """
    import cv2  # noqa: F401 - said before the face models, which are of no use without it

    from edge import face_models
    from edge.inference import load_plain

    names = ("face_detection_short_range", "face_detection_full_range_sparse", "face_landmark")
    short, full, mesh = (load_plain(face_models.path(f"{name}.tflite")) for name in names)
    return FaceRoi(short, full, mesh, zone)


class FaceRoi:
    """See ``build``. No frame is kept, written or sent."""

    def __init__(self, short: Any, full: Any, mesh: Any, zone: tuple[float, float, float, float] | None) -> None:
        import cv2

        self._cv2, self._short, self._full, self._mesh_net, self._zone = cv2, short, full, mesh, zone
        self.reset()

    def reset(self) -> None:
        self._face: Face | None = None
        self._landmarks: Floats | None = None
        self._masks: dict[str, tuple[tuple[int, int, int, int], Frame]] = {}
        self._small: NDArray[np.float32] | None = None
        self._detected_at = self._meshed_at = -np.inf
        self._missed = self._moved_for = self._seen = 0
        self._had_one = False
        self._angles = (0.0, 0.0)
        self._centre: tuple[float, float] | None = None
        self._cut = FaceCut()

    def __call__(self, block: Block) -> Block | None:
        """One roi block a frame; see ``COLUMNS``."""
        rows = [self._row(frame, block.t0 + i / block.rate) for i, frame in enumerate(block.data)]
        stream = f"{block.source}/roi"
        return Block(stream, block.seq, block.t0, block.rate, np.array(rows), block.epoch, COLUMNS, block.flags)

    def _row(self, frame: Frame, t: float) -> list[float]:
        height, width = frame.shape[:2]
        if self._face is not None and self._cut(self._inside(frame, self._face)):
            self._let_go()
            self._detected_at, self._moved_for = -np.inf, _MOVED_FRAMES
        if t - self._detected_at >= _DETECT_S - 1e-6:
            self._detected_at = t
            self._follow(self._detect(frame))
            if self._face is not None:
                self._cut.begin(self._inside(frame, self._face))
        if self._face is not None and t - self._meshed_at >= _MESH_S - 1e-6:
            self._meshed_at = t
            self._fit_mesh(frame)
        small = self._cv2.resize(frame, _SMALL, interpolation=self._cv2.INTER_AREA).astype(np.float32)
        change = 255.0 if self._small is None else float(np.abs(small - self._small).mean())
        self._small = small
        self._moved_for = max(0, self._moved_for - 1)
        colours = self._colours(frame) if self._face is not None and self._landmarks is not None else None
        face = self._face
        if face is None or colours is None:
            colours, present, box, motion = [np.nan] * (3 * len(AREAS)), 0.0, [np.nan] * 4, 0.0
        else:
            box = [face.x / width, face.y / height, face.w / width, face.h / height]
            present, motion = 1.0, self._motion(face)
        yaw, pitch = self._angles
        moved = 1.0 if self._moved_for else 0.0
        return [*colours, present, *box, yaw, pitch, motion, moved, float(self._seen), float(small.mean()), change]

    # ---- which face ----------------------------------------------------------------------------------------

    def _detect(self, frame: Frame) -> list[Face]:
        found = self._run_detector(self._short, SHORT_RANGE, frame)
        if not found:  # the short range model misses a distant bed
            found = self._run_detector(self._full, FULL_RANGE, frame)
        if self._zone is not None:
            height, width = frame.shape[:2]
            x, y, w, h = self._zone
            found = [f for f in found if x <= f.centre[0] / width <= x + w and y <= f.centre[1] / height <= y + h]
        return found

    def _run_detector(self, net: Any, centres: Floats, frame: Frame) -> list[Face]:
        size = net.shape[1]
        height, width = frame.shape[:2]
        scale = max(height, width) / size
        fits = (max(1, round(width / scale)), max(1, round(height / scale)))
        small = self._cv2.resize(frame, fits, interpolation=self._cv2.INTER_AREA)
        left, top = (size - small.shape[1]) // 2, (size - small.shape[0]) // 2
        canvas = np.zeros((1, size, size, 3), np.float32)
        canvas[0, top : top + small.shape[0], left : left + small.shape[1]] = self._lit(small)[:, :, ::-1] / 127.5 - 1.0
        outputs = sorted(net(canvas), key=lambda out: -out.shape[-1])
        return faces(outputs[0][0], outputs[1][0, :, 0], centres, input_size=size, scale=scale, shift=(left, top))

    def _lit(self, image: Frame) -> Frame:
        """A brighter copy of a dark picture, for the networks that find the face; the pulse is never read from it.

        Plain gain: on real clips darkened to a mean of 20, 10 and 5 of 255 with sensor noise the face is found in all
        of 60 pictures, with CLAHE in 1.0, 0.77 and 0.77 of them, without either in 0.77, 0.77 and 0.32.
        """
        mean = float(image.mean())
        if mean >= _DIM:
            return image
        return np.asarray(self._cv2.convertScaleAbs(image, alpha=min(_MOST_GAIN, _LIT / max(mean, 1.0))))

    def _follow(self, found: list[Face]) -> None:
        """Keep to the face there was; take the largest when it is gone, and say so. Beside one that overlaps it, it cannot
        be known which of the two is followed: who walks by slowly takes it along."""
        self._seen = len(found)
        if not found:
            self._missed += 1
            if self._missed >= _LOST_AFTER:
                self._let_go()
            return
        self._missed = 0
        before = self._face
        kept = None if before is None else min(found, key=lambda f: _distance(f, before))
        if before is not None and kept is not None and _distance(kept, before) <= _SAME * before.w:
            self._face = kept
        else:
            kept = self._face = max(found, key=lambda f: f.area)
            self._landmarks = self._centre = None
            self._masks = {}
            self._meshed_at = -np.inf
            if before is not None or self._had_one:  # who comes after a face that was gone may be somebody else
                self._moved_for = _MOVED_FRAMES
        if any(overlap(kept, other) for other in found if other is not kept):
            self._moved_for = _MOVED_FRAMES

    def _let_go(self) -> None:
        self._had_one |= self._face is not None
        self._face = self._landmarks = self._centre = None
        self._masks = {}
        self._cut = FaceCut()

    def _inside(self, frame: Frame, face: Face) -> Floats:
        """What lies in the face's box, small and grey, ``(SIDE, SIDE)``; flat where the box lies outside the frame."""
        x0, y0 = max(0, int(face.x)), max(0, int(face.y))
        box = frame[y0 : max(0, int(face.y + face.h)), x0 : max(0, int(face.x + face.w))]
        if not box.size:
            return np.zeros((SIDE, SIDE))
        return np.asarray(self._cv2.resize(box, (SIDE, SIDE), interpolation=self._cv2.INTER_AREA).mean(axis=2))

    # ---- its regions ---------------------------------------------------------------------------------------

    def _fit_mesh(self, frame: Frame) -> None:
        """Points of the mesh in frame pixels, smoothed; the crop turns with the eyes."""
        face = self._face
        assert face is not None
        (lx, ly), (rx, ry) = face.eyes
        roll = float(np.degrees(np.arctan2(ry - ly, rx - lx)))
        cx, cy = face.centre
        side = _MARGIN * max(face.w, face.h)
        turn = self._cv2.getRotationMatrix2D((cx, cy), roll, _MESH_SIZE / side)
        turn[:, 2] += _MESH_SIZE / 2 - np.array([cx, cy])
        crop = self._lit(self._cv2.warpAffine(frame, turn, (_MESH_SIZE, _MESH_SIZE)))
        net_in = (crop[None, :, :, ::-1] / np.float32(255.0)).astype(np.float32)
        outputs = sorted(self._mesh_net(net_in), key=lambda out: -out.size)
        mesh = outputs[0].reshape(468, 3).astype(np.float64)
        if float(outputs[1].ravel()[0]) < 0.0:  # a logit: less likely a face than not
            self._landmarks, self._masks = None, {}
            return
        back = self._cv2.invertAffineTransform(turn)
        points = mesh.copy()
        points[:, :2] = mesh[:, :2] @ back[:, :2].T + back[:, 2]
        points[:, 2] *= side / _MESH_SIZE
        self._angles = yaw_pitch_deg(points)
        if self._landmarks is not None:
            shift = float(np.abs(points[:, :2] - self._landmarks[:, :2]).mean())
            if shift < _STILL * face.w:
                points = _SMOOTH * self._landmarks + (1.0 - _SMOOTH) * points
        self._landmarks = points
        self._masks = {name: self._mask(points[list(index), :2], frame) for name, index in REGIONS.items()}

    def _mask(self, points: Floats, frame: Frame) -> tuple[tuple[int, int, int, int], Frame]:
        """A region's bounding box ``(x0, y0, x1, y1)`` and its mask inside."""
        height, width = frame.shape[:2]
        hull = self._cv2.convexHull(np.round(points).astype(np.int32))
        x0, y0 = np.clip(hull.reshape(-1, 2).min(0), 0, (width, height))
        x1, y1 = np.clip(hull.reshape(-1, 2).max(0) + 1, 0, (width, height))
        mask = np.zeros((max(0, y1 - y0), max(0, x1 - x0)), np.uint8)
        if mask.size:
            self._cv2.fillConvexPoly(mask, hull - np.array([x0, y0]), 255)
        return (int(x0), int(y0), int(x1), int(y1)), mask

    def _colours(self, frame: Frame) -> list[float]:
        """Mean R, G, B of every area; NaN where it lies outside the frame."""
        colours: list[float] = []
        for name in REGIONS:
            (x0, y0, x1, y1), mask = self._masks[name]
            if mask.size < 64:
                colours += [np.nan] * 3
                continue
            b, g, r = self._cv2.mean(frame[y0:y1, x0:x1], mask)[:3]
            colours += [r, g, b]
        face = self._face
        assert face is not None
        strips = background_boxes(face.x, face.y, face.w, face.h, frame.shape[1], frame.shape[0])
        means = [(self._cv2.mean(frame[y0:y1, x0:x1])[:3], (y1 - y0) * (x1 - x0)) for x0, y0, x1, y1 in strips]
        if not means:
            return [*colours, np.nan, np.nan, np.nan]
        b, g, r = np.average([m for m, _ in means], axis=0, weights=[n for _, n in means])
        return [*colours, float(r), float(g), float(b)]

    def _motion(self, face: Face) -> float:
        """Shift of the mesh's centre since the last frame, in face widths."""
        assert self._landmarks is not None
        centre = self._landmarks[:, :2].mean(0)
        before, self._centre = self._centre, (float(centre[0]), float(centre[1]))
        if before is None:
            return 0.0
        return float(np.hypot(centre[0] - before[0], centre[1] - before[1])) / max(face.w, 1.0)


def _distance(a: Face, b: Face) -> float:
    return float(np.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1]))
