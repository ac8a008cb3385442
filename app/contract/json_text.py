"""Strict JSON (RFC 8259), which every reader accepts. All JSON that the service sends is written here.

Python's own writer allows `NaN` and `Infinity`, which aren't JSON (RFC 8259 section 6). A browser's `JSON.parse` then
rejects the whole document.
"""

import json
import math
from typing import Any

from flask.json.provider import DefaultJSONProvider

# A JSON object.
Json = dict[str, Any]


def dumps(content: object, indent: int | None = None) -> str:
    """JSON of values that Cruciate computed. Raises ValueError for a number that JSON can't hold (NaN, infinity)."""
    return json.dumps(content, indent=indent, allow_nan=False)


def dumps_of_headers(content: object) -> str:
    """JSON of values from DICOM headers. A number that JSON can't hold becomes null, no value (PS3.18 F.2.5).

    The other values keep their positions. The standard requires a number here, so a text such as "NaN" isn't allowed
    (F.2.3).
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
