"""Which values of numbers, times and codes are what their attribute means, and not a text in the wrong place."""

import math
import re
import struct

from pydicom import config
from pydicom.datadict import dictionary_has_tag, dictionary_VM
from pydicom.uid import UID
from pydicom.valuerep import VR

from data_prep.deidentify.words import UNKNOWN, without_rows, without_unknown
from data_prep.dicom.part10 import is_uid
from data_prep.selection.wording import WORDS

# How numbers are stored.
FORMATS = {
    **{VR.US: "H", VR.SS: "h", VR.UL: "L", VR.SL: "l", VR.FL: "f", VR.FD: "d", VR.AT: "HH"},
    VR.US_SS: "H",  # implicit VR leaves the choice open
}
# How many values are kept where the dictionary sets no limit: of binary numbers, and of texts.
MOST_NUMBERS, MOST_VALUES = 16, 64
# The largest of several integers, the largest integer, and the range of other numbers. Text would be above all of them:
# 0x20, the space, is the lowest first byte.
LARGEST_OF_SEVERAL, LARGEST_INTEGER = 0x1FFF, 1_000_000
SMALLEST, LARGEST = 1e-6, 1e9
# No number that is kept has more digits before its point. Dates, patients' numbers and telephone numbers have.
NUMBER = re.compile(r"(?:[+-]?(?:\d{1,6}(?:[.,]\d{0,20})?|[.,]\d{1,20})(?:[eE][+-]?\d{1,3})?)?", re.ASCII)
# PS3.5 6.2, TM, also with the colons of ACR-NEMA.
TIME = re.compile(r"(?:(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?", re.ASCII)
CODE = re.compile(r"[A-Z0-9 _*.+/-]{0,16}")
CODE_WORD = re.compile(r"[A-Z0-9]+")
UNKNOWN_CODE = UNKNOWN.upper()
# Too short for a name, as far as anybody could tell.
LONGEST_SHORT = 2
# Directions (PS3.3 C.7.6.1.1.1), nuclei, numbers of echoes and coils.
CODE_FORMS = re.compile(r"[APLRHF]{1,3}|\d{1,3}[A-Z]{0,2}|(?:[A-Z]|ECHO|T[EIR]|EP|S[LE]T?|FM|SAT)\d{1,3}", re.ASCII)
COMPRESSION = re.compile(r"ISO_1\d{4}_\d{1,2}", re.ASCII)
# Defined terms of the attributes that are kept (PS3.3), and GE's scan options. wording.toml has those of image types.
TERMS = frozenset(
    " ".join(
        (
            "MR CT PT NM US CR DX MG XA RF OT SC SR KO PR SEG REG RTSTRUCT RTDOSE RTPLAN DOC ES XC SM OP PX IO AU ECG",
            "SE IR GR EP RM SK MTC SS TRSS SP MP OSP NONE PER RG CG PPG FC PFF PFP FS DIXON",
            "FAST GEMS NPW FILTERED EDR ACC VB IFLOW SEQ FSS FLEX IDEAL ASSET ARC WE WATS SPIR SPAIR STIR",
            "SPIN GRADIENT BOTH YES NO FAT AND WATER SILICON GEL DIFFUSION FLOW ENCODED FLUID ATTENUATED PERFUSION",
            "PROTON DENSITY TAGGING STAR TOF UNKNOWN MIXED MAGNITUDE PHASE REAL IMAGINARY",
            "MONOCHROME1 MONOCHROME2 RGB YBR FULL 422 ICT RCT PARTIAL PALETTE COLOR MONOCHROME TRUE",
            "LINEAR EXACT SIGMOID IDENTITY INVERSE ROW COL COLUMN OTHER PRODUCT RESEARCH SERVICE",
            "HFS HFP FFS FFP HFDR HFDL FFDR FFDL LFP LFS RFP RFS AFDR AFDL PFDR PFDL",
            "VOLUME SAMPLED DISTORTED MAX MIN IP RENDER SURFACE MPR CURVED 129XE",
        )
    ).split()
) | frozenset(part for words in WORDS["image_type"].values() for word in words for part in CODE_WORD.findall(word))


def most_values(tag: int, endless: int) -> int:
    """How many values an attribute may have; `endless` where the dictionary sets no limit."""
    last = dictionary_VM(tag).split("-")[-1]
    return int(last) if last.isdigit() else endless


def plausible(raw: bytes, representation: str, tag: int, little_endian: bool) -> bool:
    """Whether bytes are as many and as large numbers as an attribute may have."""
    form = f"{'<' if little_endian else '>'}{FORMATS[VR(representation)]}"
    size = struct.calcsize(form)
    if len(raw) % size or len(raw) // size > most_values(tag, MOST_NUMBERS):
        return False
    found = list(struct.iter_unpack(form, raw))
    if representation == VR.AT:
        return all(dictionary_has_tag(group << 16 | element) for group, element in found)
    values = [value for (value,) in found]
    if representation in (VR.FL, VR.FD):
        return all(value == 0 or (math.isfinite(value) and SMALLEST <= abs(value) <= LARGEST) for value in values)
    largest = LARGEST_OF_SEVERAL if len(values) > 1 and size == struct.calcsize("<H") else LARGEST_INTEGER
    return all(abs(value) <= largest for value in values)


def number(text: str) -> str:
    """A number as it is; `UNKNOWN` in place of anything else."""
    return text if NUMBER.fullmatch(text) else UNKNOWN


def time(text: str) -> str:
    """A time of day as it is; nothing in place of anything else."""
    return text if TIME.fullmatch(text) else ""


def standard_uid(text: str) -> str:
    """A UID of the standard as it is; nothing in place of anything else."""
    return text if is_uid(text) and UID(text, config.IGNORE).type else ""


def code(text: str) -> str:
    """A code string with its known words (PS3.5 6.2, CS). Of anything else, the words that Cruciate understands."""
    if not CODE.fullmatch(text):
        return text if text == "\\" else without_unknown(text)
    if len(text) <= LONGEST_SHORT:
        return text
    if COMPRESSION.fullmatch(text):
        return text
    return CODE_WORD.sub(lambda word: _known_code(word[0]), without_rows(text, UNKNOWN_CODE))


def _known_code(word: str) -> str:
    if word in TERMS or CODE_FORMS.fullmatch(word) or without_unknown(word) == word:
        return word
    return "MAP" if word.endswith("MAP") else UNKNOWN_CODE  # the kind of an image goes by this ending
