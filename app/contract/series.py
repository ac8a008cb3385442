"""The series of a study, and what a program needs to draw those that weren't predicted on."""

from app.contract.schemas import ResponseModel
from app.contract.volume import Levels


class StudySeries(ResponseModel):
    """One series of a study."""

    series_uid: str
    predicted_on: bool
    reasons: list[str]
    """Why it, or parts of it, were passed over. Empty for a series that came after the prediction."""
    held: bool
    """Whether its files are here: only then can it be looked at, or predicted on by its UID."""
    instances: int | None
    """How many of its instances are here; null if none is."""
    modality: str | None
    number: str | None
    """SeriesNumber."""
    description: str | None
    """SeriesDescription."""


class SeriesOfStudy(ResponseModel):
    """The series of a prediction's study, the one that was predicted on first."""

    study_uid: str
    held: bool
    """Whether files of the study are here: it came by DICOMweb or DIMSE."""
    series: list[StudySeries]
    files: list[str]
    """What is wrong with files that don't name their series."""


class SeriesPart(ResponseModel):
    """Images of a series that lie in one direction and have one size."""

    images: int
    rows: int
    columns: int
    plane: str | None
    """`sagittal`, `coronal` or `axial`; null if the headers don't say where the images lie."""


class ViewedSeries(ResponseModel, Levels):
    """A part of a series that wasn't predicted on, without its voxels."""

    series_uid: str
    part: int
    """Which of the parts this is, from 0."""
    parts: list[SeriesPart]
    """The parts of the series, the largest first."""
    not_read: int
    """How many images of the series can't be read. They are missing here."""
    shape: tuple[int, int, int]
    """Images, rows and columns."""
    spacing_mm: tuple[float, float, float] | None
    """As of a volume; the first number is 0 if there is one place only. Null if the headers don't say where the images
    lie; then `directions` and `positions_mm` are null, too."""
    directions: list[tuple[float, float, float]] | None
    positions_mm: list[tuple[float, float, float]] | None
