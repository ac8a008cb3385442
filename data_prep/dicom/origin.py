"""Origins: the attributes that results must repeat from the slices that they were made from.

A result belongs to the patient, study and frame of reference of its slices (PS3.3 C.7.1.1, C.7.2.1, C.7.4.1) and names
the equipment (C.7.5.1) and the request (C.7.3.1). The allow-list is `header.REPEATED`; the geometry is the volume's. A
value that can't be read, or that breaks the rules of its representation (PS3.5 6.2), is left out and never quoted.
"""

import re
import sys
from collections.abc import Sequence

from pydicom.charset import default_encoding
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import DA, TM, validate_value

from data_prep.dicom.frames import Frame
from data_prep.dicom.header import CODE, DEMANDED, REPEATED, REPEATED_OF_ITEMS
from data_prep.dicom.part10 import UID_LENGTH
from data_prep.limits import SLICE_STEP_MM

UNICODE = "ISO_IR 192"
# The longest value that is repeated: a name of three groups, 64 characters each, several bytes per character.
MAX_BYTES = 1024
# PS3.5 9.1, except that leading zeros are allowed: scanners write them, and a FrameOfReferenceUID must be repeated
# unchanged.
LIKE_A_UID = re.compile(r"[0-2](\.[0-9]+)+")
# Studies answer few requests; more items aren't repeated.
MAX_ITEMS = 8
# PS3.3 C.12.1.1.8.
OFFSET = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")
# Decoders write this in place of a character that they can't read.
REPLACEMENT = "\ufffd"
# No knee that Cruciate reads is older; anonymisers write the year 1.
EARLIEST_DATE = "18000101"
ENUMERATED = {
    "PatientSex": frozenset("MFO"),
    "PatientIdentityRemoved": frozenset({"YES", "NO"}),
    "LossyImageCompression": frozenset({"00", "01"}),
}
_NAMES = {
    keyword: (Tag(keyword), dictionary_VR(keyword))
    for keyword in (
        *("SpecificCharacterSet", "Modality", "StudyInstanceUID", "SeriesInstanceUID"),
        *("SOPClassUID", "SOPInstanceUID", "ReferencedFrameNumber"),
    )
}
_TAGS = {keyword: Tag(keyword) for keyword in REPEATED}

_Elements = dict[BaseTag, DataElement | RawDataElement]


def origins(frames: Sequence[Frame]) -> tuple[Dataset, ...]:
    """The origin of each frame.

    Returns:
        A small Dataset without pixels for each frame, in order, with text in Unicode. It can be converted to DICOM JSON
        and back. It names the frame (SOPClassUID, SOPInstanceUID, StudyInstanceUID, SeriesInstanceUID, and
        ReferencedFrameNumber within a multi-frame instance) and holds the attributes of `header.REPEATED` that can be
        read; type 2 attributes are always present.
    """
    # Slices of one series have the same patient and study, which are read once.
    repeated: dict[tuple[object, ...], _Elements] = {}
    found = []
    for frame in frames:
        sent = (frame.study_uid, frame.series_uid, *_as_sent(frame.attributes))
        if sent not in repeated:
            repeated[sent] = _repeated(frame.attributes) | _names_of_series(frame)
        elements = repeated[sent] | _names(frame)
        if "ImagePositionPatient" not in frame.header.values:  # its position is assumed, in no frame of reference
            elements.pop(_TAGS["FrameOfReferenceUID"], None)
        found.append(Dataset(elements))
    return tuple(found)


def _as_sent(source: Dataset) -> tuple[object, ...]:
    """A key that is equal for headers with the same values."""
    sent = [_written(source.get_item(tag)) for tag in _TAGS.values()]
    return str(source.original_character_set), *sent


def _written(element: DataElement | RawDataElement | None) -> tuple[object, ...] | None:
    if isinstance(element, RawDataElement):
        return element.VR, element.value
    return None if element is None else (element.VR, str(element.value))


def _names_of_series(frame: Frame) -> _Elements:
    return _elements(
        SpecificCharacterSet=UNICODE,
        StudyInstanceUID=frame.study_uid,
        SeriesInstanceUID=frame.series_uid,
        Modality=frame.header.text("Modality"),
    )


