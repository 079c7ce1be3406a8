"""``edge-vitals``, also ``python -m edge``: nothing is imported before somebody may press Ctrl-C."""

import sys


def main() -> int:
    """Run the command line; returns its exit code, 130 also where it is stopped while its parts load."""
    try:
        _nothing_closed()
        from edge.cli import main as command_line

        code = command_line()
    except KeyboardInterrupt:
        code = 130
    _deaf()
    threads = sys.modules["threading"].enumerate() if "threading" in sys.modules else []
    if any(thread.name.startswith("edge-") for thread in threads):
        _leave(code)
    return code


def _nothing_closed() -> None:
    """Put /dev/null where input, output or errors were closed before we began: the next file of ours would get that number,
    and a library that warns on it would write into our state."""
    import os

    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(null, True)
            setattr(sys, name, os.fdopen(null, mode, encoding="utf-8"))


def _deaf() -> None:
    """Ignore the signals that a command took for its orderly end: Python gives them back their first meaning while it is
    taken down, and would be killed by a second one."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) not in (None, signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, signal.SIG_IGN)


def _leave(code: int) -> None:
    """End at once: a thread of ours that is stuck in a driver would abort the process (SIGABRT) if it came back while
    the interpreter is taken down, whatever was kept and told before."""
    import contextlib
    import os

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or not there at all
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
