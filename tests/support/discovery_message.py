"""The discovery message of a device with two beds, as Home Assistant gets it."""

from __future__ import annotations

import json

import pytest

from edge.sinks._mqtt.discovery import discovery

HOPS = {"ppg.hr": 1.0, "ppg.rhythm": 5.0, "pcg.murmur": 2.5, "ppg.perfusion": 1.0, "ppg.quality": 1.0}
ROOT = "vitals/ward-3"


def message(device="ward-3", root=ROOT, beds=("bed1", "bed2"), hops=HOPS):
    return json.loads(discovery(device, root, {bed: sorted(hops) for bed in beds}, "1.2.3", hops))


def of(components, platform):
    return [one for one in components.values() if one["platform"] == platform]


@pytest.fixture(scope="module")
def components():
    return message()["components"]
