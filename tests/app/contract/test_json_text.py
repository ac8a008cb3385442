"""All JSON that leaves is JSON (RFC 8259): no NaN and no infinity, whoever writes it."""

import ast
import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.contract.json_text import dumps, dumps_of_headers
from app.contract.schemas import Result, Slice
from app.factory import create_app
from app.service.settings import Settings

PACKAGES = ("app", "data_prep", "models", "training")
# A file that only the run itself reads again: Keras' callbacks begin with an infinite best loss.
ITS_OWN = Path("training/fitting/checkpoint.py")


def refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("around", [lambda x: x, lambda x: [1.0, x], lambda x: {"a": {"b": [{"c": (x,)}]}}])
def test_what_we_compute_is_a_number_or_an_error_and_what_headers_hold_is_null(number, around):
    with pytest.raises(ValueError, match="JSON"):
        dumps(around(number))
    read = json.loads(dumps_of_headers(around(number)), parse_constant=refuse)
    assert read == json.loads(json.dumps(around(None)))


def test_flask_writes_it_as_we_do(bundles, tmp_path):
    app = create_app(Settings(bundles=bundles, data=tmp_path))
    try:
        with app.app_context(), pytest.raises(ValueError, match="JSON"):
            app.json.dumps({"logit": math.nan})
        with app.app_context():
            assert app.json.dumps({"b": 1, "a": "ä"}) == '{"b": 1, "a": "\\u00e4"}'
    finally:
        app.extensions["cruciate"].stop()


def test_an_answer_holds_no_number_that_is_none():
    with pytest.raises(ValidationError, match="finite"):
        Slice(index=0, sop_uid="2.25.1", contribution=math.nan, image="", heatmap="", overlay="")
    with pytest.raises(ValidationError, match="finite"):
        Result(scheme="binary", classes=["a"], probabilities={"a": math.inf}, predicted="a", logits={"a": 1.0})


def writers(file: Path) -> list[ast.Call]:
    """Every call of `json.dumps` or `json.dump`."""
    calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr) in {("json", "dumps"), ("json", "dump")}
    ]


def test_no_file_writes_json_that_may_hold_nan():
    files = [path for package in PACKAGES for path in sorted(Path(package).rglob("*.py")) if path != ITS_OWN]
    lax = [
        f"{path}:{call.lineno}"
        for path in files
        for call in writers(path)
        if not any(word.arg == "allow_nan" and ast.unparse(word.value) == "False" for word in call.keywords)
    ]
    assert not lax
    assert [path for path in files if path.parts[0] == "app" and writers(path)] == [Path("app/contract/json_text.py")]
