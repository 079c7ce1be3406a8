"""The models under test."""

from tiny_models import root  # noqa: F401
