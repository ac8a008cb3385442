"""`/v1/predictions/{id}/slices/...` and `map.npz`: the pictures of an answer, drawn when they are asked for."""

import io
from typing import NamedTuple

import numpy as np
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import BadRequest, Conflict, NotFound

from app import render
from app.service import service
from data_prep.volume import FloatArray

blueprint = Blueprint("pictures", __name__, url_prefix="/v1/predictions/<id_>")

DEFAULT_OPACITY = 0.6


class Answered(NamedTuple):
    """What pictures are made of: voxels and one class's map, both `[slices, rows, columns]`."""

    voxels: FloatArray
    map: FloatArray


@blueprint.get("/slices/<int:index>/image.png")
def image(id_: str, index: int) -> Response:
    """The slice in grey, pixel for pixel as the scanner made it; all slices of a study share one window."""
    answered = _answered(id_)
    return _png(render.grey(answered.voxels, _slice(answered, index)))


@blueprint.get("/slices/<int:index>/heatmap.png")
def heatmap(id_: str, index: int) -> Response:
    """What speaks for the class, as colour that is transparent where nothing does."""
    answered = _answered(id_)
    return _png(render.heatmap(render.glow(answered.map)[_slice(answered, index)]))


@blueprint.get("/slices/<int:index>/overlay.png")
def overlay(id_: str, index: int) -> Response:
    """The heatmap over the slice."""
    answered = _answered(id_)
    grey = render.grey(answered.voxels, _slice(answered, index))
    return _png(render.overlay(grey, render.glow(answered.map)[index], _opacity()))


@blueprint.get("/map.npz")
def volume_map(id_: str) -> Response:
    """float32 `map` `[slices, rows, columns]`; where the explanation is exact, its sum and the bias are the logit."""
    archive = io.BytesIO()
    np.savez(archive, map=_answered(id_).map)
    return Response(archive.getvalue(), mimetype="application/zip")


def _answered(id_: str) -> Answered:
    store = service().store
    answer = store.answer(id_)
    g.prediction_id = id_
    if answer["status"] != "done":
        raise Conflict(f"This prediction is {answer['status']}; it has no pictures.")
    classes, default = answer["result"]["classes"], answer["explanation"]["class"]
    wanted = request.args.get("class", default)
    if wanted not in classes:
        raise BadRequest(f"There is no such class; the classes are: {', '.join(classes)}.")
    return Answered(store.job(id_).volume.voxels, store.map(id_, classes.index(wanted)))


def _slice(answered: Answered, index: int) -> int:
    if index >= len(answered.voxels):
        raise NotFound(f"The volume has slices 0 to {len(answered.voxels) - 1}.")
    return index


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
