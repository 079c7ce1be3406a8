"""Fixtures of more than one file here."""

from mqtt_device import device, outbox, subscriber  # noqa: F401
