"""Which result replaces which: one knee of a study has one valid result of each bundle.

A study may come in parts with a pause between them; then the prediction on the first part was made without the rest. A
result takes the place of an earlier one of the same study, bundle and knee if both predict on the same series, or if it
passed over the earlier one's series: then it knew that series, and found a better one. A result on fewer slices of the
same series never replaces one that has all of these slices and more; it is replaced by it, whichever comes first.

A person's choice counts more: if somebody asked for a series, no result on a series that the service chose takes its
place. Of two such results, the one that the service chose is replaced, whichever comes first. What replaces a result on
the series that was asked for inherits this.

This is decided once, in the transaction that stores an answer. Everything else follows from the rows: the answer of the
old prediction says so, its results are no longer sent, and a rejection note follows those that were (app/delivery).
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple, Self

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session, aliased

from app.contract.json_text import Json
from app.store.database import Prediction, ResultObject, batched
from app.store.index.summaries import SUMMARY
from app.store.job import now
from app.store.queue import DONE

# SOP classes of structured reports (PS3.4 B.5) begin like this; one of them is the key object selection.
REPORTS, KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.88.59"
BOTH_KNEES = {"L", "R"}
# In the order of `_Said.of`.
ABOUT = Prediction.id, Prediction.created, Prediction.answer, Prediction.supersedes
SUPERSEDED = "superseded"  # the warning's code
REQUEST: Literal["request"] = "request"  # who has chosen the series


class Reference(NamedTuple):
    """A DICOM object that was sent to somebody."""

    sop_class_uid: str
    series_uid: str
    sop_uid: str


class _Said(NamedTuple):
    """What a stored answer is about, and what it replaces."""

    id: str
    created: str
    series_uid: str
    laterality: str
    slices: frozenset[str]
    passed_over: frozenset[str]
    supersedes: Json | None
    asked: bool

    @classmethod
    def of(cls, id_: str, created: str, answer: Json | None, supersedes: Json | None) -> Self | None:
        """None for an answer without these parts, which an early version wrote."""
        if answer is None:
            return None
        try:
            study, slices = answer["study"], answer["explanation"]["slices"]
            series_uid, laterality = study["series_uid"], study["laterality"]
            passed_over = frozenset(one["series_uid"] for one in study["passed_over"])
            shown = frozenset(one["sop_uid"] for one in slices)
            asked = study.get("series_chosen_by") == REQUEST
        except KeyError:
            return None
        return cls(id_, created, series_uid, laterality, shown, passed_over, supersedes, asked)


def supersede(session: Session, id_: str) -> Json:
    """Decide what a prediction that is done replaces, or what replaces it.

    Args:
        session: A transaction in which no other process decides (`Database.alone`).
        id_: Id of a prediction whose answer was stored in this transaction.

    Returns:
        Its answer. It names the predictions that it supersedes, and one that supersedes it.
    """
    row = session.execute(select(*ABOUT, Prediction.superseded_by).where(Prediction.id == id_)).one()
    own, answer, by = _Said.of(*row[:4]), row.answer or {}, row.superseded_by
    if own is not None and own.supersedes is None:  # otherwise it is computed again, because its files were lost
        replaced, better = _compared(own, _rivals(session, id_))
        if by is None and better is not None:
            by = better.id
            _mark(session, [id_], by)
        own = own._replace(supersedes=_replacement(session, replaced)) if replaced else own
        _mark(session, [rival.id for rival in replaced], id_)
    if own is not None and own.supersedes is not None:
        answer = {**answer, "supersedes": own.supersedes["predictions"]}
        values = {Prediction.answer: answer, Prediction.supersedes: own.supersedes}
        session.execute(update(Prediction).where(Prediction.id == id_).values(values))
    return as_answered(answer, by)


def _rivals(session: Session, id_: str) -> list[_Said]:
    """The other valid results of the same study by the same bundle."""
    mine = aliased(Prediction)
    same = Prediction.study_uid == mine.study_uid, Prediction.bundle == mine.bundle, Prediction.id != mine.id
    valid = Prediction.status == DONE, Prediction.superseded_by.is_(None)
    rows = session.execute(select(*ABOUT).join(mine, and_(*same)).where(mine.id == id_, *valid)).all()
    return [_heir(session, said) for row in rows if (said := _Said.of(*row)) is not None]


def _heir(session: Session, said: _Said) -> _Said:
    """A result, which counts as asked for if one that it has replaced was: then both are on the same series."""
    waiting, known = [said], {said.id}
    while waiting and not said.asked:
        replaced = session.execute(select(*ABOUT).where(Prediction.superseded_by == waiting.pop().id)).all()
        waiting += [one for row in replaced if (one := _Said.of(*row)) is not None and one.id not in known]
        known |= {one.id for one in waiting}
        said = said._replace(asked=any(one.asked for one in waiting))
    return said


def asked_series(session: Session, study_uid: str, bundle: str) -> list[str]:
    """The series of the valid results of a study that somebody asked for, the latest first."""
    valid = Prediction.status == DONE, Prediction.superseded_by.is_(None)
    rows = select(*ABOUT).where(Prediction.study_uid == study_uid, Prediction.bundle == bundle, *valid)
    found = session.execute(rows.order_by(Prediction.created.desc(), Prediction.id)).all()
    said = [_heir(session, one) for row in found if (one := _Said.of(*row)) is not None]
    return list(dict.fromkeys(one.series_uid for one in said if one.asked))


def series_of(answer: Json | None) -> str | None:
    """The series that an answer predicts on; None if it doesn't say."""
    found: str | None = (answer or {}).get("study", {}).get("series_uid")
    return found


