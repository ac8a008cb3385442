"""The types of reviews: what a client sends, and what the service answers.

As in `app.contract.schemas`, `ResponseModel` adds a model to the OpenAPI document, also the one of the request.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.contract.schemas import Index, ResponseModel, SliceMask

Grade = Literal["healthy", "minor strain", "partial rupture or strain", "complete rupture"]
Reason = Literal["motion", "metal", "noise", "coverage", "reconstruction", "other"]
Opinion = Literal["shown", "hidden"]
ID = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
# More slices than any volume has (data_prep/limits.py); a list that is longer isn't read to its end.
MOST_SLICES = 2000
MOST_LETTERS = 4000


class Judgement(BaseModel):
    """What a reader says."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    verdict: Literal["agree", "grade", "cannot-judge"]
    """`agree`: with the predicted class. `grade`: the reader's own grade instead. `cannot-judge`: the images don't
    allow a diagnosis."""
    grade: Grade | None = None
    """The reader's grade; only with the verdict `grade`."""
    reason: Reason | None = None
    """Why the images don't allow a diagnosis; only with the verdict `cannot-judge`."""
    laterality: Literal["L", "R"] | None = None
    """The side of the knee; null if the reader says nothing of it."""
    comment: Annotated[str, Field(max_length=MOST_LETTERS)] = ""
    """The reader's words. Reports repeat them; exports for training don't."""
    box: tuple[tuple[Index, Index], tuple[Index, Index], tuple[Index, Index]] | None = None
    """Where the ligament is: first voxel, and last voxel plus one, along slices, rows and columns."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """How long the reader looked at the study, as the page measured it."""
    opinion: Opinion = "shown"
    """Whether the reader saw the model's opinion before the verdict."""


class NewReview(ResponseModel, Judgement):
    """A review, as a reader sends it."""

    model_config = ConfigDict(extra="forbid")

    mask: Annotated[list[SliceMask], Field(max_length=MOST_SLICES)] = []
    """The ligament as the reader drew it, each slice once."""
    base: ID | None = None
    """Id of the reader's own review that the page showed last; null if it showed none."""

    @model_validator(mode="after")
    def _fits_verdict(self) -> Self:
        if (self.grade is not None) != (self.verdict == "grade"):
            raise ValueError("the verdict `grade` needs a grade, and no other verdict has one")
        if (self.reason is not None) != (self.verdict == "cannot-judge"):
            raise ValueError("the verdict `cannot-judge` needs a reason, and no other verdict has one")
        return self


class Review(ResponseModel, Judgement):
    """A review, as it was stored. Nothing changes it."""

    id: str
    prediction: str
    """Id of the prediction."""
    reader: str
    """`key NAME` or `user NAME`; empty if the service asks nobody who they are."""
    created: str
    """UTC, ISO 8601."""
    classes: list[Grade]
    """The classes that the verdict allows; none if it is `cannot-judge`. With a model of two classes, agreement with an
    injury allows all three injuries."""
    current: bool
    """Whether it is the reader's latest review of this prediction, which is the one that counts."""
    marked_slices: list[int]
    """The slices that something is drawn on."""
    mask: list[SliceMask] | None = Field(None, exclude_if=lambda value: value is None)
    """What is drawn. Present only if one review is asked for, or was just sent."""
    unseen: list[str] = Field(default=[], exclude_if=lambda value: not value)
    """Only in the answer to a POST: reviews of the same reader that were stored after `base`, from another tab or
    computer. They are kept, too, but no longer count."""


class Reviews(ResponseModel):
    """The reviews of a prediction that the caller may see, the oldest first."""

    prediction: str
    reader: str
    """Who asks, as reviews name readers."""
    opinion: Opinion
    """Whether a page should show this reader the model's opinion now."""
    withheld: int
    """How many reviews of other readers aren't shown until this reader has given one."""
    reviews: list[Review]
