"""What the localiser found is where a reader's drawing may begin: it is corrected, stored and exported."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from app.contract import masks
from app.contract.schemas import SliceMask
from data_prep.labels import FOUR_CLASS
from data_prep.network_input.located import Located
from models.bundle import write_bundle
from models.calibration import Calibration
from models.segment.localiser import LOCALISERS
from tests.app.studies import COLUMNS, ROWS, SLICES, study_zip
from tests.app.viewer.test_review_panel import shown, stored
from tests.loopback import served
from tests.models.conftest import PROVENANCE, RECIPE, tiny_mrnet

pytestmark = pytest.mark.slow

FOUND = np.zeros((SLICES, ROWS, COLUMNS), bool)
FOUND[4:7, 30:50, 25:35] = True
BUTTON = "Begin with the localiser's outline"
ZIP = {"content_type": "application/zip"}


class Finding:
    """A localiser that segments the same place of every volume."""

    kind = "finding"
    sha256 = hashlib.sha256(FOUND.tobytes()).hexdigest()

    def locate(self, coarse) -> Located:
        return Located(((4, 7), (30, 50), (25, 35)), FOUND)

    def save(self, folder: Path) -> None:
        (folder / "nothing.txt").write_text("")

    @classmethod
    def load(cls, folder: Path) -> "Finding":
        return cls()


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    monkeypatch.setitem(LOCALISERS, Finding.kind, Finding)
    folder = tmp_path / "finding"
    arguments = (tiny_mrnet(FOUR_CLASS), "mrnet", RECIPE, Calibration(1.5), {"figures": []}, PROVENANCE, "")
    write_bundle(folder, *arguments, localiser=Finding())
    return folder


def test_a_drawing_begins_with_it_and_is_stored(make_app, page, bundle):
    app = make_app(bundles=(bundle,))
    client = app.test_client()
    answer = client.post("/v1/predictions", data=study_zip(), **ZIP).json
    with served(app) as origin:
        shown(page, origin, answer)
        page.get_by_role("button", name=BUTTON).click()
        expect(page.locator("#review")).to_contain_text("Drawn on slices: 5, 6, 7.")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#review")).to_contain_text("Drawn on slices: 5, 6.")
        page.get_by_label("Can't be judged").first.check()
        page.locator("#review select").nth(1).select_option("motion")
        page.get_by_role("button", name="Save the review").click()
        expect(page.get_by_role("status").filter(has_text="Saved at")).to_be_visible()
    drawn = masks.drawn([SliceMask(**one) for one in stored(client, answer)["mask"]], FOUND.shape)
    expected = FOUND.copy()
    expected[6] = False
    np.testing.assert_array_equal(drawn, expected)


def test_it_is_not_offered_without_a_localiser_or_before_the_own_verdict(make_app, page, bundle):
    for options in ({}, {"bundles": (bundle,), "hide_opinion": "until-read"}):
        app = make_app(**options)
        answer = app.test_client().post("/v1/predictions", data=study_zip(), **ZIP).json
        with served(app) as origin:
            shown(page, origin, answer)
            expect(page.get_by_role("button", name="Copy to the next slice")).to_be_visible()
            expect(page.get_by_role("button", name=BUTTON)).to_be_hidden()
