"""The few private attributes that are read; each is identified by its creator (PS3.5 7.8.1), never by its number alone.

Sources: pydicom's private dictionary (GEMS_PARM_01, MMCPrivate, Philips MR Imaging DD 001 and 005, SIEMENS MR HEADER),
dcm2niix issues 236 and 881 (SIEMENS MR SDI 02) and its notes on Philips Dixon images.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag

# The block numbers that are searched. The standard allows 240 blocks per group, but scanners number them from 0x10 and
# use only a few.
BLOCKS = range(0x10, 0x20)


class Element(NamedTuple):
    """The place of an attribute: its group and the `low` byte of its element, in a block reserved by `creator`."""

    creator: str
    group: int
    low: int


# Text that repeats ImageType or its important part: "M/NORM/DIS2D", ORIGINAL\PRIMARY\M\DIXON\WATER, "W".
IMAGE_TYPES = frozenset(
    {
        Element("SIEMENS MR HEADER", 0x0051, 0x16),
        Element("SIEMENS MR SDI 02", 0x0021, 0x75),
        Element("Philips MR Imaging DD 001", 0x2005, 0x11),
    }
)
# A number: 0 magnitude, 1 phase, 2 real part, 3 imaginary part.
COMPONENTS = frozenset({Element("GEMS_PARM_01", 0x0043, 0x2F)})
# The same values as in the public attribute SpectrallySelectedSuppression (Hitachi).
SUPPRESSIONS = frozenset({Element("MMCPrivate", 0x0029, 0x7E)})
# Sequences that hold the classic attributes, or more private attributes, of one frame.
NESTED = frozenset({Element("Philips MR Imaging DD 005", 0x2005, 0x0F), Element("SIEMENS MR SDI 02", 0x0021, 0xFE)})
ELEMENTS = IMAGE_TYPES | COMPONENTS | SUPPRESSIONS | NESTED

_BY_CREATOR = {(element.group, element.creator): set[Element]() for element in ELEMENTS}
for _element in ELEMENTS:
    _BY_CREATOR[_element.group, _element.creator].add(_element)
_CREATOR_TAGS = frozenset(BaseTag(element.group << 16 | block) for element in ELEMENTS for block in BLOCKS)
PRIVATE_TAGS = (
    *_CREATOR_TAGS,
    *(BaseTag(element.group << 16 | block << 8 | element.low) for element in ELEMENTS for block in BLOCKS),
)
IMAGE_TYPE = BaseTag(0x00080008)


def private_values(dataset: Dataset) -> dict[str, tuple[str | float, ...]]:
    """ImageTypeCopy, ComponentNumber and SpectrallySelectedSuppression, as far as private attributes hold them."""
    values: dict[str, tuple[str | float, ...]] = {}
    for element, raw, tag in present(dataset):
        if element in NESTED:
            values |= _nested(dataset, tag)
        elif raw is None:
            continue
        elif element in COMPONENTS:
            values["ComponentNumber"] = (float(int.from_bytes(raw, "little", signed=True)),)
        else:
            keyword = "ImageTypeCopy" if element in IMAGE_TYPES else "SpectrallySelectedSuppression"
            values[keyword] = _words(raw)
    return values


def present(dataset: Dataset) -> Iterator[tuple[Element, bytes | None, BaseTag]]:
    """The private elements that a data set has, each with its value as bytes and its tag."""
    for tag in dataset.keys() & _CREATOR_TAGS:
        creator = _raw(dataset, tag)
        name = "" if creator is None else creator.decode("ascii", "replace").strip(" \0")
        for element in _BY_CREATOR.get((tag >> 16, name), ()):
            place = BaseTag(element.group << 16 | (tag & 0xFF) << 8 | element.low)
            if place in dataset:
                yield element, _raw(dataset, place), place


def _raw(dataset: Dataset, tag: BaseTag) -> bytes | None:
    """The value's bytes as they were sent, numbers in little endian; None if the value isn't plain text or bytes."""
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement):
        value = dataset[tag].value
        values = value if isinstance(value, MultiValue) else (value,)
        return "\\".join(values).encode("ascii", "replace") if all(isinstance(one, str) for one in values) else None
    value = element.value
    if not isinstance(value, bytes):
        return None
    return value if element.is_little_endian or len(value) != 2 else value[::-1]


def _words(raw: bytes) -> tuple[str, ...]:
    return tuple(word for part in raw.decode("ascii", "replace").split("\\") if (word := part.strip(" \0")))


def _nested(dataset: Dataset, tag: BaseTag) -> dict[str, tuple[str | float, ...]]:
    """ImageType and more private attributes of a sequence's first item."""
    try:
        items = dataset[tag].value
    except Exception:  # pydicom may raise any exception; a value that can't be read is ignored
        return {}
    if not isinstance(items, Items) or not items:
        return {}
    types = _raw(items[0], IMAGE_TYPE) if IMAGE_TYPE in items[0] else None
    return private_values(items[0]) | ({} if types is None else {"ImageTypeCopy": _words(types)})
