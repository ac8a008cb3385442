"""JSON as RFC 8259 has it, which every reader takes. All JSON that leaves the service is written here.

Python's own writer lets `NaN` and `Infinity` through, which are no JSON (RFC 8259 section 6): a browser's `JSON.parse`
then refuses the whole document.
"""

import json
import math
from typing import Any

from flask.json.provider import DefaultJSONProvider

# A JSON object.
Json = dict[str, Any]


def dumps(content: object, indent: int | None = None) -> str:
    """Of what we have computed ourselves: ValueError for a number that JSON can't hold."""
    return json.dumps(content, indent=indent, allow_nan=False)


def dumps_of_headers(content: object) -> str:
    """Of what a scanner wrote: a number that JSON can't hold is null, which is no value (PS3.18 F.2.5).

    Its place among the others stays. A text such as "NaN" would stand where the standard wants a number (F.2.3).
    """
    try:
        return dumps(content)
    except ValueError:
        return dumps(_finite(content))


class Provider(DefaultJSONProvider):
    """For Flask's `jsonify`; answers keep the order of the contract."""

    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **{"allow_nan": False} | kwargs)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
