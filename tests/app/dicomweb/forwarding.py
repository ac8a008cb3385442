"""Orthanc gets a study, forwards it by itself, and gets the results; what both then hold, on standard output.

python -m tests.app.dicomweb.forwarding BUNDLE SCRATCH
"""

import io
import json
import sys
from pathlib import Path

import requests
from dicomweb_client import DICOMwebClient

from app.client import serving
from data_prep.dicom.frames import read_study
from tests.app.dicomweb.orthanc import HTTP, KEY, Orthanc, running, wait_for
from tests.app.studies import SLICES, instances, voxels

STUDY = "2.25.7"
# Report, map, key image and overlays; the bundle has no colour scale, so there is no region.
RESULTS = 3 + SLICES
# The service predicts on what has been quiet for this long; Orthanc forwards a second after the last instance.
QUIET_S = "2"
ALL_S = 90.0


def main(bundle: Path, scratch: Path) -> None:
    files = instances(voxels())
    variables = {"CRUCIATE_API_KEYS": KEY, "CRUCIATE_QUIET_S": QUIET_S, "CRUCIATE_TARGETS": f"{HTTP}/dicom-web"}
    with serving(bundle, scratch, **variables) as service, running(scratch / "pacs", service.port) as orthanc:
        service.wait_until_ready()
        for file in files:
            orthanc.store(file)
        wait_for(lambda: len(orthanc.ask("/instances")) == SLICES + RESULTS, ALL_S)
        # Orthanc forwards the study once more, with the results in it.
        jobs = wait_for(lambda: _ended(orthanc, 2), ALL_S)
        session = requests.Session()
        session.headers["X-API-Key"] = KEY
        client = DICOMwebClient(f"http://127.0.0.1:{service.port}/dicom-web", session)
        held = {dataset.SOPInstanceUID: dataset for dataset in client.retrieve_study(STUDY)}
        predictions = session.get(
            f"http://127.0.0.1:{service.port}/v1/predictions?study_uid={STUDY}", timeout=10
        ).json()
        deliveries = session.get(f"http://127.0.0.1:{service.port}/v1/deliveries", timeout=10).json()["deliveries"]
        series = [orthanc.ask(f"/series/{id_}")["MainDicomTags"] for id_ in orthanc.ask("/series")]
    sent = {
        frame.sop_uid: frame.pixels.plane(0) for file in files for frame in read_study([("", io.BytesIO(file))]).frames
    }
    outcome = {
        "jobs": jobs,
        "same": all(bool((held[uid].pixel_array == plane).all()) for uid, plane in sent.items()),
        "held": len(held),
        "modalities": sorted(one["Modality"] for one in series),
        "deliveries": {one["target"]: one["state"] for one in deliveries},
        "predictions": [one["status"] for one in predictions["predictions"]],
    }
    print(json.dumps(outcome))


def _ended(orthanc: Orthanc, count: int) -> list[list[str]]:
    """Type and state of every job, once there are so many and all have ended."""
    states = [[job["Type"], job["State"]] for job in orthanc.ask("/jobs?expand")]
    return states if len(states) >= count and not {"Running", "Pending"} & {state for _, state in states} else []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
