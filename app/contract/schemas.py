"""The types of the service's answers. Answers are built from these models, and `/openapi.json` describes them.

The model of every JSON answer derives from `ResponseModel`, which adds it to the OpenAPI document.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from app.contract.problems import Problem

Index = Annotated[int, Field(ge=0, le=2**31 - 1)]
# `class` in JSON, `class_` in Python.
CLASS = Field(validation_alias="class", serialization_alias="class")


class ResponseModel(BaseModel):
    """Base of every JSON answer. Raises ValueError for a number that JSON can't hold (NaN, infinity)."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, validate_by_name=True, serialize_by_alias=True, allow_inf_nan=False
    )


class AnsweringBundle(ResponseModel):
    """The bundle that made the prediction."""

    name: str
    sha256: str
    """Digest of everything in the bundle."""
    route: str
    """The kind of model: MRNet, fine-tuned VGG16, or VGG16 with support vectors."""
    trained_on: str
    """`synthetic`: it was trained on synthetic knees only, and its prediction on a real knee means nothing."""
    trained_at: str | None = None
    """Date of its training, as 2026-11-30; null for a bundle of an earlier version, which doesn't say."""
    research_use_only: Literal[True]


class VolumeSize(ResponseModel):
    """Size of the volume that was predicted on."""

    slices: int
    rows: int
    columns: int
    spacing_mm: tuple[float, float, float]
    """Distance in mm from slice to slice, from row to row, and from column to column."""


class PassedOverSeries(ResponseModel):
    """A series, or part of a series, that wasn't predicted on, or a file that couldn't be read."""

    series_uid: str
    """Empty for a file that doesn't name its series."""
    reason: str
    """The reason, for people. It doesn't name files."""


class SliceMask(ResponseModel):
    """What is drawn on one slice."""

    model_config = ConfigDict(extra="forbid")

    slice: Index
    """The index of the slice, from 0."""
    runs: Annotated[list[Index], Field(min_length=2)]
    """Pairs of numbers: the first pixel of a run, and how many pixels it has. Pixels are counted from 0, row by row, on
    the grid of the scanner's image. Runs are in order and don't touch."""


class Localisation(ResponseModel):
    """What the bundle's localiser found. The model predicts on a crop around it."""

    found: bool
    """If false, the crop is around the volume's centre."""
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None
    """First voxel, and last voxel plus one, along slices, rows and columns; null if nothing was found."""
    mask: list[SliceMask] | None = Field(None, exclude_if=lambda value: value is None)
    """The ligament as the localiser segmented it, slice by slice. Absent if nothing was found, or from a localiser that
    only finds boxes."""


class Study(ResponseModel):
    """What was predicted on, and what wasn't."""

    study_uid: str
    series_uid: str
    volume: VolumeSize
    laterality: Literal["L", "R", "unknown"]
    """From the headers, or from the positions of two knees; never guessed."""
    passed_over: list[PassedOverSeries]
    series_chosen_by: Literal["request"] | None = Field(None, exclude_if=lambda value: value is None)
    """`request`: somebody asked for this series. Absent if the service chose it."""
    localisation: Localisation | None = Field(None, exclude_if=lambda value: value is None)
    """Present only if the bundle has a localiser."""


class Rate(ResponseModel):
    """A share of exams."""

    value: float
    interval_95: tuple[float, float]
    """By Clopper and Pearson."""
    exams: int


class OperatingPoint(ResponseModel):
    """Whether the knee is positive at the bundle's operating point, and how often the model was right there."""

    threshold: float
    """A knee is positive if the probability of all classes but healthy is at least this."""
    positive: bool
    target_sensitivity: float
    """The sensitivity that the threshold was chosen for, on validation exams."""
    sensitivity: Rate
    """Of injured exams, the share that was positive."""
    specificity: Rate
    """Of healthy exams, the share that was negative."""
    measured_on: str
    """The exams that both were measured on, in words."""
    independent: bool
    """If false, the threshold was chosen on the same exams: sensitivity and specificity are flattered."""
    synthetic: bool
    """Whether these exams are synthetic knees. Both then say nothing of patients."""
    message: str
    """All of this in a sentence, for people."""


class Result(ResponseModel):
    """What the model predicts."""

    scheme: str
    """`binary` or `four_class`."""
    classes: list[str]
    """In order of severity, healthy first."""
    probabilities: dict[str, float]
    """Calibrated; they sum to 1."""
    predicted: str
    """The most likely class."""
    logits: dict[str, float]
    operating_point: OperatingPoint | None = Field(default=None, exclude_if=lambda value: value is None)
    """Present only if the bundle has an operating point."""


class Slice(ResponseModel):
    """One slice of the volume, with links to its pictures."""

    index: int
    """From 0, in order along the slices' normal."""
    sop_uid: str
    contribution: float
    """This slice's share of the logit."""
    image: str
    heatmap: str
    overlay: str


class ThresholdExams(ResponseModel):
    """The healthy validation exams that a threshold was measured on."""

    below: int
    """The number of exams whose strongest evidence is below the threshold."""
    exams: int
    """The number of all of them."""


