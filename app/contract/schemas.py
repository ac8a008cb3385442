"""What the service says, as types: answers are built from these models, and `/openapi.json` describes them.

Every JSON answer's model derives from `ResponseModel`; that puts it into the document.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from app.contract.problems import Problem

# Names as JSON has them; Python writes `class_`.
CLASS = Field(validation_alias="class", serialization_alias="class")


class ResponseModel(BaseModel):
    """Base of every JSON answer; ValueError for a number that JSON can't hold (NaN, infinity)."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, validate_by_name=True, serialize_by_alias=True, allow_inf_nan=False
    )


class AnsweringBundle(ResponseModel):
    """The model that answered."""

    name: str
    sha256: str
    """Digest of everything in the bundle."""
    route: str
    """How it is built: MRNet, fine-tuned VGG16, VGG16 with support vectors."""
    trained_on: str
    """`synthetic`: it has seen synthetic knees only, and on real ones its answer means nothing."""
    research_use_only: Literal[True]


class VolumeSize(ResponseModel):
    """Size of the volume that was predicted on."""

    slices: int
    rows: int
    columns: int
    spacing_mm: tuple[float, float, float]
    """From slice to slice, row to row, column to column."""


class PassedOverSeries(ResponseModel):
    """A series, or a part of one, that wasn't judged, or a file that couldn't be read."""

    series_uid: str
    """Empty for a file that doesn't say its series."""
    reason: str
    """For people; names the file that couldn't be read."""


class Localisation(ResponseModel):
    """What the bundle's localiser found. The block that the model sees is cut around it."""

    found: bool
    """If not, the block is cut around the volume's centre."""
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None
    """First and last voxel, plus one, along slices, rows and columns; null where nothing was found."""


class Study(ResponseModel):
    """What was judged, and what wasn't."""

    study_uid: str
    series_uid: str
    volume: VolumeSize
    laterality: Literal["L", "R", "unknown"]
    """As the headers say, or the positions of two knees; never guessed."""
    passed_over: list[PassedOverSeries]
    localisation: Localisation | None = Field(None, exclude_if=lambda value: value is None)
    """Only from a bundle that has a localiser."""


class Result(ResponseModel):
    """What the model says."""

    scheme: str
    """`binary` or `four_class`."""
    classes: list[str]
    """In order of severity, healthy first."""
    probabilities: dict[str, float]
    """Calibrated; they sum to 1."""
    predicted: str
    """The likeliest class."""
    logits: dict[str, float]


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


class ColourScale(ResponseModel):
    """What the brightness of the explained class's pictures stands for."""

    full_brightness: float
    """The evidence that is shown at full brightness; what is above it is cut off there."""
    unit: Literal["logit/mm2"]
    """Share of the logit for each mm2 of a slice: the same for every matrix."""
    source: Literal["bundle", "study"]
    """`bundle`: the same for every study of this bundle. `study`: this study's own peak, for want of one in the bundle;
    brightness can't be compared between studies then."""
    quantile: float | None
    """Of the peaks of the bundle's validation exams with this injury; null where `source` is `study`."""
    exams: int | None
    """How many these were."""
    peak: float
    """This study's own strongest pixel. Above `full_brightness`, pictures are saturated."""
    classes: dict[str, float]
    """Evidence at full brightness, for the pictures of each class that the bundle has a scale for."""


class Explanation(ResponseModel):
    """Which slices made the model say so; always of an injury, the likeliest, also when the knee is found healthy."""

    method: str
    exact: bool
    """The contributions and `bias` sum to the logit of `class`."""
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
    """Milliseconds. Pictures are drawn when they are asked for, so `render` is 0; `total` is without the queue."""

    decode: float
    preprocess: float
    network: float
    explain: float
    render: float
    total: float


class Done(ResponseModel):
    """The whole answer."""

    id: str
    """A digest of the study and the bundle: the same two have the same id."""
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


class Queued(ResponseModel):
    """Accepted and safe on disk, not yet answered."""

    id: str
    status: Literal["queued"]


class Failed(ResponseModel):
    """There is no answer; the study may be sent again."""

    id: str
    status: Literal["failed"]
    problem: Problem


class Answer(ResponseModel, RootModel[Annotated[Done | Queued | Failed, Field(discriminator="status")]]):
    """A prediction as it stands."""


class Page(ResponseModel):
    """Predictions, the oldest first."""

    predictions: list[Answer]
    next: str | None
    """Link to the next page; null on the last one."""


class LoadedBundle(ResponseModel):
    """A bundle that can be asked."""

    name: str
    """For `?bundle=`."""
    sha256: str
    manifest: dict[str, JsonValue]
    """Route, label scheme, what it was trained on, versions, digests of its files."""
    metrics: dict[str, JsonValue]
    model_card: str
    """Link to the page to read before trusting it."""


class Models(ResponseModel):
    """Every loaded bundle, the default one first."""

    models: list[LoadedBundle]


class Alive(ResponseModel):
    """The process lives."""

    status: Literal["alive"]


class Ready(ResponseModel):
    """Every bundle has reproduced its golden answer."""

    status: Literal["ready"]
    bundles: list[str]


class Attribute(ResponseModel):
    """An attribute of a DICOM object (PS3.18 F.2.2)."""

    vr: str
    """How its values are represented (PS3.5 6.2)."""
    Value: list[JsonValue] = []
    """Texts and numbers; names by their representations; items of sequences as objects."""
    InlineBinary: str = ""
    """Bytes in base64."""


class DicomObject(ResponseModel, RootModel[dict[Annotated[str, Field(pattern="^[0-9A-F]{8}$")], Attribute]]):
    """A DICOM object in JSON (PS3.18 annex F): attributes by tag."""


class DicomObjects(ResponseModel, RootModel[list[DicomObject]]):
    """DICOM objects in JSON."""


class OpenAPI(ResponseModel, RootModel[dict[str, JsonValue]]):
    """A description of the service, see https://spec.openapis.org/oas/v3.1.0."""
