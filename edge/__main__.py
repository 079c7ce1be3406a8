"""``edge-vitals``, also ``python -m edge``: nothing is imported before somebody may press Ctrl-C."""

import sys


def main() -> int:
    """Run the command line; returns its exit code, 130 also where it is stopped while its parts load."""
    try:
        from edge.cli import main as command_line

        return command_line()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
