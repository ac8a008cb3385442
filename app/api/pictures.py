"""`/v1/predictions/{id}/slices/...` and `map.npz`: the pictures of an answer, drawn when they are asked for."""

import io
from functools import lru_cache

import numpy as np
from apiflask import APIBlueprint
from flask import Response, g
from pydantic import Field
from werkzeug.exceptions import BadRequest, Conflict, NotFound

from app.http.responses import Asked, Optional, Responses, answers, sends
from app.results import render
from app.results.colour_scale import full_brightness
from app.service.parts import service
from app.store.predictions import Store
from data_prep.volume import FloatArray

blueprint = APIBlueprint("pictures", __name__, tag="Pictures", url_prefix="/v1/predictions/<id>")

DEFAULT_OPACITY = 0.6


class Shown(Asked):
    """Query of whatever shows a class."""

    class_: Optional = Field(None, validation_alias="class")
    """Whose map; of the class that the answer explains otherwise."""


class Mixed(Shown):
    """Query of an overlay."""

    opacity: float = Field(DEFAULT_OPACITY, ge=0, le=1)
    """Of the heatmap."""


def _sends(media_type: str, what: str) -> Responses:
    return answers({200: sends(media_type, what)}, 400, 404, 409)


@blueprint.get("/slices/<int:index>/image.png")
@blueprint.input(Shown, location="query", arg_name="shown")
@blueprint.doc(responses=_sends("image/png", "8 bit grey."))
def image(id: str, index: int, shown: Shown) -> Response:
    """The slice in grey, pixel for pixel as the scanner made it; all slices of a study share one window."""
    plane, _, scale = _slice(id, index, shown)
    return _png(render.grey(plane, scale))


@blueprint.get("/slices/<int:index>/heatmap.png")
@blueprint.input(Shown, location="query", arg_name="shown")
@blueprint.doc(responses=_sends("image/png", "RGBA on the slice's grid."))
def heatmap(id: str, index: int, shown: Shown) -> Response:
    """What speaks for the class, as colour that is transparent where nothing does."""
    _, class_map, scale = _slice(id, index, shown)
    return _png(render.heatmap(render.glow(class_map, scale)))


@blueprint.get("/slices/<int:index>/overlay.png")
@blueprint.input(Mixed, location="query", arg_name="mixed")
@blueprint.doc(responses=_sends("image/png", "RGB on the slice's grid, with the notice burnt in."))
def overlay(id: str, index: int, mixed: Mixed) -> Response:
    """The heatmap over the slice."""
    plane, class_map, scale = _slice(id, index, mixed)
    return _png(render.overlay(render.grey(plane, scale), render.glow(class_map, scale), mixed.opacity))


@blueprint.get("/map.npz")
@blueprint.input(Shown, location="query", arg_name="shown")
@blueprint.doc(responses=_sends("application/zip", "NumPy's archive of the array `map`."))
def volume_map(id: str, shown: Shown) -> Response:
    """The map of a class in the volume's own grid.

    `map` is float32 `[slices, rows, columns]`; where the explanation is exact, its sum and the bias are the logit.
    """
    archive = io.BytesIO()
    np.savez(archive, map=service().store.map(id, _class_index(id, shown)).volume())
    return Response(archive.getvalue(), mimetype="application/zip")


def _slice(id: str, index: int, shown: Shown) -> tuple[FloatArray, FloatArray, render.Scale]:
    """Voxels and map of one slice, `[rows, columns]`, and the scale of the volume that it belongs to."""
    store, class_index = service().store, _class_index(id, shown)
    voxels = store.job(id).volume.voxels
    if index >= len(voxels):
        raise NotFound(f"The volume has slices 0 to {len(voxels) - 1}.")
    return voxels[index], store.map(id, class_index).plane(index), _scale(store, id, class_index)


@lru_cache(maxsize=64)
def _scale(store: Store, id: str, class_index: int) -> render.Scale:
    """Kept, because it takes the whole volume, and a reader goes through it slice by slice."""
    answer, volume = store.answer(id), store.job(id).volume
    name = answer["result"]["classes"][class_index]
    full = full_brightness(answer, name, volume.spacing_mm)
    return render.Scale.of(volume.voxels, store.map(id, class_index).peak() if full is None else full)


def _class_index(id: str, shown: Shown) -> int:
    """Of the class that the client asks for, or that the answer explains."""
    answer = service().store.answer(id)
    g.prediction_id = id
    if answer["status"] != "done":
        raise Conflict(f"This prediction is {answer['status']}; it has no pictures.")
    classes: list[str] = answer["result"]["classes"]
    wanted = answer["explanation"]["class"] if shown.class_ is None else shown.class_
    if wanted not in classes:
        raise BadRequest(f"There is no such class; the classes are: {', '.join(classes)}.")
    return classes.index(wanted)


def _png(picture: render.Picture) -> Response:
    return Response(render.png(picture), mimetype="image/png")
