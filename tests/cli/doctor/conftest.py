"""A device to find."""

from doctor_findings import device  # noqa: F401
