"""A real service that keeps de-identified data only gets names in every place, by every door. What does it keep?"""

import io
import json
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from pydicom import dcmread

from app.client import RunningService, serving
from app.results import KINDS
from tests.app.dicomweb.messages import RELATED, body
from tests.app.planted import PLANTED, SERIES, STUDY, planted_study
from tests.app.results.made import validator
from tests.app.studies import instances, voxels, zipped
from tests.app.test_privacy import ask
from tests.app.test_privacy import zipped as with_names_of_files

pytestmark = pytest.mark.slow

SECRET = "a secret of this test alone, long enough"
MODE = {"CRUCIATE_DEIDENTIFY_KEY": SECRET, "CRUCIATE_QUIET_S": "0", "CRUCIATE_API_KEYS": "a-key-of-this-test-alone"}
ZIP, PARTS = {"Content-Type": "application/zip"}, {"Content-Type": RELATED}
# Keys of DICOM JSON.
REFERENCED, FAILED, WARNING, REASON, UID, URL = "00081199", "00081198", "00081196", "00081197", "00081155", "00081190"
BIRTH, DAY = "19610304", "20260105"
RESULTS_S = 60.0


class Kept(NamedTuple):
    """What a service answered and kept."""

    posted: dict
    stored: list
    results: dict[str, bytes]
    listed: list[dict]
    data: Path
    log: str


def planted(seed: int) -> list[bytes]:
    files = []
    for file in planted_study(seed=seed):
        dataset, written = dcmread(io.BytesIO(file)), io.BytesIO()
        dataset.PatientBirthDate, dataset.StudyDate, dataset.AcquisitionDate = BIRTH, DAY, DAY
        dataset.save_as(written)
        files.append(written.getvalue())
    return files


@pytest.fixture(scope="module")
def kept(bundles, tmp_path_factory) -> Kept:
    scratch = tmp_path_factory.mktemp("deidentified")
    with serving(bundles[0], scratch, CRUCIATE_DEIDENTIFY="basic", **MODE) as service:
        service.wait_until_ready()
        posted = ask(service, "POST", "/v1/predictions", with_names_of_files([*planted(0), b"Quibble"]), ZIP)
        assert posted.status == 201, posted.body
        stow = body(planted(1))
        stored = [ask(service, "POST", f"/dicom-web/studies/{STUDY}", stow, PARTS) for _ in range(2)]
        study = json.loads(stored[0].body)[URL]["Value"][0].rpartition("/")[2]
        results = {kind: result(service, study, kind) for kind in KINDS if kind not in ("seg", "slices", "ligament")}
        listed = json.loads(ask(service, "GET", "/dicom-web/instances?includefield=all").body)
    return Kept(
        json.loads(posted.body), stored, results, listed, scratch / "var", service.log.read_text(errors="replace")
    )


def result(service: RunningService, study: str, kind: str) -> bytes:
    """A result of the valid prediction on a study, when those on the posted and on the stored images are done."""
    deadline = time.monotonic() + RESULTS_S
    while True:
        page = json.loads(ask(service, "GET", f"/v1/predictions?study_uid={study}&status=done").body)
        if len(page["predictions"]) == 2:
            (id_,) = (one["id"] for one in page["predictions"] if "superseded_by" not in one)
            answer = ask(service, "GET", f"/v1/predictions/{id_}/dicom/{kind}.dcm")
            assert answer.status == 200
            return answer.body
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.2)


def words_in(content: bytes) -> list[str]:
    return [word for word in (*PLANTED, STUDY, SERIES, BIRTH, DAY) if word.lower().encode() in content.lower()]


def test_no_file_and_no_row_holds_a_name(kept):
    """Nor a birthday, a day or a UID. The database is one of the files."""
    files = [path for path in kept.data.rglob("*") if path.is_file()]
    assert len(files) > 16
    assert {path.name for path in files} >= {"cruciate.db", "voxels.npy"}
    assert {str(path): found for path in files if (found := words_in(path.read_bytes()))} == {}
    assert [path for path in kept.data.rglob("*") if words_in(path.name.encode())] == []


def test_no_answer_holds_a_name(kept):
    for content in (json.dumps(kept.posted), json.dumps(kept.listed), *(one.body.decode() for one in kept.stored)):
        assert words_in(content.encode()) == []
    assert len(kept.listed) >= 14
    assert words_in(kept.log.encode()) == []


