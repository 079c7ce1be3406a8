"""What is wrong with a device's discovery message, by Home Assistant's own requirements and by the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from edge.plain import object_of

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "sensor": ("state_topic",),
    "binary_sensor": ("state_topic",),
    "event": ("state_topic", "event_types"),
    "button": ("command_topic",),
    "switch": ("command_topic",),
    "number": ("command_topic",),
    "select": ("command_topic", "options"),
    "text": ("command_topic",),
    "image": (),
    "update": (),
    "device_automation": ("automation_type", "topic", "type", "subtype"),
}
"""Platforms a monitor may use, and what each cannot do without."""
_WITHOUT_ID: Final = ("device_automation",)


def faults_of(payload: bytes, root: str, beds: Iterable[str]) -> list[str]:
    """Every fault in words. root: the device's topic prefix; beds: those that readings were heard of."""
    fields = object_of(payload)
    if fields is None:
        return ["not a JSON object"]
    try:
        return [*_frame(fields, root), *_components(fields), *_contract(fields, root, beds)]
    except (TypeError, AttributeError, KeyError) as error:
        return [f"a field of the wrong type: {error}"]


def _frame(fields: Mapping[str, Any], root: str) -> Iterator[str]:
    lacking = [key for key in ("device", "origin", "components", "availability") if key not in fields]
    if lacking:
        yield f"without {', '.join(lacking)}"
    device = fields.get("device", {})
    if not (device.get("identifiers") or device.get("connections")):
        yield "device without identifiers"
    if not fields.get("origin", {}).get("name"):
        yield "origin without a name"
    available = fields.get("availability", [])
    if not isinstance(available, list) or not all(one.get("topic") for one in available):
        yield "availability is no list of topics"
    elif f"{root}/status" not in [one["topic"] for one in available]:
        yield "availability does not follow the device's status"


def _components(fields: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for key, one in fields.get("components", {}).items():
        platform = one.get("platform")
        if set(one) == {"platform"} and platform in REQUIRED:
            continue  # one that is no more
        if platform not in REQUIRED:
            yield f"{key}: platform {platform!r}"
            continue
        lacking = [need for need in REQUIRED[platform] if not one.get(need)]
        if lacking:
            yield f"{key}: without {', '.join(lacking)}"
        unique_id = one.get("unique_id")
        if platform not in _WITHOUT_ID and (not unique_id or unique_id in seen):
            yield f"{key}: unique_id {unique_id!r} is missing or not unique"
        seen.add(str(unique_id))
        if platform == "sensor" and not one.get("expire_after"):
            yield f"{key}: without expire_after a reading would be shown for ever"


def _contract(fields: Mapping[str, Any], root: str, beds: Iterable[str]) -> Iterator[str]:
    parts = fields.get("components", {}).values()
    has = {(one.get("platform"), one.get("state_topic") or one.get("command_topic")) for one in parts}
    for bed in sorted(beds):
        wanted = {
            "event entity": ("event", f"{root}/{bed}/event"),
            "button that acknowledges": ("button", f"{root}/{bed}/cmd/ack"),
            "button that pauses": ("button", f"{root}/{bed}/cmd/pause"),
        }
        yield from (f"{bed} has no {what}" for what, entity in wanted.items() if entity not in has)
