"""Orthanc gets a study and forwards it by itself; what the service then holds, on standard output.

python -m tests.app.dicomweb.forwarding BUNDLE SCRATCH
"""

import io
import json
import sys
from pathlib import Path

import requests
from dicomweb_client import DICOMwebClient

from app.client import serving
from data_prep.dicom import read_study
from tests.app.dicomweb.orthanc import KEY, running, wait_for
from tests.app.studies import SLICES, instances, voxels

STUDY = "2.25.7"
FORWARDED_S = 60.0


def main(bundle: Path, scratch: Path) -> None:
    files = instances(voxels())
    variables = {"CRUCIATE_API_KEYS": KEY, "CRUCIATE_QUIET_S": "3600"}
    with serving(bundle, scratch, **variables) as service, running(scratch / "pacs", service.port) as orthanc:
        service.wait_until_ready()
        for file in files:
            orthanc.store(file)
        session = requests.Session()
        session.headers["X-API-Key"] = KEY
        client = DICOMwebClient(f"http://127.0.0.1:{service.port}/dicom-web", session)
        wait_for(lambda: len(client.search_for_instances(STUDY)) == SLICES, FORWARDED_S)
        jobs = wait_for(lambda: _ended(orthanc.ask("/jobs?expand")), FORWARDED_S)
        held = {dataset.SOPInstanceUID: dataset.pixel_array for dataset in client.retrieve_study(STUDY)}
    sent = {frame.sop_uid: frame.pixels.plane(0) for file in files for frame in read_study([("", io.BytesIO(file))])}
    same = held.keys() == sent.keys() and all((held[uid] == plane).all() for uid, plane in sent.items())
    print(json.dumps({"jobs": jobs, "same": bool(same)}))


def _ended(jobs: list[dict]) -> list[list[str]]:
    """Type and state of every job, once all have ended."""
    states = [[job["Type"], job["State"]] for job in jobs]
    return [] if {"Running", "Pending"} & {state for _, state in states} else states


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