def _names(frame: Frame) -> _Elements:
    names = {"SOPClassUID": frame.header.text("SOPClassUID"), "SOPInstanceUID": frame.sop_uid}
    if frame.pixels.frames > 1:
        names["ReferencedFrameNumber"] = str(frame.number)
    return _elements(**names)


def _elements(**values: str) -> _Elements:
    elements = [DataElement(*_NAMES[keyword], value) for keyword, value in values.items()]
    return {element.tag: element for element in elements}


def _repeated(source: Dataset) -> _Elements:
    # Without a character set, text is ASCII.
    ascii_only = source.original_character_set in (default_encoding, [default_encoding])
    elements = _readable(source, REPEATED, ascii_only)
    for keyword in DEMANDED:
        tag = _TAGS[keyword]
        elements.setdefault(tag, DataElement(tag, dictionary_VR(tag), empty_value_for_VR(dictionary_VR(tag))))
    if _TAGS["DeidentificationMethod"] not in elements:  # The flag requires the method (C.7.1.1).
        elements.pop(_TAGS["PatientIdentityRemoved"], None)
    return elements


def _readable(source: Dataset, keywords: Sequence[str], ascii_only: bool) -> _Elements:
    """The elements that are present and valid."""
    elements: _Elements = {}
    for keyword in keywords:
        read = _items if keyword in REPEATED_OF_ITEMS else _value
        try:
            element = read(source, keyword, ascii_only)
        except Exception:  # pydicom's converters may raise any exception
            element = None
        if element is not None:
            elements[element.tag] = element
    return elements


def _value(source: Dataset, keyword: str, ascii_only: bool) -> DataElement | None:
    """The element with its value as text; None if its value isn't valid. It raises an exception if it can't be read."""
    tag = Tag(keyword)
    representation = dictionary_VR(tag)
    if len(source.get_item(tag).value) > MAX_BYTES:
        return None
    element = source[tag]
    texts = [str(value) for value in (element.value if element.VM > 1 else [element.value])]
    sound = representation == element.VR and all(_sound(keyword, representation, text) for text in texts)
    if not sound or (len(texts) > 1 and dictionary_VM(tag) == "1") or (ascii_only and not "".join(texts).isascii()):
        return None
    return DataElement(tag, representation, texts if len(texts) > 1 else texts[0])


def _items(source: Dataset, keyword: str, ascii_only: bool) -> DataElement | None:
    """A sequence with what is repeated of its first items; None if nothing is left. It may raise, like `_value`."""
    items = source[keyword].value[:MAX_ITEMS]
    read = (Dataset(_readable(item, REPEATED_OF_ITEMS[keyword], ascii_only)) for item in items)
    kept = [item for item in read if _complete(item, keyword)]
    return DataElement(Tag(keyword), "SQ", kept) if kept else None


def _complete(item: Dataset, keyword: str) -> bool:
    """A code has a value, a scheme and a meaning (PS3.3 8.8); other items have anything."""
    needed = {*CODE} - {"CodingSchemeVersion"} if REPEATED_OF_ITEMS[keyword] == CODE else ()
    return bool(item) and all(part in item for part in needed)


def _sound(keyword: str, representation: str, text: str) -> bool:
    """Whether a value is valid. It may also raise an exception if it isn't."""
    if not text.strip() or REPLACEMENT in text or "\\" in text or not text.isprintable():
        return False
    if representation == "UI":
        return len(text) <= UID_LENGTH and LIKE_A_UID.fullmatch(text) is not None
    validate_value(representation, text, RAISE)
    if representation == "DA":  # A day, not a range of days.
        return DA(text) is not None and "-" not in text and text >= EARLIEST_DATE
    if representation == "TM":
        return TM(text) is not None and "-" not in text
    if representation == "DS":
        return 0 < float(text) <= (SLICE_STEP_MM[1] if keyword == "SliceThickness" else sys.float_info.max)
    if keyword == "TimezoneOffsetFromUTC":
        return OFFSET.fullmatch(text) is not None
    return text in ENUMERATED.get(keyword, (text,))
