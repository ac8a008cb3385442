"""A study that comes in two halves, with a pause between them that is longer than the quiet time."""

import re
import time

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from app.service.parts import EXTENSION, Service
from tests.app.conftest import LOADING_S, Clock, settled
from tests.app.delivery.targets import Target, says, stored
from tests.app.studies import SLICES, instances, voxels, zipped

pytestmark = pytest.mark.slow

STUDY, SERIES = "2.25.1", "2.25.2"
FIRST = 9
QUIET_S = 3600
# SOPInstanceUID in Explicit VR Little Endian, outside sequences and the file meta information.
SOP_UID = re.compile(rb"\x08\x00\x16\x00UI..[0-9.]+\x00?\x08\x00\x18\x00UI..([0-9.]+)", re.DOTALL)


def uids(request) -> list[str]:
    """What a request brings."""
    return [found.decode() for found in SOP_UID.findall(request.body)]


class Halves:
    """A service on which nothing happens by itself, and a target that stores everything."""

    def __init__(self, make_app, listen) -> None:
        self.clock, self._make_app = Clock(), make_app
        self.target: Target = listen(lambda connection: says(200, stored(*uids(self.target.got[-1])))(connection))
        self.files = instances(voxels(), study=STUDY, series=SERIES, ImagesInAcquisition=SLICES)
        self.start()

    def start(self) -> None:
        """Start the service, or start it again."""
        settings = {"quiet_s": QUIET_S, "announced_wait_s": 0, "targets": (self.target.url,)}
        app = self._make_app(self.clock, self.clock, **settings)
        self.service: Service = app.extensions[EXTENSION]
        self.client = app.test_client()
        for work in self.service.rounds:
            work.stop()

    def predict(self, files: list[bytes]) -> dict:
        """The answer to what is here after these have come."""
        before = self._ids()
        if before:
            time.sleep(1)  # results have times in whole seconds; in the same second, they have no order
        assert not any(one.reason for one in self.service.instances.receive(("", file) for file in files))
        self.clock.added_s += QUIET_S + 1
        deadline = time.monotonic() + LOADING_S
        while not (new := self._ids() - before):
            assert time.monotonic() < deadline
            self.service.studies.predict_quiet()  # on a busy machine, the first try may be refused
        return settled(self.client, f"/v1/predictions/{new.pop()}")

    def _ids(self) -> set[str]:
        return {answer["id"] for answer in self.service.store.answers(10, study_uid=STUDY)}

    def deliver(self) -> None:
        """Everything that is due, and what follows from it."""
        for _ in range(6):
            for work in self.service.rounds[1:]:
                work.once()

    def ours(self) -> dict[str, Dataset]:
        """The results that lie beside the study, by their class; further ones of a class by their UID."""
        found = {}
        for row in self.service.instances.find(STUDY):
            if row.ours:
                with self.service.instances.open(row) as stream:
                    dataset = pydicom.dcmread(stream)
                    name = dataset.SOPClassUID.name
                    found[dataset.SOPInstanceUID if name in found else name] = dataset
        return found


@pytest.fixture
def halves(make_app, listen) -> Halves:
    return Halves(make_app, listen)


def test_the_second_result_replaces_the_first_everywhere(halves):
    first = halves.predict(halves.files[:FIRST])
    halves.deliver()
    before = halves.ours()
    sent = len(halves.target.got)
    second = halves.predict(halves.files[FIRST:])
    halves.deliver()
    _answers_name_each_other(halves, first, second)
    _the_first_report_was_partial(before)
    after = halves.ours()
    _the_second_names_its_predecessor(before, after)
    note = after.pop(KeyObjectSelectionDocumentStorage.name)
    assert rejected(note) == {one.SOPInstanceUID for one in before.values()}
    # New results first, then the note; both once.
    assert [set(uids(request)) for request in halves.target.got[sent:]] == [
        {one.SOPInstanceUID for one in after.values()},
        {note.SOPInstanceUID},
    ]
    _dicomweb_knows_the_valid_ones_only(halves, before, after, note)
    deliveries = halves.client.get("/v1/deliveries").json["deliveries"]
    assert {(one["prediction"], one["content"], one["state"]) for one in deliveries} == {
        (first["id"], "rejection note", "delivered"),
        (second["id"], "results", "delivered"),
    }


def rejected(note: Dataset) -> set[str]:
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    return {
        one.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }


def _answers_name_each_other(halves: Halves, first: dict, second: dict) -> None:
    assert "missing-slices" in {one["code"] for one in first["warnings"]}
    assert "missing-slices" not in {one["code"] for one in second["warnings"]}
    assert second["supersedes"] == [first["id"]]
    now = halves.client.get(f"/v1/predictions/{first['id']}").json
    assert now["superseded_by"] == second["id"]
    assert now["result"] == first["result"]
    assert second["id"] in now["warnings"][-1]["message"]
    listed = halves.client.get(f"/v1/predictions?study_uid={STUDY}").json["predictions"]
    assert {one["id"]: one for one in listed} == {one["id"]: one for one in (now, second)}
    # Sent once more, it is known, and known to be superseded.
    again = halves.client.post("/v1/predictions", data=zipped(halves.files[:FIRST]), content_type="application/zip")
    assert (again.status_code, again.json) == (200, now)
    for result in ("dicom/sr.dcm", "fhir"):
        gone = halves.client.get(f"/v1/predictions/{first['id']}/{result}")
        assert gone.status_code == 410, result
        assert second["id"] in gone.json["detail"]
    assert halves.client.get(f"/v1/predictions/{second['id']}/fhir").status_code == 200
    assert halves.client.get(f"/v1/predictions/{first['id']}/slices/0/overlay.png").status_code == 200


