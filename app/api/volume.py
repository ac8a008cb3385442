"""`/v1/predictions/{id}/volume` and `/grid`: what a program needs to draw slices and heatmaps itself.

Each is a small description in JSON and one array in NumPy's format (NPY 1.0): a short text header, then the values.
"""

import io
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

import numpy as np
from apiflask import APIBlueprint
from flask import Response, jsonify, request
from werkzeug.exceptions import NotFound

from app.api.done import done
from app.contract.volume import ClassScale, DisplayWindow, Grid, ViewedVolume
from app.http.responses import answers, says, sends
from app.results import render
from app.results.colour_scale import bounds
from app.service.parts import service
from app.store.disk.metadata_file import GZIP
from app.store.predictions import Store
from app.store.record import Record
from data_prep.sixteen_bits import SixteenBits
from data_prep.volume import Acquisition, FloatArray

blueprint = APIBlueprint("volume", __name__, tag="Volume and grid", url_prefix="/v1/predictions/<id>")

NPY = "application/octet-stream"
# Percent of the volume's voxels that are darker than the values that the description gives.
PERCENTILES = (0, 0.5, 1, 2, 5, 25, 50, 75, 90, 95, 98, 99, 99.5, 100)
# Noise repeats nothing but a dark background. To look for more takes three times as long and saves 4 %.
LEVEL, STRATEGY, MEMORY = 1, zlib.Z_RLE, 9


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
    return _packed(_npy(planes.shape, "<u2"), pieces)


@blueprint.get("/slices/<int:index>/image.npy")
@blueprint.doc(responses=answers({200: sends(NPY, "NPY: uint16 `[rows, columns]`.")}, 404, 409, 410))
def plane(id: str, index: int) -> Response:
    """The voxels of one slice, stored as in `volume.npy`."""
    planes = _pixels(id)
    if index >= len(planes):
        raise NotFound(f"The volume has slices 0 to {len(planes) - 1}.")
    levels = _stored(_described(service().store, id)).levels(planes[index])
    return _packed(_npy(levels.shape, "<u2"), [levels.tobytes()])


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
    return _packed(_npy(maps.shape, "<f4"), (each.astype("<f4").tobytes() for each in maps))


def _pixels(id: str) -> FloatArray:
    return done(id, "volume and no maps").job.volume.voxels


@lru_cache(maxsize=64)
def _described(store: Store, id: str) -> ViewedVolume:
    """The description. It is cached, because it needs all voxels."""
    volume = store.read(id).job.volume
    stored = SixteenBits.of(volume.voxels)
    sample = volume.voxels[:, :: render.SAMPLE, :: render.SAMPLE]
    values = np.percentile(sample, PERCENTILES)
    return ViewedVolume(
        shape=volume.shape,
        spacing_mm=volume.spacing_mm,
        directions=volume.directions.tolist(),
        positions_mm=volume.positions_mm.tolist(),
        **stored._asdict(),
        window=_window(volume.acquisition),
        percentiles={f"{percent:g}": float(value) for percent, value in zip(PERCENTILES, values, strict=True)},
    )


def _window(made: Acquisition) -> DisplayWindow | None:
    if made.window_centre is None or made.window_width is None:
        return None
    return DisplayWindow(centre=made.window_centre, width=made.window_width)


def _stored(described: ViewedVolume) -> SixteenBits:
    return SixteenBits(described.slope, described.intercept, described.tolerance)


def _scale(record: Record, index: int) -> ClassScale:
    answer = record.answer
    name, spacing_mm = answer["result"]["classes"][index], answer["study"]["volume"]["spacing_mm"]
    found = bounds(answer, name, tuple(spacing_mm), record.map(index).peak())
    return ClassScale(
        **{"class": name}, full=found.full, threshold=found.threshold, peak=found.peak, area_mm2=found.area_mm2
    )


def _npy(shape: tuple[int, ...], dtype: str) -> bytes:
    """The header of an NPY file."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": shape, "fortran_order": False, "descr": dtype})
    return header.getvalue()


def _packed(header: bytes, pieces: Iterable[bytes]) -> Response:
    """An NPY file, sent while it is made."""
    packs = request.accept_encodings.quality("gzip") > 0
    content = chain([header], pieces)
    answer = Response(_gzip(content) if packs else content, mimetype=NPY)
    if packs:
        answer.headers["Content-Encoding"] = "gzip"
    answer.vary.add("Accept-Encoding")
    return answer


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP, MEMORY, STRATEGY)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