def _compared(own: _Said, rivals: Iterable[_Said]) -> tuple[list[_Said], _Said | None]:
    """What a new result replaces, and what replaces it."""
    replaced, better = [], None
    for rival in rivals:
        winner = _winner(rival, own) if rival.created <= own.created else _winner(own, rival)
        if winner is own:
            replaced.append(rival)
        elif winner is rival:
            better = rival
    return replaced, better


def _winner(earlier: _Said, later: _Said) -> _Said | None:
    """Which of two results of the same study by the same bundle replaces the other one; None if both are valid."""
    if {earlier.laterality, later.laterality} == BOTH_KNEES:
        return None
    if earlier.series_uid == later.series_uid:
        return earlier if later.slices < earlier.slices else later
    if earlier.asked != later.asked:
        asked, other = (earlier, later) if earlier.asked else (later, earlier)
        known = asked.series_uid in other.passed_over or other.series_uid in asked.passed_over
        return asked if known else None
    return later if earlier.series_uid in later.passed_over else None


def _replacement(session: Session, replaced: Sequence[_Said]) -> Json:
    """The column `supersedes`: the number of this result, and the reports that were sent before it."""
    documents: list[Json] = []
    for one in replaced:
        sent = [reference._asdict() for reference in objects_of(session, one.id) if _is_report(reference)]
        documents += sent or (one.supersedes["documents"] if one.supersedes else [])
    number = 1 + max(number_of(one.supersedes) for one in replaced)
    return {"number": number, "predictions": [one.id for one in replaced], "documents": documents}


def _mark(session: Session, ids: Collection[str], by: str) -> None:
    valid = update(Prediction).where(Prediction.id.in_(ids), Prediction.superseded_by.is_(None))
    session.execute(valid.values(superseded_by=by, superseded=now()))
    session.execute(update(SUMMARY).where(SUMMARY.c.prediction.in_(ids)).values(superseded=True))


def number_of(supersedes: Json | None) -> int:
    """Which result of its kind a prediction is, from 1, by its column `supersedes`."""
    return int(supersedes["number"]) if supersedes else 1


def objects_of(session: Session, prediction: str) -> list[Reference]:
    """The objects of a prediction that may have reached somebody, in a fixed order, without rejection notes."""
    columns = ResultObject.sop_class_uid, ResultObject.series_uid, ResultObject.sop_uid
    rows = select(*columns).where(ResultObject.prediction == prediction, ResultObject.note.is_(False))
    return [Reference(*row) for row in session.execute(rows.order_by(ResultObject.sop_uid))]


def returned(session: Session, sop_uids: Collection[str]) -> set[str]:
    """Those of these UIDs that are results of ours. A target that got them may send them back with their study."""
    found: set[str] = set()
    for some in batched(list(sop_uids)):
        found |= set(session.scalars(select(ResultObject.sop_uid).where(ResultObject.sop_uid.in_(some))))
    return found


def as_answered(answer: Json, superseded_by: str | None) -> Json:
    """A stored answer with what has become of it since."""
    if superseded_by is None or answer["status"] != DONE:
        return answer
    message = f"Another result of this study has replaced this one: prediction {superseded_by}."
    warnings = [*answer.get("warnings", ()), {"code": SUPERSEDED, "message": message}]
    return answer | {"superseded_by": superseded_by, "warnings": warnings}


def _is_report(one: Reference) -> bool:
    return one.sop_class_uid.startswith(REPORTS) and one.sop_class_uid != KEY_OBJECTS
