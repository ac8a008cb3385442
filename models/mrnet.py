"""MRNet: AlexNet features, mean over space, max over slices, one linear layer.

Bien 2018, doi:10.1371/journal.pmed.1002699.
"""

from dataclasses import asdict
from typing import Any, Self

from pydantic import TypeAdapter

from data_prep.labels import LabelScheme
from data_prep.preprocess import Recipe
from models.finetuned import FineTuned
from models.network import Head
from models.trunks import Trunk


class MRNet(FineTuned):
    """The route: the general network with the published head."""

    def __init__(self, trunk: Trunk, dropout: float, scheme: LabelScheme, recipe: Recipe) -> None:
        super().__init__(trunk, Head("max", dropout=dropout), scheme, recipe)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        trunk = TypeAdapter(Trunk).validate_python(architecture["trunk"])
        return cls(trunk, architecture["dropout"], scheme, recipe)

    def architecture(self) -> dict[str, Any]:
        return {"trunk": asdict(self.trunk), "dropout": self.head.dropout}
