"""Where things stand in a DICOM file and in a zip, for those who damage them."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from data_prep.dicom.archive import PREAMBLE, PREFIX

START = PREAMBLE + len(PREFIX)
# Value representations with a length of four bytes (PS3.5 7.1.2).
LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
UNDEFINED = 0xFFFFFFFF


class Element(NamedTuple):
    """A data element in explicit little endian.

    Attributes:
        start: Where its tag stands.
        length: Where its length stands.
        width: Bytes of its length, 2 or 4.
        value: Where its value begins.
        end: Where its value ends.
    """

    start: int
    length: int
    width: int
    value: int
    end: int


def elements(file: bytes) -> list[Element]:
    """The elements at the top, as long as they are explicit little endian."""
    return list(_elements(file))


def _elements(file: bytes) -> Iterator[Element]:
    at = START
    while at + 12 <= len(file):
        vr = file[at + 4 : at + 6]
        if not vr.isalpha():
            return
        width = 4 if vr in LONG else 2
        place = at + 8 if width == 4 else at + 6
        size = int.from_bytes(file[place : place + width], "little")
        value = place + width
        end = len(file) if size == UNDEFINED else min(value + size, len(file))
        yield Element(at, place, width, value, end)
        at = end


def meta_end(file: bytes) -> int:
    """Where the data set begins."""
    return START + 12 + struct.unpack_from("<I", file, START + 8)[0]


class Field(NamedTuple):
    """A number in a zip's structures: where it stands, and how many bytes it has."""

    at: int
    width: int


# Widths of the fields after each signature (APPNOTE 4.3.7, 4.3.9, 4.3.12, 4.3.16), and where a name's length stands.
RECORDS = {
    b"PK\x03\x04": (4, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2),
    b"PK\x01\x02": (4, 2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4),
    b"PK\x05\x06": (4, 2, 2, 2, 2, 4, 4, 2),
    b"PK\x07\x08": (4, 4, 4, 4),
}


def fields(archive: bytes) -> list[Field]:
    """All fields of the records of a zip."""
    found = []
    for signature, widths in RECORDS.items():
        at = archive.find(signature)
        while at >= 0:
            place = at
            for width in widths:
                if place + width <= len(archive):
                    found.append(Field(place, width))
                place += width
            at = archive.find(signature, at + 4)
    return found
