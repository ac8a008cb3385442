"""Orthanc's web viewer shows overlays and key images. Only `make viewers-orthanc` downloads it."""

import shutil
from pathlib import Path

import pytest

from tests.viewers.browser import missing
from tests.viewers.orthanc import main

PLUGIN = Path("build/viewers/orthanc/libOrthancWebViewer.so")


@pytest.mark.slow
@pytest.mark.skipif(not PLUGIN.is_file(), reason="the viewer isn't in build/: make viewers-orthanc fetches it")
@pytest.mark.skipif(shutil.which("Orthanc") is None, reason="Orthanc isn't installed")
@pytest.mark.skipif(bool(missing()), reason="chromium or chromium-driver isn't installed")
def test_overlays_and_key_images_are_shown(tmp_path, capsys):
    status = main(["--plugin", str(PLUGIN), "--out", str(tmp_path), "--study", "torn", "--study", "healthy"])
    assert status == 0, capsys.readouterr().out
