"""``edge-vitals drill``: a test alarm through the whole path of a running device, marked, timed and ended."""

from __future__ import annotations

import argparse
import time
from typing import Any

from edge.cli._mqtt_client import ANSWER_S, Client, add_options, client_of, first_device, known_devices
from edge.cli._options import bed, name, seconds
from edge.plain import object_of
from edge.types import DEVICE_BED, SinkError

BY = "edge-vitals drill"
_CHANGE_S = 10.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "drill",
        help="send a marked test alarm through a running device and time it",
        description="Ask a running device for a test alarm (drill: true). It takes the path of every alarm: board, "
        "durable outbox, broker, subscriber; where roles must confirm, it waits for them and goes on to the next role "
        "and the local annunciator as a real one would. Prints how long each step took, ends the drill, and exits with "
        "3 when a step did not happen.",
        epilog="example: edge-vitals drill --broker mqtt://127.0.0.1:1883 --device ward-3 --bed bed1",
    )
    add_options(command)
    command.add_argument("--device", type=name, default="", help="by default the first one seen")
    command.add_argument("--bed", type=bed, default=DEVICE_BED, help="by default the alarm line of the device itself")
    command.add_argument("--wait", type=seconds, default=60.0, metavar="S", help="for a confirmation, at most (60)")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Raise, time, wait for a confirmation where one is asked for, end."""
    client = client_of(args)
    try:
        device = args.device or first_device(client, args.prefix)
        state = _state_of(client, f"{args.prefix}/{device}/status")
        if state != "online":
            known = state or f"not known to this broker; {known_devices(client, args.prefix)}"
            print(f"FAIL {device}: its status is {known}")
            return 3
        drill = _Drill(client, f"{args.prefix}/{device}", args.bed)
        return drill.play(device, args.wait)
    finally:
        client.close()


def _state_of(client: Client, topic: str) -> str:
    """The device's state, after waiting a little for it to come online: it would not hear a command before."""
    client.subscribe(topic)
    state = ""
    for message in client.heard(ANSWER_S):
        if message.topic == topic and (fields := object_of(message.payload)):
            state = str(fields.get("state"))
            if state == "online":
                break
    return state


class _Drill:
    """over, emptied: it has ended, and nothing of it is retained; bell_fault: what is wrong with the annunciator."""

    def __init__(self, client: Client, device: str, bed: str) -> None:
        self._client, self._root = client, f"{device}/{bed}"
        self._bell = f"{device}/{DEVICE_BED}/alarm/annunciator_lost"
        self._seqs: list[int] = []
        self._occurrence = ""
        self._over = self._emptied = False
        self._bell_fault = ""
        client.subscribe(f"{self._root}/event", f"{self._root}/alarm/drill", f"{self._root}/cmd/result", self._bell)

    def play(self, device: str, wait_s: float) -> int:
        started = time.monotonic()
        asked = self._client.command(f"{self._root}/cmd/drill", BY)
        answer, event, at = self._raised(asked)
        if event is None:
            print(f"FAIL {device}: {answer or 'no answer to the command'}")
            return 3
        self._occurrence, self._emptied = event["occurrence"], False
        print(f"ok   raised and received       {1000 * (at - started):7.1f} ms after it was asked for")
        print(f"     of this, in the device    {1000 * event['delay_s']:7.1f} ms from raised and written to sent")
        try:
            failed = self._confirmed(event, at, wait_s)
        except KeyboardInterrupt:
            self._ended()  # or it would ring for two minutes
            raise
        failed |= self._ended()
        if self._bell_fault:
            failed = True
            print(f"FAIL annunciator               {self._bell_fault}")
        gaps = [b for a, b in zip(self._seqs, self._seqs[1:], strict=False) if b != a + 1]
        print(f"{'FAIL' if gaps else 'ok  '} numbers without gaps       {self._seqs[0]} to {self._seqs[-1]}")
        return 3 if failed or gaps else 0

    def _raised(self, asked: str) -> tuple[str, dict[str, Any] | None, float]:
        end = time.monotonic() + _CHANGE_S
        answer = ""
        while time.monotonic() < end and not answer:
            for at, topic, fields in self._messages(end):
                if topic == "event" and fields.get("drill") and fields["evidence"].get("command_id") == asked:
                    return "", fields, at
                if topic == "cmd/result" and fields.get("command_id") == asked:
                    refused = not fields["ok"] or "already" in fields["text"]
                    answer = str(fields["text"]) if refused else ""
        return answer, None, 0.0

    def _confirmed(self, event: dict[str, Any], raised: float, wait_s: float) -> bool:
        """Follow the drill from role to role; whether nobody confirmed it."""
        delivery = event.get("delivery")
        if not delivery:
            print("     confirmation              nobody is asked for one: the device has no [delivery]")
            return False
        print(f"     asked                     {', '.join(delivery['asked'])}")
        end = time.monotonic() + wait_s
        while time.monotonic() < end and not self._over:
            for at, topic, fields in self._messages(end):
                if topic != "event" or fields.get("occurrence") != self._occurrence:
                    continue
                delivery, change = fields.get("delivery", {}), fields["evidence"].get("change")
                if change == "unconfirmed":
                    asked = f"{', '.join(delivery['asked'])} asked{_rings(fields)}"
                    print(f"     not confirmed             {at - raised:7.1f} s; {asked}")
                elif change == "received":
                    by = f"by {delivery['received']} ({delivery['by']})"
                    print(
                        f"ok   confirmed                 {1000 * (at - raised):7.1f} ms after it was received here, {by}"
                    )
                    return False
                elif change == "acknowledged":
                    print(f"ok   acknowledged              {at - raised:7.1f} s, by {fields['evidence'].get('by')}")
                    return False
        until = "before it was over" if self._over else f"within {wait_s:g} s"
        print(f"FAIL confirmed                 by nobody {until}")
        return True

    def _ended(self) -> bool:
        if not self._over:
            self._client.command(f"{self._root}/cmd/drill", BY, seconds=0)
        end = time.monotonic() + _CHANGE_S
        while time.monotonic() < end and not (self._over and self._emptied):
            self._messages(end)
        ok = self._over and self._emptied
        print(f"{'ok  ' if ok else 'FAIL'} ended, and the alarm's topic is empty again")
        return not ok

    def _messages(self, end: float) -> list[tuple[float, str, dict[str, Any]]]:
        """(monotonic time of arrival, topic below the bed, fields); every event's number is noted once."""
        found = []
        for _, message in self._client.take(max(0.0, min(0.5, end - time.monotonic()))):
            topic = message.topic.removeprefix(f"{self._root}/")
            fields = object_of(message.payload) if message.payload else {}
            if fields is None:
                raise SinkError(f"{message.topic}: not a JSON object")
            if message.topic == self._bell:
                self._bell_fault = str(fields.get("text", "")) if fields.get("presence") in ("on", "ack") else ""
                continue
            if topic == "event" and fields["seq"] not in self._seqs:
                self._seqs.append(fields["seq"])
            of_ours = topic == "event" and fields.get("occurrence") == self._occurrence
            self._over |= of_ours and fields.get("presence") == "off"
            self._emptied |= topic == "alarm/drill" and not fields
            if not (message.retain and topic == "alarm/drill"):
                found.append((message.timestamp, topic, fields))
        return found


def _rings(fields: dict[str, Any]) -> str:
    """Whether the annunciator is on, in words that follow others."""
    if not fields["delivery"]["annunciator"]:
        return ""
    held = next((word for word in ("paused", "shelved") if f"{word}_until" in fields["evidence"]), "")
    return f", but the annunciator is silent: it is {held}" if held else ", and the annunciator rings"
