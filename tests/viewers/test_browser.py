"""Chromium opens a page of ours, clicks, and says what it sees."""

import shutil
import time

import numpy as np
import pytest
from flask import Flask

from tests.loopback import served
from tests.viewers.browser import NotSeen, chromium, missing

PAGE = """<!doctype html><title>A page</title><body style="background: #808080">
<div id="box" ondblclick="this.style.background='#ff8000'" style="width: 200px; height: 100px"></div>
<button onclick="this.textContent='Done'; console.error('clicked')">No</button>
<img src="http://elsewhere.example/picture.png">
<script>fetch("/late").then((late) => late.text()).then((text) => { document.title = text; });</script></body>"""
LATE_S = 4.0


def test_programs_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "chromedriver" else f"/usr/bin/{name}")
    assert missing() == ["chromedriver"]


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason="chromium or chromium-driver isn't installed")
def test_a_page_is_opened_clicked_and_seen(tmp_path):
    app = Flask("page", static_folder=None)
    app.add_url_rule("/", view_func=lambda: PAGE, endpoint="page")
    app.add_url_rule("/late", view_func=lambda: time.sleep(LATE_S) or "all is there", endpoint="late")
    with served(app) as origin, chromium(tmp_path / "profile") as browser:
        browser.driver.get(origin)
        box = browser.element("#box")
        assert np.unique(browser.picture(box)).tolist() == [128]
        browser.double_click(box)
        browser.click("No")
        browser.click("No")  # it is gone: nothing happens
        browser.settle()  # an unanswered request is waited for, though nothing changes on the page
        assert browser.driver.title == "all is there"
        assert browser.picture(box)[50, 100].tolist() == [255, 128, 0]
        assert browser.run("return document.querySelector('button').textContent") == "Done"
        messages = browser.messages()
        assert any("clicked" in message for message in messages)
        assert any("ERR_NAME_NOT_RESOLVED" in message for message in messages)  # it reaches this machine only
        with pytest.raises(NotSeen, match="a second box: not seen in 0 s"):
            browser.wait_for("a second box", lambda: None, seconds=0.1)
