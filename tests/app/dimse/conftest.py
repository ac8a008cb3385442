"""Studies in every shape that peers ask for."""

import io

import pydicom
import pytest
from pydicom.uid import RLELossless

from tests.app.dimse.archive import holding
from tests.app.studies import instances, voxels

PLANES = voxels()
YAMADA = "Yamada^Tarou=山田^太郎"


def compressed(file: bytes) -> bytes:
    """The same instance, compressed."""
    dataset = pydicom.dcmread(io.BytesIO(file))
    dataset.compress(RLELossless, generate_instance_uid=False)
    content = io.BytesIO()
    dataset.save_as(content)
    return content.getvalue()


def studies() -> list[bytes]:
    """Two studies of one patient, the first with two series; one whose name needs Unicode; a compressed one."""
    first = {"PatientID": "A1", "PatientName": "Quibble^Zebedee", "StudyDate": "20260105", "AccessionNumber": "77"}
    second = first | {"StudyDate": "20260301", "StudyDescription": "MR Knee"}
    third = {"PatientID": "B2", "PatientName": YAMADA, "SpecificCharacterSet": "ISO_IR 192", "StudyDate": "20251224"}
    return [
        *instances(PLANES[:3], study="2.25.1", series="2.25.11", **first),
        *instances(PLANES[:2], study="2.25.1", series="2.25.12", **first),
        *instances(PLANES[:2], study="2.25.2", series="2.25.21", **second),
        *instances(PLANES[:1], study="2.25.3", series="2.25.31", **third),
        *map(compressed, instances(PLANES[:2], study="2.25.4", series="2.25.41", PatientID="C3")),
    ]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A listener that holds `studies()`, for tests that change nothing."""
    with holding(tmp_path_factory.mktemp("archive"), studies()) as found:
        yield found
