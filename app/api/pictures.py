"""`/v1/predictions/{id}/slices/...` and `map.npz`: the pictures of an answer, drawn on request."""

import io
from functools import lru_cache

import numpy as np
from apiflask import APIBlueprint
from flask import Response
from pydantic import Field
from werkzeug.exceptions import BadRequest, NotFound

from app.api.done import done
from app.http.responses import OptionalText, RequestParameters, Responses, answers, sends
from app.results import render
from app.results.colour_scale import bounds
from app.service.parts import service
from app.store.predictions import Store
from app.store.record import Record
from data_prep.volume import FloatArray

blueprint = APIBlueprint("pictures", __name__, tag="Pictures", url_prefix="/v1/predictions/<id>")

DEFAULT_OPACITY = 0.6


class MapQuery(RequestParameters):
    """Query of a picture or map of one class."""

    class_: OptionalText = Field(None, validation_alias="class")
    """The class; by default the class that the answer explains."""


class OverlayQuery(MapQuery):
    """Query of an overlay."""

    opacity: float = Field(DEFAULT_OPACITY, ge=0, le=1)
    """Opacity of the heatmap."""


def _sends(media_type: str, what: str) -> Responses:
    return answers({200: sends(media_type, what)}, 400, 404, 409, 410)


@blueprint.get("/slices/<int:index>/image.png")
@blueprint.input(MapQuery, location="query", arg_name="query")
@blueprint.doc(responses=_sends("image/png", "8 bit grey."))
def image(id: str, index: int, query: MapQuery) -> Response:
    """The slice in grey, with the same pixels as the scanner's image. All slices of a study share one window."""
    plane, _, scale = _slice(id, index, query)
    return _png(render.grey(plane, scale))


@blueprint.get("/slices/<int:index>/heatmap.png")
@blueprint.input(MapQuery, location="query", arg_name="query")
@blueprint.doc(responses=_sends("image/png", "RGBA on the slice's grid."))
def heatmap(id: str, index: int, query: MapQuery) -> Response:
    """The evidence for the class as colours, transparent below the threshold."""
    _, class_map, scale = _slice(id, index, query)
    return _png(render.heatmap(render.glow(class_map, scale)))


@blueprint.get("/slices/<int:index>/overlay.png")
@blueprint.input(OverlayQuery, location="query", arg_name="query")
@blueprint.doc(responses=_sends("image/png", "RGB on the slice's grid, with the notice burnt in."))
def overlay(id: str, index: int, query: OverlayQuery) -> Response:
    """The heatmap over the slice. If no evidence in the study reaches the threshold, the picture says so."""
    plane, class_map, scale = _slice(id, index, query)
    return _png(render.overlay(render.grey(plane, scale), render.glow(class_map, scale), query.opacity, scale.said))


@blueprint.get("/map.npz")
@blueprint.input(MapQuery, location="query", arg_name="query")
@blueprint.doc(responses=_sends("application/zip", "NumPy's archive of the array `map`."))
def volume_map(id: str, query: MapQuery) -> Response:
    """The map of a class in the volume's own grid.

    `map` is float32 `[slices, rows, columns]`. If the explanation is exact, its sum plus the bias is the logit.
    """
    archive = io.BytesIO()
    record, class_index = _record(id, query)
    np.savez(archive, map=record.map(class_index).volume())
    return Response(archive.getvalue(), mimetype="application/zip")


def _slice(id: str, index: int, query: MapQuery) -> tuple[FloatArray, FloatArray, render.Scale]:
    """Voxels and map of one slice, `[rows, columns]`, and the scale of the volume that it belongs to."""
    record, class_index = _record(id, query)
    voxels = record.job.volume.voxels
    if index >= len(voxels):
        raise NotFound(f"The volume has slices 0 to {len(voxels) - 1}.")
    scale = _scale(service().store, id, class_index)
    return voxels[index], record.map(class_index).plane(index), scale


@lru_cache(maxsize=64)
def _scale(store: Store, id: str, class_index: int) -> render.Scale:
    """The colour scale. It is cached, because it needs the whole volume and clients request slice after slice."""
    record = store.read(id)
    volume, name = record.job.volume, record.answer["result"]["classes"][class_index]
    found = bounds(record.answer, name, volume.spacing_mm, record.map(class_index).peak())
    return render.Scale.of(volume.voxels, found)


def _record(id: str, query: MapQuery) -> tuple[Record, int]:
    """The prediction, and the index of the class that the client asks for or that the answer explains."""
    record = done(id, "pictures")
    if query.class_ is None:
        return record, record.explained_class
    classes: list[str] = record.answer["result"]["classes"]
    if query.class_ not in classes:
        raise BadRequest(f"There is no such class; the classes are: {', '.join(classes)}.")
    return record, classes.index(query.class_)


def _png(picture: render.Picture) -> Response:
    return Response(render.png(picture), mimetype="image/png")
