"""MQTT: readings as they come, alarms as they stand, every transition from the outbox, commands in.

What the configuration may say of a broker; the sink itself is ``edge.sinks._mqtt.publisher``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from edge.alarms.rules import AlarmRules
from edge.clock import Clock
from edge.mqtt.broker import Options
from edge.ranges import Port, Text
from edge.sinks._mqtt.announcement import Announcement
from edge.sinks._mqtt.discovery import discovery
from edge.sinks._mqtt.incoming import HOME_ASSISTANT
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.sinks._mqtt.publisher import MqttSink
from edge.sinks._mqtt.replies import ReplyRules
from edge.sinks.outbox import Outbox
from edge.types import HEARTBEAT_EVERY_S, Alarm, Command

_Prefix = Annotated[str, Meta(pattern="^[^#+]+$", description="one letter or more, and no # or +")]
_PrefixOrNone = Annotated[str, Meta(pattern="^[^#+]*$", description="a text without # and +")]
_Below = Annotated[str, Meta(pattern="^[^#+$]*$", description="a text without #, + and $")]


def build(
    *,
    device_name: str,
    clock: Clock,
    outbox: Outbox,
    boot: str,
    on_command: Callable[[Command], None],
    on_link: Callable[[bool, str], None],
    host: Text,
    on_fault: Callable[[str, bool, str], None] | None = None,
    version: str = "",
    identities: Mapping[str, str] | None = None,
    hops: Mapping[str, float] | None = None,
    standing: Sequence[Alarm] = (),
    layout: Mapping[str, Any] | None = None,
    roles: Sequence[str] = (),
    metrics: Mapping[str, Sequence[str]] | None = None,
    bed_rules: Mapping[str, AlarmRules] | None = None,
    port: Port = 0,
    username: Text | None = None,
    password_file: Text | None = None,
    password_env: Text | None = None,
    ca_file: Text | None = None,
    cert_file: Text | None = None,
    key_file: Text | None = None,
    tls: bool = False,
    prefix: _Prefix = "vitals",
    client_id: Text | None = None,
    keepalive_s: Annotated[int, Meta(ge=1, le=65_535)] = 15,
    discovery_prefix: _PrefixOrNone = HOME_ASSISTANT,
    response_prefix: _Below = "",
    backlog_per_s: Annotated[float, Meta(ge=1, le=100_000)] = 500.0,
    checking: bool = False,
) -> MqttSink | None:
    """An MQTT broker.

    host: the broker's name or address, without a port. port: 0 = 1883, or 8883 with TLS. username: who we are there.
    password_file: a file with the password. password_env: the name of an environment variable with it; the password itself
    is no key.
    ca_file: the authority that signed the broker's certificate. cert_file, key_file: our own certificate, where the
    broker asks for one, and its key without a passphrase, where that is not in the same file; any of these PEM files turns
    TLS on. tls: TLS without them, by the system's authorities.
    prefix: first part of every topic. client_id: by default ``edge-vitals-<device>``; unique at the broker. keepalive_s:
    a connection silent for so long is tried. discovery_prefix: Home Assistant's; "" = none.
    response_prefix: a command may ask for its answer on a topic below this, too; "" = on any that is no device's, Home
    Assistant's or the broker's. Always on one below the bed's own ``cmd/result``.
    backlog_per_s: after a time without a broker, so many late events a second; what happens now is not bounded.
    """
    options = Options(
        host=host,
        port=port,
        client_id=client_id or f"edge-vitals-{device_name}",
        username=username,
        password_file=password_file,
        password_env=password_env,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        tls=tls,
        keepalive_s=keepalive_s,
    )
    options.password()
    options.context()
    if checking:
        return None
    about = {"version": version, "models": dict(identities or {}), "heartbeat_s": HEARTBEAT_EVERY_S, "roles": [*roles]}
    root, hops = f"{prefix}/{device_name}", dict(hops or {})
    found = discovery(device_name, root, metrics or {}, version, hops, bed_rules or {}) if discovery_prefix else None
    return MqttSink(
        options=options,
        topics=Topics(root),
        payloads=Payloads(clock, boot),
        clock=clock,
        outbox=outbox,
        boot=boot,
        about=about,
        hops=hops,
        on_command=on_command,
        on_link=on_link,
        on_fault=on_fault,
        standing=standing,
        layout=layout or {},
        backlog_per_s=backlog_per_s,
        announcement=Announcement(f"{discovery_prefix or HOME_ASSISTANT}/device/{device_name}/config", found),
        replies=ReplyRules(root, reserved=(HOME_ASSISTANT, discovery_prefix), below=response_prefix),
    )
