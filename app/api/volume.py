"""`/v1/predictions/{id}/volume` and `/grid`: what a program needs to draw slices and heatmaps itself.

Each is a small description in JSON and one array in NumPy's format (NPY 1.0): a short text header, then the values.
"""

from functools import lru_cache

from apiflask import APIBlueprint
from flask import Response, jsonify
from werkzeug.exceptions import NotFound

from app.api.done import done
from app.contract.volume import ClassScale, DisplayWindow, Grid, ViewedVolume
from app.http.npy import NPY, header, packed
from app.http.responses import answers, says, sends
from app.results.colour_scale import bounds
from app.results.render import percentiles
from app.service.parts import service
from app.store.predictions import Store
from app.store.record import Record
from data_prep.sixteen_bits import SixteenBits
from data_prep.volume import FloatArray

blueprint = APIBlueprint("volume", __name__, tag="Volume and grid", url_prefix="/v1/predictions/<id>")


@blueprint.get("/volume")
@blueprint.doc(responses=answers({200: says(ViewedVolume, "The volume without its voxels.")}, 404, 409, 410))
def volume(id: str) -> Response:
    """Geometry, grey windows, and how `volume.npy` stores the voxels."""
    _pixels(id)
    return jsonify(_described(service().store, id).model_dump())


@blueprint.get("/volume.npy")
@blueprint.doc(responses=answers({200: sends(NPY, "NPY: uint16 `[slices, rows, columns]`.")}, 404, 409, 410))
def voxels(id: str) -> Response:
    """All voxels as 16 bit, in little-endian order. `volume` says how the scanner's values are restored.

    Sent with gzip if the client accepts it.
    """
    planes = _pixels(id)
    stored = _stored(_described(service().store, id))
    pieces = (stored.levels(plane).tobytes() for plane in planes)
    return packed(header(planes.shape, "<u2"), pieces)


@blueprint.get("/slices/<int:index>/image.npy")
@blueprint.doc(responses=answers({200: sends(NPY, "NPY: uint16 `[rows, columns]`.")}, 404, 409, 410))
def plane(id: str, index: int) -> Response:
    """The voxels of one slice, stored as in `volume.npy`."""
    planes = _pixels(id)
    if index >= len(planes):
        raise NotFound(f"The volume has slices 0 to {len(planes) - 1}.")
    levels = _stored(_described(service().store, id)).levels(planes[index])
    return packed(header(levels.shape, "<u2"), [levels.tobytes()])


@blueprint.get("/grid")
@blueprint.doc(responses=answers({200: says(Grid, "The grid without its values.")}, 404, 409, 410))
def grid(id: str) -> Response:
    """Where the cells of `grid.npy` lie in the volume, and the colour scale of each class."""
    record = done(id, "volume and no maps")
    shape, where = record.maps.shape, record.footprint
    return jsonify(
        Grid(
            shape=shape,
            volume=where.volume_shape,
            slices=where.slices,
            rows=where.rows,
            columns=where.columns,
            classes=[_scale(record, index) for index in range(shape[0])],
        ).model_dump()
    )


@blueprint.get("/grid.npy")
@blueprint.doc(responses=answers({200: sends(NPY, "NPY: float32 `[classes, slices, h, w]`.")}, 404, 409, 410))
def cells(id: str) -> Response:
    """The maps of all classes on the network's own grid, in little-endian order: each cell's share of the logit.

    `map.npz` has the same values, spread over the pixels of the volume.
    """
    maps = done(id, "volume and no maps").maps
    return packed(header(maps.shape, "<f4"), (each.astype("<f4").tobytes() for each in maps))


def _pixels(id: str) -> FloatArray:
    return done(id, "volume and no maps").job.volume.voxels


@lru_cache(maxsize=64)
def _described(store: Store, id: str) -> ViewedVolume:
    """The description. It is cached, because it needs all voxels."""
    volume = store.read(id).job.volume
    stored = SixteenBits.of(volume.voxels)
    return ViewedVolume(
        shape=volume.shape,
        spacing_mm=volume.spacing_mm,
        directions=volume.directions.tolist(),
        positions_mm=volume.positions_mm.tolist(),
        **stored._asdict(),
        window=DisplayWindow.of(volume.acquisition),
        percentiles=percentiles(volume.voxels),
    )


def _stored(described: ViewedVolume) -> SixteenBits:
    return SixteenBits(described.slope, described.intercept, described.tolerance)


def _scale(record: Record, index: int) -> ClassScale:
    answer = record.answer
    name, spacing_mm = answer["result"]["classes"][index], answer["study"]["volume"]["spacing_mm"]
    found = bounds(answer, name, tuple(spacing_mm), record.map(index).peak())
    return ClassScale(
        **{"class": name}, full=found.full, threshold=found.threshold, peak=found.peak, area_mm2=found.area_mm2
    )
