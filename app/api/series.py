"""`/v1/predictions/{id}/series`: the series of the study, and the images of those that weren't predicted on."""

from apiflask import APIBlueprint
from flask import Response, g, jsonify
from pydantic import Field

from app.contract.series import SeriesOfStudy, SeriesPart, ViewedSeries
from app.contract.volume import DisplayWindow
from app.http.npy import NPY, header, packed
from app.http.responses import RequestParameters, answers, says, sends
from app.results.render import percentiles
from app.series.listing import series_of_study
from app.series.looking import Looked, look
from app.service.parts import service
from data_prep.sixteen_bits import SixteenBits

blueprint = APIBlueprint("series", __name__, tag="Series", url_prefix="/v1/predictions/<id>/series")

SIZES = ("images", "rows", "columns")
PROBLEMS = (400, 404, 413, 415, 422)


class PartQuery(RequestParameters):
    """Query of a series' images."""

    part: int = Field(0, ge=0, le=1000)
    """Which part of the series, from 0; `parts` of the description lists them."""


@blueprint.get("")
@blueprint.doc(responses=answers({200: says(SeriesOfStudy, "The series.")}, 404))
def every(id: str) -> Response:
    """The series of the study, why each was passed over, and whether its files are here."""
    record = service().store.read(id)
    g.prediction_id = id
    return jsonify(series_of_study(service().database, record).model_dump())


@blueprint.get("/<series>/volume")
@blueprint.input(PartQuery, location="query", arg_name="query")
@blueprint.doc(responses=answers({200: says(ViewedSeries, "A part of the series without its voxels.")}, *PROBLEMS))
def volume(id: str, series: str, query: PartQuery) -> Response:
    """A part of a series that the service holds: geometry, grey windows, and how `volume.npy` stores the voxels.

    No model looks at it. Any images that can be decoded are shown, of any plane and number.
    """
    seen, voxels = _looked(id, series, query.part)
    described = ViewedSeries(
        series_uid=series,
        part=seen.part,
        parts=[SeriesPart(**dict(zip(SIZES, one.shape, strict=True)), plane=one.plane) for one in seen.parts],
        not_read=seen.not_read,
        shape=seen.shape,
        spacing_mm=seen.spacing_mm,
        directions=None if seen.directions is None else list(seen.directions),
        positions_mm=None if seen.positions_mm is None else list(seen.positions_mm),
        **SixteenBits.of(voxels)._asdict(),
        window=DisplayWindow.of(seen.acquisition),
        percentiles=percentiles(voxels),
    )
    return jsonify(described.model_dump())


@blueprint.get("/<series>/volume.npy")
@blueprint.input(PartQuery, location="query", arg_name="query")
@blueprint.doc(responses=answers({200: sends(NPY, "NPY: uint16 `[images, rows, columns]`.")}, *PROBLEMS))
def voxels(id: str, series: str, query: PartQuery) -> Response:
    """All voxels of a part as 16 bit, in little-endian order. Sent with gzip if the client accepts it."""
    _, planes = _looked(id, series, query.part)
    stored = SixteenBits.of(planes)
    return packed(header(planes.shape, "<u2"), (stored.levels(plane).tobytes() for plane in planes))


def _looked(id: str, series_uid: str, part: int) -> Looked:
    record = service().store.read(id)
    g.prediction_id = id
    return look(service().instances, record.study_uid, series_uid, part)
