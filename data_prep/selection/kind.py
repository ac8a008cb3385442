"""What kind of image an image is: a picture of the anatomy, or another image that studies contain.

Evidence, the strongest first: FrameType and ImageType at any position (PS3.3 C.7.6.1.1.2, C.8.3.1.1.1, C.8.13.3.1.1)
with their copies in vendors' private attributes, ComplexImageComponent (C.8.13.3.1.2), and the description of the
series. Words and their meanings are in wording.toml, real values with their sources in tests/data_prep/kinds.toml.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

from data_prep.dicom.header import Header, Value
from data_prep.selection.wording import WORDS, fat_alone, plain, says, suppression


class Kind(StrEnum):
    """The kind of an image. If a header names several, the first one in this list counts.

    The values are the reasons in messages why an image can't be predicted on.
    """

    PICTURE = "screenshot or report"
    LOCALIZER = "localizer"
    MASK = "mask or segmentation"
    PROJECTION = "projection of another series"
    SECONDARY = "secondary image, made from others"
    REFORMAT = "reformatted from another series"
    DIFFERENCE = "difference of other images"
    MAP = "computed map"
    DIFFUSION = "diffusion image"
    MOSAIC = "mosaic of slices in one image"
    PHASE = "phase image"
    REAL = "real part"
    IMAGINARY = "imaginary part"
    FAT = "fat image"
    OPPOSED_PHASE = "opposed-phase image"
    WATER = "water image"
    IN_PHASE = "in-phase image"
    ANATOMY = "picture of the anatomy"


# The kinds that can be predicted on: a water image is anatomy with fat suppressed, an in-phase image anatomy with fat.
PREDICTABLE = (Kind.ANATOMY, Kind.WATER, Kind.IN_PHASE)
# Kinds that a description alone decides, whatever ImageType says.
DECIDED_BY_TEXT = (Kind.PICTURE, Kind.LOCALIZER, Kind.FAT, Kind.OPPOSED_PHASE, Kind.WATER, Kind.IN_PHASE)
# Kinds that a description decides if ImageType doesn't say ORIGINAL: the echoes for a map may also be named "T2 map".
HINTED_BY_TEXT = (Kind.MASK, Kind.PROJECTION, Kind.REFORMAT, Kind.DIFFERENCE, Kind.MAP, Kind.DIFFUSION, Kind.PHASE)
DIXON_PARTS = {
    "dixon_water": Kind.WATER,
    "dixon_fat": Kind.FAT,
    "dixon_in_phase": Kind.IN_PHASE,
    "dixon_opposed_phase": Kind.OPPOSED_PHASE,
}
# GE names the four series of a Dixon scan like "WATER: Sag PD FSE Flex".
PREFIX = re.compile(r"^\s*(water|fat|in ?phase|out ?phase)\s*:", re.IGNORECASE)
PREFIXES = {"water": Kind.WATER, "fat": Kind.FAT, "inphase": Kind.IN_PHASE, "outphase": Kind.OPPOSED_PHASE}
# GE's number for the component in the pixels ((0043,xx2F), creator GEMS_PARM_01); 0 is magnitude.
GE_COMPONENTS = {1.0: Kind.PHASE, 2.0: Kind.REAL, 3.0: Kind.IMAGINARY}
# Values that only number an echo, an inversion or a coil: "ECHO_01", "TE3", "TI1", "H2".
NUMBERED = re.compile(r"(?:ECHO|TE|TI|E|H|C|SET|SL|EP)? ?\d+|FM\d+ \d+")
# A weighting in a derived image's type means a map (DERIVED, PRIMARY, T2), unless a word of the second set is present.
WEIGHTINGS = frozenset({"T1", "T2", "T2 STAR", "T2*", "PD"})
STILL_WEIGHTED = frozenset({"NONE", "MIXED", "SYNTHETIC", "UNIFORM"})
CORRECTIONS = frozenset({"DIS2D", "DIS3D", "GDC", "NORM", "PRESCAN NORM"})
FAT_DOUBT = "its description names fat, but doesn't say whether fat is suppressed or shown"
DIXON_DOUBT = "it belongs to a Dixon scan, but its headers don't say whether it shows water or fat"
# Fat fraction and fractional anisotropy in the description of a derived image; "FA 15" is a flip angle.
SHORT_MAPS = re.compile(r"(?<= )(?:ff|fa)(?= (?!\d))")
DERIVED_DOUBT = "it is derived, but neither ImageType nor its description says from what"
MAPPED, TECHNIQUES = frozenset({"t1", "t2", "t2star"}), frozenset({"se", "tse", "fse", "cse", "turbo", "spin"})
PROTON_DENSITY = frozenset({"pd", "pdw", "dp", "dpw"})
# Values of ImageType that don't show how a derived image was made.
EMPTY_TYPES = frozenset(
    {"DERIVED", "PRIMARY", "OTHER", "NONE", "MIXED", "UNSPECIFIED", "UNKNOWN", "UNDEFINED", "VOLUME"}
)
EVIDENCE = (
    *("FrameType", "ImageType", "ImageTypeCopy", "ComplexImageComponent", "ComponentNumber"),
    *("SeriesDescription", "ProtocolName", "Manufacturer", "ScanOptions", "DiffusionBValue"),
)
# ScanOptions such as DIXW and DIXF name a part of a Dixon scan; other options don't name a kind of image.
DIXON_OPTION = "DIX"
# Lower b-values hardly change an image; from this value on it is a diffusion image.
DIFFUSION_FROM = 100.0
# Pixels of a routine knee series are 0.3 to 0.8 mm; those of a scout (field of view 300 to 500 mm) are 1.2 to 2 mm.
COARSE_PIXELS_MM = 1.15
# Larger pixels are impossible for one knee: even a field of view of 400 mm has 256 pixels.
SCOUT_PIXELS_MM = 1.5
# Routine slices are 2.5 to 5 mm apart, those of a scout up to 10 mm.
THICK_MM = 5.5
# A routine sagittal knee series has 15 slices or more. With fewer than FEW_SLICES, a step of SPARSE_MM is suspicious.
FEW_SLICES = 12
SPARSE_MM = 4.5
# No scanner writes this many values; further values aren't read.
MOST_VALUES = 32
# Unknown words that are told. They aren't quoted: a word that isn't DICOM's may be anything, even a name.
MOST_TOLD = 3
Values = tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Finding:
    """What a header says of an image's kind.

    Attributes:
        kind: the kind.
        doubts: what is unclear, in words.
        serious: whether the image may not be a picture of the anatomy.
    """

    kind: Kind
    doubts: tuple[str, ...] = ()
    serious: bool = False


def find(header: Header) -> Finding:
    """The kind of image that the header describes. Cached, because the slices of a series share these values."""
    return _find(tuple(header.values.get(keyword, ()) for keyword in EVIDENCE))


def derived(header: Header) -> bool:
    """Whether the image was computed from others, by FrameType, or by ImageType if there is no FrameType."""
    return "DERIVED" in _types(header.values.get("FrameType") or header.values.get("ImageType", ()))


def corrections(header: Header) -> int:
    """How many corrections ImageType names: for distortion (DIS2D, DIS3D, Canon's GDC), for coil shading (NORM)."""
    return len(CORRECTIONS & {*_types(header.values.get("ImageType", ()))})


def water_or_fat(header: Header) -> bool:
    """Whether an image of a Dixon scan, or one whose description names fat, may show either water or fat."""
    return not {DIXON_DOUBT, FAT_DOUBT}.isdisjoint(find(header).doubts)


def scout_signs(slices: int, spacing_mm: tuple[float, float, float], planes: int) -> tuple[str, ...]:
    """Why a stack looks like a localizer, whatever its name is. Few slices close together are no sign.

    Args:
        slices: number of slices.
        spacing_mm: distance between neighbouring slices, rows and columns.
        planes: in how many planes the series has images.
    """
    step, *pixel = spacing_mm
    signs = {
        f"{slices} slices {step:.1f} mm apart": step >= (SPARSE_MM if slices < FEW_SLICES else THICK_MM),
        f"pixels of {max(pixel):.2f} mm": min(pixel) >= COARSE_PIXELS_MM,
        f"images in {planes} planes": planes > 1,
    }
    return tuple(sign for sign, seen in signs.items() if seen)


def scout_by_geometry(slices: int, spacing_mm: tuple[float, float, float], planes: int) -> bool:
    """Whether a stack must be a localizer: it has one strong sign, or two signs. Arguments as in `scout_signs`."""
    signs = len(scout_signs(slices, spacing_mm, planes))
    coarse = min(spacing_mm[1:]) >= SCOUT_PIXELS_MM
    few = slices < FEW_SLICES and spacing_mm[0] >= THICK_MM
    return coarse or few or signs > 1


@lru_cache(4096)
def _find(values: Values) -> Finding:
    evidence = dict(zip(EVIDENCE, values, strict=True))
    named, unknown = _typed(evidence)
    types = _types(evidence["FrameType"] or evidence["ImageType"])
    original = "ORIGINAL" in types
    if not named and "DERIVED" in types and WEIGHTINGS & {*types} and not STILL_WEIGHTED & {*types}:
        named = {Kind.MAP}
    dixon = "DIXON" in _types((*evidence["FrameType"], *evidence["ImageType"])) or _speaks_of_dixon(evidence)
    described = _described(evidence, dixon)
    decided = {kind for kind in described if kind in DECIDED_BY_TEXT and not _settled(kind, named)}
    if Kind.LOCALIZER in decided and _for_readers(evidence):
        decided.remove(Kind.LOCALIZER)
    kind = _first({*named, *decided})
    if kind is Kind.ANATOMY and not original:
        kind = _first({kind for kind in described if kind in HINTED_BY_TEXT})
    short_map = "DERIVED" in types and any(SHORT_MAPS.search(plain(text)) for text in _all_texts(evidence))
    if kind is Kind.ANATOMY and short_map and not _weighted(evidence):
        kind = Kind.MAP
    if kind not in PREDICTABLE:
        return Finding(kind)
    doubts = [f"word {place} of ImageType isn't known" for place in unknown]
    hints = sorted(hint.value for hint in described if hint not in PREDICTABLE and not _settled(hint, named))
    hints += [Kind.MAP.value] if short_map and Kind.MAP.value not in hints else []
    doubts += [f"its description has words for another kind of image ({hint})" for hint in hints]
    if kind is Kind.ANATOMY and dixon:
        doubts.append(DIXON_DOUBT)
    elif kind is Kind.ANATOMY and any(fat_alone(plain(text)) for text in _texts(evidence, "SeriesDescription")):
        doubts.append(FAT_DOUBT)
    if kind is Kind.ANATOMY and "DERIVED" in types and EMPTY_TYPES.issuperset(types) and not _weighted(evidence):
        doubts.append(DERIVED_DOUBT)
    return Finding(kind, tuple(doubts), serious=bool(hints) or (bool(unknown) and not original))


def _first(kinds: set[Kind]) -> Kind:
    return next((kind for kind in Kind if kind in kinds), Kind.ANATOMY)


def _settled(kind: Kind, named: set[Kind]) -> bool:
    """Whether ImageType names the part of a Dixon scan, so that words like "fat" in a description don't count."""
    parts = set(DIXON_PARTS.values())
    return kind in parts and not parts.isdisjoint(named)


def _typed(evidence: Mapping[str, tuple[Value, ...]]) -> tuple[set[Kind], list[int]]:
    """The kinds that FrameType, ImageType and similar attributes name, and the places of unknown words, from 1.

    In an enhanced image FrameType counts, which describes one frame; ImageType describes all frames.
    """
    component = _types(evidence["ComplexImageComponent"])
    named = _kinds_of(component)
    for name in ("FrameType", "ImageTypeCopy"):
        named |= {kind for kind in _kinds_of(_types(evidence[name])) if not _settled(kind, named)}
    of_all = _kinds_of(_types(evidence["ImageType"]))
    if evidence["FrameType"]:
        of_all &= {Kind.LOCALIZER}
    named |= {kind for kind in of_all if not _settled(kind, named)}
    words = _types(evidence["FrameType"] or evidence["ImageType"])
    unknown = [words.index(word) + 1 for word in dict.fromkeys(words) if not _kind_of_type(word)]
    named |= {kind for number, kind in GE_COMPONENTS.items() if number in evidence["ComponentNumber"]}
    options = _types(evidence["ScanOptions"])
    named |= _kinds_of(word for word in options if word.startswith(DIXON_OPTION))
    if any(isinstance(value, float) and value >= DIFFUSION_FROM for value in evidence["DiffusionBValue"]):
        named.add(Kind.DIFFUSION)
    return named, unknown[:MOST_TOLD]


def _kinds_of(words: Iterable[str]) -> set[Kind]:
    """The kinds that values of ImageType name, except anatomy."""
    return {kind for word in words if (kind := _kind_of_type(word))} - {Kind.ANATOMY}


def _types(values: tuple[Value, ...]) -> list[str]:
    """Values of ImageType in capitals, with spaces for underscores and hyphens; Siemens' copy separates by slashes."""
    words = [word for value in values[:MOST_VALUES] for word in re.split(r"[/\\]", str(value))]
    return [name for word in words[:MOST_VALUES] if (name := re.sub(r"[\s_-]+", " ", word).strip().upper())]


@cache
def _types_by_word() -> dict[str, Kind]:
    kinds = {kind.name.lower(): kind for kind in Kind} | {"ordinary": Kind.ANATOMY}
    return {word: kinds[name] for name, words in WORDS["image_type"].items() for word in words}


@lru_cache(4096)
def _kind_of_type(word: str) -> Kind | None:
    """The kind that a word names; None if unknown. Longer ones, such as "T1 MAP RESCALED", are read as descriptions."""
    known = _types_by_word().get(word)
    if known or NUMBERED.fullmatch(word):
        return known or Kind.ANATOMY
    if word.endswith("MAP"):
        return Kind.MAP
    described: set[Kind] = set(_in_text(plain(word), False)) - {Kind.PICTURE, Kind.DIFFUSION}
    return _first(described) if described else None


def _described(evidence: Mapping[str, tuple[Value, ...]], dixon: bool) -> set[Kind]:
    """The kinds that descriptions name; `dixon`: whether a single letter may name a part of a Dixon scan."""
    kinds: set[Kind] = set()
    for text in _texts(evidence, "SeriesDescription") or _texts(evidence, "ProtocolName"):
        prefix = PREFIX.match(text)
        kinds |= {PREFIXES[prefix[1].lower().replace(" ", "")]} if prefix else _in_text(plain(text), dixon)
    if any(says(plain(text), "text", "localizer") for text in _texts(evidence, "ProtocolName")):
        kinds.add(Kind.LOCALIZER)
    return kinds


def _texts(evidence: Mapping[str, tuple[Value, ...]], keyword: str) -> list[str]:
    """Descriptions. GE's ProtocolName names the whole examination, so it isn't read."""
    by_ge = any(str(name).upper().startswith("GE") for name in evidence["Manufacturer"])
    return [] if by_ge and keyword == "ProtocolName" else [str(text) for text in evidence[keyword][:MOST_VALUES]]


@lru_cache(4096)
def _in_text(words: str, dixon: bool) -> frozenset[Kind]:
    kinds = {kind for kind in Kind if kind.name.lower() in WORDS["text"] and says(words, "text", kind.name.lower())}
    if says(words, "text", "no_water_image"):
        kinds.discard(Kind.WATER)
    if dixon:
        kinds |= {kind for name, kind in DIXON_PARTS.items() if says(words, "text", name)}
    phases = {Kind.IN_PHASE, Kind.OPPOSED_PHASE}
    both = [pair for pair in ({Kind.WATER, Kind.FAT}, phases) if pair <= kinds]
    return frozenset(kinds.difference(*both))


def _all_texts(evidence: Mapping[str, tuple[Value, ...]]) -> list[str]:
    return [text for keyword in ("SeriesDescription", "ProtocolName") for text in _texts(evidence, keyword)]


def _speaks_of_dixon(evidence: Mapping[str, tuple[Value, ...]]) -> bool:
    """Whether a description names a Dixon scan, or both phases."""
    words = [plain(text) for text in _all_texts(evidence)]
    phases = [says(one, "text", "in_phase") and says(one, "text", "opposed_phase") for one in words]
    return any(phases) or any(says(one, "text", "dixon") for one in words)


def _weighted(evidence: Mapping[str, tuple[Value, ...]]) -> bool:
    """Whether a description names a weighting, a fat suppression or a technique; copies keep their description.

    T1 and T2 alone don't count, because maps are also named so.
    """
    words = [" ".join(word for word in plain(text).split() if word not in MAPPED) for text in _all_texts(evidence)]
    return any(
        suppression(f" {one} ")
        or says(f" {one} ", "weighting", "fluid")
        or says(f" {one} ", "weighting", "plain")
        or not TECHNIQUES.isdisjoint(one.split())
        for one in words
    )


def _for_readers(evidence: Mapping[str, tuple[Value, ...]]) -> bool:
    """Whether a description names a technique that scouts don't use; "plan" and "loc" may have other meanings then."""
    words = [plain(text) for text in _all_texts(evidence)]
    return any(suppression(one) == "yes" or not PROTON_DENSITY.isdisjoint(one.split()) for one in words)
