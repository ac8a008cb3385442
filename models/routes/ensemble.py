"""Several classifiers of one kind as one: the mean of their calibrated logits, and of their maps.

Each member's logits are first divided by its own temperature, so that an overconfident member doesn't count more. The
mean of logits corresponds to the geometric mean of probabilities, the logarithmic opinion pool (Genest and Zidek 1986,
doi:10.1214/ss/1177013825). The mean of exact maps is exact.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np

from data_prep.labels import LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.volume import FloatArray
from models.explain.method import Explanation, Method
from models.routes.classifier import ExamClassifier
from models.routes.registry import ROUTES

FILES = "members.json"


class Ensemble:
    """An ensemble of classifiers.

    Its features are those of the members, concatenated: `[S, h, w, C of all]`. Members with the same trunk share one
    forward pass.

    Args:
        route: The members' route.
        members: Classifiers of one route, architecture, scheme and recipe.
        temperatures: Each member's temperature.
        recipe: The members' recipe.

    Raises:
        ValueError: For members of different architectures.
    """

    def __init__(
        self, route: str, members: Sequence[ExamClassifier], temperatures: Sequence[float], recipe: Recipe
    ) -> None:
        self.scheme, self.recipe = members[0].scheme, recipe
        self._route, self._members, self._temperatures = route, list(members), list(temperatures)
        if any(member.architecture() != members[0].architecture() for member in members):
            raise ValueError("an ensemble's members need one architecture")

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        route, temperatures = architecture["route"], architecture["temperatures"]
        members = [ROUTES[route].from_architecture(architecture["member"], scheme, recipe) for _ in temperatures]
        return cls(route, members, temperatures, recipe)

    def architecture(self) -> dict[str, Any]:
        member = self._members[0].architecture()
        return {"route": self._route, "member": member, "temperatures": self._temperatures}

    def grid_span(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return self._members[0].grid_span()

    def features(self, slices: FloatArray) -> FloatArray:
        first = {trunk: member for member, trunk in reversed(list(zip(self._members, self._trunk_of, strict=True)))}
        return np.concatenate([first[trunk].features(slices) for trunk in sorted(first)], axis=-1)

    def logits(self, features: FloatArray) -> FloatArray:
        return self._mean([member.logits(own) for member, own in self._with_own(features)])

    def explain(self, slices: FloatArray, features: FloatArray, method: Method | None = None) -> Explanation:
        parts = [member.explain(slices, own, method) for member, own in self._with_own(features)]
        return Explanation(
            logits=self._mean([part.logits for part in parts]),
            maps=self._mean([part.maps for part in parts]),
            bias=self._mean([part.bias for part in parts]),
            method=parts[0].method,
        )

    def save(self, folder: Path) -> None:
        """Write each member's files. Of files with the same content only the first is written.

        `members.json` lists the files of each member.
        """
        stored: dict[bytes, str] = {}
        files: list[dict[str, str]] = []
        for number, member in enumerate(self._members):
            with TemporaryDirectory() as apart:
                member.save(Path(apart))
                files.append({})
                for path in sorted(Path(apart).iterdir()):
                    name = stored.setdefault(_digest(path), f"member-{number}-{path.name}")
                    files[-1][path.name] = name
                    if name.startswith(f"member-{number}-"):
                        shutil.copyfile(path, folder / name)
        (folder / FILES).write_text(json.dumps(files, indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        for member, files in zip(self._members, json.loads((folder / FILES).read_text(encoding="utf-8")), strict=True):
            with TemporaryDirectory() as apart:
                for name, stored in files.items():
                    (Path(apart) / Path(name).name).symlink_to((folder / Path(stored).name).absolute())
                member.load(Path(apart))
        self.__dict__.pop("_trunk_of", None)

    @cached_property
    def _trunk_of(self) -> list[int]:
        """The number of each member's trunk, from 0. Trunks are the same if they make the same bits from noise."""
        noise = np.random.default_rng(0).random((2, *self.recipe.shape), np.float32)
        known: dict[bytes, int] = {}
        return [known.setdefault(member.features(noise).tobytes(), len(known)) for member in self._members]

    def _with_own(self, features: FloatArray) -> Iterator[tuple[ExamClassifier, FloatArray]]:
        """Each member and its trunk's features."""
        parts = np.split(features, max(self._trunk_of) + 1, axis=-1)
        for member, trunk in zip(self._members, self._trunk_of, strict=True):
            yield member, parts[trunk]

    def _mean(self, parts: Sequence[FloatArray]) -> FloatArray:
        """The mean of one array of each member, each divided by the member's temperature."""
        scaled = [part.astype(np.float64) / t for part, t in zip(parts, self._temperatures, strict=True)]
        mean: FloatArray = np.mean(scaled, axis=0).astype(np.float32)
        return mean


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
