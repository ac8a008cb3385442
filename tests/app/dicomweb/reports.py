"""Structured reports made to order."""

import io
from collections.abc import Sequence

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from tests.data_prep.dicom_factory import make_item

STUDY, SERIES, INSTANCE = "2.25.7", "2.25.60", "2.25.60.1"


def code(meaning: str, value: str = "1", scheme: str = "99TEST") -> list[Dataset]:
    return [make_item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def item(kind: str, name: str, items: Sequence[Dataset] = (), **attributes) -> Dataset:
    """A content item; `items` are below it."""
    made = make_item(RelationshipType="CONTAINS", ValueType=kind, ConceptNameCodeSequence=code(name), **attributes)
    if items:
        made.ContentSequence = list(items)
    return made


def report(items: Sequence[Dataset], title: str = "Knee report", **attributes) -> Dataset:
    made = item("CONTAINER", title, items, ContinuityOfContent="SEPARATE")
    del made.RelationshipType
    made.SOPClassUID, made.SOPInstanceUID = BasicTextSRStorage, INSTANCE
    made.StudyInstanceUID, made.SeriesInstanceUID, made.Modality = STUDY, SERIES, "SR"
    made.PatientName, made.PatientID, made.ContentDate, made.ContentTime = (
        "Quibble^Zebedee",
        "MRN-55512",
        "20260102",
        "1213",
    )
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def file(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
