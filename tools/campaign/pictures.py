"""A network camera: a pulsing face as MJPEG over HTTP on loopback, that can repeat a picture or hang.

The face moves in a circle of ten seconds; noise of its own makes every picture another one, as of a live sensor.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from campaign.scaled_clock import ScaledClock

from edge.demo.face_video import Scene, frames

_SECONDS = 10.0
_FPS = 15.0
_NOISE = 1.5  # standard deviation, in steps of brightness


class PictureServer:
    """A context manager; ``url`` is what the camera source opens. mode: live, repeating (one picture), hanging."""

    def __init__(self, clock: ScaledClock) -> None:
        scene = Scene(heart_rate_bpm=66.0, fps=_FPS, width=320, height=240)
        self._faces = [face.astype(np.int16) for face in frames(scene, _SECONDS)]
        self._random = np.random.default_rng(1)
        size = self._faces[0].size
        self._noise = np.rint(self._random.normal(0.0, _NOISE, 2 * size)).astype(np.int16)
        self.clock, self.mode = clock, "live"
        self.stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"camera": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/stream.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, name="pictures", args=(0.1,), daemon=True)

    def picture(self, number: int) -> bytes:
        """One as JPEG, never twice the same."""
        import cv2

        face = self._faces[number % len(self._faces)]
        start = self._random.integers(face.size)
        noisy = np.clip(face + self._noise[start : start + face.size].reshape(face.shape), 0, 255).astype(np.uint8)
        return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()

    def __enter__(self) -> PictureServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._server.shutdown()
        self._thread.join(5.0)
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    camera: PictureServer

    def do_GET(self) -> None:
        camera = self.camera
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        begin, n, picture = camera.clock.now(), 0, camera.picture(0)
        hung = False
        try:
            while not camera.stop.is_set():
                if camera.mode == "hanging":
                    hung = True
                    camera.stop.wait(0.05)
                    continue
                if hung:
                    return  # whoever waited for this connection has gone; the next one is live
                if camera.mode != "repeating":
                    picture = camera.picture(n)
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
                n += 1
                camera.clock.sleep(max(0.0, begin + n / _FPS - camera.clock.now()))
        except OSError:
            pass

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing: the table is the only output."""
