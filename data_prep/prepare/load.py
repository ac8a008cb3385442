"""From a row of the exam table to the exam's volume, in whatever form its source stores it, and to its ligament."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.boxes import Box, bounding_box, filled
from data_prep.dicom.frames import read_study
from data_prep.limits import check_geometry
from data_prep.prepare.array_files import SUFFIXES, read_array
from data_prep.selection.series import Selection, choose_volume
from data_prep.tables.exams import Exam
from data_prep.volume import Volume

# Arrays have no geometry; sagittal data sets show the knee's front at the left and the head up.
ASSUMED_DIRECTIONS = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])


def load_exam(exam: Exam) -> Volume:
    """Load the volume of an exam's row; of two knees, the one on the row's side.

    Raises:
        InputError: as `load_study` raises it.
        OSError: a file can't be read.
        ValueError: the exam is an array without a spacing; the message names the exam.
    """
    return _from_array(exam) if exam.path.suffix in SUFFIXES else select(exam).volume


def select(exam: Exam) -> Selection:
    """The volume of an exam's row that isn't an array, with the attributes that results must repeat.

    Raises:
        InputError: as `load_study` raises it.
        OSError: a file can't be read.
    """
    study = read_study(exam.path)
    frames, unread = study.frames, study.unread
    if exam.series_uid:
        frames = tuple(frame for frame in frames if frame.series_uid == exam.series_uid)
        unread = tuple(file for file in unread if file.series_uid in ("", exam.series_uid))
    elif exam.study_uid:
        frames = tuple(frame for frame in frames if frame.study_uid == exam.study_uid)
    return choose_volume(frames, unread, None if exam.laterality == "unknown" else exam.laterality)


def ligament_mask(exam: Exam, shape: tuple[int, int, int]) -> npt.NDArray[np.bool_] | None:
    """Where the ligament is: its mask, or its box as a mask.

    Args:
        exam: the exam.
        shape: the volume's slices, rows and columns.

    Returns:
        bool `[slices, rows, columns]`; None if neither mask nor box is known.

    Raises:
        ValueError: the mask or box doesn't fit the volume's shape; the message names the exam.
    """
    if exam.mask:
        with np.load(exam.mask) as known:
            mask: npt.NDArray[np.bool_] = known["acl"]
    elif exam.box:
        if any(stop > size for (_, stop), size in zip(exam.box, shape, strict=True)):
            raise ValueError(f"exam {exam.exam_id}: its box doesn't fit a volume of {shape}")
        mask = filled(exam.box, shape)
    else:
        return None
    if mask.shape != shape or not mask.any():
        raise ValueError(f"exam {exam.exam_id}: its mask doesn't fit a volume of {shape}")
    return mask


def ligament_box(exam: Exam) -> Box | None:
    """The ligament's box, or its mask's box, in voxels along slices, rows, columns; None if neither is known."""
    if exam.box or not exam.mask:
        return exam.box
    with np.load(exam.mask) as known:
        return bounding_box(known["acl"])


def signature(exam: Exam) -> str:
    """A digest of what `load_exam` depends on: names, sizes and times of the files. No pixel is read.

    A file that changes without a new time or size isn't noticed, as with `make`.
    """
    files = sorted(file for file in exam.path.rglob("*") if file.is_file()) if exam.path.is_dir() else [exam.path]
    said = [(file.relative_to(exam.path).as_posix(), *_size_and_time(file)) for file in files]
    identity = (str(exam.path), exam.study_uid, exam.series_uid, exam.spacing_mm, exam.laterality, said)
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def _size_and_time(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _from_array(exam: Exam) -> Volume:
    if exam.spacing_mm is None:
        raise ValueError(f"exam {exam.exam_id}: an array has no spacing; fill in column spacing_mm")
    array = read_array(exam.path)
    slices, rows, columns = array.shape
    check_geometry((slices, rows, columns), exam.spacing_mm, f"Exam {exam.exam_id}")
    voxels = np.asarray(array, np.float32)
    positions = np.zeros((slices, 3))
    positions[:, 0] = -exam.spacing_mm[0] * np.arange(slices)
    return Volume(
        voxels=voxels,
        spacing_mm=exam.spacing_mm,
        directions=ASSUMED_DIRECTIONS,
        positions_mm=positions,
        sop_uids=("",) * slices,
        study_uid=exam.study_uid,
        series_uid=exam.series_uid,
        laterality=exam.laterality,
    )
