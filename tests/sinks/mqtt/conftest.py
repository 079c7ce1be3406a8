"""Fixtures of more than one file here."""

from discovery_message import components  # noqa: F401
from mqtt_device import device, outbox, subscriber  # noqa: F401
