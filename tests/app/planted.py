"""A study with a name in every place where a name can be, and requests with names in every place of a request."""

import io

from pydicom import dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset

from tests.app.studies import instances, voxels

# What stands in headers of DICOM files, in names of files, and in requests. No word of ours contains one of them.
IN_HEADERS, IN_FILE_NAMES, IN_REQUESTS = "Quibble", "Snorkel", "Grumpus"
PLANTED = (IN_HEADERS, IN_FILE_NAMES, IN_REQUESTS)
STUDY, SERIES = "2.25.7770777077707770777", "2.25.8880888088808880888"
TEXTS = ("PN", "LO", "SH", "ST", "LT", "UT", "UC")
# Headers that clients and proxies send, and one that nobody knows.
HEADERS = dict.fromkeys(
    (
        *("User-Agent", "Referer", "From", "Cookie", "X-Forwarded-For", "X-Forwarded-Host", "X-Remote-User"),
        *("X-Request-ID", "Origin", "Accept-Language", "If-None-Match", "Range", "X-Grumpus"),
    ),
    IN_REQUESTS,
)


def text_keywords() -> list[str]:
    """Keywords of all attributes of PS3.6 that hold text, but those of the file meta information."""
    entries = ((tag, *entry) for tag, entry in DicomDictionary.items())
    return [keyword for tag, vr, _, _, _, keyword in entries if keyword and vr in TEXTS and tag >> 16 >= 0x0008]


def planted_study(count: int | None = None, seed: int = 0, **codes: object) -> list[bytes]:
    """Instances with `IN_HEADERS` in every text, in a sequence, and in private attributes, and with these codes."""
    files = instances(voxels(seed)[:count], STUDY, SERIES, **codes)
    return [_planted(file) for file in files]


def _planted(file: bytes) -> bytes:
    dataset = dcmread(io.BytesIO(file))
    _plant(dataset)
    item = Dataset()
    _plant(item)
    dataset.RequestAttributesSequence = [item]
    for creator in (IN_HEADERS, "GEMS_PARM_01"):
        private = dataset.private_block(0x0043, creator, create=True)
        private.add_new(0x01, "LO", IN_HEADERS)
        private.add_new(0x02, "UN", IN_HEADERS.encode())
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


def _plant(dataset: Dataset) -> None:
    for keyword in text_keywords():
        setattr(dataset, keyword, IN_HEADERS)
