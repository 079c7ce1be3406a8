"""What every test of the service may use."""

from service_runs import clock, folder, outbox_after, run  # noqa: F401
