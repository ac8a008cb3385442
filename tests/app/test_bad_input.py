"""What clients send by mistake or malice: always a 4xx problem with a sentence that helps, never much memory."""

import gzip
import io
import json
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from data_prep.names import original
from tests.app.studies import instances, study_zip, voxels, zipped, zipped_as

# The largest that a deflated instance may unpack to, however well it is packed, and its copy.
MEMORY_MB = 200


def changed(files: list[bytes], index: int, change) -> list[bytes]:
    """The same files, with one of them rewritten by `change(dataset)`."""
    dataset = dcmread(io.BytesIO(files[index]))
    change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return [*files[:index], buffer.getvalue(), *files[index + 1 :]]


def study() -> list[bytes]:
    return instances(voxels())


def zip_bomb() -> bytes:
    return zipped_as({"bomb": bytes(200 << 20)})


def overlapping_bomb() -> bytes:
    """One deflated kernel that a thousand directory entries point at (Fifield 2019)."""
    kernel = zipped_as({"a": b"\0" * 128 + b"DICM" + bytes(8 << 20)})
    directory_at = kernel.rindex(b"PK\1\2")
    end_at = kernel.rindex(b"PK\5\6")
    entries = 1000
    directory = kernel[directory_at:end_at] * entries
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries, len(directory), directory_at, 0)
    return kernel[:directory_at] + directory + end


def gigantic_image() -> bytes:
    def lie(dataset):
        dataset.Rows = dataset.Columns = 65535
        dataset.PixelData = bytes(1024)

    return zipped(changed(study(), 0, lie))


