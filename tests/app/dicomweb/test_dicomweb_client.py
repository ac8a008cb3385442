"""dicomweb-client over loopback: a synthetic knee goes in, is found, and comes back pixel for pixel."""

import io
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless
from requests import HTTPError

from app.client import serving
from data_prep.phantom import generate
from data_prep.phantom.dicom_out import instance
from tests.data_prep.dicom_factory import encode_codestreams

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def knee() -> list[Dataset]:
    phantom = generate(11, "complete rupture")
    return [instance(phantom, index) for index in range(phantom.scan.slices)]


@pytest.fixture(scope="module")
def client(bundles, tmp_path_factory) -> Iterator[DICOMwebClient]:
    with serving(bundles[0], tmp_path_factory.mktemp("service"), CRUCIATE_QUIET_S="3600") as service:
        service.wait_until_ready()
        client = DICOMwebClient(f"http://127.0.0.1:{service.port}/dicom-web")
        yield client
        client._session.close()


@pytest.fixture(scope="module")
def study(client, knee) -> str:
    """The UID of the knee's study, which has been stored."""
    answer = client.store_instances(knee)
    assert len(answer.ReferencedSOPSequence) == len(knee)
    assert "FailedSOPSequence" not in answer
    return knee[0].StudyInstanceUID


def place(dataset: Dataset) -> tuple[str, str, str]:
    return dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID


def test_a_study_comes_back_pixel_for_pixel(client, study, knee):
    held = {dataset.SOPInstanceUID: dataset for dataset in client.retrieve_study(study)}
    assert held.keys() == {dataset.SOPInstanceUID for dataset in knee}
    for dataset in knee:
        assert held[dataset.SOPInstanceUID].PixelData == dataset.PixelData
        assert held[dataset.SOPInstanceUID] == dataset


def test_a_study_is_found(client, study, knee):
    (found,) = client.search_for_studies(search_filters={"PatientName": "synthetic*", "StudyDate": "20260101-"})
    found = Dataset.from_json(found)
    assert (found.StudyInstanceUID, found.ModalitiesInStudy) == (study, "MR")
    assert found.NumberOfStudyRelatedInstances == len(knee)
    assert client.search_for_studies(search_filters={"PatientName": "Nobody"}) == []
    (series,) = client.search_for_series(study, search_filters={"Modality": "MR"}, fields=["SeriesDescription"])
    assert Dataset.from_json(series).SeriesDescription == knee[0].SeriesDescription
    assert len(client.search_for_instances(study, limit=7, get_remaining=True)) == len(knee)


def test_metadata_describe_every_instance(client, study, knee):
    described = {
        Dataset.from_json(one).SOPInstanceUID: Dataset.from_json(one) for one in client.retrieve_study_metadata(study)
    }
    for dataset in knee:
        header = described[dataset.SOPInstanceUID]
        assert header.ImagePositionPatient == dataset.ImagePositionPatient
        assert header == Dataset({tag: element for tag, element in dataset.items() if element.keyword != "PixelData"})


def test_frames_and_pictures(client, study, knee):
    first = knee[0]
    assert client.retrieve_instance_frames(*place(first), frame_numbers=[1]) == [first.PixelData]
    stream = client.iter_instance_frames(*place(first), [1], media_types=(("application/octet-stream", "*"),))
    assert list(stream) == [first.PixelData]
    png = client.retrieve_instance_rendered(*place(first), media_types=("image/png",))
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (first.Rows, first.Columns)
    assert np.corrcoef(picture.ravel(), first.pixel_array.clip(0, 1.5 * first.WindowWidth).ravel())[0, 1] > 0.95

    narrow = client.retrieve_instance_rendered(
        *place(first), media_types=("image/png",), params={"window": "1,1,linear", "viewport": "9,9"}
    )
    assert max(cv2.imdecode(np.frombuffer(narrow, np.uint8), cv2.IMREAD_UNCHANGED).shape) == 9


def test_frames_are_compressed_where_that_is_wanted(client, study, knee):
    first = knee[0]
    for kind, syntax in (("image/jls", JPEGLSLossless), ("image/jp2", JPEG2000Lossless)):
        (frame,) = client.retrieve_instance_frames(*place(first), [1], media_types=((kind, syntax),))
        read = dcmread(io.BytesIO(encode_codestreams(first, syntax, [frame])))
        assert (read.pixel_array == first.pixel_array).all()
    for syntax in (JPEGLSLossless, JPEG2000Lossless):
        sent = client.retrieve_instance(*place(first), media_types=(("application/dicom", syntax),))
        assert sent.file_meta.TransferSyntaxUID == syntax
        assert (sent.pixel_array == first.pixel_array).all()


def test_one_instance(client, study, knee):
    file = io.BytesIO()
    client.retrieve_instance(*place(knee[3])).save_as(file, enforce_file_format=True)
    assert file.getvalue()[128:132] == b"DICM"


def test_what_is_not_there_is_an_error_that_says_so(client, study):
    with pytest.raises(HTTPError, match="404"):
        client.retrieve_study("1.2.3")


def test_what_cant_be_searched_by_is_ignored(client, study):
    assert client.search_for_studies(search_filters={"PatientSpeciesDescription": "cat"})


def test_a_wrong_study_is_refused_and_a_deleted_one_gone(client, study, knee):
    with pytest.raises(HTTPError, match="409"):
        client.store_instances(knee[:1], study_instance_uid="1.2.3")
    client.delete_study(study)
    assert client.search_for_instances(study) == []
