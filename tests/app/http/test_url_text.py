"""What no database can look up is the client's mistake, on both databases: never a fault of the database."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from tests.app.conftest import LOADING_S
from tests.app.postgres import postgresql

pytestmark = pytest.mark.slow

PREDICTIONS, DELIVERIES, STUDIES = "/v1/predictions", "/v1/deliveries", "/dicom-web/studies"
REQUESTS = [
    ("GET", f"{PREDICTIONS}?study_uid=%00"),
    ("GET", f"{PREDICTIONS}?after=%00"),
    ("GET", f"{PREDICTIONS}/%00"),
    ("GET", f"{PREDICTIONS}/%00/map.npz"),
    ("DELETE", f"{PREDICTIONS}/a%00"),
    ("POST", f"{PREDICTIONS}?bundle=%00"),
    ("GET", f"{DELIVERIES}?target=%00"),
    ("POST", f"{DELIVERIES}/retry?prediction=%00"),
    ("GET", f"{STUDIES}?StudyInstanceUID=%00"),
    ("GET", f"{STUDIES}?PatientName=A%00*"),
    ("GET", f"{STUDIES}?%00=1"),
    ("GET", "/dicom-web/instances?SOPInstanceUID=1%00"),
    ("GET", f"{STUDIES}/%00"),
    ("GET", f"{STUDIES}/1/series/%00/metadata"),
    ("DELETE", f"{STUDIES}/%00"),
    ("POST", f"{STUDIES}/1%00"),
    ("GET", "/v2/%00"),
]
NOT_UIDS = ["\0", "2.25.1\0", "", "a", "\ud800"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(request, bundles, tmp_path_factory) -> Iterator[FlaskClient]:
    def served(url: str) -> Iterator[FlaskClient]:
        app = create_app(Settings(bundles=bundles[:1], data=tmp_path_factory.mktemp("var"), database=url))
        service = app.extensions[EXTENSION]
        service.engine.loaded.result(LOADING_S)
        yield app.test_client()
        service.stop()

    if request.param == "sqlite":
        yield from served("")
    else:
        with postgresql() as url:
            yield from served(url)


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_nul_in_a_url_is_the_clients_mistake(client, caplog, method, path):
    response = client.open(path, method=method)
    assert response.status_code == 400, response.text
    assert response.json["detail"] == "The URL must not contain %00, a NUL character."
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("uid", NOT_UIDS)
def test_what_is_no_uid_is_no_study(client, caplog, uid):
    response = client.post(PREDICTIONS, json={"study_uid": uid})
    assert response.status_code == 400, response.text
    assert response.json["detail"].startswith("The body must be")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
