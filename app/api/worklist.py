"""`/v1/worklist`: studies and what was predicted on them, for a page that people read; and a synthetic study to try."""

import re
import secrets
from http import HTTPStatus
from io import BytesIO
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO
from urllib.parse import unquote, urlencode
from zipfile import ZipFile

from apiflask import APIBlueprint
from flask import Response, g, jsonify, request
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from werkzeug.exceptions import BadRequest

from app.contract.schemas import Notice, Queued
from app.contract.worklist import Entry, Patient, ReceivedStudy, Worklist
from app.http.responses import OptionalText, RequestParameters, answers, response, says
from app.jobs.intake import accept
from app.search.worklist import Listed, Place, Receiving, Sort, State, Wanted, find, receiving
from app.service.parts import service
from app.store.index.summaries import NO_PROBABILITY, whole_date
from app.store.job import written
from app.store.queue import QUEUED
from data_prep.labels import FOUR_CLASS
from data_prep.phantom import Phantom, generate
from data_prep.phantom.dicom_out import instance

blueprint = APIBlueprint("worklist", __name__, tag="Worklist", url_prefix="/v1/worklist")

# The sort value and the id of the last prediction of a page, and what is between them.
PLACE = re.compile(r"([0-9TZ:.e+-]{1,32})_([0-9a-f]{32})")
LONGEST_SEARCH = 200
MOST_WORDS = 8


class WorklistQuery(RequestParameters):
    """Query of the worklist."""

    state: State | SkipJsonSchema[None] = None
    """Only predictions in this state; `waiting` are those that are queued or running."""
    predicted: OptionalText = None
    """Only predictions of this class."""
    superseded: bool = False
    """Also predictions that another one has replaced."""
    reviewed: bool | SkipJsonSchema[None] = None
    """Only predictions that a reader has reviewed, or that none has."""
    sort: Sort = "newest"
    """`newest` or `oldest` first; or the largest `unhealthy` first."""
    limit: int = Field(50, ge=1, le=200)
    """The maximum number of predictions."""
    after: Annotated[str, Field(pattern=f"^{PLACE.pattern}$")] | SkipJsonSchema[None] = None
    """The end of the previous page; `next` contains it."""

    def place(self) -> Place | None:
        """The place after which the page begins. Raises BadRequest for one of another order."""
        if self.after is None or (match := PLACE.fullmatch(self.after)) is None:
            return None
        value, id_ = match.groups()
        try:
            return (float(value) if self.sort == "probability" else value), id_
        except ValueError:
            raise BadRequest("after: It comes from a page in another order.") from None


class Search(RequestParameters):
    """Headers of the worklist."""

    search: Annotated[str, Field(max_length=LONGEST_SEARCH)] | SkipJsonSchema[None] = None
    """Words that must all be found: a part of the StudyInstanceUID, a date (2026-11-30), a class and, if the operator
    shows patients, a part of a name or number. Percent-encoded UTF-8. In a header, because URLs end in logs."""

    def words(self) -> tuple[str, ...]:
        """The words, without characters that no text in the database has."""
        return tuple(unquote(self.search or "").replace("\0", "").split()[:MOST_WORDS])


@blueprint.get("")
@blueprint.input(WorklistQuery, location="query", arg_name="query")
@blueprint.input(Search, location="headers", arg_name="search")
@blueprint.doc(
    responses=answers(
        {
            200: says(Worklist, "A page of the worklist.", "ETag"),
            304: response("It is the page that `If-None-Match` names.", {}, "ETag"),
        },
        400,
    )
)
def show(query: WorklistQuery, search: Search) -> Response:
    """Predictions, page by page, and on the first page the studies that are still being received."""
    settings = service().settings
    patients, opinions = settings.show_patients, settings.hide_opinion == "no"
    if not opinions and (query.predicted or query.sort == "probability"):
        raise BadRequest(
            "What the model predicts is hidden until it has been read, so nothing is chosen or sorted by it."
        )
    wanted = Wanted(
        search.words(),
        *(query.state, query.predicted, query.superseded, patients, query.sort, query.reviewed),
        opinions=opinions,
    )
    found, total = find(service().database, wanted, g.caller.id, query.limit + 1, query.place())
    page, more = found[: query.limit], len(found) > query.limit
    is_everything = wanted == Wanted(patients=patients, opinions=opinions)
    arriving = receiving(service().database) if query.after is None and is_everything else []
    following = ""
    if more:
        after = "_".join(map(str, page[-1].place))
        following = f"{blueprint.url_prefix}?" + urlencode(query.model_dump(exclude_none=True) | {"after": after})
    shown = Worklist(
        entries=[_entry(one, patients, opinions or one.own > 0) for one in page],
        receiving=[_received(one) for one in arriving],
        total=total,
        next=following or None,
        shows_patients=patients,
    )
    return _unless_known(shown.model_dump())


@blueprint.post("/synthetic")
@blueprint.doc(responses=answers({202: says(Queued, "Accepted.", "Location")}, 429, 503))
def synthetic() -> Response:
    """Make a synthetic knee by chance, and predict on it. It tells whether the service works, and nothing else."""
    engine = service().engine
    bundle = engine.bundle(None)
    knee = generate(secrets.randbelow(1 << 53), secrets.choice(FOUR_CLASS.classes))
    with TemporaryFile() as file:
        _write_zip(knee, file)
        accepted = accept(engine, [("synthetic.zip", file)], bundle.sha256)
    g.prediction_id, g.answer = accepted.id, accepted.answer
    queued = jsonify(Queued(id=accepted.id, status="queued").model_dump())
    queued.status_code, queued.headers["Location"] = 202, f"/v1/predictions/{accepted.id}"
    return queued


def _write_zip(knee: Phantom, file: BinaryIO) -> None:
    with ZipFile(file, "w") as archive:
        for index in range(knee.scan.slices):
            member = BytesIO()
            instance(knee, index).save_as(member, enforce_file_format=True)
            archive.writestr(f"{index}.dcm", member.getvalue())
    file.seek(0)


def _entry(one: Listed, patients: bool, opinion: bool) -> Entry:
    answer, summary = one.answer or {}, one.summary
    has_opinion = opinion and summary.unhealthy != NO_PROBABILITY
    result = answer.get("result", {})
    return Entry(
        id=summary.prediction,
        study_uid=summary.study_uid,
        study_date=whole_date(summary.study_date),
        created=summary.created,
        state="running" if summary.status == QUEUED and one.lease is not None else summary.status,
        predicted=summary.predicted if has_opinion else None,
        unhealthy=summary.unhealthy if has_opinion else None,
        operating_point=result.get("operating_point") if opinion else None,
        readers=one.readers,
        given_up=one.given_up,
        withheld=not opinion and bool(result),
        laterality=answer.get("study", {}).get("laterality"),
        bundle=answer.get("bundle", {}).get("name"),
        warnings=[Notice(**warning) for warning in answer.get("warnings", ())],
        problem=answer.get("problem", {}).get("detail"),
        synthetic=summary.synthetic,
        superseded_by=one.superseded_by,
        patient=Patient(name=summary.patient_name, id=summary.patient_id) if patients else None,
    )


def _received(one: Receiving) -> ReceivedStudy:
    return ReceivedStudy(study_uid=one.study_uid, received=written(one.received), instances=one.instances)


def _unless_known(page: dict[str, Any]) -> Response:
    """The page; or nothing, if the client has it already. Nothing is read then, so nothing is audited."""
    answer = jsonify(page)
    answer.add_etag()
    answer.make_conditional(request)
    g.unaudited = answer.status_code == HTTPStatus.NOT_MODIFIED
    return answer
