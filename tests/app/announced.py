"""Holds answers against the OpenAPI document."""

import json
from email.message import Message
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

Document = dict[str, Any]


def operations(document: Document) -> dict[str, Document]:
    """By operationId; `at` is method and path."""
    return {
        operation["operationId"]: operation | {"at": (method.upper(), path)}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def check(document: Document, operation: Document, status: int | str, media_type: str, body: object) -> None:
    """Is this an answer that the document announces, without a field that it doesn't name? AssertionError if not.

    Args:
        media_type: without a boundary, which no two answers share.
    """
    responses = operation["responses"]
    content = responses.get(str(status), responses["default"]).get("content", {})
    assert media_type in content, (operation["at"], status, media_type)
    if media_type.endswith("json"):
        _validator(json.dumps(content[media_type]["schema"]), json.dumps(document["components"])).validate(body)


def fault(document: Document, operation: Document, status: int, content_type: str, body: bytes) -> str | None:
    """What isn't announced in an answer; None if all is. For this, `default` announces nothing."""
    if str(status) not in operation["responses"]:
        return f"{status} isn't announced"
    if not body and "content" not in operation["responses"][str(status)]:
        return None
    media_type = _without_boundary(content_type)
    try:
        check(document, operation, status, media_type, json.loads(body) if media_type.endswith("json") else body)
    except (AssertionError, ValidationError) as error:
        return f"{type(error).__name__} {getattr(error, 'json_path', error)}"
    return None


@lru_cache(maxsize=256)
def _validator(schema: str, components: str) -> Draft202012Validator:
    named = json.loads(components)
    for one in named["schemas"].values():
        if "properties" in one:
            one["additionalProperties"] = False
    return Draft202012Validator(json.loads(schema) | {"components": named})


def _without_boundary(content_type: str) -> str:
    message = Message()
    message["Content-Type"] = content_type
    kind = message.get_param("type")
    return message.get_content_type() + (f'; type="{kind}"' if kind else "")
