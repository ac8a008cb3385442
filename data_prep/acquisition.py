"""How an image was made, as far as its header says: fat suppression, weighting, side of the body.

Headers are read for what they say and not trusted for more; BodyPartExamined and such aren't read at all.
"""

import re
from collections.abc import Iterable

from data_prep.header import Header
from data_prep.volume import Acquisition, Laterality

# A shorter inversion nulls fat (STIR: about 150 ms at 1.5 T, 220 ms at 3 T), a longer one fluid (FLAIR).
STIR_BELOW_MS = 300.0
# T1-weighted spin echoes of the knee repeat faster than this; proton density and T2 weighting, slower.
LONG_TR_MS = 1000.0
# PS3.3 C.8.3.1.1.1 defines FS; the other words are vendors'.
SUPPRESSED_OPTIONS = frozenset({"FS", "FATSAT", "FAT_SAT", "SPIR", "SPAIR", "WE", "WATER_EXC"})
# PS3.3 C.8.13.5.7, SpectrallySelectedSuppression.
SUPPRESSED_SPECTRA = frozenset({"FAT", "FAT_AND_WATER", "SILICON_AND_FAT"})
FREE_TEXT = ("SequenceName", "SeriesDescription", "ProtocolName")
TELLING = ("ScanOptions", "SpectrallySelectedSuppression", *FREE_TEXT)
# "PD FS", "pd_tse_fs_sag", "T2FS", "fat-sat", "STIR"; but not "non-FS" or "offset".
_SUPPRESSED_TEXT = re.compile(
    r"(?<!\bno )(?<!\bnon )(?<!\bnot )(?<!\bwithout )(?<!\bw o )(?<!\bohne )"
    r"\b(?:pdw?|t[12]w?|tse|fse)?(?:fs|fat ?sat|fatsup\w*|fat sup\w*|spir|spair|stir|tirm|watsc?|we)\b"
)


def acquisition(header: Header) -> Acquisition:
    """The facts that travel with a volume."""
    return Acquisition(
        modality=header.text("Modality"),
        fat_suppressed=fat_suppressed(header),
        echo_time_ms=header.number("EchoTime"),
        repetition_time_ms=header.number("RepetitionTime"),
        field_strength_t=header.number("MagneticFieldStrength"),
        manufacturer=header.text("Manufacturer") or None,
        model=header.text("ManufacturerModelName") or None,
    )


def fat_suppressed(header: Header) -> bool | None:
    """True if anything says so, False if nothing does where it could, None if there is nothing that could."""
    words = re.sub(r"[^a-z0-9]+", " ", " ; ".join(text for name in FREE_TEXT for text in header.texts(name)).lower())
    inverted = "IR" in header.texts("ScanningSequence") or header.text("InversionRecovery") == "YES"
    inversion_ms = header.number("InversionTime") or 0.0
    if (
        not SUPPRESSED_OPTIONS.isdisjoint(option.upper() for option in header.texts("ScanOptions"))
        or not SUPPRESSED_SPECTRA.isdisjoint(header.texts("SpectrallySelectedSuppression"))
        or "WATER" in header.texts("ImageType")
        or (inverted and 0 < inversion_ms < STIR_BELOW_MS)
        or _SUPPRESSED_TEXT.search(words)
    ):
        return True
    return False if any(header.texts(name) for name in TELLING) else None


def fluid_sensitive(header: Header) -> bool | None:
    """Whether fluid is bright (proton density and T2 weighting), by RepetitionTime; None where that is missing."""
    repetition_ms = header.number("RepetitionTime")
    return None if repetition_ms is None else repetition_ms >= LONG_TR_MS


def laterality(headers: Iterable[Header]) -> Laterality:
    """The side that all headers with one agree on; unknown otherwise."""
    names = ("Laterality", "ImageLaterality", "FrameLaterality")
    sides = {side for header in headers for name in names for side in header.texts(name)}
    if sides == {"L"}:
        return "L"
    return "R" if sides == {"R"} else "unknown"
