"""A PACS forwards a study by STOW-RS and gets results, configured as the documentation says."""

import pytest

from tests.app.dicomweb.orthanc import CONFIGURATION, DOCS, FORWARD, HTTP, in_own_network
from tests.app.studies import SLICES

pytestmark = pytest.mark.slow


def test_orthanc_forwards_a_study_by_itself_and_receives_its_results(bundles, tmp_path):
    """And forwards it again with the results in it, which changes nothing."""
    outcome = in_own_network("tests.app.dicomweb.forwarding", bundles[0], tmp_path)
    assert outcome == {
        "jobs": [["DicomWebStowClient", "Success"]] * 2,
        "same": True,
        "held": SLICES + 3,
        "modalities": ["MR", "OT", "OT", "SR"],
        "deliveries": {"this service": "delivered", f"{HTTP}/dicom-web": "delivered"},
        "predictions": ["done"],
    }


def test_the_page_shows_the_configuration_that_was_tested():
    page = (DOCS / "connect.md").read_text()
    for path in (CONFIGURATION, FORWARD):
        assert f"\n{path.read_text()}```\n" in page
