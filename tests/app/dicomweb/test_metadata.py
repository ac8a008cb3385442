"""Metadata are made once, kept, and refer to long values, which can be fetched. See also test_standard_qido.py."""

import io
import struct
import time

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from app.dicomweb import apart, attributes
from app.service.parts import EXTENSION
from app.store.disk.metadata_file import beside, metadata_in
from app.store.disk.shared_folder import FileLost
from app.store.index.keys import tag
from data_prep.errors import InputOverLimit
from tests.app.attacks import text, with_elements
from tests.app.dicomweb.messages import OCTETS, get, related
from tests.app.studies import ROWS, instances, voxels

pytestmark = pytest.mark.slow

STUDY, SERIES = "2.25.77", "2.25.771"
INSTANCE = f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1"
HOST = "http://localhost"
SOON_S = 30.0


def folder(client):
    return client.application.extensions[EXTENSION].settings.data / "instances"


def made(client, study: str) -> list[str]:
    return sorted(path.name for path in metadata_in(folder(client)) if path.parent.name == study)


def eventually(true) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """How many instances each call has made metadata of."""
    counts: list[int] = []
    make = attributes.metadata

    def counted(streams):
        counts.append(len(streams))
        return make(streams)

    monkeypatch.setattr(attributes, "metadata", counted)
    return counts


def test_they_are_made_when_an_instance_is_stored_and_never_again(holding, calls):
    client = holding(instances(voxels()[:3], "2.25.61", "2.25.611"))
    eventually(lambda: len(made(client, "2.25.61")) == 3)
    eventually(lambda: sum(calls) >= 3)
    calls.clear()
    first = client.get("/dicom-web/studies/2.25.61/metadata").json
    assert client.get("/dicom-web/studies/2.25.61/metadata").json == first
    assert [one["00080018"]["Value"] for one in first] == [[f"2.25.611.{number}"] for number in (1, 2, 3)]
    assert calls == []


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_what_is_not_there_is_made_at_need(holding, calls, damage):
    study = f"2.25.62{len(damage)}"
    client = holding(instances(voxels()[:3], study, f"{study}.1"))
    eventually(lambda: len(made(client, study)) == 3)
    first = client.get(f"/dicom-web/studies/{study}/metadata").json
    (path, *_) = (path for path in metadata_in(folder(client)) if path.parent.name == study)
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-1])
    calls.clear()
    assert client.get(f"/dicom-web/studies/{study}/metadata").json == first
    assert calls == [1]
    assert len(made(client, study)) == 3


def test_a_deleted_study_takes_them_with_it(holding):
    client = holding(instances(voxels()[:2], "2.25.63", "2.25.631"))
    eventually(lambda: len(made(client, "2.25.63")) == 2)
    assert client.delete("/dicom-web/studies/2.25.63").status_code == 204
    assert made(client, "2.25.63") == []
    assert client.get("/dicom-web/studies/2.25.63/metadata").status_code == 404


def test_the_metadata_of_a_lost_file_are_not_given(holding):
    client = holding(instances(voxels()[:2], "2.25.64", "2.25.641"))
    eventually(lambda: len(made(client, "2.25.64")) == 2)
    (path, _) = (path for path in metadata_in(folder(client)) if path.parent.name == "2.25.64")
    (file,) = (one for one in path.parent.iterdir() if beside(one) == path)
    file.unlink()
    assert client.get("/dicom-web/studies/2.25.64/metadata").status_code == 503
    found = client.get("/dicom-web/studies/2.25.64/instances?includefield=ScanningSequence").json
    assert sorted("00180020" in one for one in found) == [False, True]


def with_long_values() -> Dataset:
    """An instance with a long value of every kind, one of them in an item of a sequence."""
    (file,) = instances(voxels()[:1], STUDY, SERIES, SpecificCharacterSet="ISO_IR 100")
    dataset = pydicom.dcmread(io.BytesIO(file))
    item = Dataset()
    item.RedPaletteColorLookupTableData = np.arange(600, dtype="<u2").tobytes()
    item.VectorGridData = np.arange(300, dtype="<f4").tobytes()
    dataset.ReferencedImageSequence = [Dataset(), item]
    dataset.PatientComments = "é" * 1200
    dataset.EventTimerNames = [f"name {number}" for number in range(200)]
    dataset.EncapsulatedDocument = b"%PDF-1.4" + bytes(2000)
    return dataset


