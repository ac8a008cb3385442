"""Small pictures, series, Segmentations and tables of masks, written as other programs write them."""

import csv
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from highdicom import UID
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from data_prep.masks.row import MaskRow
from data_prep.masks.table import read_masks
from data_prep.volume import Volume
from tests.data_prep.dicom_factory import encode, make_pixels, make_series

PATIENT = {
    **{"PatientName": "Made^Up", "PatientBirthDate": "", "PatientSex": "", "StudyDate": "", "StudyTime": ""},
    **{"StudyID": "", "AccessionNumber": "", "ReferringPhysicianName": "", "FrameOfReferenceUID": "2.25.9"},
    **{"Manufacturer": "", "SliceThickness": 3.0},
}
CATEGORY = Code("123037004", "SCT", "Anatomical Structure")
CODES = {
    "acl": Code("ACL", "99CRUCIATE", "Anterior cruciate ligament"),
    "femur": Code("71341001", "SCT", "Femur"),
    "tibia": Code("12611008", "SCT", "Tibia"),
    "menisci": Code("74135004", "SCT", "Meniscus"),
    "": Code("85756007", "SCT", "Tissue"),
}


def grey(rows: int = 48, columns: int = 40, seed: int = 0) -> np.ndarray:
    """A picture, uint8 `[rows, columns]`."""
    return make_pixels(rows, columns, seed, "u1", 256)


def blob(rows: int = 48, columns: int = 40, top: int = 10, left: int = 12, high: int = 9, wide: int = 5) -> np.ndarray:
    """A mask, bool `[rows, columns]`."""
    mask = np.zeros((rows, columns), bool)
    mask[top : top + high, left : left + wide] = True
    return mask


def put(path: Path, picture: np.ndarray) -> Path:
    """Write a picture; colours are red, green, blue, opacity. Bools become 0 and 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = picture.astype(np.uint8) * 255 if picture.dtype == bool else picture
    if stored.ndim == 3:
        stored = cv2.cvtColor(stored, cv2.COLOR_RGBA2BGRA if stored.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    assert cv2.imwrite(str(path), stored)
    return path


def put_table(folder: Path, *rows: Mapping[str, object], name: str = "masks.csv") -> Path:
    """Write rows as a table; columns that a row lacks are empty. Without ids, each row is an exam of its own."""
    filled = [{"exam_id": f"e{number}", "patient_id": f"p{number}", **row} for number, row in enumerate(rows)]
    columns = list(dict.fromkeys(column for row in filled for column in row))
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(filled)
    return folder / name


def rows_of(folder: Path, *rows: Mapping[str, object]) -> list[MaskRow]:
    """The rows of a table with these cells, all of one exam."""
    return read_masks(put_table(folder, *({"exam_id": "e", "patient_id": "p", **row} for row in rows)))


def put_series(folder: Path, slices: int = 8, *, series: int = 1, **attributes: Any) -> list[Dataset]:
    """Write a series as DICOM files. Gives its images in order along the normal."""
    folder.mkdir(parents=True, exist_ok=True)
    images = make_series(slices, series=series, **{**PATIENT, **attributes})
    for image in images:
        (folder / f"{image.InstanceNumber}.dcm").write_bytes(encode(image))
    return images


def described(number: int, label: str, structure: str = "") -> SegmentDescription:
    """A segment with our code of a structure, or with a code that says nothing."""
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=CATEGORY,
        segmented_property_type=CODES[structure],
        algorithm_type="MANUAL",
    )


def put_segmentation(
    path: Path,
    images: Sequence[Dataset],
    pixels: np.ndarray,
    segments: Sequence[SegmentDescription],
    kind: str = "BINARY",
    **options: Any,
) -> Path:
    """Write a Segmentation of images as highdicom makes it. Slices without a pixel get no frame.

    pixels: `[slices, rows, columns]` or `[slices, rows, columns, segments]`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmentation = Segmentation(
            source_images=list(images),
            pixel_array=pixels,
            segmentation_type=kind,
            segment_descriptions=list(segments),
            series_instance_uid=UID(),
            series_number=100,
            sop_instance_uid=UID(),
            instance_number=1,
            manufacturer="Tests",
            manufacturer_model_name="Tests",
            software_versions="1",
            device_serial_number="1",
            **options,
        )
    with closing(segmentation._db_con):
        segmentation.save_as(path)
    return path


def slab(volume: Volume | tuple[int, int, int], first: int = 3, last: int = 5) -> np.ndarray:
    """A mask that differs from slice to slice and has no symmetry, bool `[S, R, C]`."""
    shape = volume if isinstance(volume, tuple) else volume.shape
    mask = np.zeros(shape, bool)
    for index in range(first, last + 1):
        mask[index, 5 : 12 + index, 7:12] = True
        mask[index, 5:8, 7 : 18 + index] = True
    return mask
