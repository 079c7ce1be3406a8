"""``edge-vitals watch``: a subscriber that shows what devices publish, or judges one against the contract."""

from __future__ import annotations

import argparse
import math
import socket
import time
from datetime import datetime

from edge.cli._mqtt_client import ANSWER_S, PASSWORD_ENV, Client, add_options, client_of, named
from edge.cli._options import name, role, seconds
from edge.cli.watch.grade_live import grade
from edge.cli.watch.standing import Standing, alarm_line
from edge.cli.watch.station import Station
from edge.plain import json_of, object_of
from edge.types import ASIDE, ConfigError, SinkError

_RECONNECT_S = 2.0
_SAY_AGAIN_S = 60.0
_SILENCES = (("sound paused", "paused_until"), ("standby", "standby_until"))


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "watch",
        help="show what devices publish, or grade one against the contract",
        description="Subscribe to a broker and show the alarms that stand, then readings and alarms as they come, and say when a device's heartbeat "
        "stays away. With --as ROLE, be that role of its [delivery]: confirm every alarm the role is asked for, and stay "
        "when the broker goes. With --grade, judge one device against the public contract and exit with 3 when it fails. "
        f"A password is read from the environment variable {PASSWORD_ENV}, never from the command line.",
        epilog="example: edge-vitals watch --broker mqtt://127.0.0.1:1883 --as nurse-station",
    )
    add_options(command)
    command.add_argument(
        "--device", type=name, default="", help="one device; by default all, or the first one seen with --grade"
    )
    command.add_argument("--as", dest="role", type=role, metavar="ROLE", help="confirm alarms as this role")
    command.add_argument("--seconds", type=seconds, metavar="N", help="stop after so long")
    command.add_argument("--grade", type=seconds, metavar="SECONDS", help="judge one device for so long")
    command.add_argument("--drill", action="store_true", help="with --grade: acknowledge a test alarm, too")
    command.add_argument(
        "--cut",
        metavar="COMMAND",
        help="with --grade: at the end run this, which cuts the device off, and judge its will",
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Show, confirm or grade."""
    if args.grade is not None and args.role:
        raise ConfigError("watch: --grade judges and --as takes part; use one of them")
    if args.grade is None and (args.drill or args.cut):
        raise ConfigError("watch: --drill and --cut are for --grade")
    end = None if args.seconds is None else time.monotonic() + args.seconds
    station, standing = Station(args.prefix, args.role or ""), Standing(args.prefix)
    why, say_again_at, began = "", 0.0, False
    while True:
        try:
            client, began = client_of(args), True
            if why:
                _say("watching again")
                why = ""
            try:
                return grade(client, args) if args.grade is not None else _show(client, args, station, standing, end)
            finally:
                client.close()
        except (SinkError, ConfigError) as error:
            is_wrong = isinstance(error, ConfigError) and not began  # later a file is only being renewed
            if is_wrong or not args.role or (end is not None and time.monotonic() >= end):
                raise
            if str(error) != why or time.monotonic() >= say_again_at:  # and does not push off the screen what was said
                why, say_again_at = str(error), time.monotonic() + _SAY_AGAIN_S
                _say(f"NOT WATCHING: {error}; trying again")
            time.sleep(_RECONNECT_S)


def _show(client: Client, args: argparse.Namespace, station: Station, standing: Standing, end: float | None) -> int:
    station.connected()
    standing.connected()
    # who is there comes first: of those that are gone the rest is old; and it says which there are, where ours is none
    client.subscribe(f"{args.prefix}/+/status", f"{args.prefix}/{args.device or '+'}/#")
    shown: dict[tuple[str, str], tuple[str, str]] = {}
    ours: dict[str, str] = {}
    others: set[str] = set()
    hint_at = time.monotonic() + ANSWER_S
    while end is None or time.monotonic() < end:
        for _, message in client.take(0.5):
            topic = message.topic.removeprefix(f"{args.prefix}/")
            if args.device and not topic.startswith(f"{args.device}/"):
                others.add(topic.partition("/")[0])
                continue
            hint_at = math.inf
            confirms, told = station.take(message.topic, message.payload, now=message.timestamp)
            standing.take(message.topic, message.payload, retained=message.retain, now=message.timestamp)
            device, *rest = topic.split("/")
            who, line = ("", "") if args.role and "reading" in rest else _line(topic, message.payload)
            if line and len(rest) > 1 and message.retain:
                line += standing.gone(device)
            one = (topic, "" if rest[-1:] == ["event"] else who)
            if line and shown.get(one) != (who, line):
                shown[one] = (who, line)
                _say(line)
            for text in standing.due(message.timestamp):
                _say(text)
            for mine in confirms:
                fields = {"role": args.role, "id": mine.id, "occurrence": mine.occurrence, "seq": mine.seq}
                ours[client.command(mine.topic, f"{args.role}@{socket.gethostname()}", **fields)] = mine.id
                _say(f"{mine.id} confirmed as {args.role}: {mine.text}")
            if topic.endswith("/cmd/result"):
                told += _refused(message.payload, ours)
            for text in told:
                _say(text)
        for text in (*standing.due(time.monotonic()), *station.missing(time.monotonic())):
            _say(text)
        if time.monotonic() >= hint_at:
            hint_at = math.inf
            _say(f"nothing from {args.device or 'any device'} below {args.prefix}/ so far; {named(others)}")
    return 0


def _refused(payload: bytes, ours: dict[str, str]) -> list[str]:
    """What a device would not take of ours."""
    fields = object_of(payload) or {}
    alarm_id = ours.pop(str(fields.get("command_id")), None)
    return [] if alarm_id is None or fields.get("ok") else [f"{alarm_id} NOT CONFIRMED: {fields.get('text')}"]


def _say(text: str) -> None:
    plain = "".join(one if one.isprintable() else "?" for one in text)  # what a device says makes no line of its own
    print(f"{datetime.now():%H:%M:%S}  {plain}", flush=True)


def _line(topic: str, payload: bytes) -> tuple[str, str]:
    """Whose message it is, where several share a topic, or which event, and the message in words; "" for those that say
    nothing to a person."""
    from edge.sinks.console import in_short

    parts = topic.split("/")
    if not payload or len(parts) < 2 or parts[-1] in ("stats", "heartbeat", "result") or "cmd" in parts:
        return "", ""
    try:
        fields = json_of(payload)
        if parts[-1] == "status":
            reason = f": {fields['reason']}" if fields.get("reason") else ""
            shares = [row["hour"] for row in fields.get("coverage", {}).values() if row["hour"] is not None]
            watched = f", watched {min(shares):.0%} of the last hour" if shares else ""
            return "", f"{'/'.join(parts[:-1])} {fields['state']}{reason}{watched}"
        if parts[2] == "state":
            told = [f"listening at {fields['site']}"] if fields["site"] else []
            told += [f"{what} until {fields[key]}" for what, key in _SILENCES if fields[key]]
            return "", f"{parts[0]}/{parts[1]} {', '.join(told)}" if told else ""
        if parts[2] == "reading":
            if parts[3].endswith(ASIDE):
                return "", ""
            source = str(fields.get("source", ""))
            where = "/".join(part for part in (*parts[:2], source) if part)
            held = ", ".join(fields.get("detail", {}).get("suppressed", ()))
            text = in_short(fields["value"], fields["unit"], fields.get("reason", ""))
            return source, f"{where} {parts[3]:<14} {text}" + (f" (agreement holds back {held})" if held else "")
        if parts[2] == "event":
            return f"{fields['occurrence']} {fields['seq']}", alarm_line(parts[0], fields)
    except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError):
        return "", f"{topic}: not what the contract says"
    return "", ""
