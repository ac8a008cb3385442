"""A prediction whose pixels or maps are missing is told, and made again by the same study."""

import shutil

import pytest

from app.service.parts import EXTENSION
from app.store.opening import open_database
from tests.app.conftest import settled
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow

POST = {"path": "/v1/predictions", "content_type": "application/zip"}


def lose(folder, what: str) -> None:
    if what == "everything":
        shutil.rmtree(folder)
    elif what == "cut short":
        (folder / "voxels.npy").write_bytes((folder / "voxels.npy").read_bytes()[:1000])
    else:
        (folder / f"{what}.npy").unlink()


@pytest.mark.parametrize("what", ["voxels", "maps", "everything", "cut short"])
def test_lost_arrays_are_a_problem_until_the_study_is_sent_again(client, tmp_path, what):
    answer = client.post(**POST, data=study_zip()).json
    place = f"/v1/predictions/{answer['id']}"
    picture = client.get(f"{place}/slices/5/overlay.png").data
    objects = [client.get(f"{place}/dicom/{kind}.dcm").data for kind in ("sr", "map", "key-image")]
    lose(tmp_path / "var" / "predictions" / answer["id"], what)
    lost = [
        f"{place}/slices/5/overlay.png",
        *([f"{place}/map.npz"] if what in ("maps", "everything") else []),  # voxels aren't in it
        f"{place}/dicom/sr.dcm",
        f"{place}/dicom/map.dcm",
        f"{place}/dicom/key-image.dcm",
    ]
    for path in lost:
        response = client.get(path)
        assert (response.status_code, response.mimetype) == (503, "application/problem+json"), path
        assert "Send the study again" in response.json["detail"]
    assert client.get(place).json == answer  # the probabilities aren't lost
    again = client.post(**POST, data=study_zip())
    assert (again.status_code, again.json["id"]) == (201, answer["id"])
    assert client.get(f"{place}/slices/5/overlay.png").data == picture
    assert [client.get(f"{place}/dicom/{kind}.dcm").data for kind in ("sr", "map", "key-image")] == objects
    assert client.post(**POST, data=study_zip()).status_code == 200


def test_a_waiting_study_whose_pixels_are_lost_fails_with_a_sentence(make_app, tmp_path):
    app = make_app()
    id_ = app.test_client().post(**POST, data=study_zip()).json["id"]
    app.extensions[EXTENSION].stop()
    database = open_database("", tmp_path / "var")
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE prediction SET status = 'queued', answer = NULL")
    database.close()
    lose(tmp_path / "var" / "predictions" / id_, "voxels")
    client = make_app().test_client()
    answer = settled(client, f"/v1/predictions/{id_}")
    assert (answer["status"], answer["problem"]["status"]) == ("failed", 503)
    assert "Send the study again" in answer["problem"]["detail"]
    assert client.post(**POST, data=study_zip()).status_code == 201


def test_a_prediction_with_lost_arrays_can_be_deleted(client, tmp_path):
    id_ = client.post(**POST, data=study_zip()).json["id"]
    lose(tmp_path / "var" / "predictions" / id_, "everything")
    assert client.delete(f"/v1/predictions/{id_}").status_code == 204
    assert client.get(f"/v1/predictions/{id_}").status_code == 404
