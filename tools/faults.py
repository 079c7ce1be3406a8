"""The fault campaign: a real broker, real processes, one fault after another, and a table of what came of it.

    python tools/faults.py [--short] [--only NAME] [--list]

Each fault gets a mosquitto, a device that runs the shipped service, and a subscriber, all on loopback. Afterwards every
alarm transition that the device's sinks were given must have reached the subscriber: once after deduplication by
(``occurrence``, ``seq``), in order, with honest times, while nothing stale stands at the broker and memory stays
bounded. Exits with 1 when anything did not hold. The short form takes some minutes; the long one has an
outage of 10 minutes and 200 kills.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
if TYPE_CHECKING:
    from campaign.verdict import Verdict
    from campaign.world import Fault

AT_ONCE = 3
HEAD = "fault                    told  lost  twice   late  recovery   p50     p95      RSS MB   files    took"


def main(arguments: list[str] | None = None) -> int:
    """0 when everything held, 1 when not, 2 for bad usage."""
    from campaign import broker, of_broker, of_load, of_program, of_sources  # noqa: F401 - they enter their faults
    from campaign.world import FAULTS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes, as in CI")
    parser.add_argument("--only", metavar="NAME", action="append", help="only this fault; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(f"{one.name:<24} {one.text}" for one in FAULTS))
        return 0
    chosen = [one for one in FAULTS if not options.only or one.name in options.only]
    if unknown := set(options.only or ()) - {one.name for one in chosen}:
        parser.error(f"no fault {', '.join(sorted(unknown))}; --list names them")
    program = broker.find()
    if program is None:
        parser.error("mosquitto is not installed")
    print(HEAD, flush=True)
    began, failed = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="edge-vitals-faults-") as folder:
        for verdict, took_s in play_all(chosen, program, Path(folder), short=options.short):
            print(row(verdict, took_s), flush=True)
            for text in verdict.remarks:
                print(f"    {text}", flush=True)
            for text in verdict.wrong:
                print(f"    FAILED: {text}", flush=True)
            failed += bool(verdict.wrong)
    print(f"{len(chosen)} faults in {time.monotonic() - began:.0f} s, {failed} failed")
    return 1 if failed else 0


def play_all(chosen: Sequence[Fault], program: str, folder: Path, *, short: bool) -> Iterator[tuple[Verdict, float]]:
    """Verdicts as they come, with how long each took, s. Most faults wait most of the time: some run side by side."""

    def timed(one: Fault) -> tuple[Verdict, float]:
        started = time.monotonic()
        return play(one, program, folder / one.name, short=short), time.monotonic() - started

    yield from (timed(one) for one in chosen if one.alone)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="faults") as pool:
        for done in as_completed([pool.submit(timed, one) for one in chosen if not one.alone]):
            yield done.result()


def play(one: Fault, program: str, folder: Path, *, short: bool) -> Verdict:
    """One fault from beginning to end; its verdict."""
    from campaign.verdict import Verdict
    from campaign.world import world

    made = None
    try:
        with world(one, program, folder, short=short) as made:
            made.device.start()
            one.run(made)
            made.judge()
    except RuntimeError as error:
        verdict = made.verdict if made is not None else Verdict(one.name)
        verdict.wrong.append(str(error))
        return verdict
    return made.verdict


def row(verdict: Verdict, took_s: float) -> str:
    """A verdict as a line of the table."""
    recovery = "" if verdict.recovery_s is None else f"{verdict.recovery_s:.1f} s"
    p50, p95 = (f"{v:.0f} ms" for v in verdict.latency_ms) if verdict.latency_ms else ("", "")
    before, peak = verdict.rss_mb
    return (
        f"{verdict.name:<24}{verdict.told:>5}{verdict.lost:>6}{verdict.repeated:>7}{verdict.late:>7}{recovery:>10}"
        f"{p50:>8}{p95:>9}{before:>6.0f} → {peak:.0f}{verdict.files:>6}{took_s:>6.0f} s  {'FAILED' if verdict.wrong else 'ok'}"
    )


if __name__ == "__main__":
    sys.exit(main())
