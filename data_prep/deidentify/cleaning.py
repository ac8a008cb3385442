"""One data set, written again with only what `data_prep.deidentify.profile` keeps.

Elements are written as bytes: what is kept is exactly what was sent, and nothing is converted that could fail.
"""

import re
import struct
from contextlib import suppress
from dataclasses import dataclass

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, TEXT_VR_DELIMS, VR

from data_prep.deidentify.profile import KEPT, NUMBERS, TOP_SEQUENCES, Rule, removes
from data_prep.deidentify.pseudonyms import Pseudonyms, moved
from data_prep.deidentify.values import MOST_VALUES, code, most_values, number, plausible, standard_uid, time
from data_prep.deidentify.words import without_unknown
from data_prep.dicom.budget import Budget
from data_prep.dicom.elements import ITEM
from data_prep.dicom.header import NUMBERS_AS_TEXT, TEXTS, UNTOLD
from data_prep.dicom.identity import identity
from data_prep.dicom.part10 import CHARACTER_SET
from data_prep.dicom.private import COMPONENTS, IMAGE_TYPE, NESTED, present

# An element is read and written here; to pass over one costs a fraction of it. So do items.
COST, ITEM_COST = 4, 32
MANUFACTURER = (
    r"(?:ge|general electric|siemens|philips|toshiba|canon|hitachi|fujifilm|esaote|united imaging|uih|bruker|neusoft"
    r"|hyperfine|mindray|samsung|time medical|paramed|xingaoyi|alltech|marconi|picker|shimadzu|cruciate)"
)
OF_ITS_NAME = (
    r"(?:[ _.,-]+(?:medical|systems?|healthcare|healthineers|health|mec|nmr|corporation|corp|company|co|ltd|ag|inc))"
)
MANUFACTURERS = re.compile(rf"{MANUFACTURER}(?![^\W_]){OF_ITS_NAME}*(?![^\W_])\.?", re.IGNORECASE)
# The longest value whose length has two bytes (PS3.5 7.1.2).
MOST_SHORT = 0xFFFE
PADDING = " \0\t\r\n"
STUDY_UID = 0x0020000D
UNICODE = "ISO_IR 192"
TEXTUAL = TEXTS | NUMBERS_AS_TEXT


@dataclass(frozen=True)
class Encoding:
    """How elements are written."""

    implicit: bool
    little_endian: bool

    def element(self, tag: int, representation: str, value: bytes) -> bytes:
        """One data element (PS3.5 7.1.2, 7.1.3)."""
        order = "<" if self.little_endian else ">"
        head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return head + struct.pack(f"{order}L", len(value)) + value
        if representation in EXPLICIT_VR_LENGTH_32:
            return head + representation.encode() + struct.pack(f"{order}2xL", len(value)) + value
        return head + representation.encode() + struct.pack(f"{order}H", len(value)) + value

    def text(self, tag: int, representation: str, value: str) -> bytes:
        """An element of text, padded to an even length."""
        raw, padding = value.encode(), b"\0" if representation == VR.UI else b" "
        return self.element(tag, representation, raw + padding * (len(raw) % 2))

    def sequence(self, tag: int, items: list[bytes]) -> bytes:
        """A sequence of items (PS3.5 7.5)."""
        head = struct.pack("<HH" if self.little_endian else ">HH", ITEM >> 16, ITEM & 0xFFFF)
        lengths = "<L" if self.little_endian else ">L"
        return self.element(tag, VR.SQ, b"".join(head + struct.pack(lengths, len(item)) + item for item in items))


