"""`/v1/predictions/{id}/fhir`: an answer as FHIR resources."""

from apiflask import APIBlueprint
from flask import Response

from app.api.done import done
from app.contract.json_text import dumps
from app.http.responses import answers, response
from app.results.fhir import fhir
from app.results.of_record import answered
from app.service.parts import service

blueprint = APIBlueprint("fhir", __name__, tag="FHIR results", url_prefix="/v1/predictions/<id>")

# The version that the resources follow is a parameter of the type (hl7.org/fhir/R4B/http.html#version-parameter).
FHIR_JSON = "application/fhir+json"
R4B = f"{FHIR_JSON}; fhirVersion=4.3"


@blueprint.get("/fhir")
@blueprint.doc(
    responses=answers(
        {200: response("A Bundle of FHIR R4B resources.", {FHIR_JSON: {"type": "object"}})},
        *(404, 409, 410),
    )
)
def read(id: str) -> Response:
    """The answer as FHIR: DiagnosticReport, Observation, ImagingStudy, Device and Patient.

    It expires with the pixels, because the patient's name and number do.
    """
    record = done(id, "results")
    return Response(dumps(fhir(answered(record, service().settings.site))), content_type=R4B)
