"""An alarm that nobody has confirmed, and a program that rings for it."""

from __future__ import annotations

from edge.types import Alarm


def alarm(
    presence="on", *, condition="tachy", priority="medium", local=True, occurrence="o1", t=5.0, drill=False, **evidence
):
    return Alarm(
        f"bed1/{condition}", occurrence, "physiological", priority, presence, t, "Fast", condition, "bed1",
        evidence=evidence, delivery={"asked": ["station"], "received": "", "by": "", "annunciator": local}, drill=drill,
    )  # fmt: skip


def script(tmp_path, text):
    path = tmp_path / "ring"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)
