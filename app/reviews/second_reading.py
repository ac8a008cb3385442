"""Readers' reviews in the structured report: each a group of measurements (TID 1410) whose observer is a person.

The report's own observer is the device. The context of a reading's group says otherwise for that group (PS3.3 C.17.5:
a context holds for what is below it), so that nobody takes the model's finding for the reader's or the reverse.
"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from highdicom import sr
from highdicom.sr import CodedConcept
from pydicom import dcmread
from pydicom.sr.codedict import codes as standard

from app.contract import masks
from app.contract.reviews import Review
from app.results import Result, Site, named
from app.results.evidence import Evidence, Points, outline
from app.results.of_record import result_of
from app.results.report import Group, Verification, group, in_slice, report
from app.results.slices import referring
from app.reviews.classes import HEALTHY
from app.reviews.segment import person
from app.store.record import Record
from data_prep.labels import BINARY


def reviewed_report(record: Record, site: Site, reviews: Sequence[Review]) -> bytes:
    """The report with the readings of persons; its predecessor is the report without them.

    Args:
        record: The prediction, which is done.
        site: The site's choices.
        reviews: The latest review of each reader, with masks; at least one.

    Raises:
        NotFound: The prediction was stored without DICOM attributes, or its pixels or maps have expired.
        Gone: It is superseded.
    """
    result = result_of(record, site)
    evidence = result.evidence(record.map(record.explained_class).volume())
    shown = referring(result, evidence)
    others = named(result, shown, evidence)
    earlier = dcmread(BytesIO(report(shown, evidence, others)), stop_before_pixels=True)
    earlier.PatientName = earlier.ReferringPhysicianName = ""  # as in `Result.images`
    readings = [reading(shown, evidence, one) for one in reviews]
    return report(shown, evidence, others, readings, verification(reviews), earlier)


def verification(reviews: Sequence[Review]) -> Verification | None:
    """The last reader who agrees, if the service knows who that is and no reader contradicts the model."""
    if not reviews or any(one.verdict != "agree" for one in reviews):
        return None
    known = [one for one in reviews if one.reader]
    return Verification(person(known[-1].reader), known[-1].created) if known else None


def reading(result: Result, evidence: Evidence, review: Review) -> Group:
    """A review as a group of measurements: grade, abnormality, side, and where the reader drew the ligament."""
    codes = result.codes
    presence, grade = _diagnosis(result, review)
    found = [(codes.abnormality, presence)] + ([(codes.read_grade, grade)] if grade else [])
    index, points = _place(result, evidence, review)
    place = in_slice(result, index, "POLYLINE", points)
    made = group(result, f"Reading {review.id}", place, codes.abnormality, [], found, review.laterality, by_model=False)
    content = made[0].ContentSequence
    if review.reader:
        for position, item in enumerate(_observer(review)):
            content.insert(position, item)
    if review.comment:
        contains = sr.RelationshipTypeValues.CONTAINS
        content.append(sr.TextContentItem(codes.comment, review.comment, relationship_type=contains))
    return made


def _diagnosis(result: Result, review: Review) -> tuple[CodedConcept, CodedConcept | None]:
    """Whether the ligament is abnormal, and its grade; no grade if the images can't be judged."""
    codes = result.codes
    if not review.classes:
        return codes.undetermined, None
    name = review.classes[0] if len(review.classes) == 1 else BINARY.classes[1]
    return (codes.absent if name == HEALTHY else codes.present), codes.grades[name]


def _observer(review: Review) -> sr.ObserverContext:
    name = person(review.reader)
    who = sr.PersonObserverIdentifyingAttributes(name=name, login_name=review.reader.partition(" ")[2])
    return sr.ObserverContext(observer_type=standard.DCM.Person, observer_identifying_attributes=who)


def _place(result: Result, evidence: Evidence, review: Review) -> tuple[int, Points]:
    """Slice and outline: of the mask where it is largest, of the box's middle slice, or of what the model examined."""
    if review.mask:
        drawn = masks.drawn(review.mask, result.volume.shape)
        index = int(drawn.sum(axis=(1, 2)).argmax())
        return index, outline(drawn[index])
    if review.box:
        (first, last), (top, bottom), (left, right) = review.box
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        return (first + last - 1) // 2, np.array(corners, np.float64)
    index = result.decisive(evidence)
    return index, evidence.examined(index)
