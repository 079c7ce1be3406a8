"""Every error raised on purpose, and how the values of this package check themselves."""

from __future__ import annotations


class EdgeVitalsError(Exception):
    """Root of every error raised on purpose; the message is one line that says what to do.

    ConfigError: the configuration or the command line is wrong (exit code 2).
    ModelError: a model is missing, altered or does not do what its card says (exit code 2).
    SourceError: a device or file cannot be read; the runtime retries a device, a file ends the command.
    SinkError: the far end of a sink is gone or refuses.
    """


class ConfigError(EdgeVitalsError):
    """The configuration or the command line is wrong."""


class ModelError(EdgeVitalsError):
    """A model is missing, altered, or does not do what its card says."""


class SourceError(EdgeVitalsError):
    """A device or file cannot be read. fault: the word of ``edge-vitals doctor`` for what is wrong, "" where none fits."""

    def __init__(self, message: str, fault: str = "") -> None:
        super().__init__(message)
        self.fault = fault


class SinkError(EdgeVitalsError):
    """The far end of a sink is gone or refuses."""


def require(condition: bool, message: str) -> None:
    """Raise ValueError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(message)
