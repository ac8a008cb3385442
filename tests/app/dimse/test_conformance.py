"""docs/conformance.md against what the software negotiates and makes."""

import io
import re

import pydicom
import pytest
from pydicom.uid import KeyObjectSelectionDocumentStorage, SegmentationStorage
from pynetdicom.presentation import AllStoragePresentationContexts

from app.dimse.contexts import READING, supported
from app.dimse.identifier import MOST, MOST_KEYS
from app.dimse.listener import ASSOCIATIONS
from app.dimse.server import OPENING_S, SILENCE_S
from app.results import KINDS
from data_prep.dicom.transfer_syntax import TAKEN
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
UID = re.compile(r"1\.2\.840\.10008[0-9.]+")
STORAGE = {str(one.abstract_syntax) for one in AllStoragePresentationContexts}


def section(title: str) -> str:
    return PAGE.split(f"### {title}\n")[1].split("\n#")[0]


def rows(title: str) -> list[list[str]]:
    """The rows of a section's tables with a UID, as cells."""
    lines = [line for line in section(title).splitlines() if line.startswith("|") and UID.search(line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_services_are_those_that_are_offered():
    offered = {str(one.abstract_syntax) for one in supported(commits=True)}
    assert {row[1] for row in rows("Services of the listener")} == offered - STORAGE
    assert offered >= STORAGE
    assert {row[1] for row in rows("Services of the listener") if row[3] == "readers"} == set(READING)
    assert f"the {len(STORAGE)} storage SOP classes" in section("Services of the listener")


def test_the_transfer_syntaxes_are_those_that_are_accepted():
    listed = [row[1] for row in rows("Transfer syntaxes")]
    assert set(listed) == set(TAKEN)
    storage = [one for one in supported(commits=False) if one.abstract_syntax in STORAGE]
    assert all(one.transfer_syntax == listed for one in storage)
    others = [one for one in supported(commits=True) if one.abstract_syntax not in STORAGE]
    assert all(set(one.transfer_syntax) == {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"} for one in others)


def test_the_limits_are_those_that_are_applied():
    said = section("Associations")
    assert f"listener | {ASSOCIATIONS};" in said
    assert f"| {OPENING_S} s each |" in said
    assert f"| {SILENCE_S} s |" in said
    assert f"at most {MOST_KEYS >> 10} KB" in said
    assert f"longer data set than {MOST >> 20} MB" in said


@pytest.mark.slow
def test_the_results_are_those_that_are_made(answered):
    client, answer = answered
    # Not made of every answer: of one with a region or a localiser, and of one that is replaced.
    made = {str(SegmentationStorage), str(KeyObjectSelectionDocumentStorage)}
    for kind in set(KINDS) - {"seg", "slices", "ligament"}:
        content = client.get(f"/v1/predictions/{answer['id']}/dicom/{kind}.dcm").data
        made.add(str(pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True).SOPClassUID))
    assert {row[2] for row in rows("Results as storage SCU")} == made