def deflated_bomb() -> bytes:
    """A data set in the deflated transfer syntax (PS3.5 A.5) that unpacks to 300 MB."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    syntax = b"1.2.840.10008.1.2.1.99"
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
    head = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta)) + meta
    return zipped_as({"bomb.dcm": bytes(128) + b"DICM" + head + packed})


def mixed_patients() -> bytes:
    return zipped(changed(study(), 3, lambda dataset: setattr(dataset, "PatientID", "SOMEONE-ELSE")))


def undecodable_slice() -> bytes:
    def spoil(dataset):
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x08\0\0\0not jpeg\xfe\xff\xdd\xe0\0\0\0\0"
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True

    return zipped(changed(study(), 5, spoil))


AXIAL = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
CASES = {
    "empty body": (lambda: b"", 400, "empty"),
    "not a zip": (lambda: b"hello " * 100, 422, "zip"),
    "half a zip": (lambda: study_zip()[:5000], 400, "zip"),
    "zip of nothing": (lambda: zipped_as({}), 400, "Nothing was sent|No DICOM"),
    "zip of text": (lambda: zipped_as({"readme.txt": b"hello"}), 422, "No DICOM"),
    "zip within a zip": (lambda: zipped_as({"study.zip": study_zip()}), 422, "zip within"),
    "zip bomb": (zip_bomb, 413, "times its size|unpacks to more"),
    "overlapping zip bomb": (overlapping_bomb, 413, "times its size|unpacks? to more"),
    "truncated DICOM": (lambda: zipped([file[:-1000] for file in study()]), 422, "IM0000"),
    "header only": (lambda: zipped([file[:400] for file in study()]), 422, "IM0000"),
    "65535 x 65535 in 1 kB": (gigantic_image, 413, "65535 x 65535"),
    "deflated bomb": (deflated_bomb, 413, "unpacks to more"),
    "no sagittal series": (lambda: study_zip(**AXIAL), 422, "axial"),
    "CT": (
        lambda: study_zip(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
        422,
        "CT|Modality|modality",
    ),
    "three slices": (lambda: zipped(study()[:3]), 422, "3"),
    "mixed patients": (mixed_patients, 422, "2 patients"),
    "a slice that can't be decoded": (undecodable_slice, 422, "IM0005"),
    "a last slice that is cut short": (lambda: zipped([*study()[:-1], study()[-1][:-1000]]), 422, "IM0013"),
    "a last slice that is cut in its header": (lambda: zipped([*study()[:-1], study()[-1][:900]]), 422, "IM0013"),
    "empty files": (lambda: zipped_as({"a": b"", "b": b""}), 422, "None of the 2 files can be read"),
    "a missing slice": (lambda: zipped(study()[:6] + study()[7:]), 422, "missing|apart|gap"),
    "blank pixels": (lambda: zipped(instances(0 * voxels())), 422, "blank"),
    "colour": (lambda: study_zip(PhotometricInterpretation="RGB", SamplesPerPixel=3), 422, "colour"),
}


@pytest.fixture
def posted(answered):
    """Posts a body, holds the answer to the rules for all errors, and gives the problem."""
    client, _ = answered

    def post(body, status: int, content_type: str = "application/zip", **rest) -> dict:
        response = client.post("/v1/predictions", data=body, content_type=content_type, **rest)
        assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text
        problem = response.json
        assert {"type", "title", "status", "detail"} <= set(problem) <= {"type", "title", "status", "detail", "errors"}
        assert problem["status"] == status
        assert problem["detail"].endswith(".")
        assert "Quibble" not in response.text
        return problem

    return post


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_bad_study_is_a_problem_of_the_client(posted, case):
    make, status, sentence = CASES[case]
    body = make()
    tracemalloc.start()
    problem = posted(body, status)
    peak_mb = tracemalloc.get_traced_memory()[1] >> 20
    tracemalloc.stop()
    assert any(part in str(problem) for part in sentence.split("|")), problem
    assert peak_mb < MEMORY_MB


def test_the_file_at_fault_is_named(posted):
    problem = posted(undecodable_slice(), 422)
    assert [error["file"] for error in problem["errors"]] == ["study/IM0005"]
    assert problem["type"] == "urn:cruciate:problem:unsuitable-study"


def test_one_bad_object_beside_a_series_is_passed_over_and_told(answered):
    """By its reason, in the answer; what may have been a slice of the series is a warning too. No file is named."""
    client, good = answered

    def other(dataset):
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "2.25.80", "2.25.80.1"
        dataset.HighBit = 3

    bad = {"screenshot": changed(study(), 0, other)[0], "cut": study()[0][:200], "empty": b""}
    members = {f"study/IM{index:04}": file for index, file in enumerate(study())}
    response = client.post("/v1/predictions", data=zipped_as(members | bad), content_type="application/zip")
    assert response.status_code == 201, response.text  # not the good study's answer, which has no such warning
    assert response.json["result"] == good["result"]
    passed_over = response.json["study"]["passed_over"]
    assert sorted(one["series_uid"] for one in passed_over) == ["", "", "2.25.80"]
    reasons = {one["reason"] for one in passed_over if not one["series_uid"]}
    assert reasons == {
        f"1 file can't be read: {why}"
        for why in ("The file is empty.", "There are no pixels; the file may be cut short.")
    }
    assert "files-not-read" in [warning["code"] for warning in response.json["warnings"]]


def test_names_in_a_zip_lead_nowhere(answered, tmp_path, monkeypatch):
    """Member names only serve to speak of them: such a study is as good as any other."""
    monkeypatch.chdir(tmp_path)
    names = ["../../evil", "/etc/evil", "C:\\evil", "..\\..\\evil", "a/" * 300 + "evil", "\u202elive"]
    members = {f"{names[index % len(names)]}{index}": file for index, file in enumerate(study())}
    response = answered[0].post("/v1/predictions", data=zipped_as(members), content_type="application/zip")
    assert response.status_code == 200
    assert response.json["id"] == answered[1]["id"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/dicom+json", "image/png", "application/pdf"])
def test_other_types_are_not_taken(posted, content_type):
    assert "application/zip" in posted(study_zip(), 415, content_type)["detail"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/zip; charset=binary",
        "Application/ZIP",
        "application/x-zip-compressed",
        "application/x-zip",
        "application/zip-compressed",
        "multipart/x-zip",
        "application/octet-stream",
        "APPLICATION/OCTET-STREAM; name=knee.zip",
        "binary/octet-stream",
        "application/x-www-form-urlencoded",
        "application/dicom",
    ],
)
def test_a_zip_is_a_zip_whatever_it_is_called(answered, content_type):
    response = answered[0].post("/v1/predictions", data=study_zip(), content_type=content_type)
    assert (response.status_code, response.json["id"]) == (200, answered[1]["id"])


@pytest.mark.parametrize("content_type", ["application/dicom", "image/dicom", "", "application/zip"])
def test_a_dicom_file_is_one_whatever_it_is_called(posted, content_type):
    """One slice is too few, but it was read."""
    assert "slice" in posted(study()[0], 422, content_type)["detail"]


@pytest.mark.parametrize("kind", ["application/x-zip-compressed", "", None, "image/dicom", "text/plain"])
def test_a_part_is_what_it_holds_whatever_it_is_called(answered, kind):
    files = [(io.BytesIO(file), f"{number}.dcm", kind) for number, file in enumerate(study())]
    response = answered[0].post("/v1/predictions", data={"file": files})
    assert (response.status_code, response.json["id"]) == (200, answered[1]["id"])
    response = answered[0].post("/v1/predictions", data={"file": [(io.BytesIO(study_zip()), "knee", kind)]})
    assert (response.status_code, response.json["id"]) == (200, answered[1]["id"])


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"hello", "application/octet-stream", 422, "neither a zip archive nor a DICOM file"),
        (b"hello", "", 422, "neither a zip archive nor a DICOM file"),
        (b"hello", "application/dicom", 422, "isn't a DICOM file"),
        (b"hello", "application/zip", 422, "isn't a zip archive"),
        (study_zip()[:-500], "application/octet-stream", 400, "incomplete"),
        (gzip.compress(study_zip()), "application/gzip", 415, "application/zip"),
        (gzip.compress(study_zip()), "application/octet-stream", 422, "gzip archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(90), "application/x-zip-compressed", 422, "7-Zip archive"),
        (b"Rar!\x1a\x07\x00" + bytes(90), "application/zip", 422, "RAR archive"),
        (b"", "application/octet-stream", 400, "empty"),
    ],
)
def test_a_body_that_holds_no_study_is_told_what_it_is(posted, body, content_type, status, words):
    assert words in posted(body, status, content_type)["detail"]


def test_a_dicom_body_must_be_dicom(posted):
    posted(b"", 400, "application/dicom")
    posted(b"hello", 422, "application/dicom")
    assert "1" in posted(study()[0], 422, "application/dicom")["detail"]


def test_a_dicom_body_may_lack_its_preamble(posted):
    """One slice is too few, but it was read."""
    assert "slice" in posted(study()[0][132:], 422, "application/dicom")["detail"]


def test_parts_of_other_names_are_named(posted):
    data = {"file": (io.BytesIO(study_zip()), "a.zip"), "picture": (io.BytesIO(b"x"), "b.zip"), "comment": "hello"}
    problem = posted(data, 400, "multipart/form-data")
    assert [error["file"] for error in problem["errors"]] == ["comment", "picture"]


def test_a_part_without_a_name_beside_others_is_refused(posted):
    """None can't be sorted among names."""
    parts = b"".join(b"--x\r\nContent-Disposition: form-data%s\r\n\r\n1\r\n" % name for name in (b"", b'; name="b"'))
    problem = posted(parts + b"--x--\r\n", 400, "multipart/form-data; boundary=x")
    assert [error["file"] for error in problem["errors"]] == ["", "b"]


