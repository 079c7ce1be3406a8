"""Where the microphone of one bed sits, and what the person's heart sounds like over all sites heard: pure.

The last half minute of sound at one site is judged as a recording is, and the latest usable one of each of up to four
sites makes the patient's verdict (``edge.dsp.pcg.decision``), in the order of readings and commands. A window that
began before the microphone was moved belongs to no site, and the noise of a head that is lifted takes nothing back.
Another person begins without any; a site left an hour ago is forgotten, since by then nobody knows who lies there.
Without a site there is no verdict but the recording's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from edge.dsp.pcg.decision import (
    Calibration,
    Scores,
    Verdict,
    as_told,
    judge_patient,
    judge_recording,
    judge_together,
)
from edge.types import Reading

SITES: Final = ("AV", "MV", "PV", "TV")
METRIC: Final = "pcg.murmur"
KEPT_S: Final = 3600.0
_WINDOW_S: Final = 5.0
_ENOUGH: Final = 5  # windows that replace what was heard at a site before
STRETCH_S: Final = 30.0
"""After so long at one site nothing of before counts there; the analyzer's own recording is as long."""
_PATIENT: Final = ("p_present", "p_unknown", "p_absent")


@dataclass(frozen=True, slots=True)
class Place:
    """What the configuration says of a bed.

    calibration: of what listens there, None = nothing does. sources: those that watch it, by name the analyzers of each;
    None = not said. streams: by source, the streams that its analyzers look at; named: sources from which all of those
    must come, since the configuration itself names their analyzers. metrics: by source the metrics that it can tell (None
    = nobody knows which), and under "" those fused of several; None = not said.
    """

    person: str = ""
    site: str = ""
    calibration: Calibration | None = None
    sources: Mapping[str, Sequence[str]] | None = None
    streams: Mapping[str, frozenset[str]] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    metrics: Mapping[str, frozenset[str] | None] | None = None


NO_PLACE: Final = Place()


@dataclass(frozen=True, slots=True)
class _Heard:
    """One window that ended at ``t``: scores, None when it was refused; whether all of its samples were there."""

    t: float
    scores: Scores | None
    complete: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Site:
    """A stretch as judged. t: when it was last heard, s."""

    verdict: Verdict
    t: float


class Auscultation:
    """The sites of one bed. person, site: "" = not said; since: when the microphone came there, s, None = before all.

    person_since: when the person came, s, None = before all. new_person: the configuration names another one than the
    state that was restored.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.person, self.site = place.person, place.site
        self.since: float | None = None
        self.person_since: float | None = None
        self.by = ""
        self.new_person = False
        self._source = ""
        self._stretch: deque[_Heard] = deque()
        self._judged: dict[str, _Site] = {}
        self._mine = False  # whether what is judged at this site is of this stretch

    def move(self, site: str, t: float, *, by: str = "", person: str = "") -> None:
        """The microphone, if there is one, sits at ``site`` ("" = nobody knows where) from ``t`` on; another person
        begins anew."""
        if person and person != self.person:
            self.person, self.person_since = person, t
            self._judged = {}
        self.by = by
        if self.place.calibration is not None:
            self.site, self.since = site, t
            self._begin()

    def _begin(self) -> None:
        self._source, self._mine = "", False
        self._stretch.clear()

    def hear(self, reading: Reading) -> Reading:
        """A murmur reading with ``detail.site`` and ``detail.patient``, where the site is known; others as they are."""
        if reading.metric != METRIC:
            return reading
        detail = {key: told for key, told in reading.detail.items() if key not in ("site", "patient")}
        calibration = self.place.calibration
        if self.site and calibration is not None and self._source in ("", reading.source):
            here = self.since is None or reading.t - _WINDOW_S >= self.since - 1e-6
            if here:
                self._take(reading, calibration)
            detail |= {"site": self.site if here else "", "patient": self._patient(reading.t, calibration)}
        return replace(reading, detail=detail)

    def _take(self, reading: Reading, calibration: Calibration) -> None:
        if reading.reason == "warming_up" or (reading.value is not None and "scores" not in reading.detail):
            return
        self._source = reading.source
        scores = None if reading.value is None else Scores(**reading.detail["scores"])
        self._stretch.append(_Heard(reading.t, scores, bool(reading.detail.get("complete")), reading.reason))
        while self._stretch[0].t <= reading.t - STRETCH_S:
            self._stretch.popleft()
        verdict, before = self._verdict(calibration), self._judged.get(self.site)
        known = before is not None and before.verdict.p is not None and reading.t - before.t <= KEPT_S
        if not known or (verdict.p is not None and (self._mine or verdict.windows >= _ENOUGH)):
            self._judged[self.site], self._mine = _Site(verdict, reading.t), True

    def _verdict(self, calibration: Calibration) -> Verdict:
        """What is heard at the present site, as a recording is judged."""
        heard = [(one.scores, one.complete) for one in self._stretch if one.scores is not None]
        full = [scores for scores, complete in heard if complete]
        refused = [one.reason for one in self._stretch if one.scores is None]
        return judge_recording(full or [scores for scores, _ in heard], calibration, refused)

    def _patient(self, t: float, calibration: Calibration) -> dict[str, Any]:
        sites = {site: self._judged[site] for site in SITES if site in self._judged}
        sites = {site: one for site, one in sites.items() if t - one.t <= KEPT_S}
        verdicts = [one.verdict for one in sites.values()]
        verdict = judge_patient(verdicts, calibration)
        told = {
            site: {**as_told(one.verdict, together), "t": one.t}
            for (site, one), together in zip(sites.items(), judge_together(verdicts, calibration), strict=True)
        }
        return {"decision": verdict.decision, **{key: getattr(verdict, key) for key in _PATIENT}, "sites": told}

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types."""
        return {
            "configured": [self.place.person, self.place.site],
            "person": self.person,
            "site": self.site,
            "since": self.since,
            "person_since": self.person_since,
            "by": self.by,
            "source": self._source,
            "mine": self._mine,
            "stretch": [[one.t, one.scores and one.scores.row(), one.complete, one.reason] for one in self._stretch],
            "judged": {site: {"verdict": asdict(one.verdict), "t": one.t} for site, one in self._judged.items()},
        }

    def restore(self, saved: Mapping[str, Any], shift_s: float = 0.0) -> None:
        """Go on from ``snapshot()``, its times moved by ``shift_s``; what the configuration says anew counts more."""
        person, site = saved["configured"]
        # The file may have caught up with a command.
        self.new_person = self.place.person not in (person, saved["person"])
        if self.new_person:
            return
        self.person, self.by = saved["person"], saved["by"]
        came = saved.get("person_since")  # absent in states of before it was kept
        self.person_since = None if came is None else came + shift_s
        if self.place.calibration is None:  # nothing listens there, or not any more
            return
        self.site = saved["site"]
        self.since = None if saved["since"] is None else saved["since"] + shift_s
        self._source, self._mine = saved["source"], saved["mine"]
        self._stretch = deque(
            _Heard(t + shift_s, None if row is None else Scores(*row), complete, reason)
            for t, row, complete, reason in saved["stretch"]
        )
        judged = saved["judged"].items()
        self._judged = {name: _Site(_verdict(one["verdict"]), one["t"] + shift_s) for name, one in judged}
        if site != self.place.site:
            self.site, self.since, self.by = self.place.site, None, ""
            self._begin()


def _verdict(saved: Mapping[str, Any]) -> Verdict:
    scores = saved["scores"]
    return Verdict(**{**saved, "scores": None if scores is None else Scores(**scores)})