def _report(results: dict[str, Dataset]) -> Dataset:
    return results["Comprehensive 3D SR Storage"]


def _the_first_report_was_partial(before: dict[str, Dataset]) -> None:
    report = _report(before)
    assert (report.CompletionFlag, report.CompletionFlagDescription) == ("PARTIAL", "slices of the series are missing")
    texts = [item.TextValue for item in report.ContentSequence if item.ValueType == "TEXT"]
    assert any(f"the headers name {SLICES} images in this series, and {FIRST} are here" in text for text in texts)
    assert "and 9 are here" in before["Secondary Capture Image Storage"].ImageComments


def _the_second_names_its_predecessor(before: dict[str, Dataset], after: dict[str, Dataset]) -> None:
    old, new = _report(before), _report(after)
    assert new.CompletionFlag == "COMPLETE"
    ((series,),) = [item.ReferencedSeriesSequence for item in new.PredecessorDocumentsSequence]
    (document,) = series.ReferencedSOPSequence
    assert (series.SeriesInstanceUID, document.ReferencedSOPInstanceUID) == (old.SeriesInstanceUID, old.SOPInstanceUID)
    for name, one in before.items():
        for keyword in ("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "InstanceNumber", "ContentTime"):
            assert after[name][keyword].value != one[keyword].value, (name, keyword)
    assert (new.SeriesNumber, new.SeriesDescription.partition(":")[0]) == (9011, "Cruciate sr 2")


def _dicomweb_knows_the_valid_ones_only(halves, before, after, note) -> None:
    root = f"/dicom-web/studies/{STUDY}"
    found = {one["00080018"]["Value"][0] for one in halves.client.get(f"{root}/instances").json}
    shown = {one["00080018"]["Value"][0] for one in halves.client.get(f"{root}/metadata").json}
    valid = {one.SOPInstanceUID for one in (*after.values(), note)}
    assert found == shown == valid | {f"{SERIES}.{number + 1}" for number in range(SLICES)}
    for old in before.values():
        series = f"{root}/series/{old.SeriesInstanceUID}"
        assert halves.client.get(f"{series}/instances/{old.SOPInstanceUID}/metadata").status_code == 404


def test_what_a_service_left_the_next_one_finishes(halves):
    halves.predict(halves.files[:FIRST])
    halves.deliver()
    before = halves.ours()
    halves.predict(halves.files[FIRST:])
    halves.service.stop()
    halves.start()
    halves.deliver()
    after = halves.ours()
    assert rejected(after[KeyObjectSelectionDocumentStorage.name]) == {one.SOPInstanceUID for one in before.values()}
    assert not {one.SOPInstanceUID for one in after.values()} & {one.SOPInstanceUID for one in before.values()}


def test_results_that_come_back_with_their_study_start_nothing(halves):
    """As a PACS does that forwards a study whenever it changes."""
    halves.predict(halves.files[:FIRST])
    halves.deliver()
    old = halves.target.got[0].body
    halves.predict(halves.files[FIRST:])
    halves.deliver()
    sent = len(halves.target.got)
    kept = set(halves.ours())
    for body in (old, *(request.body for request in halves.target.got)):
        answer = halves.client.post("/dicom-web/studies", data=body, content_type=_content_type(body))
        assert answer.status_code == 200, answer.text
    halves.clock.added_s += QUIET_S + 1
    halves.service.studies.predict_quiet()
    halves.deliver()
    assert len(halves.service.store.answers(10, study_uid=STUDY)) == 2
    assert (len(halves.target.got), set(halves.ours())) == (sent, kept)


def _content_type(body: bytes) -> str:
    boundary = body.split(b"\r\n", 2)[1][2:].decode()
    return f'multipart/related; type="application/dicom"; boundary="{boundary}"'


def test_results_that_were_never_sent_are_never_sent(halves):
    """The target can't be reached when the first result is made."""
    halves.target.say = says(503)
    halves.predict(halves.files[:FIRST])
    halves.predict(halves.files[FIRST:])
    halves.target.say = lambda connection: says(200, stored(*uids(halves.target.got[-1])))(connection)
    halves.deliver()
    (request,) = halves.target.got
    assert set(uids(request)) == {one.SOPInstanceUID for one in halves.ours().values()}
    report = _report(halves.ours())
    assert "PredecessorDocumentsSequence" not in report
    assert report.SeriesNumber == 9011


def test_a_series_that_is_asked_for_replaces_the_results_everywhere_and_stays(halves):
    """The targets get its results and a note for the others. A later choice of the service's own sends nothing."""
    lesser = instances(voxels(1), study=STUDY, series="2.25.3", ScanOptions="", SeriesDescription="PD SAG")
    own = halves.predict(halves.files + lesser)
    halves.deliver()
    before = {one.SOPInstanceUID for one in halves.ours().values()}
    response = halves.client.post("/v1/predictions?series_uid=2.25.3", json={"study_uid": STUDY})
    assert (response.status_code, response.json["supersedes"]) == (201, [own["id"]])
    halves.deliver()
    after = halves.ours()
    note = after.pop(KeyObjectSelectionDocumentStorage.name)
    assert rejected(note) == before
    assert not before & {one.SOPInstanceUID for one in after.values()}
    sent = len(halves.target.got)
    repeated = instances(voxels(2), study=STUDY, series="2.25.4", AcquisitionTime="120000")
    halves.service.instances.receive([("", one) for one in repeated])
    later = halves.client.post("/v1/predictions", json={"study_uid": STUDY}).json
    halves.deliver()
    assert (later["study"]["series_uid"], later["superseded_by"]) == ("2.25.4", response.json["id"])
    assert len(halves.target.got) == sent
    assert set(halves.ours()) - {KeyObjectSelectionDocumentStorage.name} == set(after)
