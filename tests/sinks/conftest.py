"""Fixtures of more than one file here."""

from outbox_on_disk import open_box  # noqa: F401
from web_server import page  # noqa: F401
