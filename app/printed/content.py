"""What the report says, as titles, rows and sentences. `pdf.py` and `page.py` only lay it out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.contract.json_text import Json
from app.contract.reviews import Review
from app.contract.version import VERSION
from app.printed.key_slices import Picture
from app.results.common import LONG_STRING, MANUFACTURER
from app.results.key_image import SIDES, chance
from app.store.record import Record

Row = tuple[str, str]
VERDICTS = {"agree": "agrees with the model", "grade": "gives the grade", "cannot-judge": "can't judge the images"}
OPINIONS = {"shown": "with the model's opinion in view", "hidden": "before seeing the model's opinion"}
# More figures than fit beside the rest are in the model card.
MOST_FIGURES = 8


@dataclass(frozen=True)
class Section:
    """One part of the report.

    Attributes:
        title: Its title.
        rows: Names and values.
        lines: Sentences.
        pictures: Pictures with captions.
        scale: The colour scale as PNG, if there is one.
        is_warning: Whether it must stand out.
    """

    title: str
    rows: Sequence[Row] = ()
    lines: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    scale: bytes = field(default=b"", repr=False)
    is_warning: bool = False


def sections(
    record: Record,
    reviews: Sequence[Review],
    figures: Sequence[Json] | None,
    shows_patient: bool,
    pictures: Sequence[Picture],
    scale: bytes,
    explained: Sequence[str],
) -> list[Section]:
    """The whole report about a prediction that is done.

    Args:
        record: The prediction.
        reviews: The latest review of each reader that may be shown.
        figures: The figures of its bundle (`metrics.json`); None if the bundle isn't loaded.
        shows_patient: Whether the patient's name and number may be shown.
        pictures: The key slices; none if the pixels have expired.
        scale: The colour scale as PNG.
        explained: What the colours mean, or why there are no pictures.
    """
    answer = record.answer
    warnings = [one["message"] for one in answer["warnings"]]
    found = [
        Section("Study", [*_patient(record, shows_patient), *_study(record)]),
        Section("What the model found", list(_found(answer))),
        Section("Warnings", lines=warnings, is_warning=True) if warnings else None,
        Section("Key slices", lines=explained, pictures=pictures, scale=scale),
        *(_reviewed(one, number) for number, one in enumerate(reviews, start=1)),
        Section("Model", list(_model(answer)), lines=list(_reliability(answer, figures))),
    ]
    return [one for one in found if one is not None]


def headline(answer: Json) -> str:
    """The finding in one line."""
    said = answer["result"]
    predicted = said["predicted"]
    return f"ACL: {predicted}, probability {chance(said['probabilities'][predicted])}"


def _patient(record: Record, shown: bool) -> Iterator[Row]:
    if not shown or not record.origins:
        return
    origin = record.origins[0]
    for name, keyword in (("Patient", "PatientName"), ("Number", "PatientID"), ("Born", "PatientBirthDate")):
        if value := origin.get(keyword):
            # A name may be there in other letters, too (PS3.5 6.2.1.2).
            groups = (" ".join(group.replace("^", " ").split()) for group in str(value).split("="))
            yield name, " / ".join(filter(None, groups))


def _study(record: Record) -> Iterator[Row]:
    answer, study = record.answer, record.answer["study"]
    size, (step, row, column) = study["volume"], study["volume"]["spacing_mm"]
    yield "Study", f"...{study['study_uid'][-12:]}"
    if record.origins and (day := str(record.origins[0].get("StudyDate") or "")):
        yield "Study date", f"{day[:4]}-{day[4:6]}-{day[6:]}"
    yield "Received", answer["created"].replace("T", " ").replace("Z", " UTC")
    yield "Side", SIDES[study["laterality"]]
    yield (
        "Images",
        f"{size['slices']} slices of {size['rows']} x {size['columns']}, {step:.3g} x {row:.3g} x {column:.3g} mm",
    )


def _found(answer: Json) -> Iterator[Row]:
    said = answer["result"]
    for name, value in said["probabilities"].items():
        yield name.capitalize(), chance(value) + (" (predicted)" if name == said["predicted"] else "")
    if "operating_point" in said:
        yield "Operating point", said["operating_point"]["message"]
    if len(said["classes"]) > 2:
        grade = sum(rank * said["probabilities"][name] for rank, name in enumerate(said["classes"]))
        named = ", ".join(f"{rank} {name}" for rank, name in enumerate(said["classes"]))
        yield "Expected grade", f"{grade:.1f} ({named})"


def _reviewed(review: Review, number: int) -> Section:
    grade = review.grade or ("" if review.verdict == "agree" else review.reason or "")
    rows = [
        ("Reader", review.reader.partition(" ")[2] or "not identified"),
        ("Given", f"{review.created.replace('T', ' ').replace('Z', ' UTC')}, {OPINIONS[review.opinion]}"),
        ("Verdict", VERDICTS[review.verdict] + (f": {grade}" if grade else "")),
    ]
    if review.laterality:
        rows.append(("Side", SIDES[review.laterality]))
    if review.marked_slices:
        rows.append(("Ligament drawn on", ", ".join(f"slice {one + 1}" for one in review.marked_slices)))
    if review.comment:
        rows.append(("Comment", review.comment))
    return Section(f"Reading {number} by a person", rows)


def _model(answer: Json) -> Iterator[Row]:
    bundle, explanation = answer["bundle"], answer["explanation"]
    yield "Model", f"{bundle['name'][:LONG_STRING]} ({bundle['route']}), trained on {bundle['trained_on']} knees"
    yield "Date of its training", bundle.get("trained_at") or "not known"
    yield "Digest", bundle["sha256"]
    yield "Program", f"{MANUFACTURER} {VERSION}"
    adds_up = "adds up to the score" if explanation["exact"] else "doesn't add up to the score"
    yield "Explanation", f"{explanation['method'].upper()}; the map {adds_up}"


def _reliability(answer: Json, figures: Sequence[Json] | None) -> Iterator[str]:
    """What is known of how far probabilities and maps can be trusted."""
    if any(one["code"] == "not-calibrated" for one in answer["warnings"]):
        yield "The probabilities aren't calibrated: 0.8 doesn't mean that 8 of 10 such knees are injured."
    else:
        yield "The probabilities are calibrated on the bundle's validation exams."
    if figures is None:
        yield "The bundle isn't loaded now, so its figures aren't shown."
    elif not figures:
        yield "No figures were measured for this bundle."
    yield from map(_figure, (figures or [])[:MOST_FIGURES])


def _figure(one: dict[str, Any]) -> str:
    low, high = one["interval_95"]
    name, where = f"{one['name'][:1].upper()}{one['name'][1:]}", f"{one['exams']} exams: {one['measured_on']}"
    return f"{name}: {one['value']:.2f} (95 % interval {low:.2f} to {high:.2f}; {where})."
