"""MRNet: AlexNet features, mean over space, max over slices, one linear layer.

Bien 2018, doi:10.1371/journal.pmed.1002699.
"""

from dataclasses import asdict
from typing import Any, Self

from pydantic import TypeAdapter

from data_prep.labels import LabelScheme
from data_prep.network_input.recipe import Recipe
from models.routes.classifier import Parts
from models.routes.finetuned import FineTuned
from models.routes.network import Head
from models.trunks import Trunk


class MRNet(FineTuned):
    """The general network with the published head."""

    tables = frozenset()

    def __init__(self, trunk: Trunk, dropout: float, scheme: LabelScheme, recipe: Recipe) -> None:
        super().__init__(trunk, Head("max", dropout=dropout), scheme, recipe)

    @classmethod
    def untrained(cls, parts: Parts, scheme: LabelScheme, recipe: Recipe) -> Self:
        return cls(parts.trunk, parts.dropout, scheme, recipe)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        trunk = TypeAdapter(Trunk).validate_python(architecture["trunk"])
        return cls(trunk, architecture["dropout"], scheme, recipe)

    def architecture(self) -> dict[str, Any]:
        return {"trunk": asdict(self.trunk), "dropout": self.head.dropout}
