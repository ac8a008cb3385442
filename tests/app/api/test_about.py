import json
import threading
from urllib.request import urlopen

import pytest
from werkzeug.serving import make_server

from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from models.predictor import Predictor
from tests.app.studies import study_zip

pytestmark = pytest.mark.slow


def test_every_loaded_bundle_is_described(answered):
    client, answer = answered
    models = client.get("/v1/models").json["models"]
    assert [model["name"] for model in models] == ["tiny", "four"]
    assert models[0]["sha256"] == answer["bundle"]["sha256"]
    assert models[0]["manifest"]["trained_on"] == "synthetic"
    assert models[0]["metrics"] == {"figures": []}
    card = client.get(models[1]["model_card"])
    assert (card.mimetype, "four_class" in card.text) == ("text/markdown", True)
    assert client.get("/v1/models/none/model-card.md").status_code == 404


def test_readiness_waits_for_the_golden_answer(bundles, tmp_path, monkeypatch):
    """The process lives from the first moment, but takes no study before its models are proved."""
    may_go_on = threading.Event()
    init = Predictor.__init__

    def slow(self, bundle):
        may_go_on.wait(60)
        init(self, bundle)

    monkeypatch.setattr(Predictor, "__init__", slow)
    app = create_app(Settings(bundles=bundles, data=tmp_path))
    client, engine = app.test_client(), app.extensions[EXTENSION].engine
    try:
        assert client.get("/healthz").status_code == 200
        early = client.post("/v1/predictions", data=study_zip(), content_type="application/zip")
        for response in (client.get("/readyz"), client.get("/v1/models"), early):
            assert (response.status_code, response.mimetype) == (503, "application/problem+json")
            assert int(response.headers["Retry-After"]) > 0
        may_go_on.set()
        engine.loaded.result(60)
        assert client.get("/readyz").json == {"status": "ready", "bundles": ["tiny", "four"]}
    finally:
        may_go_on.set()
        engine.stop()


def test_a_broken_bundle_never_becomes_ready(tmp_path, caplog):
    bundle = tmp_path / "broken"
    bundle.mkdir()
    (bundle / "manifest.json").write_text("{}")
    app = create_app(Settings(bundles=(bundle,), data=tmp_path / "var"))
    with pytest.raises(ValueError, match="no readable manifest"):
        app.extensions[EXTENSION].engine.loaded.result(60)
    assert app.test_client().get("/readyz").status_code == 503
    assert "broken: no readable manifest" in caplog.text


def test_a_server_that_waits_for_a_body_is_not_asked_for_one(answered):
    """Werkzeug's, of `flask run`: reading what nobody sends would block for ever."""
    server = make_server("127.0.0.1", 0, answered[0].application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/healthz", timeout=20) as response:
            assert json.load(response) == {"status": "alive"}
    finally:
        server.shutdown()
        server.server_close()
