"""Home Assistant: one device-based discovery message with everything a dashboard needs.

Component keys hold only letters, digits, ``_`` and ``-`` and are unique in the message; a ``unique_id`` is unique among
all devices, because names of devices and beds cannot hold its ``/``. A drill is an event type of its own, so that no
automation takes it for an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge.alarms.conditions import CONDITIONS, DEVICE_BED, DRILL, OF_DEVICE
from edge.sinks._payloads import encode
from edge.types import HEARTBEAT_EVERY_S

_STRINGS = ("ppg.rhythm",)
_UNITS = {"hr": "bpm", "rr": "1/min"}
_EVENT_TYPES = ("on", "ack", "latched", "off", DRILL)
_EVENT = (
    '{{ {"event_type": "drill" if value_json.drill | default(false) else value_json.presence, "id": value_json.id,'
    ' "text": value_json.text, "priority": value_json.priority, "occurrence": value_json.occurrence,'
    ' "change": value_json.evidence.change} | to_json }}'
)
_OF_DEVICE = tuple(name for name in CONDITIONS if name in OF_DEVICE or name == "model_fault")
_OF_BED = tuple(name for name in CONDITIONS if name not in OF_DEVICE)
_BEATS_MISSED = 3
_AVAILABLE = "{{ 'online' if value_json.state == 'online' else 'offline' }}"  # "stopped" is no word it knows


def discovery(
    device: str,
    root: str,
    beds: Mapping[str, Sequence[str]],
    version: str,
    hops: Mapping[str, float],
) -> bytes:
    """The payload for ``homeassistant/device/<device>/config``. beds: the metrics of each; hops: s, by metric."""
    components: dict[str, dict[str, Any]] = {
        f"{DEVICE_BED}_heartbeat": {
            "platform": "binary_sensor",
            "unique_id": f"{device}/{DEVICE_BED}/heartbeat",
            "name": "alarm system",
            "device_class": "running",
            "state_topic": f"{root}/heartbeat",
            "value_template": "{{ 'ON' }}",
            "expire_after": round(_BEATS_MISSED * HEARTBEAT_EVERY_S),
        },
        **_alarm_components(device, root, DEVICE_BED, "device", _OF_DEVICE),
    }
    for bed, metrics in beds.items():
        for metric in metrics:
            key = f"{bed}_{metric}".replace(".", "_")
            component: dict[str, Any] = {
                "platform": "sensor",
                "unique_id": f"{device}/{bed}/{metric}",
                "name": f"{bed} {metric}",
                "state_topic": f"{root}/{bed}/reading/{metric}",
                "value_template": "{{ value_json.value if value_json.value is not none else None }}",
                "json_attributes_topic": f"{root}/{bed}/reading/{metric}",
                "expire_after": max(5, round(3 * hops.get(metric, 1.0)) + 2),
            }
            if metric not in _STRINGS:
                component["state_class"] = "measurement"
                unit = _UNITS.get(metric.rpartition(".")[2])
                if unit:
                    component["unit_of_measurement"] = unit
            components[key] = component
        components |= _alarm_components(device, root, bed, bed, _OF_BED)
        components[f"{bed}_pause"] = {
            "platform": "button",
            "unique_id": f"{device}/{bed}/pause",
            "name": f"{bed} pause alarm sound",
            "command_topic": f"{root}/{bed}/cmd/pause",
            "command_template": _template(', "seconds": 120'),
        }
    message = {
        "device": {
            "identifiers": [f"edge-vitals-{device}"],
            "name": device,
            "model": "edge-vitals",
            "sw_version": version,
        },
        "origin": {"name": "edge-vitals", "sw_version": version},
        "availability": [{"topic": f"{root}/status", "value_template": _AVAILABLE}],
        "components": components,
        "qos": 1,
    }
    return encode(message)


def _alarm_components(
    device: str, root: str, bed: str, shown: str, conditions: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """A bed's alarms as events, and a button for each condition that acknowledges what stands now."""
    components: dict[str, dict[str, Any]] = {
        f"{bed}_event": {
            "platform": "event",
            "unique_id": f"{device}/{bed}/event",
            "name": f"{shown} alarms",
            "state_topic": f"{root}/{bed}/event",
            "event_types": list(_EVENT_TYPES),
            "value_template": _EVENT,
        }
    }
    for condition in conditions:
        components[f"{bed}_ack_{condition}"] = {
            "platform": "button",
            "unique_id": f"{device}/{bed}/ack/{condition}",
            "name": f"{shown} acknowledge {condition.replace('_', ' ')}",
            "command_topic": f"{root}/{bed}/cmd/ack",
            "command_template": _template(f', "id": "{bed}/{condition}"'),
        }
    return components


def _template(fields: str) -> str:
    stamp = '"t": "{{ utcnow().isoformat() }}", "command_id": "ha-{{ utcnow().timestamp() }}", "by": "home-assistant"'
    return "{" + stamp + fields + "}"
