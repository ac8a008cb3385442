"""`/v1/predictions/{id}/slices/...` and `map.npz`: the pictures of an answer, drawn when they are asked for."""

import io
from functools import lru_cache

import numpy as np
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import BadRequest, Conflict, NotFound

from app import render
from app.service import service
from app.store import Store
from data_prep.volume import FloatArray

blueprint = Blueprint("pictures", __name__, url_prefix="/v1/predictions/<id_>")

DEFAULT_OPACITY = 0.6


@blueprint.get("/slices/<int:index>/image.png")
def image(id_: str, index: int) -> Response:
    """The slice in grey, pixel for pixel as the scanner made it; all slices of a study share one window."""
    plane, _, scale = _slice(id_, index)
    return _png(render.grey(plane, scale))


@blueprint.get("/slices/<int:index>/heatmap.png")
def heatmap(id_: str, index: int) -> Response:
    """What speaks for the class, as colour that is transparent where nothing does."""
    _, class_map, scale = _slice(id_, index)
    return _png(render.heatmap(render.glow(class_map, scale)))


@blueprint.get("/slices/<int:index>/overlay.png")
def overlay(id_: str, index: int) -> Response:
    """The heatmap over the slice."""
    plane, class_map, scale = _slice(id_, index)
    return _png(render.overlay(render.grey(plane, scale), render.glow(class_map, scale), _opacity()))


@blueprint.get("/map.npz")
def volume_map(id_: str) -> Response:
    """float32 `map` `[slices, rows, columns]`; where the explanation is exact, its sum and the bias are the logit."""
    archive = io.BytesIO()
    np.savez(archive, map=service().store.map(id_, _class_index(id_)).volume())
    return Response(archive.getvalue(), mimetype="application/zip")


def _slice(id_: str, index: int) -> tuple[FloatArray, FloatArray, render.Scale]:
    """Voxels and map of one slice, `[rows, columns]`, and the scale of the volume that it belongs to."""
    store, class_index = service().store, _class_index(id_)
    voxels = store.job(id_).volume.voxels
    if index >= len(voxels):
        raise NotFound(f"The volume has slices 0 to {len(voxels) - 1}.")
    return voxels[index], store.map(id_, class_index).plane(index), _scale(store, id_, class_index)


@lru_cache(maxsize=64)
def _scale(store: Store, id_: str, class_index: int) -> render.Scale:
    """Kept, because it takes the whole volume, and a reader goes through it slice by slice."""
    return render.Scale.of(store.job(id_).volume.voxels, store.map(id_, class_index).volume())


def _class_index(id_: str) -> int:
    """Of the class that the client asks for, or that the answer explains."""
    answer = service().store.answer(id_)
    g.prediction_id = id_
    if answer["status"] != "done":
        raise Conflict(f"This prediction is {answer['status']}; it has no pictures.")
    classes: list[str] = answer["result"]["classes"]
    wanted = request.args.get("class", answer["explanation"]["class"])
    if wanted not in classes:
        raise BadRequest(f"There is no such class; the classes are: {', '.join(classes)}.")
    return classes.index(wanted)


def _opacity() -> float:
    try:
        opacity = float(request.args.get("opacity", DEFAULT_OPACITY))
    except ValueError:
        opacity = -1.0
    if not 0 <= opacity <= 1:
        raise BadRequest("opacity must be a number from 0 to 1.")
    return opacity


def _png(picture: render.Picture) -> Response:
    return Response(render.png(picture), mimetype="image/png")
