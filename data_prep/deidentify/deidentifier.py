"""A DICOM file (PS3.10) without the patient's identity, by PS3.15 annex E.

Pixels are copied as they are, as many as the header describes: text in them, and comments within compressed frames,
aren't found.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, DeflatedExplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from data_prep.deidentify.cleaning import Cleaner, Encoding, texts
from data_prep.deidentify.profile import KEPT, TOP_SEQUENCES
from data_prep.deidentify.pseudonyms import Pseudonyms
from data_prep.deidentify.values import standard_uid
from data_prep.dicom.archive import PIECE, PREAMBLE, PREFIX
from data_prep.dicom.budget import Budget
from data_prep.dicom.elements import Walk
from data_prep.dicom.part10 import ITEM_TAGS, Opened, PixelElement, is_uid, open_file, parse
from data_prep.dicom.private import PRIVATE_TAGS
from data_prep.dicom.transfer_syntax import NATIVE
from data_prep.errors import MalformedInput
from data_prep.selection.usable import MR_CLASSES

SOP_CLASS, SOP_INSTANCE, BURNED_IN = 0x00080016, 0x00080018, 0x00280301
# What was done (PS3.16 CID 7050).
BASIC, DESCRIPTORS, DATES, UIDS, PRIVATE = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113105", "Clean Descriptors Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113110", "Retain UIDs Option"),
    ("113111", "Retain Safe Private Option"),
)
BURNED_IN_REFUSED = (
    "The headers say, or may say, that text in the pixels identifies the patient (BurnedInAnnotation). This service "
    "keeps de-identified images only, and doesn't remove text from pixels."
)
METHOD = "Cruciate: PS3.15 basic profile; pixels not cleaned"
# A fragment's tag and length.
FRAGMENT_HEAD = 8
_TAGS = [*KEPT, *TOP_SEQUENCES, *PRIVATE_TAGS]
_META = Encoding(implicit=False, little_endian=True)


@dataclass(frozen=True)
class Deidentifier:
    """Removes what identifies a patient from DICOM files. The same file gives the same bytes.

    Attributes:
        pseudonyms: what stands in place of identities.
    """

    pseudonyms: Pseudonyms

    def write(self, source: BinaryIO, target: BinaryIO, budget: Budget) -> bool:
        """Write a file without the patient's identity.

        Args:
            source: the file, seekable.
            target: where it is written.
            budget: pays for elements and items; the file's bytes must be counted already.

        Returns:
            Whether its header says, or may say, that text in the pixels identifies the patient.

        Raises:
            MalformedInput: it is damaged.
            InputOverLimit: it exceeds a limit.
        """
        opened = open_file(source, budget)
        opened = opened.inflated(budget)
        parsed = parse(opened, _TAGS, budget)
        start = opened.stream.tell()
        dataset, encoding = parsed.dataset, Encoding(bool(parsed.dataset.original_encoding[0]), opened.little_endian)
        elements = Cleaner(self.pseudonyms, encoding, budget, dataset).elements() | self._told(encoding)
        end = 0 if parsed.pixels is None else _end(opened, encoding, parsed.pixels, dataset, budget)
        target.write(bytes(PREAMBLE) + PREFIX + self._meta(opened.syntax, dataset))
        packing = opened.syntax == DeflatedExplicitVRLittleEndian  # unpacked, a small file may take much of the disk
        written = _Deflating(target) if packing else target
        written.write(b"".join(elements[tag] for tag in sorted(elements)))
        if parsed.pixels is not None:
            written.write(_head(opened, encoding, parsed.pixels, start, end))
            _copy(opened, parsed.pixels.start, end, written)
        if isinstance(written, _Deflating):
            written.finish()
        return _names_the_patient(dataset)

    def cleaned(self, content: bytes, budget: Budget) -> bytes:
        """The bytes of a file without the patient's identity. Raises the errors of `write`."""
        target = BytesIO()
        budget.take_sent(len(content))
        self.write(BytesIO(content), target, budget)
        return target.getvalue()

    def _meta(self, syntax: str, dataset: Dataset) -> bytes:
        """The file meta information (PS3.10 7.1), without names of applications."""
        named = {
            0x00020002: standard_uid("".join(texts(dataset, SOP_CLASS)[:1])),
            0x00020003: self.pseudonyms.uid("".join(texts(dataset, SOP_INSTANCE)[:1])),
            0x00020010: syntax,
            0x00020012: PYDICOM_IMPLEMENTATION_UID,
        }
        elements = _META.element(0x00020001, VR.OB, b"\0\1")
        elements += b"".join(_META.text(tag, VR.UI, uid) for tag, uid in named.items() if is_uid(uid))
        return _META.element(0x00020000, VR.UL, struct.pack("<L", len(elements))) + elements

    def _told(self, encoding: Encoding) -> dict[int, bytes]:
        """What was done, as attributes (PS3.3 C.7.1.1, C.12.1)."""
        done = (BASIC, DESCRIPTORS, DATES, *([UIDS] if self.pseudonyms.retain_uids else []), PRIVATE)
        items = [
            encoding.text(0x00080100, VR.SH, value)
            + encoding.text(0x00080102, VR.SH, "DCM")
            + encoding.text(0x00080104, VR.LO, meaning)
            for value, meaning in done
        ]
        return {
            0x00120062: encoding.text(0x00120062, VR.CS, "YES"),
            0x00120063: encoding.text(0x00120063, VR.LO, METHOD),
            0x00120064: encoding.sequence(0x00120064, items),
            0x00280303: encoding.text(0x00280303, VR.CS, "MODIFIED"),
        }


