"""OHIF shows every result of a torn knee, a healthy knee and the real series. Only `make viewers` downloads OHIF."""

from pathlib import Path

import pytest

from tests.viewers.browser import missing
from tests.viewers.ohif import main

OHIF = sorted(Path("build/viewers").glob("ohif-*/dist/index.html"))


@pytest.mark.slow
@pytest.mark.skipif(not OHIF, reason="OHIF isn't in build/: make viewers fetches it")
@pytest.mark.skipif(bool(missing()), reason="chromium or chromium-driver isn't installed")
def test_every_result_is_shown(tmp_path, capsys):
    status = main(["--ohif", str(OHIF[-1].parent), "--out", str(tmp_path)])
    assert status == 0, capsys.readouterr().out