class Cleaner:
    """Cleans one data set.

    Args:
        pseudonyms: replacements.
        encoding: how the elements are written; the data set was read in the same encoding.
        budget: pays for elements and items.
        dataset: the data set, without its pixels.
    """

    def __init__(self, pseudonyms: Pseudonyms, encoding: Encoding, budget: Budget, dataset: Dataset) -> None:
        self._pseudonyms, self._encoding, self._budget, self._dataset = pseudonyms, encoding, budget, dataset
        self._days = pseudonyms.days("".join(texts(dataset, STUDY_UID)))

    def elements(self) -> dict[int, bytes]:
        """The elements that are kept, by tag."""
        kept = {CHARACTER_SET: self._encoding.text(CHARACTER_SET, VR.CS, UNICODE)}
        return kept | self._of(self._dataset, top=True)

    def _of(self, dataset: Dataset, top: bool = False) -> dict[int, bytes]:
        kept: dict[int, bytes] = {}
        for tag in dataset.keys():  # noqa: SIM118  (a data set iterates over elements)
            self._budget.take_elements(COST)
            place = int(tag)
            rule = KEPT.get(place)
            if rule is not None:
                kept |= self._kept(dataset, tag, rule)
            elif place in TOP_SEQUENCES if top else _is_sequence(place):
                kept |= self._sequence(dataset, tag)
        return kept | self._private(dataset)

    def _sequence(self, dataset: Dataset, tag: BaseTag) -> dict[int, bytes]:
        items = _items(dataset, tag)
        self._budget.take_elements(ITEM_COST * len(items))
        return {int(tag): self._encoding.sequence(tag, [_joined(self._of(item)) for item in items])}

    def _kept(self, dataset: Dataset, tag: BaseTag, rule: Rule) -> dict[int, bytes]:
        element, meant = dataset.get_item(tag), dictionary_VR(tag)
        if not isinstance(element, RawDataElement):  # a sequence, where none can be
            return {}
        numeric = rule is Rule.BINARY or (rule is Rule.NUMBER and meant in NUMBERS_AS_TEXT)
        if numeric and element.VR not in TEXTUAL and (written := self._numbers(element, meant)):
            return written
        if meant in NUMBERS and element.VR not in TEXTUAL:
            return {}
        told = element.VR if element.VR in TEXTUAL else meant
        text = self._text(dataset, tag, rule)
        return {int(tag): self._encoding.text(tag, told, text)} if len(text.encode()) <= MOST_SHORT else {}

    def _numbers(self, element: RawDataElement, meant: str) -> dict[int, bytes]:
        """The element with the numbers that were sent; nothing if it doesn't hold such numbers."""
        read = (meant if element.VR in UNTOLD else element.VR) or meant
        if read not in NUMBERS or (read == VR.AT) != (meant == VR.AT):
            return {}
        raw, tag = element.value or b"", int(element.tag)
        if not plausible(raw, read, tag, self._encoding.little_endian):
            return {}
        return {tag: self._encoding.element(tag, element.VR or meant[:2], raw)}

    def _text(self, dataset: Dataset, tag: BaseTag, rule: Rule) -> str:
        if rule is Rule.EMPTY:
            return ""
        if rule is Rule.PATIENT:
            patient = identity(dataset)
            names = patient.names if dictionary_VR(tag) == VR.PN else (patient.id,)
            return "=".join(map(self._pseudonyms.patient, names))
        return "\\".join(
            self._changed(text, rule, tag) for text in texts(dataset, tag)[: most_values(tag, MOST_VALUES) + 1]
        )

    def _changed(self, text: str, rule: Rule, tag: BaseTag) -> str:
        match rule:
            case Rule.UID:
                return self._pseudonyms.uid(text)
            case Rule.DESCRIPTION:
                return without_unknown(text)
            case Rule.MANUFACTURER:
                return known[0] if (known := MANUFACTURERS.match(text)) else ""
            case Rule.DATE:
                return moved(text, self._days)
            case Rule.TIME:
                return time(text)
            case Rule.CODE:
                return code(text)
        return standard_uid(text) if dictionary_VR(tag) == VR.UI else number(text)

    def _private(self, dataset: Dataset) -> dict[int, bytes]:
        """The private elements that are read (PS3.15 E.3.10, Retain Safe Private Option)."""
        kept: dict[int, bytes] = {}
        for known, raw, tag in present(dataset):
            self._budget.take_elements(COST)
            element = dataset.get_item(tag)
            if known in NESTED:
                items = [self._nested(item) for item in _items(dataset, tag)[:1]]
                written = self._encoding.sequence(tag, items)
            elif raw is None or not isinstance(element, RawDataElement):
                continue
            elif known in COMPONENTS:
                if len(raw) > 2:
                    continue
                written = self._encoding.element(tag, element.VR or VR.UN, element.value or b"")
            else:
                words = re.split(r"([\\/])", raw.decode("ascii", "replace").strip(PADDING))
                written = self._encoding.text(tag, VR.LO, "".join(map(code, words[: 2 * MOST_VALUES])))
            creator = tag >> 16 << 16 | tag >> 8 & 0xFF
            kept |= {creator: self._encoding.text(creator, VR.LO, known.creator), int(tag): written}
        return kept

    def _nested(self, item: Dataset) -> bytes:
        types = self._kept(item, IMAGE_TYPE, Rule.CODE) if IMAGE_TYPE in item else {}
        return _joined(types | self._private(item))


def texts(dataset: Dataset, tag: BaseTag | int) -> list[str]:
    """The values of an element as text, in the character set that the data set names; none if it is absent."""
    element = dataset.get_item(tag) if tag in dataset else None
    if not isinstance(element, RawDataElement) or not element.value:
        return []
    text = element.value.decode("ascii", "replace")
    if not element.value.isascii() or b"\x1b" in element.value:  # ISO 2022 switches character sets by an escape
        with suppress(Exception):  # pydicom's decoders may raise any exception
            text = decode_bytes(element.value, convert_encodings(dataset.original_character_set), TEXT_VR_DELIMS)
    return [part.strip(PADDING) for part in text.rstrip(PADDING).split("\\")]


def _items(dataset: Dataset, tag: BaseTag) -> list[Dataset]:
    """The items of a sequence; none of what isn't one or can't be read."""
    try:
        found = dataset[tag].value
    except Exception:  # pydicom may raise any exception
        return []
    return list(found) if isinstance(found, Items) else []


def _is_sequence(tag: int) -> bool:
    """Whether an element in an item is a sequence of the standard that the profile doesn't touch."""
    return not removes(tag) and dictionary_has_tag(tag) and dictionary_VR(tag) == VR.SQ


def _joined(elements: dict[int, bytes]) -> bytes:
    return b"".join(elements[tag] for tag in sorted(elements))