@pytest.mark.parametrize(
    "body", [b"", b"--x\r\n", b"--x--\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--"]
)
def test_broken_multipart_is_refused(posted, body):
    posted(body, 400, "multipart/form-data; boundary=x")
    posted(body, 400, "multipart/form-data")


def test_too_many_parts_are_refused(posted):
    parts = {"file": [(io.BytesIO(b"x"), str(index)) for index in range(501)]}
    assert "500 parts" in posted(parts, 413, "multipart/form-data")["detail"]


def test_an_unknown_bundle_is_refused_with_the_names_that_there_are(posted):
    problem = posted(study_zip(), 400, query_string={"bundle": "nope"})
    assert "the loaded bundles are: tiny, four" in problem["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("content_type", ["application/zip", "multipart/form-data; boundary=x"])
def test_a_body_over_the_limit_is_refused(make_app, content_type):
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    response = (
        make_app(max_body_mb=1)
        .test_client()
        .post("/v1/predictions", data=part + bytes(2 << 20) + b"\r\n--x--\r\n", content_type=content_type)
    )
    assert response.status_code == 413
    assert "1 MB" in response.json["detail"]


def test_other_methods_and_places_are_problems_too(answered):
    client, _ = answered
    for method, path, status in [("PUT", "/v1/predictions", 405), ("GET", "/nowhere", 404), ("DELETE", "/readyz", 405)]:
        response = client.open(path, method=method)
        assert (response.status_code, response.mimetype) == (status, "application/problem+json")
        assert ("Allow" in response.headers) == (status == 405)


def test_an_encrypted_zip_is_refused(posted):
    body = bytearray(study_zip())
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        directory = archive.start_dir
    body[6] |= 1  # general purpose bit 0, in the first local header and in the directory
    body[directory + 8] |= 1
    assert "password" in posted(bytes(body), 422)["detail"]


@pytest.mark.parametrize("name", ["two\nlines\u202e", "M\\xfcller", "=1+1", "\u5c71" * 80, "a" * 255])
def test_a_problem_names_a_file_of_any_name_in_plain_text(posted, name):
    files = dict(zip([f"{name}{number}" for number in range(14)], study(), strict=True))
    files[f"{name}3"] = files[f"{name}3"][:-9000]
    problem = posted(zipped_as(files), 422)
    (error,) = problem["errors"]
    assert original(error["file"]) == f"{name}3"
    assert error["file"].isprintable()
    json.dumps(problem, ensure_ascii=False).encode()


def test_a_zip_that_was_packed_under_another_encoding_is_read(answered):
    """Names in Latin-1, without the flag for UTF-8 (APPNOTE 4.4.4)."""
    packed = zipped_as({f"M#ller/IM{index:04}": content for index, content in enumerate(study())})
    response = answered[0].post("/v1/predictions", data=packed.replace(b"M#ller", b"M\xfcller"))
    assert (response.status_code, response.json["id"]) == (200, answered[1]["id"])
