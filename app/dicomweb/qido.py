"""QIDO-RS: which studies, series and instances the service holds (PS3.18 10.6), as DICOM JSON."""

from collections.abc import Callable, Mapping

from apiflask import APIBlueprint
from flask import Response, request, url_for
from werkzeug.exceptions import BadRequest

from app.contract.json_text import Json, dumps_of_headers
from app.contract.schemas import DicomObjects
from app.dicomweb import metadata
from app.dicomweb.media_types import DICOM_JSON, JSON, require
from app.dicomweb.representations.dicom_json import element
from app.http.responses import answers, refers, response
from app.search.finding import Found, find
from app.search.url_query import MOST_WITH_FURTHER, Query, parameters
from app.service.parts import service
from app.store.index.keys import INSTANCE, MODALITIES, PATIENT_AND_STUDY, SERIES, Level, tag
from data_prep.dicom.part10 import is_uid

blueprint = APIBlueprint("qido", __name__, tag="DICOMweb")

MORE = "There are more results: request the next ones by offset."
FOUND = answers(
    {
        200: response("What was found.", {DICOM_JSON: refers(DicomObjects)}, "Warning"),
        204: response("Nothing matches.", {}, "Warning"),
    },
    *(400, 406),
)
# What the database keeps of each level; and what is counted or said by the service.
KEPT = {
    Level.STUDY: frozenset(map(tag, PATIENT_AND_STUDY)),
    Level.SERIES: frozenset(map(tag, SERIES)),
    Level.INSTANCE: frozenset(map(tag, INSTANCE)),
}
SAID = frozenset(
    map(
        tag,
        (
            *(MODALITIES, "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
            *("NumberOfSeriesRelatedInstances", "InstanceAvailability", "RetrieveURL"),
        ),
    )
)


@blueprint.get("/studies")
@blueprint.doc(responses=FOUND, extensions={"parameters": parameters(Level.STUDY)})
def studies() -> Response:
    """Studies, the newest first."""
    return _search(Level.STUDY, {}, _study)


@blueprint.get("/series")
@blueprint.get("/studies/<study>/series", endpoint="study_series")
@blueprint.doc(responses=FOUND, extensions={"parameters": parameters(Level.SERIES)})
def series(study: str | None = None) -> Response:
    """Series, those of the newest study first; of one study if the URL names it."""
    return _search(Level.SERIES, {"StudyInstanceUID": study}, _series)


@blueprint.get("/instances")
@blueprint.get("/studies/<study>/instances", endpoint="study_instances")
@blueprint.get("/studies/<study>/series/<series>/instances", endpoint="series_instances")
@blueprint.doc(responses=FOUND, extensions={"parameters": parameters(Level.INSTANCE)})
def instances(study: str | None = None, series: str | None = None) -> Response:
    """Instances, those of the newest study first; of one study or series if the URL names it."""
    return _search(Level.INSTANCE, {"StudyInstanceUID": study, "SeriesInstanceUID": series}, _instance)


def _search(level: Level, path: Mapping[str, str | None], told: Callable[[Found, str], Json]) -> Response:
    """What is found, with the attributes that are asked for."""
    if not all(is_uid(uid) for uid in path.values() if uid is not None):
        raise BadRequest("The study and the series in the URL must be UIDs.")
    query = Query.parse(request.args, level, path)
    require(request.headers.get("Accept", ""), DICOM_JSON, JSON)
    # Of what describes the levels below, no instance stands for its study or series.
    further = frozenset(query.included) - frozenset().union(*KEPT.values()) - SAID
    everything = query.everything and level == Level.INSTANCE
    limit = min(query.limit, MOST_WITH_FURTHER) if further or everything else query.limit
    found = find(service().database, level, query.conditions, limit + 1 if limit else 0, query.offset)
    page, warnings = found[:limit], list(query.warnings)
    if len(found) > limit:
        warnings.append(MORE)
    known = metadata.of_uids([one.sop_uid for one in page]) if further or everything else {}
    root = url_for(".studies", _external=True)  # once: for each result it would take longer than the search
    results = [
        {key: value for key, value in known.get(one.sop_uid, {}).items() if everything or key in further}
        | told(one, root)
        for one in page
    ]
    answer = Response(dumps_of_headers(results), content_type=DICOM_JSON) if results else Response(status=204)
    for text in warnings:
        answer.headers.add("Warning", f'299 cruciate "{text}"')
    return answer


def _study(one: Found, root: str) -> Json:
    return (
        one.attributes
        | element("NumberOfStudyRelatedSeries", one.series)
        | element("NumberOfStudyRelatedInstances", one.instances)
        | _place(f"{root}/{one.study_uid}")
    )


def _series(one: Found, root: str) -> Json:
    return (
        one.attributes
        | element("NumberOfSeriesRelatedInstances", one.instances)
        | _place(f"{root}/{one.study_uid}/series/{one.series_uid}")
    )


def _instance(one: Found, root: str) -> Json:
    return one.attributes | _place(f"{root}/{one.study_uid}/series/{one.series_uid}/instances/{one.sop_uid}")


def _place(url: str) -> Json:
    return element("InstanceAvailability", "ONLINE") | element("RetrieveURL", url)
