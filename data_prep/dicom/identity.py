"""Whether images belong to one patient: an ID is compared with an ID, a name with a name.

PatientID and PatientName are type 2 (PS3.3 C.7.1.1): both may be empty, and software that derives images often omits
one of them. One StudyInstanceUID belongs to one patient (PS3.3 A.1.2), so there are two patients only if two headers
have different values of the same attribute.
"""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from pydicom.charset import default_encoding
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName


class Identity(NamedTuple):
    """The patient that a header names, for comparison only; never shown.

    Attributes:
        id: PatientID, or ''.
        names: the alphabetic, ideographic and phonetic spelling of PatientName (PS3.5 6.2.1), each '' if it isn't
            given; empty if none is.
    """

    id: str = ""
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Identity(...)"


def identity(dataset: Dataset, known: dict[object, Identity] | None = None) -> Identity:
    """The patient, without details that software changes: case, spaces, empty components, the width of characters.

    Args:
        dataset: the header; its elements stay as they were sent.
        known: identities of earlier files, most of which have the same values; it is extended.
    """
    encodings = dataset.original_character_set or default_encoding
    encodings = [encodings] if isinstance(encodings, str) else list(encodings)
    sent = (_sent(dataset, "PatientID"), _sent(dataset, "PatientName"), *encodings)
    known = {} if known is None else known
    if sent not in known:
        id_, name = (_text(value, encodings) for value in sent[:2])
        names = tuple(plain(group) for group in name.split("="))
        known[sent] = Identity(plain(id_), names if any(names) else ())
    return known[sent]


def fewest_patients(identities: Iterable[Identity]) -> int:
    """The smallest number of patients that fits: by IDs, and where an ID is missing, by names."""
    distinct = set(identities)
    ids = {one.id for one in distinct if one.id}
    if len(ids) > 1:
        return len(ids)
    known = [one.names for one in distinct if one.id and one.names]
    for names in {one.names for one in distinct if not one.id and one.names}:
        if known and not any(_may_be_one(names, other) for other in known):
            return 2
        known = known or [names]
    return 1


def plain(text: str) -> str:
    """An ID or a name without details that software changes."""
    words = unicodedata.normalize("NFKC", text).casefold().replace("^", " ").replace("\0", " ").split()
    return " ".join(words)


def _may_be_one(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether two names may be one patient's: a spelling that both have is equal, or they have none in common."""
    shared = [one == other for one, other in zip(names, others, strict=False) if one and other]
    return not shared or any(shared)


def _sent(dataset: Dataset, keyword: str) -> bytes | str:
    """The value as bytes, or as text if it has been decoded already."""
    element = dataset.get_item(keyword)
    value = "" if element is None or element.value is None else element.value
    return value if isinstance(value, bytes) else str(value)


def _text(value: bytes | str, encodings: list[str]) -> str:
    if isinstance(value, str):
        return value
    try:
        return str(PersonName(value, encodings))  # Its rules for character sets also apply to other text.
    except Exception:  # pydicom's decoders may raise any exception
        return value.decode("latin-1")
