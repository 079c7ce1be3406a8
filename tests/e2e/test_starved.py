"""The service itself, starved from outside as by a hog or a throttled board: what it gives up is said on MQTT and on the
page, its pulse sensor is never given up, and all of it comes back when it is calm."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

import pytest
from websockets.sync.client import connect

from edge import face_models
from edge.demo.broker import free_port

pytestmark = pytest.mark.slow
WAIT_S = 90.0
TURN_S, RUN_S = 0.4, 0.02  # a twentieth of its time
HARDER_EVERY_S, HARDER, LEAST_S = 5.0, 0.7, 0.003  # on a fast machine that would do for half the pictures
CONFIG = """
[device]
name = "ward"
state_dir = "{folder}/state"
[mqtt]
host = "127.0.0.1"
port = {broker}
[beds.bed1]
[sources.node]
bed = "bed1"
kind = "synthetic"
streams = ["ppg", "acc"]
[sources.cam]
bed = "bed1"
kind = "camera"
device = "{folder}/face.avi"
loop = true
[sinks.web]
port = {page}
"""
# The real command with its real rungs; only the calm after which one is given back is shorter than a minute.
COMMAND = """
import sys, edge.runtime.overload.ladder
edge.runtime.overload.ladder.UP_AFTER_S = 6.0
from edge.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Starver:
    """Stops a process for most of every turn, and for more and more of it until it is ``enough``."""

    def __init__(self, pid):
        self._pid, self._end, self.enough = pid, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._starve, name="edge-starver")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        os.kill(self._pid, signal.SIGCONT)

    def _starve(self):
        run_s, due = RUN_S, time.monotonic() + HARDER_EVERY_S
        while not self._end.is_set():
            if time.monotonic() > due and not self.enough.is_set():
                run_s, due = max(LEAST_S, HARDER * run_s), due + HARDER_EVERY_S
            os.kill(self._pid, signal.SIGSTOP)
            self._end.wait(TURN_S - run_s)
            os.kill(self._pid, signal.SIGCONT)
            self._end.wait(run_s)


class Listener:
    """Everything the service says on MQTT, in order, by topic below its root."""

    def __init__(self, port):
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._arrived, self.said = queue.Queue(), []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("vitals/ward/#", qos=1)
        self._client.on_message = lambda _c, _u, m: self._arrived.put((m.topic, m.payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def wait(self, topic, found):
        """The next message of the topic that is as wanted; what is passed over is kept in ``said``."""
        until = time.monotonic() + WAIT_S
        while True:
            name, payload = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
            told = (name.removeprefix("vitals/ward/"), json.loads(payload) if payload else None)
            self.said.append(told)
            if told[0] == topic and told[1] is not None and found(told[1]):
                return told[1]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def page_says(page, found):
    """What the page's server sends to one viewer, until an item is as wanted."""
    with connect(f"ws://127.0.0.1:{page}/live", origin=f"http://127.0.0.1:{page}", open_timeout=WAIT_S) as socket:
        while True:
            for item in json.loads(socket.recv(timeout=WAIT_S))["m"]:
                for one in (item, *item.get("latest", ())):
                    if found(one):
                        return one


@pytest.fixture
def service(tmp_path, mosquitto):
    if face_models.missing():
        pytest.skip("the face models are missing; fetch them with: edge-vitals models pull")
    from edge.demo.face_video import write_video

    write_video(tmp_path / "face.avi", seconds=6.0, fps=15.0, width=320, height=240)
    page = free_port()
    config = tmp_path / "ward.toml"
    config.write_text(CONFIG.format(folder=tmp_path, broker=mosquitto.port, page=page))
    listener = Listener(mosquitto.port)
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-c", COMMAND, "run", str(config), "--quiet"]
        process = subprocess.Popen(command, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        try:
            yield process, listener, page
        finally:
            listener.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


def test_a_starved_service_gives_up_its_camera_says_so_and_takes_it_back(service):
    process, listener, page = service
    listener.wait("source/cam/status", lambda s: s["state"] == "online")
    listener.wait("source/node/status", lambda s: s["state"] == "online")
    with Starver(process.pid) as starver:
        half = listener.wait("source/cam/status", lambda s: s["state"] == "degraded")
        assert half["reason"] == "half the pictures: this machine cannot keep up"
        assert listener.wait("stats", lambda s: s["degraded"])["degraded"] == ["camera_rate"]
        off = listener.wait("source/cam/status", lambda s: s["state"] == "disabled")
        starver.enough.set()
        assert off["reason"] == "switched off: this machine cannot keep up"
        assert listener.wait("stats", lambda s: len(s["degraded"]) > 1)["degraded"] == ["camera_rate", "camera_off"]
        assert page_says(page, lambda i: i["k"] == "s" and i["source"] == "cam")["reason"] == off["reason"]
        assert page_says(page, lambda i: i["k"] == "t")["figures"]["degraded"] == ["camera_rate", "camera_off"]
    listener.wait("source/cam/status", lambda s: s["state"] == "degraded")
    listener.wait("source/cam/status", lambda s: s["state"] == "online")
    listener.wait("stats", lambda s: not s["degraded"])
    page_says(page, lambda i: i["k"] == "s" and i["source"] == "cam" and i["state"] == "online")
    events = [(e["id"].split("/")[1], e["presence"]) for topic, e in listener.said if topic.endswith("/event")]
    assert ("overload", "on") in events
    assert {s["state"] for topic, s in listener.said if topic == "source/node/status"} <= {"online", "offline"}
    process.terminate()
    assert process.wait(20.0) == 0
