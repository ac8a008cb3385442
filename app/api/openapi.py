"""The OpenAPI 3.1 document, made from the routes and from `app.contract.schemas`, with real answers in it.

APIFlask adds every route of an APIBlueprint. What many routes have in common is added here.
"""

import copy
import json
from pathlib import Path
from typing import Any

from apiflask import APIFlask
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from app.contract.schemas import ResponseModel
from app.http.keys import PROTECTED
from app.http.responses import REFERENCE, Document, problems
from app.http.scopes import needed
from app.results import KINDS
from data_prep.dicom.part10 import UID_LENGTH, UID_PATTERN

# Version of the HTTP contract, not of the program.
VERSION = "1"
ABOUT = """**Research use only, not for diagnosis.**

Reads a knee MR study, predicts how likely the anterior cruciate ligament is injured, and shows which pixels led to the
prediction. A key is needed if the operator has set keys. Every error is `application/problem+json` (RFC 9457)."""
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "One of the operator's keys."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key in another header."},
}
UID: Document = {"type": "string", "pattern": f"^{UID_PATTERN.pattern}$", "maxLength": UID_LENGTH}
# Parts of paths, by their names in the routes.
PATH_PARAMETERS: dict[str, Document] = {
    "id": {
        "description": "The id of a prediction, from `POST /v1/predictions`.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "review": {
        "description": "The id of a review.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "kind": {"description": "The kind of object.", "schema": {"enum": list(KINDS)}},
    "index": {"description": "The index of a slice, from 0.", "schema": {"type": "integer", "minimum": 0}},
    "name": {"description": "The name of a bundle, from `GET /v1/models`."},
    "part": {"description": "A file of the page."},
    "study": {"description": "StudyInstanceUID.", "schema": UID},
    "series": {"description": "SeriesInstanceUID.", "schema": UID},
    "instance": {"description": "SOPInstanceUID.", "schema": UID},
    "number": {"description": "The number of a frame, from 1.", "schema": {"type": "integer", "minimum": 1}},
    "attribute": {
        "description": "The way to a value, as metadata give it: its tag; before it, tags and items of sequences.",
        "schema": {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(/[1-9][0-9]*/[0-9A-Fa-f]{8})*$"},
    },
    "numbers": {
        "description": "Numbers of frames, from 1, separated by commas: `1,2`.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,9}(,[0-9]{1,9})*$"},
    },
}
# Written by `python -m app.examples`.
EXAMPLES = Path(__file__).with_name("examples.json")


def api(import_name: str) -> APIFlask:
    """An app that describes its routes, without APIFlask's own pages and errors."""
    off: Any = None  # Flask allows None for a folder; APIFlask's types don't.
    app = APIFlask(import_name, "Cruciate", VERSION, spec_path=off, docs_path=off, json_errors=False, static_folder=off)
    app.description = ABOUT
    app.license = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    app.security_schemes = SECURITY
    # The responses that APIFlask would add don't have Cruciate's format.
    for automatic in ("SERVERS", "200_RESPONSE", "404_RESPONSE", "VALIDATION_ERROR_RESPONSE", "AUTH_ERROR_RESPONSE"):
        app.config[f"AUTO_{automatic}"] = False
    app.config["AUTO_OPERATION_ID"] = True
    app.config["VALIDATION_ERROR_STATUS_CODE"] = 400
    app.spec_callback = _complete  # type: ignore[assignment]  # it gets a dict, not a str
    return app


def examples() -> Document:
    """Real answers of the service: operationId -> status -> name -> body."""
    kept: Document = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return kept


def without_need_of_keys(document: Document) -> Document:
    """The document of a service that asks nobody for a key: every operation may be requested without one."""
    opened = copy.deepcopy(document)
    for operations in opened["paths"].values():
        for operation in operations.values():
            if "security" in operation:
                operation["security"].insert(0, {})
    return opened


class _Untitled(GenerateJsonSchema):
    """Omits the title of each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _complete(document: Document) -> Document:
    """Add the models, and what operations of one kind have in common."""
    models: list[tuple[type[ResponseModel], JsonSchemaMode]] = [
        (model, "validation") for model in ResponseModel.__subclasses__()
    ]
    _, schemas = models_json_schema(models, ref_template=REFERENCE, schema_generator=_Untitled)
    document["components"]["schemas"] = schemas["$defs"]
    # Several blueprints may have the same tag.
    document["tags"] = list({tag["name"]: tag for tag in document["tags"]}.values())
    kept = examples()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["parameters"] = [_parameter(parameter) for parameter in operation["parameters"]]
            common = problems(400, 414, 431, "default")  # 400: a NUL character (app/http/url_text.py)
            if path.startswith(PROTECTED):
                scope = needed(method.upper(), path.replace("{", "<").replace("}", ">"))
                operation["security"] = [{name: [scope] if scope else []} for name in SECURITY]
                common |= problems(401, 403, 429, 503)
            # Routes of one view share their responses, but not their examples.
            responses = copy.deepcopy(operation["responses"])
            responses |= {str(status): response for status, response in common.items()}
            operation["responses"] = dict(sorted(responses.items()))
            _add_examples(operation, kept.get(operation["operationId"], {}))
    return document


def _parameter(parameter: Document) -> Document:
    """The parameter with its description at the place where OpenAPI readers expect it."""
    schema = {name: value for name, value in parameter["schema"].items() if name not in ("title", "description")}
    if schema.get("default", "") is None:
        del schema["default"]
    described: Document = {"description": parameter["schema"].get("description", ""), "schema": schema}
    if parameter["in"] == "path":
        described |= PATH_PARAMETERS.get(parameter["name"], {})
    if parameter["in"] == "header":
        described["name"] = parameter["name"].title()
    return parameter | described


def _add_examples(operation: Document, statuses: Document) -> None:
    for status, bodies in statuses.items():
        for media_type, content in operation["responses"][status]["content"].items():
            if media_type.endswith("json"):
                content["examples"] = {name: {"value": body} for name, body in bodies.items()}
