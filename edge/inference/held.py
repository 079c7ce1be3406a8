"""The models that one analyzer runs, as handles of its own: a change of variant comes between two hops, and is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy

from edge.inference.model import Model


class HeldModels:
    """Gives an analyzer its models, and remembers which.

    find: a model by name; of_variant: the same as that variant of it. ``ask`` is for any thread, the rest for the one
    that runs the analyzer: were a model changed under it, nobody could say which windows had been judged by which variant.
    """

    def __init__(self, find: Callable[[str], Model], of_variant: Callable[[str, str], Model]) -> None:
        self._find, self._of_variant = find, of_variant
        self._held: dict[str, Model] = {}
        self._asked: Mapping[str, Model] = {}

    def __call__(self, name: str) -> Model:
        if name not in self._held:
            self._held[name] = copy(self._find(name))
        return self._held[name]

    @property
    def variants(self) -> dict[str, str]:
        """Model name to the variant in use."""
        return {name: model.variant for name, model in self._held.items()}

    def ask(self, models: Mapping[str, Model]) -> None:
        """Go on as these variants, from the next ``renew`` on."""
        self._asked = dict(models)

    def renew(self) -> None:
        """Become what was asked for."""
        asked = self._asked
        for name in self._held.keys() & asked.keys():
            self._held[name].become(asked[name])

    def restore(self, variants: Mapping[str, str]) -> None:
        """Go on as the variants of then; raises ModelError where there is no such one."""
        for name, variant in variants.items():
            if name in self._held and self._held[name].variant != variant:
                self._held[name].become(self._of_variant(name, variant))
