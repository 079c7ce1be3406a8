"""What a source says of itself, whether it has a word for it or not."""

from __future__ import annotations

from types import SimpleNamespace

from edge.types import SelfReport, self_report


def test_a_source_with_the_bare_protocol_has_nothing_to_say():
    assert self_report(object()) == SelfReport("", "", (), {}, can_wait=False)


def test_what_a_source_says_is_reported_as_it_is_now():
    source = SimpleNamespace(complaint="no answer", counters={"dropped": 3}, can_wait=True)
    assert self_report(source) == SelfReport(complaint="no answer", counters={"dropped": 3}, can_wait=True)
    source.complaint = ""
    assert self_report(source).complaint == ""
