"""Grades a device at a broker: listens, asks, looks again as a late listener, and cuts it off where told to."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import time
import uuid
from typing import Any

from edge.cli._mqtt_client import ANSWER_S, AT_ONCE_S, Client, client_of, first_device, known_devices
from edge.cli._progress import show
from edge.cli.watch.grade_ack import AckTrial
from edge.cli.watch.grader import DEAD_S, Grader
from edge.plain import object_of
from edge.types import ConfigError

BY = "edge-vitals watch --grade"


def grade(client: Client, args: argparse.Namespace) -> int:
    """Judge one device for ``args.grade`` seconds; 3 when it fails."""
    device = args.device or first_device(client, args.prefix)
    exam = _Exam(client, args, Grader(f"{args.prefix}/{device}", f"homeassistant/device/{device}/config"))
    exam.listen(args.grade)
    exam.wait_while_silent()
    exam.look_as_a_late_listener()
    if args.cut:
        exam.cut_off(args.cut)
    verdicts = exam.grader.verdicts(asked=exam.asked, replied=exam.replied or client.version != 5)
    print("\n".join(str(v) for v in verdicts))
    failed = sum(v.state == "FAIL" for v in verdicts)
    if not exam.grader.state and not exam.grader.beds:
        print(f"{device}: nothing was heard of it below {args.prefix}/; {known_devices(client, args.prefix)}")
    print(f"{device}: " + (f"{failed} of {len(verdicts)} checks failed" if failed else "keeps the contract"))
    return 3 if failed else 0


class _Exam:
    def __init__(self, client: Client, args: argparse.Namespace, grader: Grader) -> None:
        self._client, self._args, self.grader = client, args, grader
        self._reply_to = self.asked = ""
        self.replied = False
        client.subscribe(f"{grader.root}/#", grader.discovery_topic)

    def listen(self, seconds: float) -> None:
        """Take messages for so long, and a little longer where an answer is still to come."""
        end = answers_by = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 or (time.monotonic() < answers_by and not self._answered()):
            self._take(min(0.5, max(0.05, left)))
            if self.grader.beds and not self.asked:
                self._ask(min(self.grader.beds))
                answers_by = time.monotonic() + ANSWER_S
            show(f"grading: {max(0.0, left):.0f} s left")
        show("")

    def wait_while_silent(self) -> None:
        """A device that has fallen silent is given the time in which its will must come."""
        grader = self.grader
        while grader.state == "online" and 3.0 < self._silent_s() < DEAD_S:
            self._take(0.5)
        grader.judge_silence(time.time())

    def look_as_a_late_listener(self) -> None:
        for topic, payload in self._retained().items():
            self.grader.late(topic, payload)
        self._take(0.0)
        self.grader.judge_late(time.time())

    def cut_off(self, command: str) -> None:
        try:
            subprocess.run(shlex.split(command), check=True, stdin=subprocess.DEVNULL)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise ConfigError(f"--cut {command}: {error}") from None
        self.grader.cut_at = time.time()
        end = time.monotonic() + DEAD_S
        while self.grader.offline_at is None and time.monotonic() < end:
            self._take(0.2)
        self.grader.judge_will(self._retained().get(f"{self.grader.root}/status"))

    def _answered(self) -> bool:
        replied = self.replied or self._client.version != 5
        trial = self.grader.trial
        return replied and self.asked in self.grader.answers and (trial is None or not trial.lacking)

    def _silent_s(self) -> float:
        return 0.0 if self.grader.last_live is None else time.time() - self.grader.last_live

    def _ask(self, bed: str) -> None:
        """A command that changes nothing: an acknowledgement of an occurrence there is not."""
        self._reply_to = f"{self.grader.root}/{bed}/cmd/result/watch-{uuid.uuid4().hex[:8]}"  # by no further rights
        nothing = {"id": f"{bed}/af", "occurrence": "no such occurrence"}
        self.asked = self._client.command(f"{self.grader.root}/{bed}/cmd/ack", BY, response=self._reply_to, **nothing)
        if self._args.drill:
            self.grader.trial = AckTrial(bed)
            self._send(self.grader.trial.begin())

    def _send(self, ask: tuple[str, dict[str, Any]]) -> None:
        assert self.grader.trial is not None
        name, fields = ask
        self._client.command(f"{self.grader.root}/{self.grader.trial.bed}/cmd/{name}", BY, **fields)

    def _take(self, timeout_s: float) -> None:
        root = self.grader.root
        for arrival, message in self._client.take(timeout_s):
            self.replied |= message.topic == self._reply_to
            self.grader.feed(message.topic, message.payload, retain=message.retain, qos=message.qos, arrival=arrival)
            if self.grader.trial is not None and not message.retain and message.topic.startswith(f"{root}/"):
                for ask in self.grader.trial.feed(message.topic[len(root) + 1 :].split("/"), _fields(message.payload)):
                    self._send(ask)

    def _retained(self) -> dict[str, bytes]:
        """What the broker holds of the device, as somebody finds it who subscribes only now."""
        late = client_of(self._args)
        try:
            late.subscribe(f"{self.grader.root}/#")
            found: dict[str, bytes] = {}
            end = time.monotonic() + AT_ONCE_S
            while (left := end - time.monotonic()) > 0:
                for _, message in late.take(left):
                    if message.retain:
                        found[message.topic] = message.payload
                        end = time.monotonic() + AT_ONCE_S
            return found
        finally:
            late.close()


def _fields(payload: bytes) -> dict[str, Any]:
    fields = object_of(payload) if payload else {}
    return {"payload": "no object"} if fields is None else fields
