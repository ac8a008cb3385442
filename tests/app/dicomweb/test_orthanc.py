"""A PACS forwards a study by STOW-RS, configured as the documentation says."""

from tests.app.dicomweb.orthanc import CONFIGURATION, DOCS, FORWARD, in_own_network


def test_orthanc_forwards_a_study_by_itself(bundles, tmp_path):
    outcome = in_own_network("tests.app.dicomweb.forwarding", bundles[0], tmp_path)
    assert outcome == {"jobs": [["DicomWebStowClient", "Success"]], "same": True}


def test_the_page_shows_the_configuration_that_was_tested():
    page = (DOCS / "connect.md").read_text()
    for path in (CONFIGURATION, FORWARD):
        assert f"\n{path.read_text()}```\n" in page