def written(dataset: Dataset, syntax: str) -> bytes:
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        item = dataset.ReferencedImageSequence[1]
        item.RedPaletteColorLookupTableData = np.arange(600, dtype=">u2").tobytes()
        item.VectorGridData = np.arange(300, dtype=">f4").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    content = io.BytesIO()
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(content, dataset, implicit_vr=implicit, little_endian=little)
    return content.getvalue()


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_long_values_are_fetched_at_the_address_that_metadata_give(holding, syntax):
    """PS3.18 F.2.6 and 10.4.1.1.5: numbers little endian, text in UTF-8, whatever the instance is stored in."""
    client = holding([written(with_long_values(), syntax)])
    (header,) = client.get(f"{INSTANCE}/metadata").json
    item = header["00081140"]["Value"][1]
    expected = {
        "00104000": (header["00104000"], ("é" * 1200).encode()),
        tag("EventTimerNames"): (
            header[tag("EventTimerNames")],
            "\\".join(f"name {number}" for number in range(200)).encode(),
        ),
        "00420011": (header["00420011"], b"%PDF-1.4" + bytes(2000)),
        "00081140/2/00281201": (item["00281201"], np.arange(600, dtype="<u2").tobytes()),
        "00081140/2/00640009": (item["00640009"], np.arange(300, dtype="<f4").tobytes()),
    }
    for path, (element, content) in expected.items():
        assert element["BulkDataURI"] == f"{HOST}{INSTANCE}/bulkdata/{path}"
        assert "Value" not in element
        ((media_type, part),) = get(client, element["BulkDataURI"].removeprefix(HOST), related(OCTETS))
        assert (media_type.name, part) == (OCTETS, content)
        alone = client.get(element["BulkDataURI"], headers={"Accept": OCTETS})
        assert (alone.content_type, alone.data) == (OCTETS, content)
    assert client.delete(f"/dicom-web/studies/{STUDY}").status_code == 204


def test_values_up_to_1024_bytes_are_in_the_metadata(holding):
    zeros = struct.pack("<HH2sH", 0x0009, 0x1001, b"US", 65_534) + bytes(65_534)
    words = text((0x0009, 0x1002), 1026)
    short = text((0x0009, 0x1003), 1024)
    file = with_elements(instances(voxels()[:1], STUDY, SERIES)[0], zeros + words + short, 0x0010)
    client = holding([file])
    (header,) = client.get(f"{INSTANCE}/metadata").json
    assert header["00091003"]["Value"] == ["x" * 1024]
    assert header["00091001"] == {"vr": "US", "BulkDataURI": f"{HOST}{INSTANCE}/bulkdata/00091001"}
    assert header["00091002"] == {"vr": "UT", "BulkDataURI": f"{HOST}{INSTANCE}/bulkdata/00091002"}
    assert header["00280010"]["Value"] == [ROWS]
    assert client.get(header["00091001"]["BulkDataURI"], headers={"Accept": OCTETS}).data == bytes(65_534)
    assert client.delete(f"/dicom-web/studies/{STUDY}").status_code == 204


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("bulkdata/00104000", OCTETS, 404),
        ("bulkdata/7FE00010", OCTETS, 404),
        ("bulkdata/00081140", OCTETS, 404),
        ("bulkdata/00081140/1/00080060", OCTETS, 404),
        ("bulkdata/00100020/1/00080060", OCTETS, 404),
        ("bulkdata/1", OCTETS, 404),
        ("bulkdata/../metadata", OCTETS, 404),
        ("bulkdata/00080060/x/00080060", OCTETS, 404),
        (f"bulkdata/{'00081140/1/' * 40}00080060", OCTETS, 404),
        ("bulkdata/00080060", "image/png", 406),
        ("bulkdata/00080060", OCTETS, 200),
        ("bulkdata/00080060", "*/*", 200),
        (f"bulkdata/00080060?accept={OCTETS}", "image/png", 200),
        ("bulkdata/00080060?accept=image/png", "*/*", 406),
    ],
)
def test_what_is_no_value_is_a_problem(holding, path, accept, status):
    client = holding(instances(voxels()[:1], "2.25.78", "2.25.781"))
    response = client.get(
        f"/dicom-web/studies/2.25.78/series/2.25.781/instances/2.25.781.1/{path}", headers={"Accept": accept}
    )
    assert response.status_code == status
    assert response.mimetype == "application/problem+json" or (status == 200 and b"MR" in response.data)


def test_a_text_that_looks_like_a_reference_is_none(holding):
    """No text of a client becomes an address."""
    false = '"BulkDataURI": "bulkdata/00080060'
    client = holding(instances(voxels()[:1], "2.25.79", "2.25.791", ImageComments=false))
    (header,) = client.get("/dicom-web/studies/2.25.79/metadata").json
    assert header["00204000"]["Value"] == [false]


def test_an_instance_that_breaks_its_process_costs_no_other_its_metadata(holding, monkeypatch):
    client = holding(instances(voxels()[:3], "2.25.65", "2.25.651"))
    eventually(lambda: len(made(client, "2.25.65")) == 3)
    streams = [io.BytesIO(b"") for _ in range(3)]

    def broken(answer, function, files, copied):
        if streams[1] in files:
            raise InputOverLimit("Reading the instance takes more than 60 s.")
        for _ in files[1:]:
            files[0].write(b"{}")
        files[0].flush()
        return [2] * (len(files) - 1)

    monkeypatch.setattr(apart.READERS, "call", broken)
    first, second, third = attributes.metadata(streams)
    assert (first, third) == (b"{}", b"{}")
    assert isinstance(second, InputOverLimit)


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"a": NaN}', b""])
def test_what_a_process_gives_is_checked(monkeypatch, content):
    def lies(answer, function, files, copied):
        files[0].write(content)
        files[0].flush()
        return [len(content)]

    monkeypatch.setattr(apart.READERS, "call", lies)
    (told,) = attributes.metadata([io.BytesIO(b"")])
    assert isinstance(told, FileLost)
