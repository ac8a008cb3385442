"""Whether headers say that the images show another part of the body, not a knee.

BodyPartExamined is often wrong: in 15 % of images of one clinic (Gueld 2002, "Quality of DICOM header information for
image categorization"). So if a knee is named anywhere, other parts are ignored, unless the description of the series
names them. No study is refused because of these headers alone.
"""

from functools import lru_cache

from data_prep.dicom.header import Header
from data_prep.selection.wording import WORDS, plain, says

OTHER_BODY_PART = "other-body-part"  # the notice's code
READ = ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName")
# Up to two words before these name a coil or a position ("foot ankle coil"), except in "ankle (knee coil)".
BESIDE = frozenset(
    {"coil", "coils", "array", "spule", "matrix", "antenne", "bobina", "spool", "voran", "premiers", "avanti", "eerst"}
)
COIL = ("coil", "spule")
FIRST, LYING = "first", frozenset({"head", "feet", "foot"})
# Heads and necks of these bones and muscles aren't the head or neck of the body: "fibular head", "tete du perone".
OWN_HEADS = ("fibul", "peron", "femor", "gastroc", "biceps", "humer", "radi")
HEADS = frozenset({"head", "neck", "tete", "cabeza", "cabeca", "testa", "hals", "kopf", "collo", "cou"})
# Words with many other meanings: they don't count in a series' description if anything else names a knee.
UNSURE = frozenset({"head", "neck", "thigh", "lower_leg"})


def other_body_parts(header: Header) -> tuple[str, ...]:
    """The other parts that headers name, in English; none if they name a knee, unless the series names another part."""
    texts = {keyword: [_about_the_body(text) for text in header.texts(keyword)] for keyword in READ}
    of_series = texts["SeriesDescription"]
    if not _knee(of_series) and (parts := tuple(part for part in _parts(of_series) if part not in UNSURE)):
        return _english(parts)
    everything = [text for one in texts.values() for text in one]
    return () if _knee(everything) else _english(_parts(everything))


@lru_cache(4096)
def _about_the_body(text: str) -> str:
    """Plain words without those for coils, positions, and heads of bones."""
    words = plain(text).split()
    return f" {' '.join(word for place, word in enumerate(words) if not _beside(words, place))} "


def _beside(words: list[str], place: int) -> bool:
    word, after, near = words[place], words[place + 1 : place + 3], words[max(place - 2, 0) : place + 3]
    return (
        not BESIDE.isdisjoint(after if after and not _knee([f" {after[0]} "]) else after[:1])
        or word.endswith(COIL)
        or (word in LYING and after[:1] == [FIRST])
        or (word in HEADS and any(other.startswith(OWN_HEADS) for other in near))
    )


def _knee(texts: list[str]) -> bool:
    return any(says(text, "body_part", "knee") for text in texts)


def _parts(texts: list[str]) -> tuple[str, ...]:
    return tuple(
        part for part in WORDS["body_part"]["other"] if any(says(text, "body_part", "other", part) for text in texts)
    )


def _english(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.replace("_", " ") for part in parts)
