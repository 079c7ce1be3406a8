"""An analyzer's own handles on its models: changed only when its thread asks, and told."""

from __future__ import annotations

import pytest

from edge import inference
from edge.assembly import ModelShelf, all_lanes
from edge.config import parse
from edge.inference import HeldModels
from edge.types import ModelError

FIRST, OTHER = [v.id for v in inference.catalogue()["rhythm"].variants][:2]


@pytest.fixture
def shelf():
    return ModelShelf(variant=FIRST)


def test_a_change_of_variant_comes_when_it_is_taken_and_to_nobody_else(shelf):
    one, another = (HeldModels(shelf, shelf.of_variant) for _ in range(2))
    model = one("rhythm")
    assert one("rhythm") is model
    another("rhythm")
    one.ask({"rhythm": shelf.of_variant("rhythm", OTHER), "murmur": shelf("murmur")})
    assert one.variants == {"rhythm": FIRST}
    one.renew()
    assert one.variants == {"rhythm": OTHER}
    assert model.identity.endswith(OTHER)
    assert another.variants == {"rhythm": FIRST}
    assert shelf("rhythm").variant == FIRST


def test_the_variants_of_then_are_taken_again_and_an_unknown_one_is_an_error(shelf):
    held = HeldModels(shelf, shelf.of_variant)
    held("rhythm")
    held.restore({"rhythm": OTHER, "gone": "onnx-fp32"})
    assert held.variants == {"rhythm": OTHER}
    with pytest.raises(ModelError, match="no variant 'tubes'"):
        held.restore({"rhythm": "tubes"})


def test_a_lane_tells_its_variants_goes_on_with_those_of_a_state_and_reads_a_state_without(shelf):
    config = parse('[sources.node]\nkind = "synthetic"\nanalyzers = ["rhythm"]\n')
    (lane,), (later,) = all_lanes(config, shelf), all_lanes(config, shelf)
    assert not lane.renew()
    lane.ask({"rhythm": shelf.of_variant("rhythm", OTHER)})
    assert lane.variants == {"rhythm": {"rhythm": FIRST}}
    assert lane.renew()
    assert not lane.renew()
    state = lane.state()
    assert state["models"] == lane.variants == {"rhythm": {"rhythm": OTHER}}
    old = {key: kept for key, kept in state.items() if key != "models"}
    assert later.restore(old)
    assert later.variants == {"rhythm": {"rhythm": FIRST}}
    assert later.restore(state)
    assert later.variants == lane.variants
