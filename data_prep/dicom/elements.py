"""A walk through the data elements of a sequence (PS3.5 section 7.5) that keeps nothing.

pydicom makes an object of each item, which takes a hundred times its bytes, and it calls itself for each level. So the
elements and levels of a sequence are counted here first. A sequence that nobody needs is only passed over.
"""

from struct import Struct
from typing import BinaryIO, NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.filereader import ENCODED_VR
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from data_prep.dicom.budget import Budget
from data_prep.errors import MalformedInput

UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
# VRs whose value may be a sequence: by the dictionary, or because a writer didn't know better.
MAY_BE_SEQUENCE = frozenset({None, VR.SQ, VR.UN})
# pydicom takes about this many times longer, and more memory, for an item than for an element.
ITEM_COST = 16
# Elements are taken from the budget in portions.
PORTION = 4096
HEAD = 8


class _Level(NamedTuple):
    """A sequence or an item that the walk is in.

    Attributes:
        is_item: whether elements follow; items do otherwise.
        end: where it ends in the stream; None if a delimiter says so.
        implicit: whether its elements are written without their VR.
        fragments: whether it is encapsulated pixel data, whose items hold no elements.
    """

    is_item: bool
    end: int | None
    implicit: bool
    fragments: bool = False


class Walk:
    """Walks through one sequence.

    Args:
        stream: the file; it is at the start of the sequence's value, and afterwards at its end.
        implicit: whether elements are written without their VR.
        little_endian: the order of bytes.
        budget: pays for elements and items.
    """

    def __init__(self, stream: BinaryIO, implicit: bool, little_endian: bool, budget: Budget) -> None:
        order = "<" if little_endian else ">"
        self._stream, self._implicit, self._budget = stream, implicit, budget
        self._tag_and_length, self._length = Struct(f"{order}HHL").unpack, Struct(f"{order}L").unpack
        self._explicit = Struct(f"{order}HH2sH").unpack

    def skip(self, vr: str | None) -> None:
        """Go to the end of an element of undefined length.

        Raises:
            MalformedInput: it doesn't end, or is nested too deep.
            InputOverLimit: the headers have too many elements.
        """
        self._walk(_Level(False, None, self._implicit, vr not in MAY_BE_SEQUENCE), whole=False)

    def count(self, length: int) -> None:
        """Walk through a sequence that will be read, and through everything in it. Raises the same errors."""
        end = None if length == UNDEFINED_LENGTH else self._stream.tell() + length
        self._walk(_Level(False, end, self._implicit), whole=True)

    def _walk(self, outermost: _Level, whole: bool) -> None:
        stream, levels, taken = self._stream, [outermost], 0
        deepest = 2 * self._budget.limits.depth
        while levels:
            level = levels[-1]
            if level.end is not None and stream.tell() >= level.end:
                levels.pop()
                continue
            taken += ITEM_COST if whole and not level.is_item else 1
            if taken >= PORTION:
                self._budget.take_elements(taken)
                taken = 0
            entered = self._element(level, whole) if level.is_item else self._item(level, whole)
            if entered is level:
                levels.pop()
            elif entered is not None:
                levels.append(entered)
                if len(levels) > deepest:
                    raise MalformedInput(f"Its sequences are nested more than {self._budget.limits.depth} deep.")
        self._budget.take_elements(taken)

    def _item(self, level: _Level, whole: bool) -> _Level | None:
        """Read an item's head. Returns the item, None if it is passed over, or `level` at the end of the sequence."""
        group, element, length = self._tag_and_length(self._read(HEAD))
        if group << 16 | element == SEQUENCE_END:
            return level
        if length != UNDEFINED_LENGTH and (level.fragments or not whole):
            self._stream.seek(length, 1)
            return None
        end = None if length == UNDEFINED_LENGTH else self._stream.tell() + length
        return _Level(True, end, level.implicit or self._begins_implicit())

    def _element(self, level: _Level, whole: bool) -> _Level | None:
        """Read an element's head. Returns its sequence, None if it is passed over, or `level` at the item's end."""
        head = self._read(HEAD)
        group, element, length = self._tag_and_length(head)
        tag = group << 16 | element
        if tag == ITEM_END:
            return level
        vr: str | None = None
        if not level.implicit:
            vr, length = self._explicit_vr(head, length)
        if length == UNDEFINED_LENGTH or (whole and length and self._is_sequence(tag, vr)):
            end = None if length == UNDEFINED_LENGTH else self._stream.tell() + length
            return _Level(False, end, level.implicit, vr not in MAY_BE_SEQUENCE)
        self._stream.seek(length, 1)
        return None

    def _explicit_vr(self, head: bytes, implicit_length: int) -> tuple[str | None, int]:
        """VR and length. Like pydicom: an element without a VR is implicit, though the others aren't."""
        written = head[4:6]
        if written in ENCODED_VR:
            vr = written.decode("ascii")
            if vr in EXPLICIT_VR_LENGTH_32:
                return vr, self._length(self._read(4))[0]
            return vr, self._explicit(head)[3]
        if b"AA" <= written <= b"ZZ":
            return "??", self._explicit(head)[3]
        return None, implicit_length

    def _is_sequence(self, tag: int, vr: str | None) -> bool:
        if vr == VR.SQ:
            return True
        return vr in MAY_BE_SEQUENCE and dictionary_has_tag(tag) and dictionary_VR(tag) == VR.SQ

    def _begins_implicit(self) -> bool:
        """Whether an item's first element has no VR, which a sequence of VR UN may have (PS3.5 6.2.2)."""
        start = self._stream.tell()
        written = self._stream.read(HEAD)[4:6]
        self._stream.seek(start)
        return len(written) == 2 and not (0x40 < written[0] < 0x5B and 0x40 < written[1] < 0x5B)

    def _read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        if len(piece) < size:
            raise MalformedInput("Its header is cut short, in a sequence.")
        return piece
