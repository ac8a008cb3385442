"""Orthanc gets a study in two halves, with a pause between them, and forwards both by itself.

The service is killed when the second result has come to Orthanc, and starts again. Prints what both hold in the end.

    python -m tests.app.dicomweb.halves BUNDLE SCRATCH
"""

import json
import sys
from pathlib import Path

import requests
from pydicom.uid import Comprehensive3DSRStorage, ParametricMapStorage, SecondaryCaptureImageStorage

from app.client import RunningService, serving
from tests import warm
from tests.app.dicomweb.orthanc import HTTP, KEY, Orthanc, running, wait_for
from tests.app.studies import SLICES, instances, voxels

STUDY = "2.25.7"
FIRST = 9
ALL_S = 90.0
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
VARIABLES = {
    "CRUCIATE_API_KEYS": KEY,
    "CRUCIATE_QUIET_S": "2",
    "CRUCIATE_ANNOUNCED_WAIT_S": "0",
    "CRUCIATE_TARGETS": f"{HTTP}/dicom-web",
}


def main(bundle: Path, scratch: Path) -> None:
    files = instances(voxels(), ImagesInAcquisition=SLICES)
    with serving(bundle, scratch, **VARIABLES) as service, running(scratch / "pacs", service.port) as orthanc:
        service.wait_until_ready()
        for file in files[:FIRST]:
            orthanc.store(file)
        wait_for(lambda: _delivered(service), ALL_S)
        first = _results(orthanc)
        for file in files[FIRST:]:
            orthanc.store(file)
        wait_for(lambda: len(_reports(orthanc)) == 2, ALL_S)
        warm.kill(service)
        with serving(bundle, scratch, **VARIABLES, PORT=str(service.port)) as again:
            again.port = service.port
            again.wait_until_ready()
            wait_for(lambda: _notes(orthanc) and _delivered(again), ALL_S)
            print(json.dumps(_outcome(orthanc, again, first)))


def _outcome(orthanc: Orthanc, service: RunningService, first: set[str]) -> dict:
    (note,) = _notes(orthanc)
    (study,) = note["CurrentRequestedProcedureEvidenceSequence"]
    rejected = {
        one["ReferencedSOPInstanceUID"]
        for series in study["ReferencedSeriesSequence"]
        for one in series["ReferencedSOPSequence"]
    }
    valid = _results(orthanc) - rejected
    reports = _reports(orthanc)
    (new,) = [tags for tags in reports if tags["SOPInstanceUID"] in valid]
    (old,) = [tags for tags in reports if tags["SOPInstanceUID"] in rejected]
    (predecessor,) = new["PredecessorDocumentsSequence"][0]["ReferencedSeriesSequence"][0]["ReferencedSOPSequence"]
    session = requests.Session()
    session.headers["X-API-Key"] = KEY
    here = f"http://127.0.0.1:{service.port}"
    held = session.get(f"{here}/dicom-web/studies/{STUDY}/instances", timeout=10).json()
    predictions = session.get(f"{here}/v1/predictions?study_uid={STUDY}", timeout=10).json()["predictions"]
    return {
        "title": note["ConceptNameCodeSequence"][0]["CodeValue"],
        "rejected": rejected == first,
        "valid": _is_whole([one["SOPClassUID"] for one in _tags(orthanc) if one["SOPInstanceUID"] in valid]),
        "flags": [old["CompletionFlag"], new["CompletionFlag"]],
        "predecessor": predecessor["ReferencedSOPInstanceUID"] == old["SOPInstanceUID"],
        "held": len(held) == SLICES + len(valid) + 1,
        "stale": len(rejected & {one["00080018"]["Value"][0] for one in held}),
        "superseded": [one.get("superseded_by") for one in predictions] == [predictions[-1]["id"], None],
    }


def _is_whole(classes: list[str]) -> bool:
    """Whether these are one report, one map, an overlay of each slice and a key image; there may be a region, too."""
    pictures = classes.count(SecondaryCaptureImageStorage)
    return (
        pictures == SLICES + 1 and classes.count(Comprehensive3DSRStorage) == classes.count(ParametricMapStorage) == 1
    )


def _tags(orthanc: Orthanc) -> list[dict]:
    """Every object that the service made."""
    every = [orthanc.ask(f"/instances/{id_}/simplified-tags") for id_ in orthanc.ask("/instances")]
    return [tags for tags in every if tags["Modality"] != "MR"]


def _results(orthanc: Orthanc) -> set[str]:
    return {tags["SOPInstanceUID"] for tags in _tags(orthanc) if tags["SOPClassUID"] != KEY_OBJECTS}


def _reports(orthanc: Orthanc) -> list[dict]:
    return [tags for tags in _tags(orthanc) if tags["Modality"] == "SR"]


def _notes(orthanc: Orthanc) -> list[dict]:
    return [tags for tags in _tags(orthanc) if tags["SOPClassUID"] == KEY_OBJECTS]


def _delivered(service: RunningService) -> bool:
    answer = json.loads(service.ask("GET", "/v1/deliveries", headers={"X-API-Key": KEY}))
    return {one["state"] for one in answer["deliveries"]} == {"delivered"}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
