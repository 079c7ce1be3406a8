"""Heart rate at rest with a network where there is one: its belief is a further count, and trees weigh what it says."""

from __future__ import annotations

from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.ppg.beats import Floats
from edge.dsp.rest.belief import Network, believed
from edge.dsp.rest.counts import count
from edge.dsp.rest.look import Look
from edge.dsp.rest.rate import RestRate, choose
from edge.dsp.rest.rule import COUNTED, by_trees


class RestEstimator:
    """network and trees: of ``models/pulse``, both or neither; without them the logistic rule over the counts decides."""

    def __init__(self, network: Network | None = None, trees: BoostedTrees | None = None) -> None:
        self._network = network
        self._rule = COUNTED if trees is None else by_trees(trees)

    def __call__(self, wave: Floats, seen: Look, rate_hz: float) -> RestRate:
        """The rate of an upright band-passed wave of 7.5 s or more."""
        belief = None if self._network is None else believed(wave, rate_hz, self._network)
        return choose(count(wave, seen, rate_hz, belief), self._rule)
