"""OHIF shows every result of a torn knee, a healthy knee and the real series. Only `make viewers` downloads OHIF."""

import json
from pathlib import Path

import pytest

from tests.viewers.browser import missing
from tests.viewers.ohif import main
from tests.viewers.ohif_page import configuration

OHIF = sorted(Path("build/viewers").glob("ohif-*/dist/index.html"))


def test_the_configuration_names_our_dicomweb_and_no_other_server():
    script = configuration("http://127.0.0.1:8000/dicom-web")
    settings = json.loads(script.removeprefix("window.config = ").removesuffix(";\n"))
    (source,) = settings["dataSources"]
    assert (
        source["configuration"]["qidoRoot"] == source["configuration"]["wadoRoot"] == "http://127.0.0.1:8000/dicom-web"
    )
    assert script.count("http") == 2


@pytest.mark.slow
@pytest.mark.skipif(not OHIF, reason="OHIF isn't in build/: make viewers fetches it")
@pytest.mark.skipif(bool(missing()), reason="chromium or chromium-driver isn't installed")
def test_every_result_is_shown(tmp_path, capsys):
    status = main(["--ohif", str(OHIF[-1].parent), "--out", str(tmp_path)])
    assert status == 0, capsys.readouterr().out
