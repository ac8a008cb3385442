"""What a segmenter is asked to segment: images by their paths, or the exams of a table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.errors import InputError
from data_prep.masks.images import Pixels, read_image
from data_prep.masks.row import ARRAYS, PICTURES, MaskRow, shown
from data_prep.names import file_name
from data_prep.prepare.load import select
from data_prep.selection.series import Selection
from data_prep.tables.exams import Exam, read_exams

TABLES = (".csv", ".xlsx", ".ods")


@dataclass(frozen=True, eq=False)
class Image:
    """An image that was read.

    Attributes:
        row: Where it is, and whose it is; without a mask.
        pixels: Its pixels.
        selection: The DICOM series; None for pictures and arrays.
    """

    row: MaskRow
    pixels: Pixels
    selection: Selection | None = None

    @property
    def name(self) -> str:
        """The exam's id, as a file's name without suffix."""
        return file_name(self.row.exam_id)


def asked(paths: Iterable[Path]) -> list[MaskRow]:
    """A row without a mask for each image.

    Args:
        paths: Pictures, arrays, DICOM files, folders and zips; a folder of pictures, each an exam of its own; a table
            of exams. Without a table, each image counts as an exam and a patient of its own.

    Raises:
        ValueError: There is no such file, or two images have the same name; the message names them.
    """
    rows: list[MaskRow] = []
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path}: there is no such file or folder")
        if path.suffix.lower() in TABLES:
            rows += [_of_exam(exam) for exam in read_exams(path)]
        elif path.is_dir() and (pictures := _pictures(path)):
            rows += [MaskRow(one.stem, one.stem, one.absolute()) for one in pictures]
        else:
            rows.append(MaskRow(_name(path), _name(path), path.absolute()))
    places: dict[str, Path] = {}
    for row in rows:
        if (other := places.setdefault(row.exam_id, row.image)) != row.image:
            raise ValueError(f"{row.image} and {other} have the same name; rename one, or give a table of exams")
    if not rows:
        raise ValueError("there is no image")
    return rows


def images(rows: Iterable[MaskRow]) -> Iterator[Image]:
    """Read them one after the other. Raises ValueError or OSError, naming the image, for one that can't be read."""
    for row in rows:
        if row.kind == "series":
            try:
                selection = select(_exam(row))
            except InputError as error:
                raise type(error)(f"{shown(row.image)}: {error.detail}", error.files) from None
            volume = selection.volume
            yield Image(row, Pixels(volume.voxels, volume.spacing_mm, (row.image,), volume), selection)
        else:
            yield Image(row, read_image([row]))


def without(rows: Sequence[MaskRow], annotated: Iterable[MaskRow]) -> list[MaskRow]:
    """The rows whose exam and image aren't among the annotated ones."""
    known = list(annotated)
    ids, files = {row.exam_id for row in known}, {row.image.resolve() for row in known}
    return [row for row in rows if row.exam_id not in ids and row.image.resolve() not in files]


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def _name(path: Path) -> str:
    """Of a folder called `dicom`, as exports have it, the name of the folder around it."""
    path = path.absolute()
    return path.parent.name if path.is_dir() and path.name.lower() == "dicom" else path.stem


def _of_exam(exam: Exam) -> MaskRow:
    slice_mm, row_mm, column_mm = exam.spacing_mm or (None, None, None)
    row = MaskRow(exam.exam_id, exam.patient_id, exam.path, split=exam.split, laterality=exam.laterality)
    if exam.path.suffix.lower() in ARRAYS:
        return replace(row, slice_mm=slice_mm, row_mm=row_mm, column_mm=column_mm)
    return replace(row, study_uid=exam.study_uid, series_uid=exam.series_uid)


def _exam(row: MaskRow) -> Exam:
    return Exam(
        row.exam_id,
        row.patient_id,
        row.image,
        study_uid=row.study_uid,
        series_uid=row.series_uid,
        laterality=row.laterality,
    )