class ColourScale(ResponseModel):
    """What the brightness in the pictures of the explained class means."""

    full_brightness: float
    """The evidence that is shown at full brightness. Stronger evidence is shown at full brightness, too."""
    threshold: float | None
    """Evidence below it isn't coloured, and isn't in the region (SEG). Null if `source` is `study`."""
    threshold_rule: Literal["healthy-exams", "half"] | None
    """`healthy-exams`: the threshold was measured on `threshold_exams`. `half`: it is half of `full_brightness`, since
    the bundle had too few healthy validation exams, or is of an earlier version. Null if `source` is `study`."""
    threshold_exams: ThresholdExams | None
    """Null if `threshold_rule` isn't `healthy-exams`."""
    unit: Literal["logit/mm2"]
    """Share of the logit for each mm2 of a slice. It doesn't depend on the matrix size."""
    source: Literal["bundle", "study"]
    """`bundle`: the scale is the same for every study of this bundle. `study`: the bundle has no scale for this class;
    this study's own peak is used instead, and brightness can't be compared between studies."""
    quantile: float | None
    """`full_brightness` is this quantile of the peaks of the bundle's validation exams with this injury; null if
    `source` is `study`."""
    exams: int | None
    """The number of these exams; null if `source` is `study`."""
    peak: float
    """The strongest evidence in this study. If it is above `full_brightness`, the pictures are saturated."""
    classes: dict[str, float]
    """Evidence at full brightness, for each class that the bundle has a scale for."""
    thresholds: dict[str, float]
    """The threshold of each of these classes."""


class Explanation(ResponseModel):
    """Which slices led to the prediction. The explained class is the most likely injury, even if the prediction is
    healthy."""

    method: str
    exact: bool
    """Whether the contributions and `bias` sum to the logit of `class`."""
    class_: Annotated[str, CLASS]
    bias: float
    scale: ColourScale
    slices: list[Slice]


class Notice(ResponseModel):
    """Something that a reader of the answer should know."""

    code: str
    """For machines."""
    message: str
    """For people."""


class Timing(ResponseModel):
    """Milliseconds. Pictures are drawn on request, so `render` is 0. `total` doesn't include the wait in the queue."""

    decode: float
    preprocess: float
    network: float
    explain: float
    render: float
    total: float


class Done(ResponseModel):
    """The whole answer."""

    id: str
    """A digest of the study, the bundle, and whether the series was asked for. The same ones have the same id."""
    status: Literal["done"]
    created: str
    """UTC, ISO 8601."""
    notice: str
    """Research use only, not for diagnosis."""
    bundle: AnsweringBundle
    study: Study
    result: Result
    explanation: Explanation
    warnings: list[Notice]
    timing_ms: Timing
    supersedes: list[str] = Field(default=[], exclude_if=lambda value: not value)
    """Ids of the predictions whose results this one replaces: on fewer slices of the same knee, or on another series.
    Present only if there are any."""
    superseded_by: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Id of the prediction that replaces this one. Present only if there is one; don't use this answer then."""


class Queued(ResponseModel):
    """Accepted and stored on disk, but not yet answered."""

    id: str
    status: Literal["queued"]


class Failed(ResponseModel):
    """The prediction failed. The study may be sent again."""

    id: str
    status: Literal["failed"]
    problem: Problem


class Answer(ResponseModel, RootModel[Annotated[Done | Queued | Failed, Field(discriminator="status")]]):
    """A prediction in its current state."""


class Page(ResponseModel):
    """Predictions, the oldest first."""

    predictions: list[Answer]
    next: str | None
    """Link to the next page; null on the last one."""


class Delivery(ResponseModel):
    """The DICOM results of a prediction on their way to one target."""

    prediction: str
    """Id of the prediction."""
    target: str
    """The address, without user and password; `this service` for the results that are stored beside the study."""
    content: Literal["results", "rejection note"]
    """`rejection note`: the prediction is superseded, and the target is told that its results are no longer valid."""
    state: Literal["waiting", "delivered", "dead"]
    """`waiting`: it will be tried, or is being tried. `dead`: it isn't tried again, unless a retry is asked for."""
    attempts: int
    """How many tries have begun."""
    next_try: str | None
    """When it will be tried at the earliest, in UTC, ISO 8601; null if it isn't waiting."""
    outcome: str | None
    """How the last try ended; null before the first one ended."""


class DeliveryPage(ResponseModel):
    """Deliveries, ordered by prediction and target."""

    deliveries: list[Delivery]
    next: str | None
    """Link to the next page; null on the last one."""


class Retried(ResponseModel):
    """What a retry has done."""

    retried: int
    """How many deliveries will be tried again."""


class LoadedBundle(ResponseModel):
    """A loaded bundle."""

    name: str
    """The value for `?bundle=`."""
    sha256: str
    manifest: dict[str, JsonValue]
    """Route, label scheme, training data, versions, digests of its files."""
    metrics: dict[str, JsonValue]
    model_card: str
    """Link to the model card. Read it before you trust the bundle."""


class Models(ResponseModel):
    """Every loaded bundle, the default one first."""

    models: list[LoadedBundle]


class Alive(ResponseModel):
    """The process is running."""

    status: Literal["alive"]


class Ready(ResponseModel):
    """Every bundle has reproduced its golden answer."""

    status: Literal["ready"]
    bundles: list[str]


class Attribute(ResponseModel):
    """An attribute of a DICOM object (PS3.18 F.2.2)."""

    vr: str
    """Value representation (PS3.5 6.2)."""
    Value: list[JsonValue] = []
    """Texts and numbers. A person's name is an object with its representations; a sequence item is an object."""
    InlineBinary: str = ""
    """Bytes in base64."""


class DicomObject(ResponseModel, RootModel[dict[Annotated[str, Field(pattern="^[0-9A-F]{8}$")], Attribute]]):
    """A DICOM object in JSON (PS3.18 annex F): attributes by tag."""


class DicomObjects(ResponseModel, RootModel[list[DicomObject]]):
    """DICOM objects in JSON."""


class OpenAPI(ResponseModel, RootModel[dict[str, JsonValue]]):
    """A description of the service, see https://spec.openapis.org/oas/v3.1.0."""
