"""The structures that masks show, other names and codes for them, and the cell that says which structure a mask shows.

The codes are SNOMED CT's, as DICOM's context groups list them (PS3.16), and our own one for the ligament
(`app.results.codes`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from data_prep.tables.cells import clean, words_key

STRUCTURES = ("acl", "pcl", "femur", "tibia", "patella", "fibula", "menisci", "cartilage")
SKIP = "skip"
# Other names, as `words_key` writes them, without side and without the words of `_EMPTY_WORDS`.
_NAMES = {
    "anterior cruciate ligament": "acl",
    "posterior cruciate ligament": "pcl",
    "meniscus": "menisci",
    "medial meniscus": "menisci",
    "lateral meniscus": "menisci",
    "femoral cartilage": "cartilage",
    "tibial cartilage": "cartilage",
    "patellar cartilage": "cartilage",
    "articular cartilage": "cartilage",
}
_EMPTY_WORDS = {"left", "right", "l", "r", "bone", "structure", "of", "the", "entire", "knee", "joint", "body", "mask"}
_CODES = {
    ("71341001", "SCT"): "femur",
    ("310652005", "SCT"): "femur",
    ("12611008", "SCT"): "tibia",
    ("64234005", "SCT"): "patella",
    ("87342007", "SCT"): "fibula",
    ("74135004", "SCT"): "menisci",
    ("309312004", "SCT"): "cartilage",
    ("ACL", "99CRUCIATE"): "acl",
}


def structure_named(text: str) -> str | None:
    """The structure that a name means, such as "ACL", "left femur" or "Medial meniscus"; None if it means none."""
    words = [word for word in re.split(r"[\s_.,()\-]+", words_key(text)) if word and word not in _EMPTY_WORDS]
    named = _NAMES.get(" ".join(words), " ".join(words))
    return named if named in STRUCTURES else None


def structure_coded(value: str, scheme: str) -> str | None:
    """The structure that a code means; None if it means none of ours."""
    return _CODES.get((value, scheme))


@dataclass(frozen=True)
class Shows:
    """What a mask shows, as column `structure` says it.

    Attributes:
        structure: the one structure that it shows; None if the cell is empty or has `meanings`.
        meanings: for each value, colour, segment or array in the mask: its structure, or None to leave it out.
    """

    structure: str | None = None
    meanings: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parsed(cls, text: str) -> "Shows":
        """Of a cell: `acl`, or `1=femur|2=tibia|3=skip`; '' says nothing.

        Raises:
            ValueError: the text is neither; it says what is expected.
        """
        text = clean(text)
        if not text:
            return cls()
        if "=" not in text:
            return cls(_known(text))
        meanings: dict[str, str | None] = {}
        for part in re.split(r"[|;]", text):
            key, equals, named = (piece.strip() for piece in part.rpartition("="))
            if not equals or not key:
                raise ValueError("one structure, or several such as 1=femur|2=tibia|3=skip")
            if key in meanings:
                raise ValueError(f"a list in which each key occurs once; {key!r} occurs twice")
            meanings[key] = None if named.casefold() == SKIP else _known(named)
        return cls(None, tuple(meanings.items()))

    def __str__(self) -> str:
        return self.structure or "|".join(f"{key}={named or SKIP}" for key, named in self.meanings)

    @property
    def only(self) -> str:
        """The one structure that a mask of one value or a box shows; the ligament if the cell is empty."""
        return self.structure or "acl"

    @property
    def named(self) -> tuple[str, ...]:
        """Every structure that the meanings name, in our order."""
        return in_order({named for _, named in self.meanings if named})


UNNAMED = Shows()


def in_order(structures: Iterable[str]) -> tuple[str, ...]:
    """Structures in the order of `STRUCTURES`."""
    return tuple(sorted(structures, key=STRUCTURES.index))


def _known(text: str) -> str:
    if structure := structure_named(text):
        return structure
    raise ValueError(f"one of {', '.join(STRUCTURES)}")
