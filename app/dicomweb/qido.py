"""QIDO-RS: which studies, series and instances the service holds (PS3.18 10.6), as DICOM JSON."""

from collections.abc import Iterable
from itertools import groupby, islice

from apiflask import APIBlueprint
from flask import Response, request, url_for

from app.contract.json_text import Json, dumps
from app.contract.schemas import DicomObjects
from app.dicomweb.dicom_json import element, tag
from app.dicomweb.media_types import DICOM_JSON, JSON, require
from app.dicomweb.query import Query, parameters
from app.http.responses import answers, refers, response
from app.service.parts import service
from app.store.instance_file import INSTANCE, PATIENT_AND_STUDY, SERIES
from app.store.instances import Series

blueprint = APIBlueprint("qido", __name__, tag="DICOMweb")

MORE = "There are more results: request the next ones by offset."
STUDY_KEYS = (*PATIENT_AND_STUDY, "ModalitiesInStudy")
SERIES_KEYS = (*PATIENT_AND_STUDY, *SERIES)
INSTANCE_KEYS = (*SERIES_KEYS, *INSTANCE)
FOUND = answers(
    {
        200: response("What was found.", {DICOM_JSON: refers(DicomObjects)}, "Warning"),
        204: response("Nothing matches.", {}, "Warning"),
    },
    *(400, 406),
)


@blueprint.get("/studies")
@blueprint.doc(responses=FOUND, extensions={"parameters": parameters(STUDY_KEYS)})
def studies() -> Response:
    """Studies, ordered by UID."""
    query = Query.parse(request.args, STUDY_KEYS)
    found = service().instances.series(query.uids.get("StudyInstanceUID"))
    grouped = groupby(found, key=lambda series: series.example.study_uid)
    return _answer(query, (_study(list(members)) for _, members in grouped))


@blueprint.get("/series")
@blueprint.get("/studies/<study>/series", endpoint="study_series")
@blueprint.doc(responses=FOUND, extensions={"parameters": parameters(SERIES_KEYS)})
def series(study: str | None = None) -> Response:
    """Series, ordered by UIDs; of one study if the URL names it."""
    query = Query.parse(request.args, SERIES_KEYS)
    found = service().instances.series(study or query.uids.get("StudyInstanceUID"), query.uids.get("SeriesInstanceUID"))
    return _answer(query, map(_series, found))


@blueprint.get("/instances")
@blueprint.get("/studies/<study>/instances", endpoint="study_instances")
@blueprint.get("/studies/<study>/series/<series>/instances", endpoint="series_instances")
@blueprint.doc(responses=FOUND, extensions={"parameters": parameters(INSTANCE_KEYS)})
def instances(study: str | None = None, series: str | None = None) -> Response:
    """Instances, ordered by UID; of one study or series if the URL names it."""
    query = Query.parse(request.args, INSTANCE_KEYS)
    found = service().instances.find(
        study or query.uids.get("StudyInstanceUID"),
        series or query.uids.get("SeriesInstanceUID"),
        query.uids.get("SOPInstanceUID"),
    )
    located = (
        row.attributes | _place(study=row.study_uid, series=row.series_uid, instance=row.sop_uid) for row in found
    )
    return _answer(query, located)


def _answer(query: Query, candidates: Iterable[Json]) -> Response:
    require(request.headers.get("Accept", ""), DICOM_JSON, JSON)
    passing = filter(query.accepts, candidates)
    page = list(islice(passing, query.offset, query.offset + query.limit + 1))
    warnings = list(query.warnings)
    if len(page) > query.limit:
        warnings.append(MORE)
    found = page[: query.limit]
    response = Response(dumps(found), content_type=DICOM_JSON) if page else Response(status=204)
    for text in warnings:
        response.headers.add("Warning", f'299 cruciate "{text}"')
    return response


def _study(members: list[Series]) -> Json:
    modality = tag("Modality")
    modalities = {value for one in members for value in one.example.attributes.get(modality, {}).get("Value", ())}
    return (
        _only(PATIENT_AND_STUDY, members[0].example.attributes)
        | element("ModalitiesInStudy", *sorted(modalities))
        | element("NumberOfStudyRelatedSeries", len(members))
        | element("NumberOfStudyRelatedInstances", sum(one.instances for one in members))
        | _place(study=members[0].example.study_uid)
    )


def _series(one: Series) -> Json:
    return (
        _only(SERIES_KEYS, one.example.attributes)
        | element("NumberOfSeriesRelatedInstances", one.instances)
        | _place(study=one.example.study_uid, series=one.example.series_uid)
    )


def _only(keywords: Iterable[str], attributes: Json) -> Json:
    return {key: attributes[key] for keyword in keywords if (key := tag(keyword)) in attributes}


def _place(**uids: str) -> Json:
    *_, level = uids
    return element("RetrieveURL", url_for(f"dicomweb.wado.{level}", _external=True, **uids))
