"""One row of the table of masks: an image, and where a structure lies in it."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ValidationError

from data_prep.boxes import Box
from data_prep.limits import PIXEL_MM, SLICE_STEP_MM
from data_prep.masks.structures import UNNAMED, Shows
from data_prep.tables import Line, decimal, exams
from data_prep.tables.exams import PixelSize, SliceStep, Split, existing
from data_prep.volume import Laterality

PICTURES = (".png", ".jpg", ".jpeg")
ARRAYS = (".npy", ".npz", ".pck")
# Formats of pictures and volumes that people have and that aren't read here.
UNREAD = (
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
    ".webp",
    ".nii",
    ".gz",
    ".nrrd",
    ".mha",
    ".mhd",
    ".mat",
    ".h5",
    ".svg",
    ".pdf",
)
Spans = tuple[tuple[int, int], ...]
Drawn = Literal["all", "shown"] | Spans


@dataclass(frozen=True)
class MaskRow:
    """A row. `exam_id`, `patient_id` and `image` have to be filled in, and one of `mask`, `box` and `empty`.

    Attributes:
        exam_id: the exam; its rows have different structures, slices or pictures.
        patient_id: its patient.
        image: a PNG or JPEG file, an array (.npy, .npz, or KneeMRI's .pck), or a DICOM file, folder or zip.
        mask: a PNG or JPEG file, an array, or a DICOM Segmentation.
        box: where the structure lies, instead of a mask; slices, rows, columns.
        structure: what the mask or box shows.
        slice: the slice of a volume that a mask of one slice belongs to: its number from 0, or its SOPInstanceUID. Of a
            picture: its place among the exam's pictures.
        drawn: the slices that somebody has looked at: all, those where the mask shows something, or spans of numbers.
        empty: whether the structure isn't there.
        split: train, val, test or none.
        row_mm, column_mm, slice_mm: distances between neighbouring rows, columns and slices; None if unknown or in the
            headers.
        study_uid, series_uid, laterality: which of the DICOM images there; '' and unknown leave the choice to headers.
        place: table and row, for messages.
    """

    exam_id: str
    patient_id: str
    image: Path
    mask: Path | None = None
    box: Box | None = None
    structure: Shows = UNNAMED
    slice: int | str | None = None
    drawn: Drawn = "all"
    empty: bool = False
    split: Split = ""
    row_mm: float | None = None
    column_mm: float | None = None
    slice_mm: float | None = None
    study_uid: str = ""
    series_uid: str = ""
    laterality: Laterality = "unknown"
    place: str = field(default="", compare=False)

    @property
    def kind(self) -> Literal["picture", "array", "series"]:
        """What the image is, by its name."""
        return kind_of(self.image)

    @property
    def source(self) -> tuple[object, ...]:
        """What identifies the image: rows with the same one have the same pixels."""
        return self.image, self.study_uid, self.series_uid, self.laterality

    def fault(self, reason: str, file: Path | None = None) -> ValueError:
        """The error to raise if this row can't be used, with its place and the file at fault."""
        place = self.place or f"exam {self.exam_id}"
        return ValueError(f"{place}: {shown(file)}: {reason}" if file else f"{place}: {reason}")


COLUMNS = tuple(column.name for column in fields(MaskRow) if column.name != "place")
REQUIRED = tuple(column.name for column in fields(MaskRow) if column.default is MISSING and column.name in COLUMNS)


def kind_of(path: Path) -> Literal["picture", "array", "series"]:
    """What a file is, by its name."""
    suffix = path.suffix.lower()
    return "picture" if suffix in PICTURES else "array" if suffix in ARRAYS else "series"


def shown(path: Path) -> str:
    """A file's folder and name, which are enough to find it, and not the place of the whole data set."""
    return "/".join(path.parts[-2:])


def parsed(line: Line, columns: Mapping[str, str], home: Path) -> MaskRow:
    """The row of a line.

    Args:
        line: the line.
        columns: our names of the columns that the table has, by the table's.
        home: the table's folder, from which relative paths start.

    Raises:
        RowError: a cell can't be used.
    """
    values: dict[str, Any] = {}
    for column in columns:
        text = line[column]
        if column in REQUIRED and not text:
            raise line.fault("'' is not filled in", column)
        if column in ("image", "mask") and text:
            values[column] = existing(home, line.as_written(column))
            if not values[column].exists():
                raise line.fault(f"there is no file {shown(values[column])}", column)
            if (suffix := values[column].suffix.lower()) in UNREAD:
                raise line.fault(f"{suffix} files aren't read; save it as PNG, .npz or DICOM", column)
        elif text:
            values[column] = f"0:1|{text}" if column == "box" and _two_spans(text) else text
    shared = _validated(line, exams.Cells, exams.MUST_BE, values)
    return MaskRow(**values | shared | _validated(line, _Cells, _MUST_BE, values), place=line.place)


def _validated(
    line: Line, model: type[BaseModel], must_be: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        cells = model.model_validate({name: values[name] for name in model.model_fields if name in values})
    except ValidationError as error:
        fault = error.errors()[0]
        column = str(fault["loc"][0])
        wanted = must_be.get(column) or str(fault["ctx"]["error"])
        raise line.fault(f"{values[column]!r} is not {wanted}", column) from None
    return {name: getattr(cells, name) for name in cells.model_fields_set}


def _two_spans(text: str) -> bool:
    """Whether a box has only rows and columns, as that of a picture may have."""
    return len(re.split(r"[|;]", text)) == 2


def yes(text: str) -> bool:
    """A cell that says yes or no."""
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.casefold() not in words:
        raise ValueError("yes or no")
    return words[text.casefold()]


def _slice(text: str) -> int | str:
    if re.fullmatch(r"\d+([.,]0+)?", text):
        return int(re.split("[.,]", text)[0])
    if re.fullmatch(r"\d+(\.\d+){2,}", text):
        return text
    raise ValueError("a slice's number from 0 or its SOPInstanceUID")


def _drawn(text: str) -> Drawn:
    match text.casefold():
        case "all":
            return "all"
        case "shown":
            return "shown"
    spans = []
    for part in re.split(r"[|;]", text):
        if not (found := re.fullmatch(r"\s*(\d+)(?::(\d+))?\s*", part)):
            raise ValueError("all, shown, or slices such as 8:12|15")
        start = int(found[1])
        spans.append((start, int(found[2]) if found[2] else start + 1))
    if not all(start < stop for start, stop in spans):
        raise ValueError("all, shown, or slices such as 8:12|15")
    return tuple(spans)


class _Cells(BaseModel, arbitrary_types_allowed=True):
    """The cells that exam tables don't have, from their texts."""

    structure: Annotated[Shows, BeforeValidator(Shows.parsed)] = UNNAMED
    slice: Annotated[int | str | None, BeforeValidator(_slice)] = None
    drawn: Annotated[Any, BeforeValidator(_drawn)] = "all"
    empty: Annotated[bool, BeforeValidator(yes)] = False
    row_mm: Annotated[PixelSize | None, BeforeValidator(decimal)] = None
    column_mm: Annotated[PixelSize | None, BeforeValidator(decimal)] = None
    slice_mm: Annotated[SliceStep | None, BeforeValidator(decimal)] = None


_PIXEL = f"a distance between pixels of {PIXEL_MM[0]:g} to {PIXEL_MM[1]:g} mm"
_MUST_BE = {
    "row_mm": _PIXEL,
    "column_mm": _PIXEL,
    "slice_mm": f"a distance between slices of {SLICE_STEP_MM[0]:g} to {SLICE_STEP_MM[1]:g} mm",
}
