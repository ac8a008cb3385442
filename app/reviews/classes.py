"""Which classes a review allows, and which of several readers' diagnoses stands."""

from collections.abc import Collection

from app.contract.json_text import Json
from app.contract.reviews import Judgement
from data_prep.labels import BINARY, FOUR_CLASS

HEALTHY = FOUR_CLASS.classes[0]


def allowed(said: Judgement, result: Json) -> list[str]:
    """The classes of the four that a review allows, in order of severity; none if the images can't be judged.

    Args:
        said: The review.
        result: `result` of the answer that it is about.
    """
    if said.verdict == "cannot-judge":
        return []
    named = said.grade if said.verdict == "grade" else result["predicted"]
    if named == BINARY.classes[1]:
        return [name for name in FOUR_CLASS.classes if name != HEALTHY]
    return [str(named)]


def binary(classes: Collection[str]) -> frozenset[str]:
    """The same in two classes."""
    groups = FOUR_CLASS.collapses_into[BINARY.name]
    return frozenset(BINARY.classes[groups[FOUR_CLASS.index(name)]] for name in classes)
