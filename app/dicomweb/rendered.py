"""Rendered resources and thumbnails of WADO-RS: images as JPEG or PNG, reports as HTML or text (PS3.18 10.4.1.1.3)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request, url_for
from pydicom.uid import UID
from werkzeug.exceptions import NotAcceptable, NotFound

from app.dicomweb import apart, multipart
from app.dicomweb.complete import complete
from app.dicomweb.media_types import ACCEPT, MULTIPART, MediaType, accept, accepted, require
from app.dicomweb.picture import JPEG, PNG
from app.dicomweb.representations import view as views
from app.dicomweb.representations.report import HTML, TEXT
from app.dicomweb.representations.view import View, Viewport
from app.dicomweb.wado import INSTANCE, SERIES, STUDY, frame_numbers, held, parts_of
from app.http.responses import Document, Responses, answers, binary, response
from app.service.parts import service
from app.store.database import Instance
from app.store.disk.shared_folder import FileLost
from app.store.index.keys import tag
from data_prep.errors import InputOverLimit
from data_prep.limits import Limits

blueprint = APIBlueprint("rendered", __name__, tag="DICOMweb")

# Of one answer, which is complete before it begins. A study of a knee has some 200.
MOST_PICTURES = 500
# Of all pictures of one answer; as many as an instance may have.
MOST_PIXELS = Limits.voxels
IMAGE_TYPES, REPORT_TYPES = (JPEG, PNG), (HTML, TEXT)
# What the names of reports' SOP classes end like (PS3.4 B.5).
REPORTS = (" SR Storage", "Key Object Selection Document Storage", "Procedure Log Storage")
# A page of a report loads and runs nothing, whatever the report holds.
POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
NOTHING = (
    f"An image is rendered as {JPEG} or {PNG}, a report as {HTML} or {TEXT}. Several are given in parts, as "
    f'{MULTIPART}; type="{JPEG}" for example. One picture of a study or series is its thumbnail.'
)
# Frames of an instance, by their numbers.
Shown = tuple[Instance, Sequence[int]]


def _parameter(name: str, example: str, description: str) -> Document:
    return {"name": name, "in": "query", "schema": {"type": "string", "description": description}, "example": example}


WINDOW = _parameter(
    "window", "500,1000,linear", "Centre, width and function (linear, linear-exact, sigmoid), in place of the header's."
)
QUALITY: Document = {
    "name": "quality",
    "in": "query",
    "schema": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": views.QUALITY,
        "description": "The quality of a JPEG; without effect on a PNG.",
    },
}
VIEWPORT = _parameter(
    "viewport",
    "512,512",
    f"Width and height, up to {views.MOST_SIDE} pixels, that the picture is scaled to fit into. The region of the "
    "image may follow: left, top, width, height; a negative width or height flips it.",
)
SMALL = _parameter("viewport", "128,128", f"Width and height, up to {views.MOST_SIDE} pixels, to scale to.")
RENDERED = {"parameters": [ACCEPT, WINDOW, VIEWPORT, QUALITY]}
THUMBNAIL = {"parameters": [ACCEPT, SMALL]}


def _rendered(description: str, *alone: str) -> Responses:
    """The answers of a rendered resource, for the OpenAPI document."""
    found = parts_of(description, *IMAGE_TYPES, *REPORT_TYPES, alone=alone)
    return answers(
        {200: found | response(description, {}, "Warning") | {"content": found["content"]}}, 400, 404, 406, 413
    )


@blueprint.get(f"{STUDY}/rendered", endpoint="study")
@blueprint.get(f"{SERIES}/rendered", endpoint="series")
@blueprint.doc(responses=_rendered("Every frame and report that can be shown."), extensions=RENDERED)
def everything(**uids: str) -> Response:
    """All images and reports of a study or series, in parts, ordered by series and InstanceNumber."""
    rows = sorted(held(**uids), key=_order)
    return _in_parts([(row, _frames(row)) for row in rows], accepted(accept()))


@blueprint.get(f"{INSTANCE}/rendered", endpoint="instance")
@blueprint.doc(
    responses=_rendered("8 bit, or a report.", *IMAGE_TYPES, *REPORT_TYPES),
    extensions=RENDERED,
)
def rendered_instance(study: str, series: str, instance: str) -> Response:
    """An image as JPEG or PNG, a report as HTML or text. Of several frames the first one, or all of them in parts."""
    (row,) = held(study, series, instance)
    return _one_or_parts(row, [1], _frames(row))


@blueprint.get(f"{INSTANCE}/frames/<numbers>/rendered", endpoint="frames")
@blueprint.doc(responses=_rendered("8 bit.", *IMAGE_TYPES), extensions=RENDERED)
def rendered_frames(study: str, series: str, instance: str, numbers: str) -> Response:
    """Frames by their numbers, from 1, separated by commas; several only in parts."""
    (row,) = held(study, series, instance)
    wanted = frame_numbers(numbers)
    if _types(row) == REPORT_TYPES:
        raise NotFound("A report has no frames.")
    if len(wanted) > 1:
        return _in_parts([(row, wanted)], accepted(accept()))
    return _one_or_parts(row, wanted, wanted)


@blueprint.get(f"{STUDY}/thumbnail", endpoint="study_thumbnail")
@blueprint.get(f"{SERIES}/thumbnail", endpoint="series_thumbnail")
@blueprint.get(f"{INSTANCE}/thumbnail", endpoint="instance_thumbnail")
@blueprint.get(f"{INSTANCE}/frames/<int:number>/thumbnail", endpoint="frame_thumbnail")
@blueprint.doc(
    responses=answers(
        {200: response("One small picture.", {JPEG: binary("JPEG."), PNG: binary("PNG.")}, "Warning")}, 400, 404, 406
    ),
    extensions=THUMBNAIL,
)
def thumbnail(number: int | None = None, **uids: str) -> Response:
    """One picture: the given frame, or the middle one of the instance, or of the study's or series' largest series."""
    media_type = require(accept(), *IMAGE_TYPES)
    view = View.thumbnail(request.args)
    row = _middle(held(**uids))
    numbers = _frames(row)
    wanted = numbers[len(numbers) // 2] if number is None else number
    picture = apart.draw(service().instances.open(row), [wanted], media_type, view)
    return _warned(_alone(picture, media_type), views.OF_THUMBNAIL)


def _one_or_parts(row: Instance, first: Sequence[int], every: Sequence[int]) -> Response:
    """The first picture or the report without parts, or every one in parts, whichever the client prefers."""
    wanted, view = accepted(accept()), View.rendered(request.args)
    for place, one in enumerate(wanted):
        media_type = _acceptable(row, [one])
        if media_type is not None and one.name == MULTIPART:
            return _in_parts([(row, every)], wanted[place:])
        if media_type is not None:
            answer = _alone(_contents(row, first, media_type, view), media_type)
            answer.headers.update(POLICY if media_type in REPORT_TYPES else {})
            return _warned(answer, views.RENDERED)
    raise NotAcceptable(NOTHING)


def _alone(contents: Iterator[Iterator[bytes]], media_type: str) -> Response:
    """A picture or report without parts."""
    answer = complete(chain.from_iterable(contents), media_type)
    answer.mimetype = media_type  # names the character set of text
    return answer


def _in_parts(shown: Sequence[Shown], wanted: Sequence[MediaType]) -> Response:
    """Pictures and reports in parts. What can't be shown, or not as wanted, is left out, and a warning says so.

    Raises:
        NotAcceptable: Nothing is left.
        InputOverLimit: There are too many pictures.
    """
    view = View.rendered(request.args)
    _check_cost(shown, view.viewport)
    left_out: list[Instance] = []
    parts = _parts(shown, [one for one in wanted if one.name in (MULTIPART, "*/*")], view, left_out)
    first = next(parts, None)
    if first is None:
        raise NotAcceptable(NOTHING)
    content_type, body = multipart.related(first[0].name, chain([first], parts))
    answer = complete(body, content_type)
    if left_out:
        answer.headers.add("Warning", f'299 cruciate "{len(left_out)} of {len(shown)} instances are not shown."')
    return _warned(answer, views.RENDERED)


def _check_cost(shown: Sequence[Shown], viewport: Viewport | None) -> None:
    """Raise InputOverLimit for too many pictures, or for too many pixels in all."""
    if sum(len(numbers) for _, numbers in shown) > MOST_PICTURES:
        raise InputOverLimit(f"These are more than {MOST_PICTURES} pictures; ask for a series, or for an instance.")
    pixels = 0
    for row, numbers in shown:
        own = _number(row, "Rows", 0) * _number(row, "Columns", 0)
        pixels += len(numbers) * (viewport.width * viewport.height if viewport and own else own)
    if pixels > MOST_PIXELS:
        raise InputOverLimit(
            f"These pictures have more than {MOST_PIXELS:,} pixels; ask for smaller ones, or for fewer."
        )


def _parts(
    shown: Sequence[Shown], wanted: Sequence[MediaType], view: View, left_out: list[Instance]
) -> Iterator[multipart.Part]:
    for row, numbers in shown:
        media_type = _acceptable(row, wanted)
        try:
            contents = iter(()) if media_type is None else _contents(row, numbers, media_type, view)
        except FileLost:  # a fault of the service, and a NotFound, too
            raise
        except (NotAcceptable, NotFound):
            if len(shown) == 1:
                raise
            contents = iter(())
        if (content := next(contents, None)) is None or media_type is None:
            left_out.append(row)
            continue
        for number, one in zip(numbers, chain([content], contents), strict=True):
            yield MediaType(media_type), one, _path(row, number, media_type)


def _contents(row: Instance, numbers: Sequence[int], media_type: str, view: View) -> Iterator[Iterator[bytes]]:
    """Each picture, or the report, in pieces."""
    stream = service().instances.open(row)
    if media_type in REPORT_TYPES:
        return iter([apart.rendered_report(stream, media_type)])
    return apart.draw(stream, numbers, media_type, view)


def _path(row: Instance, number: int, media_type: str) -> str:
    uids: dict[str, Any] = {"study": row.study_uid, "series": row.series_uid, "instance": row.sop_uid}
    if media_type in REPORT_TYPES:
        return url_for("dicomweb.rendered.instance", **uids)
    return url_for("dicomweb.rendered.frames", **uids, numbers=number)


def _acceptable(row: Instance, wanted: Iterable[MediaType]) -> str | None:
    """The media type among those of an instance that the client prefers; None if it accepts none of them."""
    return next((type_ for one in wanted for type_ in _types(row) if one.root.matches(type_)), None)


def _types(row: Instance) -> tuple[str, str]:
    """The media types that an instance can be rendered in, the usual one first."""
    name = UID(str(_value(row, "SOPClassUID") or "")).name
    return REPORT_TYPES if name.endswith(REPORTS) else IMAGE_TYPES


def _warned(answer: Response, known: Iterable[str]) -> Response:
    """The answer with a warning about parameters that had no effect."""
    if text := views.ignored(request.args, known):
        answer.headers.add("Warning", f'299 cruciate "{text}"')
    return answer


def _middle(rows: Iterable[Instance]) -> Instance:
    """The middle image of the largest series, of those that were received if there are any. Raises NotFound."""
    images = [row for row in rows if _number(row, "Rows", 0)]
    if not images:
        raise NotFound("Nothing here holds an image.")
    candidates = sorted([row for row in images if not row.ours] or images, key=_order)
    ((name, _),) = Counter(row.series_uid for row in candidates).most_common(1)
    largest = [row for row in candidates if row.series_uid == name]
    return largest[len(largest) // 2]


def _order(row: Instance) -> tuple[str, int, str]:
    return row.series_uid, _number(row, "InstanceNumber", 0), row.sop_uid


def _frames(row: Instance) -> Sequence[int]:
    """The numbers of an instance's frames."""
    return range(1, max(1, _number(row, "NumberOfFrames", 1)) + 1)


def _number(row: Instance, keyword: str, default: int) -> int:
    value = _value(row, keyword)
    return int(value) if isinstance(value, int | float) else default


def _value(row: Instance, keyword: str) -> object:
    """The first value of an attribute; None if there is none."""
    return next(iter(row.attributes.get(tag(keyword), {}).get("Value", ())), None)
