"""Whether an image can be part of a volume to predict on, by its header alone."""

from functools import lru_cache

import numpy as np

from data_prep.dicom.frames import Frame
from data_prep.errors import MalformedInput
from data_prep.limits import odd_pixels
from data_prep.selection.kind import PREDICTABLE, find
from data_prep.selection.stack import ORIENTATION_TOLERANCE

MR_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.4",  # MR Image Storage
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image Storage
    }
)


# The defined terms of Modality (PS3.3 C.7.3.1.1.1), with the retired ones. Any other text may hold anything.
MODALITIES = frozenset(
    {
        *("ANN", "AR", "ASMT", "AU", "BDUS", "BI", "BMD", "CFM", "CR", "CT", "CTPROTOCOL", "DMS", "DG"),
        *("DOC", "DX", "ECG", "EEG", "EMG", "EOG", "EPS", "ES", "FID", "GM", "HC", "HD", "IO", "IOL"),
        *("IVOCT", "IVUS", "KER", "KO", "LEN", "LS", "M3D", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM"),
        *("OPR", "OPT", "OPTBSV", "OPTENF", "OPV", "OSS", "OT", "PA", "PLAN", "POS", "PR", "PT", "PX", "REG"),
        *("RESP", "RF", "RG", "RTDOSE", "RTIMAGE", "RTINTENT", "RTPLAN", "RTRAD", "RTRECORD", "RTSEGANN"),
        *("RTSTRUCT", "RWV", "SEG", "SM", "SMR", "SR", "SRF", "STAIN", "TEXTUREMAP", "TG", "US", "VA", "XA"),
        *("XAPROTOCOL", "XC", "AS", "CD", "CF", "CP", "CS", "DD", "DF", "DM", "DS", "EC", "FA", "FS", "HDR"),
        *("LP", "MA", "MS", "OPTSV", "ST", "VF"),
    }
)


def unusable(frame: Frame) -> str | None:
    """Why an image can't be part of a volume to predict on, by its header alone; None if it can."""
    header = frame.header
    modality = header.text("Modality")
    if modality != "MR":
        return f"modality is {_told(modality)}"
    if header.text("SOPClassUID") not in MR_CLASSES:
        return "not a scanner's own MR image (another SOP class, such as a secondary capture)"
    photometric = header.text("PhotometricInterpretation")
    if not photometric:
        return "no PhotometricInterpretation"
    if not photometric.startswith("MONOCHROME"):
        return "colour picture"
    kind = find(header).kind
    if kind not in PREDICTABLE:
        return kind.value
    try:
        return unplaced(frame)
    except MalformedInput as error:
        return error.detail.rstrip(".")


def _told(modality: str) -> str:
    """The modality in words. Text that isn't a defined term is never repeated: it may be anything, even a name."""
    if not modality:
        return "missing"
    return modality if modality in MODALITIES else "none of DICOM's"


def unplaced(frame: Frame) -> str | None:
    """Why it isn't known where an image's pixels lie; None if it is. Raises MalformedInput for odd numbers."""
    header = frame.header
    spacing = header.numbers("PixelSpacing", 2)
    if spacing is None:
        return "no PixelSpacing"
    if odd := odd_pixels(*spacing):
        return odd
    orientation = header.numbers("ImageOrientationPatient", 6)
    if orientation is None:
        return "no ImageOrientationPatient"
    header.numbers("ImagePositionPatient", 3)
    if not _perpendicular(orientation):
        return "ImageOrientationPatient isn't a pair of perpendicular unit vectors"
    return None


@lru_cache(4096)
def _perpendicular(orientation: tuple[float, ...]) -> bool:
    directions = np.array(orientation).reshape(2, 3)
    return np.allclose(directions @ directions.T, np.eye(2), atol=2 * ORIENTATION_TOLERANCE)