class _Deflating:
    """Packs what is written to it as a raw deflate stream (PS3.5 A.5)."""

    def __init__(self, target: BinaryIO) -> None:
        self._target, self._packer = target, zlib.compressobj(wbits=-zlib.MAX_WBITS)

    def write(self, content: bytes) -> None:
        self._target.write(self._packer.compress(content))

    def finish(self) -> None:
        self._target.write(self._packer.flush())


def _names_the_patient(dataset: Dataset) -> bool:
    """Whether BurnedInAnnotation says anything but NO: what isn't understood may mean YES."""
    if BURNED_IN not in dataset:
        return False
    if not isinstance(dataset.get_item(BURNED_IN), RawDataElement):
        return True
    said = (re.sub(r"[\W_]", "", text).upper() for text in texts(dataset, BURNED_IN))
    return any(text not in ("", "NO") for text in said)


def _end(opened: Opened, encoding: Encoding, pixels: PixelElement, dataset: Dataset, budget: Budget) -> int:
    """Where the pixels end in the stream. What follows them, such as signatures and padding, isn't kept."""
    opened.stream.seek(pixels.start)
    fragments = opened.stream.read(len(ITEM_TAGS[0])) in ITEM_TAGS and opened.syntax not in NATIVE
    opened.stream.seek(pixels.start)
    if pixels.length is None:
        Walk(opened.stream, encoding.implicit, encoding.little_endian, budget).skip(pixels.vr)
        return opened.stream.tell()
    if fragments:  # some writers give their length all the same
        return _end_of_fragments(opened.stream, pixels.start + pixels.length)
    try:
        return pixels.start + min(pixels.length, _native_length(dataset))
    except MalformedInput:
        if not MR_CLASSES.isdisjoint(texts(dataset, SOP_CLASS)):
            raise
    return pixels.start  # of a screenshot, for example: nobody needs its pixels


def _end_of_fragments(stream: BinaryIO, last: int) -> int:
    end = stream.tell()
    while end + FRAGMENT_HEAD <= last:
        tag, length = struct.unpack("<4sL", stream.read(FRAGMENT_HEAD))
        if tag not in ITEM_TAGS or end + FRAGMENT_HEAD + length > last:
            break
        end = stream.seek(end + FRAGMENT_HEAD + length)
    return end


def _native_length(dataset: Dataset) -> int:
    """How many bytes the pixels have that the header describes, made even."""
    sizes = {"Rows": 0, "Columns": 0, "BitsAllocated": 0, "SamplesPerPixel": 1, "NumberOfFrames": 1}
    bits = 1
    for keyword, default in sizes.items():
        try:
            value = int(dataset.get(keyword) or default)
        except Exception:  # pydicom may raise any exception
            value = 0
        if value < 1:
            raise MalformedInput(f"{keyword} can't be right, so that nobody knows where its pixels end.")
        bits *= value
    return (bits + 15) // 16 * 2


def _head(opened: Opened, encoding: Encoding, pixels: PixelElement, start: int, end: int) -> bytes:
    """What comes before the pixels' value: as it was, with the length of what is kept."""
    opened.stream.seek(start)
    head = opened.stream.read(pixels.start - start)
    if pixels.length is None:
        return head
    size = "L" if encoding.implicit or pixels.vr in EXPLICIT_VR_LENGTH_32 else "H"
    packed = struct.pack(f"{'<' if encoding.little_endian else '>'}{size}", end - pixels.start)
    return head[: -len(packed)] + packed


def _copy(opened: Opened, start: int, end: int, target: BinaryIO | _Deflating) -> None:
    opened.stream.seek(start)
    while piece := opened.stream.read(min(PIECE, end - opened.stream.tell())):
        target.write(piece)
