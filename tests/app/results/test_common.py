"""What all objects share: names, and texts that fit."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom.valuerep import DT

from app.contract.version import VERSION
from app.results import KINDS, Result, Site, build
from app.results.common import uid
from tests.app.results.made import ORDER, PATIENT, SCALE, map_of, read, result_of, two_echoes
from tests.data_prep.dicom_factory import make_series


def test_the_version_is_the_project_s():
    project = tomllib.loads(Path("pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "app.contract.version.VERSION"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def made(kind, site=None, **values):
    """An object of a study of this time: 21 November 2026, 09:30 UTC."""
    images = two_echoes(**values) if kind == "slices" else make_series(**PATIENT, **values)
    plain = result_of(*images, scale=SCALE)
    result = Result(plain.answer, plain.origins, plain.volume, site=site or Site())
    return read(build(kind, result, lambda: map_of(result), only=0)[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sent", "zone", "said"),
    [
        ("", "UTC", ("20261121", "093000", "+0000")),
        ("", "Asia/Tokyo", ("20261121", "183000", "+0900")),
        ("-1000", "Asia/Tokyo", ("20261120", "233000", "-1000")),
        ("+0530", "UTC", ("20261121", "150000", "+0530")),
        ("late", "UTC", ("20261121", "093000", "+0000")),
    ],
)
def test_times_have_one_offset_the_scanner_s_or_the_site_s(kind, sent, zone, said):
    dataset = made(kind, Site(zone=ZoneInfo(zone)), TimezoneOffsetFromUTC=sent)
    assert (dataset.ContentDate, dataset.ContentTime, dataset.TimezoneOffsetFromUTC) == said
    assert (dataset.SeriesDate, dataset.InstanceCreationTime) == said[:2]
    ours = dataset.ContributingEquipmentSequence[-1].ContributionDateTime
    assert DT(ours) == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    assert (dataset.StudyDate, dataset.StudyTime) == ("20260102", "121314")


@pytest.mark.parametrize("kind", KINDS)
def test_the_study_s_context_is_repeated(kind):
    dataset = made(kind, **ORDER)
    about = {keyword: value for keyword, value in ORDER.items() if keyword != "RequestAttributesSequence"}
    assert {keyword: dataset[keyword].value for keyword in about} == about
    (item,) = dataset.get("ReferencedRequestSequence") or dataset.RequestAttributesSequence
    assert (item.RequestedProcedureID, item.AccessionNumber) == ("RP1", "A78")
    assert item.RequestedProcedureCodeSequence == ORDER["ProcedureCodeSequence"]
    assert ("ReferencedRequestSequence" in dataset) == (kind == "sr")


def test_a_uid_follows_from_its_name():
    assert uid("a", 1) == uid("a", 1) != uid("a", 2)
    assert len(uid("x" * 1000)) <= 64


def test_a_bundle_s_name_becomes_a_text():
    result = result_of()
    result.answer["bundle"]["name"] = "a\\b" + "x" * 100
    assert read(build("sr", result, lambda: map_of(result))[0]).ManufacturerModelName == "a/b" + "x" * 61


def test_the_strongest_slice_is_one_that_the_model_looks_at():
    """Where everything speaks against the class, nothing is more than what isn't looked at."""
    result = result_of()
    for one in result.answer["explanation"]["slices"]:
        one["contribution"] = {4: -0.5, 5: -0.2}.get(one["index"], 0.0)
    assert result.strongest == 5
    assert result.contributions == {4: -0.5, 5: -0.2}
    for one in result.answer["explanation"]["slices"]:
        one["contribution"] = 0.0
    assert result.strongest == 0


def test_without_a_frame_of_reference_a_volume_has_its_own():
    ours = {image.FrameOfReferenceUID for image in result_of(*make_series()).images}
    other = {image.FrameOfReferenceUID for image in result_of(*make_series(series=2)).images}
    assert len(ours) == 1
    assert ours != other


def test_slices_that_disagree_on_it_lie_in_the_first_one_s():
    images = make_series()
    for place, image in enumerate(images):
        image.FrameOfReferenceUID = f"2.25.{place + 1}"
    assert {image.FrameOfReferenceUID for image in result_of(*images).images} == {"2.25.1"}
