"""The order that a study answers, as results name it: images by Request Attributes Sequence (PS3.3 C.7.3.1), reports by
Referenced Request Sequence (C.17.2)."""

from pydicom.dataset import Dataset

DOCUMENTS = ("SR", "KO")
# An item of a report has these, even if they are empty (type 2).
DEMANDED = (
    *("AccessionNumber", "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest"),
    *("RequestedProcedureID", "RequestedProcedureDescription", "RequestedProcedureCodeSequence"),
    "ReferencedStudySequence",
)


def name_request(dataset: Dataset, origin: Dataset) -> None:
    """Set the order in a result, if the slices name one.

    Args:
        dataset: The result.
        origin: The first slice's origin (`data_prep.dicom.origin`).
    """
    requests = origin.get("RequestAttributesSequence", ())
    if not requests:
        return
    if dataset.Modality in DOCUMENTS:
        dataset.ReferencedRequestSequence = [_referenced(request, origin) for request in requests]
    else:
        dataset.RequestAttributesSequence = list(requests)


def _referenced(request: Dataset, origin: Dataset) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = request.get("StudyInstanceUID", origin.StudyInstanceUID)
    for keyword in DEMANDED:
        empty = [] if keyword.endswith("Sequence") else ""
        setattr(item, keyword, request.get(keyword, empty))
    return item
