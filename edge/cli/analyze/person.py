"""What several recordings of heart sound say of one person, after ``analyze murmur`` has told each of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict

from edge.cli.analyze.murmur import WHY
from edge.cli.analyze.one_file import as_text
from edge.dsp.pcg.decision import (
    WORTH,
    Calibration,
    PatientVerdict,
    Verdict,
    as_told,
    judge_patient,
    judge_together,
)
from edge.inference.card import find_card
from edge.plain import encode

_SAID = {"present": "present", "absent": "none heard", "unknown": "cannot tell"}


def tell_person(verdicts: Mapping[str, Verdict], *, jsonl: bool) -> None:
    """Print it in words, with ``jsonl`` as a line of JSON and the words on standard error. verdicts: by file."""
    calibration = Calibration.from_card(find_card("murmur").table)
    alone = list(verdicts.values())
    person, together = judge_patient(alone, calibration), judge_together(alone, calibration)
    if jsonl:
        recordings = [
            {"file": as_text(file), "reason": own.reason, **as_told(own, judged)}
            for (file, own), judged in zip(verdicts.items(), together, strict=True)
        ]
        print(encode({"type": "person", **asdict(person), "recordings": recordings}).decode())
    words = in_words(verdicts, together, person, calibration.together[3])
    print("\n".join(["", *words]), file=sys.stderr if jsonl else sys.stdout)


def in_words(
    verdicts: Mapping[str, Verdict], together: list[Verdict], person: PatientVerdict, threshold: float
) -> list[str]:
    """The verdict on the person, and where a murmur is heard. threshold: probability from which one is, together."""
    several = f"{len(verdicts)} recordings" if len(verdicts) > 1 else "one recording"
    if person.p_present is None:
        return [f"One person, {several}: cannot tell: none of them could be judged."]
    said = {"present": "a murmur is present", "absent": "no murmur heard", "unknown": "cannot tell"}[person.decision]
    missed, unknown, false = WORTH
    lines = [
        f"One person, {several}: {said}.",
        f"Probabilities: present {person.p_present:.2f}, cannot tell {person.p_unknown:.2f}, absent "
        f"{person.p_absent:.2f}; to be right counts {missed:.0f}, {unknown:.0f} and {false:.0f}.",
    ]
    if len(verdicts) == 1:
        return lines
    lines.append(f"Each recording in the light of the others, present from {threshold:.2f} on:")
    width = max(map(len, verdicts))
    for (path, one), judged in zip(verdicts.items(), together, strict=True):
        if judged.p is None:
            what = f"not judged: {WHY.get(judged.reason, judged.reason)} ({judged.reason})"
        else:
            itself = " and could not tell" if judged.decision != one.decision == "unknown" else ""
            what = f"{_SAID[judged.decision]:<11} {judged.p:.2f} (by itself {one.p:.2f}{itself})"
        lines.append(f"  {path:<{width}}  {what}")
    return lines
