"""Whether all instances of a received study are here, as far as its headers and its modality say how many there are."""

from collections import Counter
from collections.abc import Collection, Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.store.database import Announced, Instance, PerformedStep

# UIDs of a study and a series; the second one is empty if the whole study is meant.
Place = tuple[str, str]
# PerformedProcedureStepStatus (PS3.3 C.4.14).
IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"


def incomplete(session: Session, study_uids: Collection[str]) -> set[str]:
    """Those of these studies that a modality still works on, or of which fewer instances are here than are announced.

    A header announces instances of a series or of all (`data_prep.selection.missing`), and a modality the images of
    each series of a completed step. Of a series that was cut short, what headers announce doesn't count. Nothing is
    known of a study about which neither says anything.
    """
    if not study_uids:
        return set()
    steps = _steps(session, study_uids)
    by_headers = select(Announced).where(Announced.study_uid.in_(study_uids))
    announced = {(one.study_uid, one.series_uid): one.instances for one in session.scalars(by_headers)}
    for one in steps:
        for uid in one.series if one.state == DISCONTINUED else ():
            announced.pop((one.study_uid, uid), None)
    for place, images in _performed(steps).items():
        announced[place] = max(images, announced.get(place, 0))
    here = _here(session, {study_uid for study_uid, _ in announced})
    missing = {place[0] for place, number in announced.items() if here[place] < number}
    return missing | {one.study_uid for one in steps if one.state == IN_PROGRESS}


def performed(session: Session, study_uid: str) -> dict[str, int]:
    """How many images modalities have made of each series of a study, in steps that are completed."""
    return {series_uid: images for (_, series_uid), images in _performed(_steps(session, [study_uid])).items()}


def _performed(steps: Iterable[PerformedStep]) -> dict[Place, int]:
    images: dict[Place, int] = {}
    for one in steps:
        for uid, number in one.series.items() if one.state == COMPLETED else ():
            images[one.study_uid, uid] = max(number, images.get((one.study_uid, uid), 0))
    return images


def _steps(session: Session, study_uids: Collection[str]) -> list[PerformedStep]:
    return list(session.scalars(select(PerformedStep).where(PerformedStep.study_uid.in_(study_uids))))


def _here(session: Session, study_uids: Collection[str]) -> Counter[Place]:
    """How many instances of each series were received, and of each study."""
    if not study_uids:
        return Counter()
    counted = (
        select(Instance.study_uid, Instance.series_uid, func.count())
        .where(Instance.study_uid.in_(study_uids), Instance.ours.is_(False))
        .group_by(Instance.study_uid, Instance.series_uid)
    )
    counts = Counter[Place]()
    for study_uid, series_uid, count in session.execute(counted):
        counts[study_uid, series_uid] += count
        counts[study_uid, ""] += count
    return counts
