"""How an image was made, as far as its header says: fat suppression, weighting.

BodyPartExamined and similar attributes aren't read here. Whether an image is a picture or a map is found by
`data_prep.selection.kind`. The words in descriptions are listed in wording.toml.
"""

from data_prep.dicom.header import Header
from data_prep.selection.kind import MOST_VALUES, Kind, find, water_or_fat
from data_prep.selection.wording import Answer, plain, says, suppression
from data_prep.volume import Acquisition

# A shorter inversion time suppresses fat (STIR: about 150 ms at 1.5 T, 220 ms at 3 T), a longer one fluid (FLAIR).
STIR_BELOW_MS = 300.0
# T1-weighted spin echoes of the knee have shorter repetition times than this; proton density and T2 weighting, longer.
LONG_TR_MS = 1000.0
# At 3 T, a series that is named T1-weighted may have a repetition time up to this.
SLOWEST_T1_MS = 1500.0
# T1-weighted spin echoes of the knee have echo times of 8 to 20 ms; from this value on fluid is bright, whatever TR is.
LONG_TE_MS = 25.0
# Gradient echoes with a shorter echo time are scouts or T1-weighted, unless their name says that they are fully
# refocused.
SHORT_GRADIENT_TE_MS = 5.0
# PS3.3 C.8.13.5.7, SpectrallySelectedSuppression.
SUPPRESSED_SPECTRA = frozenset({"FAT", "FAT AND WATER", "SILICON AND FAT"})
# PS3.3 C.8.13.3.1.1, value 4 of FrameType and AcquisitionContrast.
FLUID_CONTRASTS = frozenset({"T2", "PROTON DENSITY", "STIR", "T2 STAR"})
PLAIN_CONTRASTS = frozenset({"T1", "FLUID ATTENUATED", "TOF", "FLOW ENCODED"})
# The most reliable first: a protocol keeps its name when it is copied and its preparation is changed.
FREE_TEXT = ("SeriesDescription", "ProtocolName", "SequenceName")
TELLING = ("ScanOptions", "SpectrallySelectedSuppression", *FREE_TEXT)


def acquisition(header: Header) -> Acquisition:
    """The facts that are stored with a volume."""
    centre, width = _window(header)
    return Acquisition(
        modality=header.text("Modality"),
        kind=find(header).kind.name.lower(),
        fat_suppressed=fat_suppressed(header),
        fluid_sensitive=fluid_sensitive(header),
        echo_time_ms=header.number("EchoTime"),
        repetition_time_ms=header.number("RepetitionTime"),
        field_strength_t=header.number("MagneticFieldStrength"),
        manufacturer=header.text("Manufacturer") or None,
        model=header.text("ManufacturerModelName") or None,
        window_centre=centre,
        window_width=width,
    )


def fat_suppressed(header: Header) -> bool | None:
    """Whether fat is dark; None if headers contradict each other or don't say.

    The part of a Dixon scan and the attributes of the sequence count more than descriptions. If these attributes or
    descriptions are present and none names a suppression, fat isn't suppressed.
    """
    kind = find(header).kind
    if kind in (Kind.WATER, Kind.IN_PHASE):
        return kind is Kind.WATER
    if suppressed_by_tags(header):
        return True
    answers = [answer for name in FREE_TEXT if (answer := _text_answer(header, name))]
    if answers:
        return {"yes": True, "no": False, "unclear": None}[answers[0]]
    if water_or_fat(header):
        return None
    return False if any(header.texts(name) for name in TELLING) else None


def suppressed_by_tags(header: Header) -> bool:
    """Whether attributes of the sequence say that fat is dark; descriptions aren't read."""
    options, spectra, excited = (
        {_spaced(value) for value in header.texts(name)[:MOST_VALUES]}
        for name in ("ScanOptions", "SpectrallySelectedSuppression", "SpectrallySelectedExcitation")
    )
    return bool(
        any(suppression(plain(option)) == "yes" for option in options)
        or SUPPRESSED_SPECTRA & spectra
        or "WATER" in excited
        or "STIR" in map(_spaced, header.texts("AcquisitionContrast"))
        or (_inverted(header) and 0 < _inversion_ms(header) < STIR_BELOW_MS)
    )


def _window(header: Header) -> tuple[float | None, float | None]:
    """The first window; its width is at least 1 (PS3.3 C.11.2.1.2.1)."""
    centre, width = header.number("WindowCenter"), header.number("WindowWidth")
    inverted = header.text("PhotometricInterpretation") == "MONOCHROME1"
    return (None, None) if centre is None or width is None or width < 1 or inverted else (centre, width)


def _text_answer(header: Header, name: str) -> Answer:
    """What one description says. Words for inversion (STIR, TIRM) don't count if InversionTime suppresses fluid."""
    words = plain(" ; ".join(header.texts(name)))
    if _inversion_ms(header) >= STIR_BELOW_MS:
        words = words.replace(" tirm ", " ").replace(" tir ", " ").replace(" stir ", " ")
    return suppression(words)


def _spaced(value: str) -> str:
    return value.upper().replace("_", " ").replace("-", " ")


def _inverted(header: Header) -> bool:
    return "IR" in header.texts("ScanningSequence") or header.text("InversionRecovery") == "YES"


def _inversion_ms(header: Header) -> float:
    return header.number("InversionTime") or 0.0


def fluid_sensitive(header: Header) -> bool | None:
    """Whether fluid is bright (proton density and T2 weighting); None if headers don't say.

    RepetitionTime decides for spin echoes. Gradient echoes always have short repetition times (DESS, FIESTA), so their
    names decide, as for all images without RepetitionTime.
    """
    if _inverted(header) and _inversion_ms(header) >= STIR_BELOW_MS:
        return False
    repetition_ms, named = header.number("RepetitionTime"), _named_weighting(header)
    if repetition_ms is None:
        return _by_echo_time(header, named)
    if repetition_ms >= LONG_TR_MS:
        return not (named is False and repetition_ms < SLOWEST_T1_MS)
    if gradient_echo(header):
        return _by_echo_time(header, named)
    return None if named else False


def _by_echo_time(header: Header, named: bool | None) -> bool | None:
    """The name decides first; a long EchoTime shows fluid, a very short one of a gradient echo doesn't."""
    echo_ms = header.number("EchoTime")
    if named is not None or echo_ms is None:
        return named
    if echo_ms >= LONG_TE_MS:
        return True
    return False if quick_gradient_echo(header) else None


def quick_gradient_echo(header: Header) -> bool:
    """Whether it is a gradient echo with a very short EchoTime."""
    echo_ms = header.number("EchoTime")
    return gradient_echo(header) and echo_ms is not None and echo_ms < SHORT_GRADIENT_TE_MS


def gradient_echo(header: Header) -> bool:
    """Whether it is a gradient echo, as far as the header says."""
    sequence = header.texts("ScanningSequence")
    return ("GR" in sequence and "SE" not in sequence) or header.text("EchoPulseSequence") == "GRADIENT"


def _named_weighting(header: Header) -> bool | None:
    contrasts = {_spaced(value) for value in header.texts("AcquisitionContrast")}
    texts = [plain(text) for name in FREE_TEXT for text in header.texts(name)[:MOST_VALUES]]
    fluid = bool(FLUID_CONTRASTS & contrasts) or any(says(words, "weighting", "fluid") for words in texts)
    plainly = bool(PLAIN_CONTRASTS & contrasts) or any(says(words, "weighting", "plain") for words in texts)
    return None if fluid == plainly else fluid
