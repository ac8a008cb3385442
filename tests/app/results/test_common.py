"""What all objects share: names, and texts that fit."""

import re
import tomllib
from pathlib import Path

from app.contract.version import VERSION
from app.results import build
from app.results.common import uid
from tests.app.results.made import read, result_of
from tests.data_prep.dicom_factory import make_series


def test_the_version_is_the_project_s():
    project = tomllib.loads(Path("pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "app.contract.version.VERSION"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_a_uid_follows_from_its_name():
    assert uid("a", 1) == uid("a", 1) != uid("a", 2)
    assert len(uid("x" * 1000)) <= 64


def test_a_bundle_s_name_becomes_a_text():
    result = result_of()
    result.answer["bundle"]["name"] = "a\\b" + "x" * 100
    assert read(build("sr", result, None)).ManufacturerModelName == "a/b" + "x" * 61


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