def test_every_instance_says_what_was_done_and_every_result_that_nobody_is_named(kept):
    files = [path for path in (kept.data / "instances").glob("[!.]*/*") if path.is_file() and not path.suffix]
    headers = [dcmread(path, stop_before_pixels=True) for path in files]
    assert {header.PatientIdentityRemoved for header in headers} == {"YES"}
    assert len({header.StudyInstanceUID for header in headers}) == 1
    assert sum("DeidentificationMethodCodeSequence" in header for header in headers) == 14
    for content in kept.results.values():
        dataset = dcmread(io.BytesIO(content))
        assert words_in(content) == []
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.DeidentificationMethod.startswith("Cruciate: PS3.15")
        assert dataset.PatientID == headers[0].PatientID


def test_the_validator_finds_no_error_in_the_results(kept, tmp_path):
    for kind, content in kept.results.items():
        (tmp_path / kind).write_bytes(content)
        done = subprocess.run([validator(), tmp_path / kind], capture_output=True, text=True, timeout=60)
        assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_a_sender_is_told_what_was_changed_and_where_it_is_and_may_send_again(kept):
    first, again = (json.loads(one.body) for one in kept.stored)
    assert [one.status for one in kept.stored] == [202, 202]
    assert first == again
    assert FAILED not in first
    items = first[REFERENCED]["Value"]
    assert {item[WARNING]["Value"][0] for item in items} == {0xB000}
    assert {item[UID]["Value"][0] for item in items} <= {one["00080018"]["Value"][0] for one in kept.listed}


def test_a_study_has_the_same_uid_by_every_door(kept):
    assert kept.posted["study"]["study_uid"] == json.loads(kept.stored[0].body)[URL]["Value"][0].rpartition("/")[2]


def post(client, content: bytes):
    return client.post("/v1/predictions", data=content, content_type="application/zip")


@pytest.fixture
def retaining(make_app):
    return make_app(deidentify="basic-retain-uids", deidentify_key=SECRET).test_client()


def test_the_answer_is_the_same_as_without(retaining, make_app, tmp_path):
    content = zipped(instances(voxels()))
    before = post(make_app(data=tmp_path / "identified").test_client(), content).json
    after = post(retaining, content).json
    assert after["id"] == before["id"]
    for part in ("result", "explanation", "study"):
        assert after[part] == before[part]


@pytest.mark.real_knee
def test_the_answer_to_a_real_knee_is_the_same_as_without(retaining, make_app, tmp_path, real_knee):
    content = zipped(list(real_knee.values()))
    before = post(make_app(data=tmp_path / "identified").test_client(), content).json
    after = post(retaining, content).json
    assert (after["id"], after["result"], after["explanation"]) == (
        before["id"],
        before["result"],
        before["explanation"],
    )


def test_other_bytes_of_the_same_instance_are_refused_under_the_uid_that_was_sent(make_app):
    client = make_app(deidentify="basic", deidentify_key=SECRET).test_client()
    assert store(client, instances(voxels())[:1]).status_code == 202
    assert store(client, instances(voxels(), PatientName="Somebody^Else")[:1]).status_code == 409
    refused = store(client, instances(voxels(1))[:1])
    assert refused.status_code == 409
    (item,) = refused.json[FAILED]["Value"]
    assert item[UID]["Value"] == ["2.25.8.1"]


def store(client, files: list[bytes]):
    return client.post("/dicom-web/studies", data=body(files), headers=PARTS)


def test_text_in_pixels_and_what_is_no_mr_image_is_refused(retaining):
    burned = instances(voxels(), BurnedInAnnotation="YES")
    refused = post(retaining, zipped(burned))
    assert (refused.status_code, "BurnedInAnnotation" in refused.json["detail"]) == (422, True)
    report = instances(voxels()[:1], SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", series="2.25.80")
    response = store(retaining, [burned[0], *report, instances(voxels())[1]])
    assert response.status_code == 202
    assert [item[REASON]["Value"][0] for item in response.json[FAILED]["Value"]] == [0x0110, 0x0122]
    assert "BurnedInAnnotation" in response.headers["Warning"]


def test_two_patients_in_one_study_are_still_noticed(retaining):
    store(retaining, instances(voxels()))
    store(retaining, instances(voxels(1), series="2.25.81", PatientID="MRN-2"))
    response = retaining.post("/v1/predictions", json={"study_uid": "2.25.7"})
    assert (response.status_code, "patients" in response.json["detail"]) == (422, True)
