"""Home Assistant: one device-based discovery message with everything a dashboard needs.

Component keys hold only letters, digits, ``_`` and ``-`` and are unique in the message; a ``unique_id`` is unique among
all devices, because names of devices and beds cannot hold its ``/``. No key's part after the bed ends in another one's,
so that beds whose names run together stay apart. A drill is an event type of its own, so that no automation takes it
for an alarm; an event that comes late says so in an attribute, since what it tells of may stand still. Whether an alarm
stands now the heartbeat tells, also a Home Assistant that has just been started. A bed's state says whether what was
pressed came about; nothing is shown before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from edge.alarms.auscultation import METRIC as HEART_SOUND
from edge.alarms.auscultation import SITES
from edge.alarms.conditions import DRILL, conditions_of
from edge.alarms.rules import AlarmRules
from edge.plain import encode
from edge.sinks._freshness import HOPS_KEPT
from edge.sinks._mqtt.announcement import ORIGIN
from edge.types import DEVICE_BED, HEARTBEAT_EVERY_S

_STRINGS = ("ppg.rhythm",)
_UNITS = {"hr": "bpm", "perfusion": "%"}  # as the readings say them
_ICONS = {
    "hr": "heart-pulse",
    "rhythm": "heart-flash",
    "murmur": "stethoscope",
    "perfusion": "pulse",
    "quality": "signal",
}
_DECIMALS, _DECIMALS_ELSE = {"hr": 0}, 2  # shown; Home Assistant keeps the whole number
_EVENT_TYPES = ("on", "ack", "latched", "off", DRILL)
_EVENT = (
    '{{ {"event_type": "drill" if value_json.drill | default(false) else value_json.presence, "id": value_json.id,'
    ' "text": value_json.text, "priority": value_json.priority, "occurrence": value_json.occurrence,'
    ' "change": value_json.evidence.change, "historical": value_json.historical} | to_json }}'
)
_ANSWER_TYPES = ("done", "refused")
_ANSWER = (
    '{{ {"event_type": "done" if value_json.ok else "refused", "command": value_json.command, "id": value_json.id,'
    ' "text": value_json.text, "by": value_json.by} | to_json }}'
)
_EXPIRE_S = round(3 * HEARTBEAT_EVERY_S)  # three heartbeats missed
_PAUSE_S, _STANDBY_S = 120.0, 3600.0  # what a button asks for, where the rules allow as much
_NOT_SAID = "not said"  # "none" would be no state at all to a select
_EMPTIED = "None if not value else"  # a bed that is no more: its retained state goes before its entities do
_AVAILABLE = "{{ 'online' if value_json.state == 'online' else 'offline' }}"  # "stopped" is no word it knows


def discovery(
    device: str,
    root: str,
    beds: Mapping[str, Sequence[str]],
    version: str,
    hops: Mapping[str, float],
    rules: Mapping[str, AlarmRules] = MappingProxyType({}),
) -> bytes:
    """The payload for ``homeassistant/device/<device>/config``.

    beds: the metrics of each; hops: s, by metric; rules: of each bed, where they are not the shipped ones.
    """
    components: dict[str, dict[str, Any]] = {
        f"{DEVICE_BED}_heartbeat": {
            "platform": "binary_sensor",
            "unique_id": f"{device}/{DEVICE_BED}/heartbeat",
            "name": "alarm system",
            "device_class": "running",
            "state_topic": f"{root}/heartbeat",
            "value_template": "{{ 'ON' }}",
            "expire_after": _EXPIRE_S,
        },
        **_alarm_components(device, root, DEVICE_BED, "device"),
    }
    for bed, metrics in beds.items():
        for metric in metrics:
            components[f"{bed}_{metric}".replace(".", "_")] = _sensor(device, root, bed, metric, hops)
        components |= _alarm_components(device, root, bed, bed)
        components |= _bed_components(device, root, bed, rules.get(bed, AlarmRules()))
        if HEART_SOUND in metrics:
            components[f"{bed}_site"] = _site(device, root, bed)
    message = {
        "device": {
            "identifiers": [f"edge-vitals-{device}"],
            "name": device,
            "model": "edge-vitals",
            "sw_version": version,
        },
        "origin": {"name": ORIGIN, "sw_version": version},
        "availability": [{"topic": f"{root}/status", "value_template": _AVAILABLE}],
        "components": components,
        "qos": 1,
    }
    return encode(message)


def _sensor(device: str, root: str, bed: str, metric: str, hops: Mapping[str, float]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "platform": "sensor",
        "unique_id": f"{device}/{bed}/{metric}",
        "name": f"{bed} {metric}",
        "state_topic": f"{root}/{bed}/reading/{metric}",
        "value_template": "{{ value_json.value if value_json.value is not none else None }}",
        "json_attributes_topic": f"{root}/{bed}/reading/{metric}",
        "expire_after": max(5, round(HOPS_KEPT * hops.get(metric, 1.0)) + 2),
    }
    kind = metric.rpartition(".")[2]
    if icon := _ICONS.get(kind):
        component["icon"] = f"mdi:{icon}"
    if metric not in _STRINGS:
        component["state_class"] = "measurement"
        component["suggested_display_precision"] = _DECIMALS.get(kind, _DECIMALS_ELSE)
        if unit := _UNITS.get(kind):
            component["unit_of_measurement"] = unit
    return component


def _bed_components(device: str, root: str, bed: str, rules: AlarmRules) -> dict[str, dict[str, Any]]:
    """What silences a bed and whether something does. Standby makes it blind: its buttons are there when asked for."""
    pause_s, standby_s = min(_PAUSE_S, rules.pause_max_s), min(_STANDBY_S, rules.standby_max_s)
    hidden = {"enabled_by_default": False}
    return {
        f"{bed}_pause": _button(device, root, bed, "pause", f"{bed} pause alarm sound", f', "seconds": {pause_s:g}'),
        f"{bed}_standby_begin": hidden
        | _button(device, root, bed, "standby", f"{bed} begin standby", f', "seconds": {standby_s:g}', "/begin"),
        f"{bed}_standby_end": hidden
        | _button(device, root, bed, "standby", f"{bed} end standby", ', "seconds": 0', "/end"),
        f"{bed}_paused": _silenced(device, root, bed, "paused", f"{bed} alarm sound paused"),
        f"{bed}_standby": _silenced(device, root, bed, "standby", f"{bed} in standby"),
    }


def _silenced(device: str, root: str, bed: str, what: str, shown: str) -> dict[str, Any]:
    return {
        "platform": "binary_sensor",
        "unique_id": f"{device}/{bed}/{what}",
        "name": shown,
        "state_topic": f"{root}/{bed}/state",
        "value_template": f"{{{{ {_EMPTIED} 'ON' if value_json.{what}_until else 'OFF' }}}}",
        "json_attributes_topic": f"{root}/{bed}/state",
        "json_attributes_template": "{{ value or '{}' }}",
    }


def _site(device: str, root: str, bed: str) -> dict[str, Any]:
    """Where the microphone sits: what the bed says now, and the command that moves it. Who lies there is not asked."""
    return {
        "platform": "select",
        "unique_id": f"{device}/{bed}/site",
        "name": f"{bed} auscultation site",
        "options": [*SITES, _NOT_SAID],
        "state_topic": f"{root}/{bed}/state",
        "value_template": f"{{{{ {_EMPTIED} value_json.site or '{_NOT_SAID}' }}}}",
        "command_topic": f"{root}/{bed}/cmd/site",
        "command_template": _template(f""", "site": "{{{{ 'none' if value == '{_NOT_SAID}' else value }}}}\""""),
    }


