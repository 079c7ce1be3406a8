"""The tools' list of variants names each that a card can, once."""

from typing import get_args

from edge.inference.card import VariantId
from tool_module import loaded


def test_it_is_complete():
    with loaded("variants.py") as module:
        assert sorted(module.VARIANTS) == sorted(get_args(VariantId))
