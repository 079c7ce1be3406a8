"""Thresholds by a share of missed events: what the card measured, and nothing between."""

import pytest

from edge.dsp.promised import chosen_threshold, promised_threshold
from edge.types import ConfigError

CARD = {
    "name": "rhythm",
    "conformal": {"bounds": [{"missed": 0.1, "threshold": 0.2}, {"missed": 0.2, "threshold": 0.5}]},
}


def test_a_promise_is_one_the_card_measured():
    assert promised_threshold(CARD, "af", 0.1) == 0.2
    with pytest.raises(ConfigError, match=r"rhythm: no threshold in the card for af_missed = 0.15; it has 0.1, 0.2"):
        promised_threshold(CARD, "af", 0.15)
    with pytest.raises(ConfigError, match="it has none"):
        promised_threshold({"name": "murmur"}, "murmur", 0.1)


def test_a_threshold_a_share_or_neither():
    assert chosen_threshold(CARD, "af", threshold=None, missed=None) is None
    assert chosen_threshold(CARD, "af", threshold=0.37, missed=None) == 0.37
    assert chosen_threshold(CARD, "af", threshold=None, missed=0.2) == 0.5
    with pytest.raises(ConfigError, match="rhythm: give af_threshold or af_missed, not both"):
        chosen_threshold(CARD, "af", threshold=0.37, missed=0.2)
    for outside in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="af_threshold must lie between 0 and 1"):
            chosen_threshold(CARD, "af", threshold=outside, missed=None)
