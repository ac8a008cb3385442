"""`/v1/predictions/{id}/report.pdf` and `report.html`: an answer for people, on paper."""

from collections.abc import Sequence

from apiflask import APIBlueprint
from flask import Response, g

from app.api.done import done
from app.contract.json_text import Json
from app.http.responses import answers, sends
from app.printed.content import Section, headline, sections
from app.printed.key_slices import Picture, colour_scale, explained, pictures
from app.printed.page import printable
from app.results.of_record import check_valid, result_of
from app.reviews.reviews import ReviewStore
from app.reviews.sight import sight
from app.service.parts import service
from app.store.record import Expired, Record

blueprint = APIBlueprint("printed", __name__, tag="Report", url_prefix="/v1/predictions/<id>")


@blueprint.get("/report.pdf")
@blueprint.doc(responses=answers({200: sends("application/pdf", "The report.")}, 404, 409, 410))
def pdf(id: str) -> Response:
    """The report as a PDF: finding, figures, key slices, warnings, model, and the readers' reviews that you may see.

    The patient's name is in it only if the operator wants it so (`CRUCIATE_SHOW_PATIENTS`).
    """
    from app.printed.pdf import pdf as made  # ReportLab takes a quarter of a second to import

    record = _done(id)
    content = made(headline(record.answer), _sections(record), id)
    return Response(content, mimetype="application/pdf")


@blueprint.get("/report.html")
@blueprint.doc(responses=answers({200: sends("text/html", "The report.")}, 404, 409, 410))
def page(id: str) -> Response:
    """The same report as a page to print."""
    record = _done(id)
    return printable(headline(record.answer), _sections(record), id)


def _done(id: str) -> Record:
    record = done(id, "report")
    check_valid(record)
    return record


def _sections(record: Record) -> list[Section]:
    settings = service().settings
    every = ReviewStore(service().database).of(record.id)
    reviews = [one for one in sight(settings, g.caller.id, every).reviews if one.current]
    drawn, scale, told = _key_slices(record)
    return sections(record, reviews, _figures(record), settings.show_patients, drawn, scale, told)


def _key_slices(record: Record) -> tuple[Sequence[Picture], bytes, Sequence[str]]:
    try:
        result = result_of(record, service().settings.site)
        evidence = result.evidence(record.map(record.explained_class).volume())
    except Expired as error:
        return (), b"", [str(error.description)]
    return pictures(result, evidence), colour_scale(evidence), explained(result, evidence)


def _figures(record: Record) -> list[Json] | None:
    """The figures of the bundle that predicted; None if it isn't loaded."""
    digest = record.answer["bundle"]["sha256"]
    for bundle in service().engine.bundles():
        if bundle.sha256 == digest:
            return list(bundle.metrics.get("figures", ()))
    return None
