"""Finds the DICOM studies below a folder, by a few header fields of every file."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from data_prep.dicom import frames as dicom  # noqa: F401  # keeps pydicom from quoting values
from data_prep.dicom.archive import PREAMBLE, PREFIX, begins_as_dicom
from data_prep.dicom.header import PATIENT
from data_prep.dicom.identity import Identity, identity
from data_prep.progress import with_progress

TAGS = ["StudyInstanceUID", "AccessionNumber", *PATIENT]


@dataclass
class Study:
    """A DICOM study on disk.

    Attributes:
        uid: StudyInstanceUID.
        folders: The folders that hold its files.
        accessions: Accession numbers in its headers.
        patients: Patients in its headers.
    """

    uid: str
    folders: set[Path] = field(default_factory=set)
    accessions: set[str] = field(default_factory=set, repr=False)
    patients: set[Identity] = field(default_factory=set, repr=False)

    @property
    def path(self) -> Path:
        """The deepest folder that holds all files. Other studies may be in it too."""
        return Path(os.path.commonpath(self.folders))


def studies_below(root: Path) -> tuple[dict[str, Study], int]:
    """Find all studies below a folder.

    Files that aren't DICOM, with or without a preamble, and files that belong to no study are skipped.

    Returns:
        Studies by StudyInstanceUID, and the number of files that begin like DICOM but can't be read.
    """
    studies: dict[str, Study] = {}
    unreadable = 0
    files = sorted(file for file in root.rglob("*") if file.is_file())
    for file in with_progress(files, "reading headers", "file"):
        try:
            with file.open("rb") as stream:
                if not begins_as_dicom(stream.read(PREAMBLE + len(PREFIX))):
                    continue
                stream.seek(0)
                header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(TAGS), force=True)
            uid, accession = (str(header.get(tag) or "").strip() for tag in TAGS[:2])
        except Exception:  # pydicom may raise any exception, with the header's value in its message
            unreadable += 1
            continue
        if uid:
            study = studies.setdefault(uid, Study(uid))
            study.folders.add(file.parent)
            study.accessions |= {accession} - {""}
            study.patients |= {identity(header)} - {Identity()}
    return studies, unreadable
