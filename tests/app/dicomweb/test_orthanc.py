"""A PACS forwards a study by STOW-RS and gets results, configured as the documentation says."""

import pytest

from tests.app.dicomweb.orthanc import CONFIGURATION, DOCS, FORWARD, HTTP, beside_orthanc
from tests.app.studies import SLICES

pytestmark = pytest.mark.slow


def test_orthanc_forwards_a_study_by_itself_and_receives_its_results(bundles, tmp_path):
    """And forwards it again with the results in it, which changes nothing."""
    outcome = beside_orthanc("tests.app.dicomweb.forwarding", bundles[0], tmp_path)
    assert outcome == {
        "jobs": [["DicomWebStowClient", "Success"]] * 2,
        "same": True,
        "held": SLICES + 3 + SLICES,
        "modalities": ["MR", "OT", "OT", "OT", "SR"],
        "deliveries": {"this service": "delivered", f"{HTTP}/dicom-web": "delivered"},
        "predictions": ["done"],
    }


def test_a_study_in_two_halves_ends_with_one_valid_set_of_results(bundles, tmp_path):
    """Also if the service is killed between the new results and the note that rejects the old ones."""
    outcome = beside_orthanc("tests.app.dicomweb.halves", bundles[0], tmp_path)
    assert outcome == {
        "title": "113037",
        "rejected": True,
        "valid": True,
        "flags": ["PARTIAL", "COMPLETE"],
        "predecessor": True,
        "held": True,
        "stale": 0,
        "superseded": True,
    }


def test_the_page_shows_the_configuration_that_was_tested():
    page = (DOCS / "connect.md").read_text()
    for path in (CONFIGURATION, FORWARD):
        assert f"\n{path.read_text()}```\n" in page
