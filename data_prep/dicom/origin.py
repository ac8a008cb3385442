"""Origins: the attributes that results must repeat from the slices that they were made from.

A result belongs to the patient, study and frame of reference of its slices (PS3.3 C.7.1.1, C.7.2.1, C.7.4.1) and names
the equipment (C.7.5.1). The allow-list is `header.REPEATED`; the geometry is the volume's. A value that can't be read,
or that breaks the rules of its representation (PS3.5 6.2), is left out and never quoted.
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
from data_prep.dicom.header import DEMANDED, REPEATED
from data_prep.dicom.part10 import UID_LENGTH
from data_prep.limits import SLICE_STEP_MM

UNICODE = "ISO_IR 192"
# The longest value that is repeated: a name of three groups, 64 characters each, several bytes per character.
MAX_BYTES = 1024
# PS3.5 9.1, except that leading zeros are allowed: scanners write them, and a FrameOfReferenceUID must be repeated
# unchanged.
LIKE_A_UID = re.compile(r"[0-2](\.[0-9]+)+")
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
    elements: _Elements = {}
    for keyword, tag in _TAGS.items():
        element = _readable(source, keyword)
        if element is None and keyword in DEMANDED:
            element = DataElement(tag, dictionary_VR(tag), empty_value_for_VR(dictionary_VR(tag)))
        if element is not None:
            elements[tag] = element
    if _TAGS["DeidentificationMethod"] not in elements:  # The flag requires the method (C.7.1.1).
        elements.pop(_TAGS["PatientIdentityRemoved"], None)
    return elements


def _readable(source: Dataset, keyword: str) -> DataElement | None:
    """The element with its value as text; None if it is absent or its value isn't valid for its keyword."""
    tag = _TAGS[keyword]
    representation = dictionary_VR(tag)
    try:
        if len(source.get_item(tag).value) > MAX_BYTES:
            return None
        element = source[tag]
        texts = [str(value) for value in (element.value if element.VM > 1 else [element.value])]
        sound = representation == element.VR and all(_sound(keyword, representation, text) for text in texts)
        if source.original_character_set in (
            default_encoding,
            [default_encoding],
        ):  # No character set was named: ASCII.
            sound = sound and all(text.isascii() for text in texts)
    except Exception:  # pydicom's converters may raise any exception
        return None
    if not sound or (len(texts) > 1 and dictionary_VM(tag) == "1"):
        return None
    return DataElement(tag, representation, texts if len(texts) > 1 else texts[0])


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
    return text in ENUMERATED.get(keyword, (text,))