def _alarm_components(device: str, root: str, bed: str, shown: str) -> dict[str, dict[str, Any]]:
    """A bed's alarms as events, whether one stands now, a button for each condition that acknowledges it, one for a
    drill, and what came of the commands: a button shows nothing of one that was refused."""
    beds = f"value_json.beds['{bed}']"
    components: dict[str, dict[str, Any]] = {
        f"{bed}_event": {
            "platform": "event",
            "unique_id": f"{device}/{bed}/event",
            "name": f"{shown} alarms",
            "state_topic": f"{root}/{bed}/event",
            "event_types": list(_EVENT_TYPES),
            "value_template": _EVENT,
        },
        f"{bed}_answer": {
            "platform": "event",
            "unique_id": f"{device}/{bed}/answer",
            "name": f"{shown} command answers",
            "entity_category": "diagnostic",
            "state_topic": f"{root}/{bed}/cmd/result",
            "event_types": list(_ANSWER_TYPES),
            "value_template": _ANSWER,
        },
        f"{bed}_standing": {
            "platform": "binary_sensor",
            "unique_id": f"{device}/{bed}/standing",
            "name": f"{shown} alarm standing",
            "device_class": "problem",
            "state_topic": f"{root}/heartbeat",
            "value_template": "{{ "
            f"None if '{bed}' not in value_json.beds else 'ON' if {beds}.standing > {beds}.drills else 'OFF' }}}}",
            "expire_after": _EXPIRE_S,
        },
    }
    for condition in conditions_of(bed):
        text = f"{shown} acknowledge {condition.replace('_', ' ')}"
        fields = f', "id": "{bed}/{condition}"'
        components[f"{bed}_ack_{condition}"] = _button(device, root, bed, "ack", text, fields, f"/{condition}")
    test = _button(device, root, bed, DRILL, f"{shown} test alarm")
    components[f"{bed}_test"] = test | {"entity_category": "diagnostic"}
    return components


def _button(
    device: str, root: str, bed: str, command: str, shown: str, fields: str = "", part: str = ""
) -> dict[str, Any]:
    """A button that sends ``command`` with further fields; part: of its unique id, where there are several."""
    return {
        "platform": "button",
        "unique_id": f"{device}/{bed}/{command}{part}",
        "name": shown,
        "command_topic": f"{root}/{bed}/cmd/{command}",
        "command_template": _template(fields),
    }


def _template(fields: str) -> str:
    stamp = '"t": "{{ utcnow().isoformat() }}", "command_id": "ha-{{ utcnow().timestamp() }}", "by": "home-assistant"'
    return "{" + stamp + fields + "}"
